//! Objects and references that are not what they seem.

use deckhand_executors::broker::Gate;

use super::row::{
    Expect::{Found, Pushed, Refused},
    Hostile,
};

/// The rows.
pub const ROWS: &[Hostile] = &[
    hostile!(
        "repo-alternates",
        "Borrow objects from the host's other repositories by their paths and names.",
        Refused("missing blob object"),
        r#"
printf '%s\n/var/lib\n../../../../secret.git/objects\n' "$(dirname "$(dirname "$MIRROR")")/mirrors-of-others.git/objects" >> .git/objects/info/alternates
new=$( { git ls-tree HEAD; printf '100644 blob %s\tstolen\n' "$STRANGER"; } | tree); new_commit=$(git commit-tree -p HEAD -m x "$new")
{ printf '# v2 git bundle\n-%s x\n%s refs/deckhand/out\n\n' "$BASE" "$new_commit"; printf '%s\n' "$new_commit" "$new" | git pack-objects -q --stdout; } > /work/forged; forge"#
    ),
    hostile!(
        "repo-replace-references",
        "Show the checks another commit than the one that is pushed, by a replacement.",
        Found(&[(Gate::Hold, "Workflow", ".github/workflows/x.yml")]),
        r#"
honest; commit; good=$(git rev-parse HEAD); mkdir -p .github/workflows; echo "run: $CANARY" > .github/workflows/x.yml; commit; bad=$(git rev-parse HEAD)
git replace "$bad" "$good"; git log --oneline | head -n 1; git update-ref refs/deckhand/replace "$bad" && echo tried"#
    ),
    hostile!(
        "repo-grafts",
        "Make a history of one's own look as if it built on the base, by grafts and a false boundary.",
        Refused("do not build on the commit"),
        r#"
base=$(git rev-parse HEAD); git checkout -q --orphan fresh; honest; git commit -qm "$CANARY"; echo "$(git rev-parse HEAD) $base" > .git/info/grafts; git merge-base --is-ancestor "$base" HEAD && echo tried; true"#
    ),
    hostile!(
        "repo-foreign-history",
        "Hand over commits that do not build on the base.",
        Refused("do not build on the commit"),
        r#"git checkout -q --orphan fresh; echo "$CANARY" > lib/a.js; commit && echo tried"#
    ),
    hostile!(
        "repo-lying-object",
        "Write other content under the name of an object that the checks know.",
        Refused("missing blob object"),
        r#"
honest; commit; blob=$(git rev-parse HEAD:value.txt); python3 - "$blob" <<'PYTHON' && echo tried
import os, sys, zlib
name, text = sys.argv[1], os.environ["CANARY"].encode()
path = f".git/objects/{name[:2]}/{name[2:]}"
os.chmod(path, 0o644)
open(path, "wb").write(zlib.compress(b"blob %d\0" % len(text) + text))
PYTHON"#
    ),
    hostile!(
        "repo-history-keeps-secret",
        "Commit a secret and take it away in the next commit, so that it stands in the history alone.",
        Pushed,
        r#"echo "$CANARY" > lib/leak.js; commit; git rm -q lib/leak.js; honest; commit && echo tried"#
    ),
    hostile!(
        "repo-forged-trailers",
        "Forge in the commit's words who asked for it and who approved it.",
        Pushed,
        r#"honest; commit "Fix

Deckhand-Task: $CANARY
Requested-by: $CANARY
Approved-by: $CANARY" && echo tried"#
    ),
    hostile!(
        "repo-forged-author",
        "Commit in the name of somebody who may approve, at a time of one's own.",
        Pushed,
        r#"honest; git add -A; GIT_AUTHOR_NAME="$CANARY" GIT_AUTHOR_EMAIL="$CANARY@acme.example" GIT_COMMITTER_NAME="$CANARY" GIT_COMMITTER_EMAIL="a@b" GIT_AUTHOR_DATE="1000000000 +0000" git commit -qm x && echo tried"#
    ),
    hostile!(
        "repo-other-branches",
        "Move other branches and tags, and turn the reference that leaves into a link to one.",
        Pushed,
        r#"
honest; commit; git update-ref refs/heads/main HEAD; git update-ref refs/heads/deckhand/other HEAD; git tag v9 HEAD; git symbolic-ref refs/deckhand/out refs/heads/main
git push -q origin HEAD:main HEAD:refs/heads/$CANARY; git push -q "file://$MIRROR" HEAD:refs/heads/$CANARY; echo tried"#
    ),
    hostile!(
        "repo-write-mirror",
        "Write into the host's copy of the repository, which is mounted in the sandbox.",
        Pushed,
        r#"
honest; git -C "$MIRROR" update-ref "refs/heads/$CANARY" HEAD; echo "$CANARY" > "$MIRROR/hooks/post-update"; echo "$CANARY" >> "$MIRROR/config"; touch "$MARK"; chmod -R u+w "$MIRROR" 2>/dev/null; echo "$CANARY" > "$MIRROR/description"; echo tried"#
    ),
];
