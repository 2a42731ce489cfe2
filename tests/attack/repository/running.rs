//! Settings and programs of the repository that git would run.

use deckhand_executors::broker::Gate;

use super::row::{
    Expect::{Found, Pushed},
    Hostile,
};

/// The rows.
pub const ROWS: &[Hostile] = &[
    hostile!(
        "repo-hooks",
        "Leave hooks for everything that git does.",
        Pushed,
        r#"
mkdir -p .git/hooks tools; for hook in applypatch-msg commit-msg fsmonitor-watchman post-checkout post-commit post-index-change post-merge post-receive post-update pre-auto-gc pre-commit pre-push pre-receive prepare-commit-msg proc-receive reference-transaction update sendemail-validate; do
printf '#!/bin/sh\ntouch %s\n' "$MARK" > .git/hooks/$hook; chmod +x .git/hooks/$hook; done
git config core.hooksPath "$PWD/.git/hooks"; honest; git commit -qam x; trap_works"#
    ),
    hostile!(
        "repo-fsmonitor",
        "Let git ask a program of the repository which files changed.",
        Pushed,
        r#"honest; git config core.fsmonitor "touch $MARK; false"; git status >/dev/null 2>&1; trap_works"#
    ),
    hostile!(
        "repo-filters",
        "Let git pass files through programs of the repository, on the way in and out.",
        Pushed,
        r#"
honest; for kind in clean smudge process; do git config filter.x.$kind "touch $MARK; cat"; done; git config --unset filter.x.process
git config filter.x.required true; echo '* filter=x' > .git/info/attributes; git add value.txt; trap_works"#
    ),
    hostile!(
        "repo-helpers",
        "Name programs for ssh, pager, editor, differences, signatures, credentials and packs.",
        Pushed,
        r#"
honest; for name in core.sshCommand core.pager core.editor core.askPass diff.external diff.x.textconv diff.x.command merge.x.driver gpg.program gpg.ssh.program credential.helper uploadpack.packObjectsHook sequence.editor core.gitProxy pager.diff pager.log interactive.diffFilter; do git config $name "sh -c 'touch $MARK'"; done
git config commit.gpgSign true; git config log.showSignature true; echo '* diff=x merge=x' > .git/info/attributes
git config remote.origin.url 'ext::sh -c touch% '$MARK; git config remote.origin.receivepack "touch $MARK"; git config protocol.ext.allow always; git config url.'ext::sh -c touch '.insteadOf 'file://'
git diff >/dev/null 2>&1; trap_works"#
    ),
    hostile!(
        "repo-includes",
        "Include settings from elsewhere: from the tree, the home, and by condition.",
        Pushed,
        r#"
honest; printf '[core]\n\tfsmonitor = "touch %s; false"\n' "$MARK" > /tmp/included; cp /tmp/included "$HOME/.gitconfig"; cp /tmp/included lib/included; echo lib/included >> .git/info/exclude
git config include.path ../lib/included; git config 'includeIf.gitdir:/.path' /tmp/included; git config extensions.worktreeConfig true; cp /tmp/included .git/config.worktree
git status >/dev/null 2>&1; rm "$HOME/.gitconfig"; trap_works"#
    ),
    hostile!(
        "repo-git-file",
        "Put a file in the place of .git that leads to a repository full of traps.",
        Pushed,
        r#"
honest; mv .git /work/elsewhere; echo 'gitdir: /work/elsewhere' > .git; git config core.fsmonitor "touch $MARK; false"; git status >/dev/null 2>&1; trap_works"#
    ),
    hostile!(
        "repo-embedded-bare",
        "Hide a bare repository with traps in a folder of the tree.",
        Found(&[(Gate::Hold, "GitSettings", "lib/fixture/config")]),
        r#"
honest; git init -q --bare lib/fixture; git -C lib/fixture config core.fsmonitor "touch $MARK; false"; git -C lib/fixture config core.bare false; git -C lib/fixture config core.worktree ..; git -C lib/fixture status >/dev/null 2>&1; trap_works"#
    ),
    hostile!(
        "repo-names-like-options",
        "Call files and branches as options of git and of shells are called.",
        Found(&[
            (Gate::Refuse, "DeceivingName", "--upload-pack"),
            (Gate::Refuse, "DeceivingName", "-oProxyCommand"),
            (Gate::Refuse, "DeceivingName", "lib/$(touch"),
            (Gate::Refuse, "DeceivingName", "lib/`touch"),
            (Gate::Refuse, "DeceivingName", "lib/;touch")
        ]),
        r#"
honest; touch -- "--upload-pack=touch $(basename "$MARK")" "-c" "-oProxyCommand=touch x" "--output=x"; cd lib; touch '$(touch x)' '`touch x`' ';touch x'; cd ..
git update-ref "refs/heads/--exec=touch" HEAD; commit && echo tried"#
    ),
    hostile!(
        "repo-worktree-setting",
        "Let git take the agent's home for the work tree, so that what lies there is committed.",
        Found(&[(Gate::Hold, "OutOfScope", ".secrets/token")]),
        r#"
honest; mkdir -p "$HOME/.secrets"; echo "$CANARY" > "$HOME/.secrets/token"; git config core.worktree "$HOME"; git status --short | grep -q secrets && echo tried; true"#
    ),
];
