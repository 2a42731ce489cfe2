//! Bundles that no git made: the sandbox decides about every byte that it hands out.

use std::{
    io::Write as _,
    process::{Command, Stdio},
};

use deckhand_executors::broker::BrokerError;
use flate2::{Compression, write::ZlibEncoder};

use crate::{
    repository::{commit_all, git},
    task::Task,
};

/// Makes something else of an honest bundle.
type Forge = dyn Fn(Vec<u8>) -> Vec<u8>;

/// The work as the sandbox's git would hand it out.
fn honest(task: &Task) -> Vec<u8> {
    task.write("value.txt", "2\n");
    let head = commit_all(&task.work, "Honest");
    git(
        &task.work,
        &["update-ref", "refs/deckhand/out", head.as_str()],
    );
    let since = format!("^{}", task.base);
    let path = task.repository.path("out.bundle");
    let file = path.to_str().unwrap();
    git(
        &task.work,
        &["bundle", "create", "-q", file, "refs/deckhand/out", &since],
    );
    std::fs::read(path).unwrap()
}

/// What is said of a forged bundle.
async fn refusal(task: &mut Task, forged: Vec<u8>) -> String {
    task.forged = Some(forged);
    match task.take_out().await {
        Err(BrokerError::Malformed(reason)) => reason,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_bundle_that_was_cut_lengthened_or_renamed_is_refused() {
    let cut = |honest: Vec<u8>| honest[..honest.len() - 30].to_vec();
    let longer = |honest: Vec<u8>| [honest.as_slice(), b"more"].concat();
    let behind_more = |honest: Vec<u8>| [b"more\n".as_slice(), &honest].concat();
    let head_without_end = |_| {
        let line = vec![b'x'; 50 * 1024 * 1024];
        [b"# v2 git bundle\n".as_slice(), &line].concat()
    };
    // The only line that begins so names the base.
    let on_nothing = |mut honest: Vec<u8>| {
        let needed = honest.iter().position(|byte| *byte == b'-').unwrap() + 1;
        honest[needed..needed + 40].fill(b'1');
        honest
    };
    let table: [(&Forge, &str); 5] = [
        (&on_nothing, "builds on commits that are not here"),
        (&cut, "early EOF"),
        (&longer, "junk at the end"),
        (&behind_more, "does not begin as one"),
        (&head_without_end, "no end"),
    ];
    for (forge, expected) in table {
        // A task of its own: what has arrived whole once is not read again.
        let mut task = Task::new().await;
        let honest = honest(&task);
        let reason = refusal(&mut task, forge(honest.clone())).await;
        assert!(reason.contains(expected), "{reason}");
        task.forged = Some(honest);
        assert_eq!(task.take_out().await.unwrap().files.len(), 1);
    }
}

#[tokio::test]
async fn a_few_bytes_that_stand_for_more_than_the_ceiling_of_memory_are_refused() {
    let mut task = Task::new().await;
    let base = vec![0_u8; 1024 * 1024];
    let copies = 512;
    let mut difference = varint(base.len());
    difference.extend(varint(base.len() * copies));
    for _ in 0..copies {
        // All of the base, from its beginning: the flags say that three bytes of a length follow.
        difference.extend([0b1111_0000, 0, 0, 0x10]);
    }
    let whole = object(3, &base, &[]);
    let back = offset(whole.len());
    let mut pack = [b"PACK\0\0\0\x02\0\0\0\x02".as_slice(), &whole].concat();
    pack.extend(object(6, &difference, &back));
    pack.extend(sha1(&pack));
    let (base, unknown) = (&task.base, "1".repeat(40));
    let head = format!("# v2 git bundle\n-{base} x\n{unknown} refs/deckhand/out\n\n");
    let forged = [head.as_bytes(), &pack].concat();
    assert!(forged.len() < 10_000, "{} bytes", forged.len());
    let reason = refusal(&mut task, forged).await;
    assert!(reason.contains("over limit"), "{reason}");
}

/// An object of a pack: its kind and length, what it builds on, and its content. Source: gitformat-pack(5).
fn object(kind: u8, content: &[u8], builds_on: &[u8]) -> Vec<u8> {
    let length = content.len();
    let mut bytes = vec![(kind << 4) | low(length, 4)];
    if length >> 4 > 0 {
        bytes[0] |= 0x80;
        bytes.extend(varint(length >> 4));
    }
    bytes.extend(builds_on);
    let mut encoder = ZlibEncoder::new(bytes, Compression::best());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

fn low(number: usize, bits: u32) -> u8 {
    u8::try_from(number & ((1 << bits) - 1)).unwrap()
}

/// Seven bits a byte, the lowest first.
fn varint(mut number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number >= 0x80 {
        bytes.push(low(number, 7) | 0x80);
        number >>= 7;
    }
    bytes.push(low(number, 7));
    bytes
}

/// How far back the object lies that another builds on, in the form that packs have for it.
fn offset(mut distance: usize) -> Vec<u8> {
    let mut bytes = vec![low(distance, 7)];
    distance >>= 7;
    while distance > 0 {
        distance -= 1;
        bytes.insert(0, low(distance, 7) | 0x80);
        distance >>= 7;
    }
    bytes
}

fn sha1(bytes: &[u8]) -> Vec<u8> {
    let mut child = Command::new("sha1sum")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(bytes).unwrap();
    let said = child.wait_with_output().unwrap().stdout;
    hex::decode(&said[..40]).unwrap()
}
