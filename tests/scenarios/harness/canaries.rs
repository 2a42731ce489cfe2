//! Looks for planted secrets, in every dress that one can wear, in every place where one could be.
//!
//! A search is told which canaries there are and at which few places which of them belong; it is then shown everything
//! else. It knows a canary as it is, escaped, encoded, reversed, packed, and packed in something encoded.

use std::{
    collections::BTreeSet,
    fmt,
    fs::File,
    io::{self, Read},
    path::Path,
    process::{Command, Stdio},
};

use aho_corasick::AhoCorasick;
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD},
};
use flate2::read::{DeflateDecoder, GzDecoder, ZlibDecoder};

/// The shortest canary, in bytes: shorter ones stand in ordinary texts by chance.
const CANARY_MIN_BYTES: usize = 12;
/// The shortest line of a canary of several lines that is looked for by itself, in bytes.
const LINE_MIN_BYTES: usize = 24;
/// Up to this size, in bytes, a file is read whole and unpacked; a larger one is read through as it is.
const WHOLE_MAX_BYTES: u64 = 64 << 20;
/// The most bytes that are unpacked out of one packed part.
const UNPACKED_MAX_BYTES: u64 = 32 << 20;
/// How many wrappings, one in the other, are taken off.
const DEPTH_MAX: usize = 3;
/// The shortest run of Base64 that is decoded, in characters.
const RUN_MIN_CHARS: usize = 32;
/// The size of a piece of a stream, in bytes.
const PIECE_BYTES: usize = 1 << 20;

/// A planted secret.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Canary {
    /// What it is, such as `Slack bot token`.
    pub kind: String,
    /// The secret.
    pub value: String,
}

impl Canary {
    /// A canary of a kind.
    pub fn new(kind: impl Into<String>, value: impl Into<String>) -> Self {
        Self {
            kind: kind.into(),
            value: value.into(),
        }
    }
}

/// A place where canaries belong, with the reason.
#[derive(Debug, Clone, Copy)]
pub struct Home {
    /// How the place's name begins.
    pub place: &'static str,
    /// Which kind; empty for all.
    pub kind: &'static str,
    /// Why it is there.
    pub because: &'static str,
}

/// A canary that was found.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Find {
    /// What it is.
    pub kind: String,
    /// Where.
    pub place: String,
    /// In which dress.
    pub dress: String,
}

impl fmt::Display for Find {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{} in {} ({})",
            self.kind, self.place, self.dress
        )
    }
}

/// A search under way.
pub struct Search {
    canaries: Vec<Canary>,
    automaton: AhoCorasick,
    /// Of each pattern: the canary, and the dress.
    meanings: Vec<(usize, &'static str)>,
    longest: usize,
    homes: Vec<Home>,
    places: usize,
    bytes: u64,
    finds: BTreeSet<Find>,
    at_home: BTreeSet<Find>,
}

impl Search {
    /// Gets ready to find these; at the homes they are expected.
    pub fn new(canaries: Vec<Canary>, homes: &[Home]) -> Self {
        let (mut patterns, mut meanings) = (Vec::new(), Vec::new());
        for (index, canary) in canaries.iter().enumerate() {
            assert!(
                canary.value.len() >= CANARY_MIN_BYTES,
                "the canary of {} is too short to be looked for",
                canary.kind
            );
            let twins = canaries
                .iter()
                .filter(|other| other.value == canary.value)
                .count();
            assert_eq!(twins, 1, "{} has the value of another canary", canary.kind);
            for (dress, pattern) in dresses(&canary.value) {
                patterns.push(pattern);
                meanings.push((index, dress));
            }
        }
        let longest = patterns.iter().map(Vec::len).max().unwrap_or_default();
        Self {
            automaton: AhoCorasick::new(&patterns).expect("few patterns"),
            canaries,
            meanings,
            longest,
            homes: homes.to_vec(),
            places: 0,
            bytes: 0,
            finds: BTreeSet::new(),
            at_home: BTreeSet::new(),
        }
    }

    /// Looks at bytes, and into whatever is packed or encoded in them.
    pub fn look(&mut self, place: &str, bytes: &[u8]) {
        self.places += 1;
        self.bytes += bytes.len() as u64;
        self.look_into(place, bytes, "", DEPTH_MAX);
    }

