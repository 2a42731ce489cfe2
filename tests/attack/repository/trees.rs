//! Trees that attack whoever checks them out.

use deckhand_executors::broker::Gate;

use super::row::{
    Expect::{Found, Refused},
    Hostile,
};

/// The rows.
pub const ROWS: &[Hostile] = &[
    hostile!(
        "repo-tree-dot-git",
        "Leave a tree with an entry called .git.",
        Refused("hasDotgit"),
        r#"blob=$(echo "$CANARY" | git hash-object -w --stdin); inner=$(printf '100644 blob %s\tconfig\n' "$blob" | tree); leave "$(printf '040000 tree %s\t.git\n' "$inner" | tree)""#
    ),
    hostile!(
        "repo-tree-dot-git-disguised",
        "Leave a tree whose entry is .git to disks without case, with short names, or to eyes.",
        Refused("hasDotgit"),
        r#"blob=$(echo "$CANARY" | git hash-object -w --stdin); inner=$(printf '100644 blob %s\tconfig\n' "$blob" | tree); leave "$(printf '040000 tree %s\t.GIT\n040000 tree %s\t.g\xe2\x80\x8cit\n040000 tree %s\tgit~1\n' "$inner" "$inner" "$inner" | tree)""#
    ),
    hostile!(
        "repo-tree-dot-dot",
        "Leave a tree with an entry called `..`.",
        Refused("hasDotdot"),
        r#"blob=$(echo "$CANARY" | git hash-object -w --stdin); inner=$(printf '100644 blob %s\tx\n' "$blob" | tree); leave "$(printf '040000 tree %s\t..\n' "$inner" | tree)""#
    ),
    hostile!(
        "repo-tree-slash",
        "Leave a tree with a slash in an entry's name, which no ordinary git makes.",
        Refused("fullPathname"),
        r#"python3 - <<'PYTHON' > /tmp/tree.name && leave "$(cat /tmp/tree.name)"
import hashlib, os, subprocess, zlib
blob = subprocess.run(["git", "hash-object", "-w", "--stdin"], input=os.environ["CANARY"].encode(), capture_output=True).stdout.strip()
body = b"100644 lib/../../x\0" + bytes.fromhex(blob.decode())
data = b"tree %d\0" % len(body) + body
name = hashlib.sha1(data).hexdigest()
os.makedirs(f".git/objects/{name[:2]}", exist_ok=True)
open(f".git/objects/{name[:2]}/{name[2:]}", "wb").write(zlib.compress(data))
print(name)
PYTHON"#
    ),
    hostile!(
        "repo-link-out",
        "Leave links that lead out of the tree, straight and by steps.",
        Found(&[
            (Gate::Refuse, "LinkLeavesTree", "lib/passwd"),
            (Gate::Refuse, "LinkLeavesTree", "lib/up"),
            (Gate::Refuse, "LinkLeavesTree", "lib/git")
        ]),
        r#"ln -s "/etc/$CANARY" lib/passwd; ln -s "../../../../$CANARY" lib/up; ln -s "../.git/$CANARY" lib/git; commit && echo tried"#
    ),
    hostile!(
        "repo-submodule",
        "Add a submodule whose address is an option, and one at a new place.",
        Refused("gitmodulesUrl"),
        r#"git update-index --add --cacheinfo 160000,"$(git rev-parse HEAD)",lib/module; printf '[submodule "a"]\n\tpath = lib/module\n\turl = -u./%s\n\tupdate = !touch x\n' "$CANARY" > .gitmodules; mkdir -p lib/module; commit && echo tried"#
    ),
    hostile!(
        "repo-gitmodules-link",
        "Make the list of submodules a link.",
        Refused("gitmodulesSymlink"),
        r#"blob=$(printf '%s' "/etc/$CANARY" | git hash-object -w --stdin); leave "$(printf '120000 blob %s\t.gitmodules\n' "$blob" | tree)""#
    ),
    hostile!(
        "repo-case-collision",
        "Leave files whose names are one on disks without case.",
        Found(&[
            (Gate::Refuse, "Collision", "lib/A.JS"),
            (Gate::Refuse, "Collision", "lib/a.Js")
        ]),
        r#"echo "$CANARY" > lib/A.JS; echo "$CANARY" > lib/a.Js; commit && echo tried"#
    ),
    hostile!(
        "repo-names-that-deceive",
        "Call files by line ends, terminal codes and signs that turn the writing.",
        Found(&[
            (Gate::Refuse, "DeceivingName", "lib/a\nb"),
            (Gate::Refuse, "DeceivingName", "\u{1b}[2K"),
            (Gate::Refuse, "DeceivingName", "\u{202e}")
        ]),
        r#"touch "lib/$(printf 'a\nb-%s' "$CANARY")" "lib/$(printf '\033[2K%s' "$CANARY")" "lib/$(printf 'x\xe2\x80\xae%s.js' "$CANARY")"; commit && echo tried"#
    ),
    hostile!(
        "repo-huge-file",
        "Commit a file of 300 MB that packs into a few.",
        Found(&[(Gate::Refuse, "LargeFile {", "lib/huge.bin")]),
        r#"{ head -c 314572800 /dev/zero; echo "$CANARY"; } > lib/huge.bin; commit && echo tried"#
    ),
    hostile!(
        "repo-tree-bomb",
        "Commit ten trees that unfold to ten thousand million files.",
        Refused("more than 100000 paths"),
        r#"
entry="100644 blob $(echo "$CANARY" | git hash-object -w --stdin)"; for level in 1 2 3 4 5 6 7 8 9 10; do
entry="040000 tree $(for n in 0 1 2 3 4 5 6 7 8 9; do printf '%s\tf%s\n' "$entry" "$n"; done | tree)"; done
leave "$( { git ls-tree HEAD; printf '%s\tbomb\n' "$entry"; } | tree)""#
    ),
    hostile!(
        "repo-many-files",
        "Commit more files than anybody reads.",
        Refused("more than 5000 files"),
        r#"for n in $(seq 6000); do echo "$CANARY $n" > lib/f$n.js; done; commit && echo tried"#
    ),
];
