//! Bundles that no git made: the agent decides about every byte that comes out of its sandbox.

use super::row::{Expect::Refused, Hostile};

/// The rows.
pub const ROWS: &[Hostile] = &[
    hostile!(
        "repo-bundle-many-heads",
        "Hand out other references beside the work: the host's own branches, and names outside of all references.",
        Refused("names something else than the work"),
        r##"bundle; edit 'b = b.replace(b"refs/deckhand/out\n", b"refs/deckhand/out\n" + b"".join(base + b" " + name + b"\n" for name in (b"refs/heads/main", b"HEAD", b"refs/../../config", canary)))'; forge"##
    ),
    hostile!(
        "repo-bundle-other-name",
        "Hand the work out under another name: the default branch's.",
        Refused("names something else than the work"),
        r##"bundle; edit 'b = b.replace(b"refs/deckhand/out", b"refs/heads/main")'; forge"##
    ),
    hostile!(
        "repo-bundle-twice",
        "Name two commits as the work, of which one is looked at and the other might be pushed.",
        Refused("more than once"),
        r##"bundle; edit 'b = b.replace(b"refs/deckhand/out\n", b"refs/deckhand/out\n" + base + b" refs/deckhand/out\n")'; forge"##
    ),
    hostile!(
        "repo-bundle-lies-about-needs",
        "Say that the work builds on a commit that nobody has.",
        Refused("builds on commits that are not here"),
        r##"bundle; edit 'b = b.replace(b"-" + base, b"-" + b"1" * 40)'; forge"##
    ),
    hostile!(
        "repo-bundle-promises",
        "Leave objects out and promise that they can be had elsewhere.",
        Refused("leaves objects out"),
        r##"bundle; edit 'b = b.replace(b"# v2 git bundle\n", b"# v3 git bundle\n@object-format=sha1\n@filter=blob:none\n")'; forge"##
    ),
    hostile!(
        "repo-bundle-cut",
        "Break off in the middle of the objects.",
        Refused("early EOF"),
        r##"bundle; edit 'b = b[:-40]'; forge"##
    ),
    hostile!(
        "repo-bundle-longer",
        "Hide something behind the end of the objects.",
        Refused("junk at the end"),
        r##"bundle; edit 'b += canary * 100'; forge"##
    ),
    hostile!(
        "repo-bundle-broken",
        "Change single bytes of the objects.",
        Refused("refused"),
        r##"bundle; edit 'b = b[:-60] + bytes(byte ^ 0xff for byte in b[-60:-40]) + b[-40:]'; forge"##
    ),
    hostile!(
        "repo-bundle-head-without-end",
        "Hand out a head of 90 MB without an end, which git reads byte by byte.",
        Refused("its head has no end"),
        r##"bundle; edit 'b = b"# v2 git bundle\n" + b"x" * 90_000_000'; forge"##
    ),
    hostile!(
        "repo-bundle-unfolds",
        "Hand out some kilobytes that stand for two gigabytes in the host's memory: a difference that repeats its base.",
        Refused("over limit"),
        r##"
bundle; edit '
import hashlib, zlib
def number(n):
    out = b""
    while n > 127: out, n = out + bytes([n & 127 | 128]), n >> 7
    return out + bytes([n])
def packed(kind, content, base=b""):
    size, first = len(content) >> 4, kind << 4 | len(content) & 15
    return (bytes([first | 128]) + number(size) if size else bytes([first])) + base + zlib.compress(content)
def back(n):
    out, n = bytes([n & 127]), n >> 7
    while n: out, n = bytes([n - 1 & 127 | 128]) + out, n - 1 >> 7
    return out
whole, copies = bytes(1 << 20), 2048
first = packed(3, whole)
pack = b"PACK\0\0\0\2\0\0\0\2" + first + packed(6, number(1 << 20) + number(copies << 20) + b"\xf0\0\0\x10" * copies, back(len(first)))
b = b"# v2 git bundle\n-" + base + b" x\n" + b"1" * 40 + b" refs/deckhand/out\n\n" + pack + hashlib.sha1(pack).digest()'; forge"##
    ),
    hostile!(
        "repo-bundle-zeros",
        "Hand out a gigabyte of zeros.",
        Refused("more than 104857600 bytes"),
        r##"truncate -s 1G /work/forged; forge"##
    ),
];
