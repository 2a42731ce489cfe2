//! A repository of real size, the same whenever it is made: every byte comes from one seed.

use std::fmt::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context as _, ensure};
use deckhand_executors::mirror::CommitId;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

/// Files and commits of the repository that is made.
pub const REAL: Shape = Shape {
    files: 5_000,
    commits: 300,
};
/// Files that each commit writes anew, beside those that it adds.
const REWRITTEN: usize = 10;
/// The shortest and the longest file, in bytes.
const SHORTEST: usize = 2_000;
const LONGEST: usize = 18_000;
/// Where all of it comes from.
const SEED: u64 = 0x5eed_0fde_c4a4_4d00;
/// When the first commit was made, in seconds of the epoch, and how far one is from the next.
const FIRST_AT: usize = 1_700_000_000;
const APART: usize = 3_600;
/// What lines are made of; figures come between, so that it packs about as well as code.
const WORDS: [&str; 16] = [
    "let", "value", "return", "if", "else", "match", "string", "number", "list", "index", "length",
    "result", "error", "offset", "limit", "page",
];

/// How large a repository is.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// Files at its head.
    pub files: usize,
    /// Commits.
    pub commits: usize,
}

/// A mirror on the host, and what is in it.
pub struct Repository {
    /// The bare repository.
    pub mirror: PathBuf,
    /// The commit at its head.
    pub head: CommitId,
    /// Files at its head.
    pub files: usize,
    /// Commits that lead to it.
    pub commits: usize,
    /// Bytes of its files.
    pub bytes: u64,
}

impl Repository {
    /// Makes one in a folder.
    pub async fn make(folder: &Path, shape: Shape) -> anyhow::Result<Self> {
        let mirror = folder.join("made.git");
        let create = ["init", "--quiet", "--bare", "--initial-branch=main"];
        git(folder, &create, &[&mirror]).await?;
        let mut child = Command::new("git")
            .args(["fast-import", "--quiet"])
            .current_dir(&mirror)
            .stdin(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let mut input = child.stdin.take().context("no input")?;
        let mut dice = Dice(SEED);
        for number in 0..shape.commits {
            input
                .write_all(commit(&mut dice, shape, number).as_bytes())
                .await?;
        }
        drop(input);
        ensure!(child.wait().await?.success(), "git fast-import failed");
        // As a fetch leaves it: in one pack.
        git(&mirror, &["repack", "-a", "-d", "-q"], &[]).await?;
        Self::of(mirror).await
    }

    /// Takes a mirror of one that is there.
    pub async fn mirror(folder: &Path, of: &Path) -> anyhow::Result<Self> {
        let (mirror, of) = (folder.join("given.git"), of.canonicalize()?);
        git(folder, &["clone", "--quiet", "--mirror"], &[&of, &mirror]).await?;
        Self::of(mirror).await
    }

    async fn of(mirror: PathBuf) -> anyhow::Result<Self> {
        // The user of the sandbox is nobody here.
        open_to_all(&mirror)?;
        let ask = async |arguments: &[&str]| git(&mirror, arguments, &[]).await;
        let head = ask(&["rev-parse", "HEAD"]).await?;
        let commits = ask(&["rev-list", "--count", "HEAD"]).await?;
        let listed = ask(&["ls-tree", "-r", "--long", "HEAD"]).await?;
        let size = |line: &str| line.split_whitespace().nth(3)?.parse::<u64>().ok();
        Ok(Self {
            head: CommitId::parse(head.trim())?,
            commits: commits.trim().parse()?,
            files: listed.lines().count(),
            bytes: listed.lines().filter_map(size).sum(),
            mirror,
        })
    }
}

/// One commit, as `git fast-import` reads it.
fn commit(dice: &mut Dice, shape: Shape, number: usize) -> String {
    let at = FIRST_AT + number * APART;
    let mut text = String::new();
    let message = format!("Change {number}");
    let who = format!("Ana <ana@acme.example> {at} +0000");
    let _ = write!(
        text,
        "commit refs/heads/main\nauthor {who}\ncommitter {who}\n"
    );
    let _ = write!(text, "data {}\n{message}\n", message.len());
    let (first, next) = (
        number * shape.files / shape.commits,
        (number + 1) * shape.files / shape.commits,
    );
    let earlier: Vec<usize> = (0..REWRITTEN)
        .filter(|_| first > 0)
        .map(|_| dice.below(first))
        .collect();
    for file in (first..next).chain(earlier) {
        let content = content(dice);
        let (part, section) = (file % 40, file % 7);
        let path = format!("part-{part}/section-{section}/file-{file}.txt");
        let _ = writeln!(text, "M 100644 inline {path}");
        let _ = write!(text, "data {}\n{content}\n", content.len());
    }
    text
}

fn content(dice: &mut Dice) -> String {
    let length = SHORTEST + dice.below(LONGEST - SHORTEST);
    let mut text = String::new();
    while text.len() < length {
        for _ in 0..8 {
            let number = dice.next();
            let word = WORDS[(number % 16) as usize];
            let _ = write!(text, "{word} {} ", (number >> 32) % 10_000);
        }
        text.push('\n');
    }
    text
}

/// Numbers that look like chance and are the same every time. Source: Steele, Lea, Flood 2014, `SplitMix64`.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % limit as u64).unwrap_or_default()
    }
}

/// Runs git on the host, by nobody's settings.
pub async fn git(folder: &Path, words: &[&str], paths: &[&Path]) -> anyhow::Result<String> {
    let output = Command::new("git")
        .args(words)
        .args(paths)
        .current_dir(folder)
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await?;
    ensure!(
        output.status.success(),
        "git {}: {}",
        words.join(" "),
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(String::from_utf8(output.stdout)?)
}

fn open_to_all(path: &Path) -> anyhow::Result<()> {
    let is_folder = path.symlink_metadata()?.is_dir();
    let mode = if is_folder { 0o755 } else { 0o644 };
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))?;
    if is_folder {
        for entry in std::fs::read_dir(path)? {
            open_to_all(&entry?.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_is_the_same_every_time_and_as_large_as_was_asked() {
        let shape = Shape {
            files: 30,
            commits: 4,
        };
        let mut heads = Vec::new();
        for _ in 0..2 {
            let folder = tempfile::tempdir().unwrap();
            let made = Repository::make(folder.path(), shape).await.unwrap();
            assert_eq!((made.files, made.commits), (30, 4));
            assert!((30 * SHORTEST as u64..30 * 2 * LONGEST as u64).contains(&made.bytes));
            heads.push(made.head.as_str().to_owned());
        }
        assert_eq!(heads[0], heads[1]);
    }
}
