//! The trees of commits, each read once: a few small trees can stand for more paths than any disk holds, so paths are
//! counted before anything walks them.

use std::{
    collections::{HashMap, HashSet},
    path::Path,
};

use super::{BrokerError, changes::Change, changes::mode, names::folded};
use crate::mirror::{
    TreeId,
    git::{Git, GitError, Overflow},
};

/// The most folders within each other that are read.
const DEPTH: usize = 256;
/// Bytes of all trees that are read: repositories with a million files have some 60 MB.
const TREES_BYTES: usize = 256 * 1024 * 1024;
/// How many more paths a change may have than its base, before what differs is looked at one by one.
const MORE_PATHS: u64 = 100_000;

/// An entry of a tree.
struct Node {
    name: Vec<u8>,
    id: String,
    is_folder: bool,
}

/// The trees of two commits.
pub(crate) struct Forest {
    base: String,
    head: String,
    trees: HashMap<String, Vec<Node>>,
}

impl Forest {
    /// Reads every tree of both sides once.
    ///
    /// # Errors
    /// [`BrokerError::TooLarge`] where `head` has far more paths than `base`, or folders without end.
    pub(crate) async fn of(
        repository: &Path,
        base: &TreeId,
        head: &TreeId,
    ) -> Result<Self, BrokerError> {
        let mut forest = Self {
            base: base.as_str().to_owned(),
            head: head.as_str().to_owned(),
            trees: HashMap::new(),
        };
        let mut wanted: HashSet<String> = [forest.base.clone(), forest.head.clone()].into();
        let mut room = TREES_BYTES;
        for _ in 0..DEPTH {
            if wanted.is_empty() {
                break;
            }
            let (trees, read) = read(repository, &wanted, room).await?;
            room = room.saturating_sub(read);
            let inner = trees.iter().flat_map(|(_, nodes)| nodes);
            let inner = inner
                .filter(|node| node.is_folder)
                .map(|node| node.id.clone());
            wanted = inner.collect();
            forest.trees.extend(trees);
            wanted.retain(|id| !forest.trees.contains_key(id));
        }
        if !wanted.is_empty() {
            return Err(too_large(DEPTH, "folders within each other"));
        }
        let mut counted = HashMap::new();
        let before = forest.paths(&forest.base, &mut counted);
        let after = forest.paths(&forest.head, &mut counted);
        if after.saturating_sub(before) > MORE_PATHS {
            return Err(BrokerError::TooLarge {
                limit: MORE_PATHS,
                unit: "paths",
            });
        }
        Ok(forest)
    }

    /// How many files a tree has. Trees have no circles, and the depth is bounded by the reading.
    fn paths(&self, tree: &str, counted: &mut HashMap<String, u64>) -> u64 {
        if let Some(count) = counted.get(tree) {
            return *count;
        }
        let nodes = self.trees.get(tree).map_or(&[][..], Vec::as_slice);
        let count = nodes.iter().fold(0_u64, |sum, node| {
            let inner = if node.is_folder {
                self.paths(&node.id, counted)
            } else {
                1
            };
            sum.saturating_add(inner)
        });
        counted.insert(tree.to_owned(), count);
        count
    }

    /// New names that a disk without case cannot tell from another in the same folder: the path, and the other name.
    pub(crate) fn collisions(&self, changes: &[Change]) -> Vec<(String, String)> {
        let is_new = |change: &&Change| change.after.mode != mode::NOTHING && change.is_new_name();
        changes
            .iter()
            .filter(is_new)
            .filter_map(|change| Some((change.file.path.clone(), self.collides(&change.raw)?)))
            .collect()
    }

    /// The name beside one of the path's parts that folds to the same. Two that were in the base already are left
    /// alone: whoever has them lives with them.
    fn collides(&self, path: &[u8]) -> Option<String> {
        let (mut before, mut after) = (Some(self.base.as_str()), self.head.as_str());
        for part in path.split(|byte| *byte == b'/') {
            let nodes = self.trees.get(after)?;
            let old = before.and_then(|tree| self.trees.get(tree));
            let is_old =
                |part: &[u8]| old.is_some_and(|nodes| nodes.iter().any(|node| node.name == part));
            let twin = nodes.iter().find(|node| {
                node.name != part
                    && is_same_folded(&node.name, part)
                    && !(is_old(part) && is_old(&node.name))
            });
            if let Some(twin) = twin {
                return Some(String::from_utf8_lossy(&twin.name).into_owned());
            }
            let inner = |nodes: &'_ [Node]| {
                nodes
                    .iter()
                    .position(|node| node.name == part && node.is_folder)
            };
            before = old.and_then(|nodes| inner(nodes).map(|at| nodes[at].id.as_str()));
            match inner(nodes) {
                Some(at) => after = nodes[at].id.as_str(),
                None => return None,
            }
        }
        None
    }
}

fn is_same_folded(one: &[u8], other: &[u8]) -> bool {
    if one.is_ascii() && other.is_ascii() {
        return one.eq_ignore_ascii_case(other);
    }
    let name = |bytes: &[u8]| folded(&String::from_utf8_lossy(bytes));
    name(one) == name(other)
}

fn too_large(limit: usize, unit: &'static str) -> BrokerError {
    BrokerError::TooLarge {
        limit: u64::try_from(limit).unwrap_or(u64::MAX),
        unit,
    }
}

/// Reads these trees; also how many bytes they were.
async fn read(
    repository: &Path,
    wanted: &HashSet<String>,
    room: usize,
) -> Result<(Vec<(String, Vec<Node>)>, usize), BrokerError> {
    let names: Vec<&str> = wanted.iter().map(String::as_str).collect();
    let ask = Git::within(repository, &["cat-file", "--batch", "--buffer"]);
    let answer = ask.input(names.join("\n")).output(room, Overflow::Refuse);
    let answer = match answer.run().await {
        Ok(answer) => answer,
        Err(GitError::TooMuch(_)) => return Err(too_large(TREES_BYTES, "bytes of folders")),
        Err(error) => return Err(BrokerError::host(error)),
    };
    let trees = parse(&answer).ok_or_else(|| BrokerError::host("git's trees cannot be read"))?;
    Ok((trees, answer.len()))
}

fn parse(mut answer: &[u8]) -> Option<Vec<(String, Vec<Node>)>> {
    let mut trees = Vec::new();
    while !answer.is_empty() {
        let end = answer.iter().position(|byte| *byte == b'\n')?;
        let mut head = std::str::from_utf8(&answer[..end]).ok()?.split(' ');
        let (id, kind, size) = (
            head.next()?,
            head.next()?,
            head.next()?.parse::<usize>().ok()?,
        );
        if kind != "tree" {
            return None;
        }
        let content = answer.get(end + 1..end + 1 + size)?;
        trees.push((id.to_owned(), entries(content, id.len() / 2)?));
        answer = answer.get(end + 2 + size..)?;
    }
    Some(trees)
}

/// The entries of a tree as git stores them: mode, blank, name, zero, the object's name in bytes.
fn entries(mut content: &[u8], id_bytes: usize) -> Option<Vec<Node>> {
    let mut nodes = Vec::new();
    while !content.is_empty() {
        let blank = content.iter().position(|byte| *byte == b' ')?;
        let end = content.iter().position(|byte| *byte == 0)?;
        let id = content.get(end + 1..end + 1 + id_bytes)?;
        nodes.push(Node {
            name: content.get(blank + 1..end)?.to_vec(),
            id: hex::encode(id),
            is_folder: content[..blank] == *b"40000",
        });
        content = content.get(end + 1 + id_bytes..)?;
    }
    Some(nodes)
}
