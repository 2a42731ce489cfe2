//! What a row says of a repository that does harm, and whether the host did with it what the row expects.

use std::fmt;

use deckhand_executors::broker::{BrokerError, Finding, Gate};

use crate::suite::Outcome;

/// What an ordinary change changes; see `honest` in [`BEGINNING`].
const HONEST: &str = "value.txt";

/// A repository or commit that does harm.
pub struct Hostile {
    /// Its name; it never changes.
    pub id: &'static str,
    /// What is tried, in one sentence.
    pub tries: &'static str,
    /// How it is held. Anything else shows nothing.
    pub expect: Expect,
    /// Bash in the task's work tree, as the sandbox's user. `CANARY` must not get into the remote; `MARK` is a file
    /// that must not be made on the host, and that the script may make in the sandbox to see that its trap works;
    /// `MIRROR` is the host's copy of the repository; `STRANGER` is an object of another repository; `BASE` is the
    /// commit that the task began with. What [`BEGINNING`] defines is there. It says `tried` where the trap is laid.
    pub script: &'static str,
}

/// How an attack is held.
#[derive(Debug, Clone, Copy)]
pub enum Expect {
    /// The broker takes nothing, and its own reason holds these words.
    Refused(&'static str),
    /// The broker holds it back, for each of these: what is done, the kind of finding as the code calls it, and a part of
    /// the path.
    Found(&'static [(Gate, &'static str, &'static str)]),
    /// The ordinary change of the row arrives at the remote, and nothing else does.
    Pushed,
}

/// What the host did with the work.
pub enum Went {
    /// It took nothing, for a reason that lies in what was handed out.
    Refused(BrokerError),
    /// It holds something back.
    Found(Vec<Finding>),
    /// It pushed, and these files differ from the base.
    Pushed(String),
}

impl Went {
    /// Whether a row is held, and what was seen.
    pub fn judged_by(&self, expect: Expect) -> Outcome {
        let is_held = match (expect, self) {
            (Expect::Refused(words), Self::Refused(error)) => error.to_string().contains(words),
            (Expect::Found(wanted), Self::Found(findings)) => wanted.iter().all(|wanted| {
                let mut fits = findings.iter().filter(|finding| is_like(finding, *wanted));
                fits.next().is_some()
            }),
            (Expect::Pushed, Self::Pushed(files)) => files == HONEST,
            (Expect::Refused(_) | Expect::Found(_), Self::Pushed(_)) => {
                return Outcome::succeeded(self.to_string());
            }
            (Expect::Refused(_), Self::Found(_))
            | (Expect::Found(_), Self::Refused(_))
            | (Expect::Pushed, Self::Refused(_) | Self::Found(_)) => false,
        };
        match (is_held, expect, self) {
            (true, ..) => Outcome::held(self.to_string()),
            (false, Expect::Pushed, Self::Pushed(_)) => Outcome::succeeded(self.to_string()),
            (false, ..) => Outcome::not_made(format!("{self}; expected {expect:?}")),
        }
    }
}

fn is_like(finding: &Finding, (gate, kind, path): (Gate, &str, &str)) -> bool {
    let is_kind = format!("{:?}", finding.kind).starts_with(kind);
    finding.gate() == gate && is_kind && finding.path.contains(path)
}

impl fmt::Display for Went {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(error) => write!(formatter, "not taken out: {error}"),
            Self::Found(findings) => {
                formatter.write_str("held back:")?;
                for finding in findings {
                    let (gate, path) = (finding.gate(), finding.path.escape_debug());
                    let kind = format!("{:?}", finding.kind);
                    let kind = kind.split([' ', '{']).next().unwrap_or_default();
                    write!(formatter, " {gate:?} {kind} {path}")?;
                }
                Ok(())
            }
            Self::Pushed(files) => {
                write!(formatter, "pushed with {}", files.replace('\n', ", "))
            }
        }
    }
}

/// What every script begins with.
pub const BEGINNING: &str = r#"
set -u
mkdir -p "$(dirname "$MARK")"
trap_works() { if [ -e "$MARK" ]; then echo "tried: the trap works"; else echo "the trap does not work"; fi; }
honest() { echo changed >> value.txt; }
commit() { git add -A && git commit -qm "${1:-Change}"; }
tree() { git mktree --missing; }
# An ordinary git checks no such tree out: the branch leads to it, and the work tree stays at the base.
leave() { local b c; b=$(git branch --show-current); c=$(git commit-tree -p HEAD -m x "$1") && git checkout -q --detach HEAD && git update-ref "refs/heads/$b" "$c" && echo tried; }
# An ordinary change as the bundle in which it would leave, and Python that changes its bytes.
bundle() { honest; commit; git update-ref refs/deckhand/out HEAD; git bundle create -q /work/forged refs/deckhand/out "^$BASE"; git reset -q --hard "$BASE"; }
edit() { python3 -c "import os; base, canary = os.environ['BASE'].encode(), os.environ['CANARY'].encode(); b = open('/work/forged', 'rb').read()
$1
open('/work/forged', 'wb').write(b)"; }
# The take-out says what stands in /work/forged, and nothing of its own: its git runs a filter, which writes to the
# output of the shell above it, and then there is nothing to hand out.
forge() {
cat > /work/say <<'SAY'
import glob, os, shutil, sys
for process in glob.glob("/proc/[0-9]*"):
    try: words = open(process + "/cmdline", "rb").read().split(b"\0")
    except OSError: continue
    if words[0] == b"sh" and words[3:4] == [b"take-out"] and not os.path.exists("/work/said"):
        open("/work/said", "w").close()
        # While a line of it writes elsewhere, a shell keeps its own output as number ten.
        own = next(fd for fd in (process + "/fd/10", process + "/fd/1") if os.path.lexists(fd))
        with open("/work/forged", "rb") as forged, open(own, "wb") as output: shutil.copyfileobj(forged, output, 1 << 20)
shutil.copyfileobj(sys.stdin.buffer, sys.stdout.buffer)
SAY
git config filter.say.clean "python3 /work/say"; echo 'value.txt filter=say' >> .git/info/attributes; touch -d "1 hour ago" value.txt; echo "tried: $(stat -c %s /work/forged) bytes"
}
"#;