    /// Looks at everything below a folder.
    pub fn look_at_folder(&mut self, place: &str, folder: &Path) {
        let Ok(entries) = std::fs::read_dir(folder) else {
            return;
        };
        for entry in entries.flatten() {
            let path = entry.path();
            let name = format!("{place}/{}", entry.file_name().to_string_lossy());
            self.look(&format!("{name} (its name)"), name.as_bytes());
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => self.look_at_folder(&name, &path),
                Ok(kind) if kind.is_symlink() => {
                    let target = std::fs::read_link(&path).unwrap_or_default();
                    self.look(&name, target.to_string_lossy().as_bytes());
                }
                Ok(kind) if kind.is_file() => self.look_at_file(&name, &path),
                Ok(_) | Err(_) => {}
            }
        }
    }

    fn look_at_file(&mut self, place: &str, path: &Path) {
        let length = path.metadata().map_or(0, |data| data.len());
        if length <= WHOLE_MAX_BYTES {
            match std::fs::read(path) {
                Ok(bytes) => self.look(place, &bytes),
                // It went while it was looked for.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => panic!("{place} cannot be searched: {error}"),
            }
        } else {
            let file = File::open(path).expect("a file of this test");
            self.look_through(place, file).expect("read");
        }
    }

    /// Looks at a stream of any length, as it is.
    pub fn look_through(&mut self, place: &str, mut stream: impl Read) -> io::Result<u64> {
        self.places += 1;
        let (mut window, mut total) = (Vec::new(), 0);
        let mut piece = vec![0; PIECE_BYTES];
        loop {
            let read = stream.read(&mut piece)?;
            if read == 0 {
                self.bytes += total;
                return Ok(total);
            }
            total += read as u64;
            window.extend_from_slice(&piece[..read]);
            self.note(place, &window, "");
            // What could be the beginning of one stays for the next piece.
            let gone = window.len().saturating_sub(self.longest);
            window.drain(..gone);
        }
    }

    /// Looks at what a program prints; says how many bytes that were.
    pub fn look_at_output(&mut self, place: &str, command: &[&str]) -> u64 {
        let mut child = Command::new(command[0])
            .args(&command[1..])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("{} cannot be started: {error}", command[0]));
        let output = child.stdout.take().expect("piped");
        let total = self.look_through(place, output).expect("read");
        let status = child.wait().expect("it ends");
        assert!(status.success(), "{command:?} ended with {status}");
        total
    }

    /// Looks at a container from outside: how it was made, what it printed, its processes, every file of its root.
    pub fn look_at_container(&mut self, place: &str, name: &str) {
        for (what, command) in [
            ("description", vec!["docker", "inspect", name]),
            ("output", vec!["docker", "logs", name]),
            ("processes", vec!["docker", "top", name, "-eo", "pid,args"]),
            ("changes", vec!["docker", "diff", name]),
            ("files", vec!["docker", "export", name]),
        ] {
            let seen = self.look_at_output(&format!("{place}: {what}"), &command);
            assert!(
                seen > 0 || matches!(what, "output" | "changes"),
                "{place} showed no {what}"
            );
        }
    }

    /// Looks at how an image was made, layer by layer.
    pub fn look_at_image(&mut self, place: &str, image: &str) {
        for command in [
            vec!["docker", "history", "--no-trunc", image],
            vec!["docker", "image", "inspect", image],
        ] {
            assert!(
                self.look_at_output(place, &command) > 0,
                "{image} has no history"
            );
        }
    }

    /// How many canaries are looked for.
    pub fn planted(&self) -> usize {
        self.canaries.len()
    }

    /// What was found where it does not belong.
    pub fn finds(&self) -> &BTreeSet<Find> {
        &self.finds
    }

    /// What was found where it belongs. A search that sees nothing there is blind.
    pub fn at_home(&self) -> &BTreeSet<Find> {
        &self.at_home
    }

    /// How many places and bytes were looked at.
    pub fn extent(&self) -> (usize, u64) {
        (self.places, self.bytes)
    }

    /// Fails where anything was found.
    pub fn assert_nothing_found(&self) {
        let list: Vec<String> = self.finds.iter().map(Find::to_string).collect();
        assert!(
            list.is_empty(),
            "{} canaries are where they must not be:\n{}",
            list.len(),
            list.join("\n")
        );
    }

    fn look_into(&mut self, place: &str, bytes: &[u8], wrapping: &str, depth: usize) {
        self.note(place, bytes, wrapping);
        if depth == 0 {
            return;
        }
        for (how, inner) in unpacked(bytes) {
            self.look_into(place, &inner, &format!("{wrapping}{how}, "), depth - 1);
        }
        for inner in decoded_runs(bytes) {
            // Only what is packed in it: a canary that is merely encoded was found by its dress.
            for (how, inner) in unpacked(&inner) {
                let wrapping = format!("{wrapping}in Base64, {how}, ");
                self.look_into(place, &inner, &wrapping, depth - 1);
            }
        }
    }

    fn note(&mut self, place: &str, bytes: &[u8], wrapping: &str) {
        for found in self.automaton.find_overlapping_iter(bytes) {
            let (canary, dress) = self.meanings[found.pattern().as_usize()];
            let find = Find {
                kind: self.canaries[canary].kind.clone(),
                place: place.to_owned(),
                dress: format!("{wrapping}{dress}"),
            };
            let home = self.homes.iter().find(|home| {
                place.starts_with(home.place) && (home.kind.is_empty() || home.kind == find.kind)
            });
            match home {
                Some(home) => self.at_home.insert(Find {
                    dress: format!("{}: {}", find.dress, home.because),
                    ..find
                }),
                None => self.finds.insert(find),
            };
        }
    }
}

