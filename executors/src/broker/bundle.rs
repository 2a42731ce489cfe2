//! Reads the head of a bundle before git does: what a sandbox hands out may be anything, and git reads a head byte by
//! byte, whatever its length.

use super::BrokerError;

/// The longest head in bytes. An honest one has a line for each commit that the work builds on, with its subject, and
/// one for the work.
const HEAD_BYTES: usize = 256 * 1024;
/// How bundles begin that hold whole objects. Source: gitformat-bundle(5).
const SIGNATURES: [&[u8]; 2] = [b"# v2 git bundle", b"# v3 git bundle"];
/// The only capability that is known here: others leave objects out.
const FORMAT: &[u8] = b"@object-format=";
/// What the objects begin with. Source: gitformat-pack(5).
const PACK: &[u8] = b"PACK";

/// Whether bytes are a bundle as the take-out makes it: one commit under one name, and objects behind a short head.
pub(super) fn has_honest_head(bytes: &[u8], name: &str) -> Result<(), BrokerError> {
    let beginning = &bytes[..bytes.len().min(HEAD_BYTES)];
    let end = beginning.windows(2).position(|two| two == b"\n\n");
    let Some(end) = end else {
        return Err(refused("its head has no end"));
    };
    let mut lines = bytes[..end].split(|byte| *byte == b'\n');
    if !lines.next().is_some_and(|line| SIGNATURES.contains(&line)) {
        return Err(refused("it does not begin as one"));
    }
    let mut tips = 0_usize;
    for line in lines {
        if let Some(needed) = line.strip_prefix(b"-") {
            object_and_rest(needed).ok_or_else(|| refused("a line of its head names no commit"))?;
        } else if line.starts_with(b"@") {
            if !line.starts_with(FORMAT) {
                return Err(refused("it leaves objects out"));
            }
        } else {
            let rest = object_and_rest(line);
            if rest != Some(name.as_bytes()) {
                return Err(refused("it names something else than the work"));
            }
            tips += 1;
        }
    }
    if tips != 1 {
        return Err(refused("it names the work more than once, or not at all"));
    }
    if !bytes[end + 2..].starts_with(PACK) {
        return Err(refused("there are no objects in it"));
    }
    Ok(())
}

/// What stands behind an object's name and a space; empty where there is nothing more.
fn object_and_rest(line: &[u8]) -> Option<&[u8]> {
    let length = line.iter().take_while(|byte| byte.is_ascii_hexdigit());
    let (object, rest) = line.split_at(length.count());
    let rest = rest.strip_prefix(b" ").or(rest.is_empty().then_some(rest));
    rest.filter(|_| matches!(object.len(), 40 | 64))
}

fn refused(why: &str) -> BrokerError {
    BrokerError::Malformed(format!("what was handed out is no bundle: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAME: &str = "refs/deckhand/out";

    fn head(lines: &str) -> Vec<u8> {
        let (one, two) = ("1".repeat(40), "2".repeat(40));
        lines.replace("ONE", &one).replace("TWO", &two).into_bytes()
    }

    #[test]
    fn the_take_outs_own_bundles_pass() {
        let long = "f".repeat(64);
        for lines in [
            "# v2 git bundle\n-ONE The first commit\nTWO refs/deckhand/out\n\nPACKx",
            "# v2 git bundle\n-ONE\n-TWO a\nTWO refs/deckhand/out\n\nPACK",
            "# v2 git bundle\n-ONE \u{e4} @x -y \nTWO refs/deckhand/out\n\nPACK",
            &format!("# v3 git bundle\n@object-format=sha256\n-{long} x\n{long} {NAME}\n\nPACK"),
        ] {
            let read = has_honest_head(&head(lines), NAME);
            assert!(read.is_ok(), "{lines}: {read:?}");
        }
    }

    #[test]
    fn everything_else_is_refused_with_its_reason() {
        let endless = format!("# v2 git bundle\n{}", "-ONE x\n".repeat(10_000));
        for (lines, reason) in [
            ("", "no end"),
            (&endless, "no end"),
            ("# v2 git bundle\nTWO refs/deckhand/out\nPACK", "no end"),
            ("# v4 git bundle\nTWO refs/deckhand/out\n\nPACK", "begin"),
            ("x# v2 git bundle\nTWO refs/deckhand/out\n\nPACK", "begin"),
            (
                "# v2 git bundle\n-x y\nTWO refs/deckhand/out\n\nPACK",
                "no commit",
            ),
            (
                "# v2 git bundle\nTWO refs/heads/main\n\nPACK",
                "something else",
            ),
            (
                "# v2 git bundle\nTWOrefs/deckhand/out\n\nPACK",
                "something else",
            ),
            (
                "# v2 git bundle\nTWO refs/deckhand/out\nONE HEAD\n\nPACK",
                "something else",
            ),
            ("# v2 git bundle\n-ONE x\n\nPACK", "not at all"),
            (
                "# v2 git bundle\nTWO refs/deckhand/out\nONE refs/deckhand/out\n\nPACK",
                "more than once",
            ),
            (
                "# v3 git bundle\n@filter=blob:none\nTWO refs/deckhand/out\n\nPACK",
                "leaves objects out",
            ),
            (
                "# v2 git bundle\nTWO refs/deckhand/out\n\nxPACK",
                "no objects",
            ),
        ] {
            let read = has_honest_head(&head(lines), NAME);
            let is_right = read
                .as_ref()
                .is_err_and(|error| error.to_string().contains(reason));
            assert!(is_right, "{lines}: {read:?}");
        }
    }
}
