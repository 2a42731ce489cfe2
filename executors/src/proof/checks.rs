//! Runs shell commands in a work tree of the clean container and records what the host saw.

use std::{fmt, time::Duration};

use super::{
    Moment, ProofSpec, ProofStep, Setup,
    room::{Ran, Room, Script},
    trees::Tree,
};
use crate::sandbox::{ExecOutput, ExecutorError};

/// Bytes of a command's output that are kept, from its start.
const LOG_BYTES: usize = 1024 * 1024;
/// Bytes of its end that are kept.
const TAIL_BYTES: usize = 4096;
/// How much longer than the command's own limit its surroundings may take.
const GRACE: Duration = Duration::from_secs(30);
/// Exit statuses by which a shell says that it could not start a command at all.
const NOT_STARTED: [i64; 2] = [126, 127];
/// Exit statuses of `timeout` when it had to end the command.
const ENDED_BY_TIMEOUT: [i64; 2] = [124, 137];

/// A check's name within its specification.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CheckId(pub String);

impl fmt::Display for CheckId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// A command that succeeds when something is as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// Its name.
    pub id: CheckId,
    /// The shell command.
    pub command: String,
    /// Its wall-clock limit.
    pub timeout: Duration,
}

/// How a check ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CheckStatus {
    /// With exit status 0.
    Passed,
    /// With another.
    Failed {
        /// The exit status.
        exit: i64,
    },
    /// It was ended at its limit.
    TimedOut,
    /// It says nothing about the commit: its program is missing, the setup failed, the container died.
    CouldNotRun {
        /// Why.
        reason: String,
    },
}

/// A check and what the host saw of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckResult {
    /// Its name.
    pub id: CheckId,
    /// The command as it ran.
    pub command: String,
    /// How it ended.
    pub status: CheckStatus,
    /// How long it took.
    pub elapsed: Duration,
    /// Standard output and error together, at most one mebibyte from the start.
    pub log: String,
    /// The last four kibibytes, also where the log is cut.
    pub tail: String,
    /// Whether something between the log and the tail is missing.
    pub log_is_cut: bool,
}

impl CheckResult {
    /// A sentence about why nothing can run after this, where it did not pass.
    pub(super) fn obstacle(&self) -> Option<String> {
        match &self.status {
            CheckStatus::Passed => None,
            CheckStatus::Failed { exit } => Some(format!("the setup failed with status {exit}")),
            CheckStatus::TimedOut => Some("the setup did not end in time".to_owned()),
            CheckStatus::CouldNotRun { reason } => Some(format!("the setup: {reason}")),
        }
    }

    fn not_run(check: &Check, reason: &str) -> Self {
        Self::new(
            check,
            CheckStatus::CouldNotRun {
                reason: reason.to_owned(),
            },
        )
    }

    fn new(check: &Check, status: CheckStatus) -> Self {
        Self {
            id: check.id.clone(),
            command: check.command.clone(),
            status,
            elapsed: Duration::ZERO,
            log: String::new(),
            tail: String::new(),
            log_is_cut: false,
        }
    }
}

/// The command runs in a process group of its own, which is ended with it. What left the group has no parent any more
/// and shows as a new child of the container's first process; it is ended too, for it may keep the pipe open or a port
/// taken. The first part of what is said goes to standard output, the end of the rest to standard error; the command's
/// status follows there in a line of its own, so that it cannot be taken for that of this script.
const RUN: &str = r#"
seconds=$1 command=$2 head=$3 tail=$4
status=$(mktemp /tmp/deckhand-status.XXXXXX)
orphans() { grep -ls '^PPid:[[:space:]]*1$' /proc/[0-9]*/status; }
known=$(orphans)
{
  timeout -k 5 "$seconds" sh -lc "$command" </dev/null 2>&1 &
  group=$!
  wait "$group"
  echo $? > "$status"
  kill -s KILL -- "-$group" 2>/dev/null
  rounds=0
  while [ "$rounds" -lt 40 ]; do
    left=$(orphans | grep -vxF "${known:-none}" | sed 's|[^0-9]||g')
    if [ -z "$left" ]; then break; fi
    kill -s KILL $left 2>/dev/null
    rounds=$((rounds + 1))
    sleep 0.05
  done
} | { head -c "$head"; tail -c "$tail" >&2; }
printf '\n%s' "$(cat "$status")" >&2
rm -f "$status"
"#;

/// Runs every check in the tree of `moment`, in order. Where there is an obstacle none can run.
pub(super) async fn run_all(
    room: &Room<'_>,
    spec: &ProofSpec,
    moment: Moment,
    obstacle: Option<&str>,
    tell: &(impl Fn(ProofStep) + Sync),
) -> Result<Vec<CheckResult>, ExecutorError> {
    let mut results = Vec::new();
    for check in &spec.checks {
        let result = if let Some(reason) = obstacle {
            CheckResult::not_run(check, reason)
        } else {
            let id = check.id.clone();
            tell(ProofStep::Checking { id, moment });
            run(room, check, Tree::of(moment)).await?
        };
        tell(ProofStep::Checked {
            id: check.id.clone(),
            moment,
            status: result.status.clone(),
        });
        results.push(result);
    }
    Ok(results)
}