/// A canary in every dress.
fn dresses(value: &str) -> Vec<(&'static str, Vec<u8>)> {
    let whole = value.trim();
    let mut dresses: Vec<(&'static str, Vec<u8>)> = Vec::new();
    let lines: Vec<&str> = whole
        .lines()
        .map(str::trim)
        .filter(|line| line.len() >= LINE_MIN_BYTES && !line.starts_with("-----"))
        .collect();
    let parts = if whole.contains('\n') {
        lines
    } else {
        vec![whole]
    };
    for part in parts {
        let bytes = part.as_bytes();
        dresses.push(("as it is", bytes.to_vec()));
        dresses.push(("reversed", bytes.iter().rev().copied().collect()));
        dresses.push(("in hexadecimal", hex::encode(bytes).into_bytes()));
        dresses.push(("in hexadecimal", hex::encode_upper(bytes).into_bytes()));
        let wide = part.encode_utf16().flat_map(u16::to_le_bytes).collect();
        dresses.push(("in UTF-16", wide));
        let all_escaped = bytes.iter().map(|byte| format!("%{byte:02X}"));
        dresses.push(("escaped in full", all_escaped.collect::<String>().into()));
        let escaped = bytes.iter().map(|byte| match byte {
            byte if byte.is_ascii_alphanumeric() || b"-._~".contains(byte) => {
                char::from(*byte).to_string()
            }
            byte => format!("%{byte:02X}"),
        });
        dresses.push(("escaped for an address", escaped.collect::<String>().into()));
        let quoted = serde_json::Value::from(part).to_string();
        dresses.push(("escaped for JSON", quoted.trim_matches('"').into()));
        for offset in 0..3 {
            let shifted = [&vec![0; offset][..], bytes].concat();
            // Without the characters that its neighbours decide too.
            let core = (offset * 8).div_ceil(6)..shifted.len() * 8 / 6;
            for encoded in [
                STANDARD_NO_PAD.encode(&shifted),
                URL_SAFE_NO_PAD.encode(&shifted),
            ] {
                dresses.push(("in Base64", encoded[core.clone()].as_bytes().to_vec()));
            }
        }
    }
    dresses.sort();
    dresses.dedup_by(|a, b| a.1 == b.1);
    dresses
}

/// What is packed in some bytes: gzip, zlib (git's objects, pictures), a zip's members.
fn unpacked(bytes: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let mut inner = Vec::new();
    for at in 0..bytes.len().saturating_sub(2) {
        let rest = &bytes[at..];
        let (how, unpacked) = match rest {
            [0x1f, 0x8b, 8, ..] => ("packed by gzip", take(GzDecoder::new(rest))),
            [0x78, 0x01 | 0x5e | 0x9c | 0xda, ..] => {
                ("packed by zlib", take(ZlibDecoder::new(rest)))
            }
            [b'P', b'K', 3, 4, ..] => ("packed by zip", take(member(rest))),
            _ => continue,
        };
        if unpacked.len() >= CANARY_MIN_BYTES {
            inner.push((how, unpacked));
        }
    }
    inner
}

/// The packed bytes of a zip's member; they end where they say so themselves.
fn member(rest: &[u8]) -> DeflateDecoder<&[u8]> {
    let length = |at: usize| {
        rest.get(at..at + 2)
            .map_or(0, |two| usize::from(two[0]) | usize::from(two[1]) << 8)
    };
    let start = 30 + length(26) + length(28);
    DeflateDecoder::new(rest.get(start..).unwrap_or_default())
}

/// As much as comes out before an error or the limit: half a file holds half a secret too.
fn take(packed: impl Read) -> Vec<u8> {
    let mut packed = packed.take(UNPACKED_MAX_BYTES);
    let mut all = Vec::new();
    let mut piece = vec![0; 64 << 10];
    while let Ok(read @ 1..) = packed.read(&mut piece) {
        all.extend_from_slice(&piece[..read]);
    }
    all
}

/// The long runs of Base64 in some bytes, decoded.
fn decoded_runs(bytes: &[u8]) -> Vec<Vec<u8>> {
    let is_letter = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/-_".contains(byte);
    bytes
        .split(|byte| !is_letter(byte))
        .filter(|run| run.len() >= RUN_MIN_CHARS)
        .filter_map(|run| {
            let standard: Vec<u8> = run
                .iter()
                .map(|byte| match byte {
                    b'-' => b'+',
                    b'_' => b'/',
                    other => *other,
                })
                .collect();
            let whole = standard.len() - usize::from(standard.len() % 4 == 1);
            STANDARD_NO_PAD.decode(&standard[..whole]).ok()
        })
        .collect()
}

/// A search that finds nothing has to be one that could have found something.
mod tests {
    use std::io::Write as _;

    use base64::engine::general_purpose::STANDARD;
    use flate2::{
        Compression,
        write::{GzEncoder, ZlibEncoder},
    };

    use super::*;

    const VALUE: &str = "canary/token+0123 \"quoted\" =end";

    fn search() -> Search {
        Search::new(vec![Canary::new("test token", VALUE)], &[])
    }

    fn gzip(text: &str) -> Vec<u8> {
        let mut writer = GzEncoder::new(Vec::new(), Compression::default());
        writer.write_all(text.as_bytes()).expect("packed");
        writer.finish().expect("packed")
    }

    fn is_found(what: &str, bytes: &[u8]) {
        let mut search = search();
        search.look("here", &[b"before ", bytes, b" behind"].concat());
        assert_eq!(search.finds().len().min(1), 1, "{what} is not found");
        assert!(std::panic::catch_unwind(|| search.assert_nothing_found()).is_err());
    }

    #[test]
    fn a_canary_is_found_in_every_dress() {
        is_found("as it is", VALUE.as_bytes());
        let reversed: String = VALUE.chars().rev().collect();
        is_found("reversed", reversed.as_bytes());
        is_found("hex", hex::encode(VALUE).as_bytes());
        is_found("JSON", serde_json::json!([VALUE]).to_string().as_bytes());
        for before in ["", "u", "us", "x-access-token:"] {
            let encoded = STANDARD.encode(format!("{before}{VALUE}"));
            is_found("Base64", encoded.as_bytes());
            is_found(
                "Base64 without padding",
                encoded.trim_matches('=').as_bytes(),
            );
        }
        is_found("address", b"canary%2Ftoken%2B0123%20%22quoted%22%20%3Dend");
        is_found("gzip", &gzip(VALUE));
        is_found("gzip in Base64", STANDARD.encode(gzip(VALUE)).as_bytes());
        is_found("gzip twice", &gzip(&STANDARD.encode(gzip(VALUE))));
        let mut object = ZlibEncoder::new(Vec::new(), Compression::fast());
        write!(object, "blob 31\0{VALUE}").expect("packed");
        is_found("an object of git", &object.finish().expect("packed"));
        let wide: Vec<u8> = VALUE.encode_utf16().flat_map(u16::to_le_bytes).collect();
        is_found("UTF-16", &wide);
    }

    #[test]
    fn a_canary_is_found_across_the_pieces_of_a_stream() {
        let mut search = search();
        for cut in [PIECE_BYTES - 10, 2 * PIECE_BYTES - 1] {
            let long = [&vec![b'.'; cut][..], VALUE.as_bytes()].concat();
            let read = search
                .look_through(&format!("cut at {cut}"), &long[..])
                .expect("read");
            assert_eq!(read, long.len() as u64);
        }
        assert_eq!(search.finds().len(), 2);
    }

    #[test]
    fn a_home_is_for_its_own_canary_and_lookalikes_are_none() {
        let home = Home {
            place: "the settings",
            kind: "test token",
            because: "it is set there",
        };
        let other = "another-canary-of-a-kind";
        let canaries = vec![
            Canary::new("test token", VALUE),
            Canary::new("other token", other),
        ];
        let mut search = Search::new(canaries, &[home]);
        search.look("the settings", VALUE.as_bytes());
        search.look("the log", b"canary/token+0124 and more");
        assert_eq!((search.at_home().len(), search.finds().len()), (1, 0));
        search.look("the settings", other.as_bytes());
        let finds: Vec<String> = search.finds().iter().map(Find::to_string).collect();
        assert_eq!(finds, ["other token in the settings (as it is)"]);
        assert_eq!(search.extent().0, 3);
        assert_eq!(search.planted(), 2);
    }
}