/// Runs the setup in a tree.
pub(super) async fn run_setup(
    room: &Room<'_>,
    setup: &Setup,
    tree: Tree,
) -> Result<CheckResult, ExecutorError> {
    let check = Check {
        id: CheckId("setup".to_owned()),
        command: setup.command.clone(),
        timeout: setup.timeout,
    };
    run(room, &check, tree).await
}

async fn run(room: &Room<'_>, check: &Check, tree: Tree) -> Result<CheckResult, ExecutorError> {
    let seconds = check.timeout.as_secs().max(1);
    let script = Script {
        text: RUN,
        arguments: vec![
            seconds.to_string(),
            check.command.clone(),
            LOG_BYTES.to_string(),
            TAIL_BYTES.to_string(),
        ],
        folder: tree.folder(),
        timeout: check.timeout + GRACE,
        output_limit_bytes: LOG_BYTES,
    };
    Ok(match room.run(script).await? {
        Ran::Ended(mut output) => {
            let exit = take_status(&mut output.errors);
            let status = read_status(exit, output.elapsed, check.timeout);
            with_output(CheckResult::new(check, status), &output)
        }
        Ran::TooSlow(output) => {
            with_output(CheckResult::new(check, CheckStatus::TimedOut), &output)
        }
        Ran::Died => CheckResult::not_run(check, "the container ended while it ran"),
    })
}

/// Takes the command's status off the end of the standard error; `None` where the script did not get there.
fn take_status(errors: &mut Vec<u8>) -> Option<i64> {
    let at = errors.iter().rposition(|byte| *byte == b'\n')?;
    let exit = str::from_utf8(&errors[at + 1..]).ok()?.parse().ok()?;
    errors.truncate(at);
    Some(exit)
}

fn read_status(exit: Option<i64>, elapsed: Duration, limit: Duration) -> CheckStatus {
    let Some(exit) = exit else {
        let reason = "the container could not run it to its end".to_owned();
        return CheckStatus::CouldNotRun { reason };
    };
    let limit_passed = elapsed.as_secs() >= limit.as_secs();
    if exit == 0 {
        CheckStatus::Passed
    } else if limit_passed && ENDED_BY_TIMEOUT.contains(&exit) {
        CheckStatus::TimedOut
    } else if NOT_STARTED.contains(&exit) {
        let reason =
            format!("the command or a part of it was not found or is no program (status {exit})");
        CheckStatus::CouldNotRun { reason }
    } else {
        CheckStatus::Failed { exit }
    }
}

fn with_output(mut result: CheckResult, output: &ExecOutput) -> CheckResult {
    let (log, rest) = (&output.output, &output.errors);
    result.elapsed = output.elapsed;
    result.log_is_cut = !rest.is_empty() || output.dropped_bytes > 0;
    let missing = TAIL_BYTES.saturating_sub(rest.len()).min(log.len());
    let mut tail = log[log.len() - missing..].to_vec();
    tail.extend_from_slice(&rest[rest.len().saturating_sub(TAIL_BYTES)..]);
    result.tail = String::from_utf8_lossy(&tail).into_owned();
    result.log = String::from_utf8_lossy(log).into_owned();
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_of_its_own_is_not_taken_for_a_time_out() {
        let (one, ten) = (Duration::from_secs(1), Duration::from_secs(10));
        let read = |exit, elapsed| read_status(Some(exit), elapsed, ten);
        assert_eq!(read(124, one), CheckStatus::Failed { exit: 124 });
        assert_eq!(read(124, ten), CheckStatus::TimedOut);
        assert_eq!(read(0, ten), CheckStatus::Passed);
        let cannot_run = |status| matches!(status, CheckStatus::CouldNotRun { .. });
        assert!(cannot_run(read(127, one)));
        assert!(cannot_run(read_status(None, one, ten)));
    }

    #[test]
    fn the_status_stands_after_the_last_line_end() {
        let mut errors = b"end of it\n7\n12".to_vec();
        assert_eq!(take_status(&mut errors), Some(12));
        assert_eq!(errors, b"end of it\n7");
        assert_eq!(take_status(&mut b"no line".to_vec()), None);
        assert_eq!(take_status(&mut b"a\nb".to_vec()), None);
    }

    #[test]
    fn the_tail_is_the_end_of_the_whole_output() {
        let check = Check {
            id: CheckId("C1".to_owned()),
            command: "true".to_owned(),
            timeout: Duration::from_secs(1),
        };
        let mut ran = ExecOutput {
            status: Some(0),
            output: b"begin".to_vec(),
            errors: Vec::new(),
            dropped_bytes: 0,
            elapsed: Duration::from_secs(1),
        };
        let result = with_output(CheckResult::new(&check, CheckStatus::Passed), &ran);
        assert_eq!((result.tail.as_str(), result.log_is_cut), ("begin", false));
        ran.errors = b"end".to_vec();
        let result = with_output(CheckResult::new(&check, CheckStatus::Passed), &ran);
        assert_eq!(
            (result.tail.as_str(), result.log_is_cut),
            ("beginend", true)
        );
    }
}
