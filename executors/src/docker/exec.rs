//! A command beside the main process: its input, its bounded output, its end.

use std::{io, time::Duration};

use bollard::{
    Docker,
    container::LogOutput,
    errors::Error,
    exec::{CreateExecOptions, StartExecOptions, StartExecResults},
};
use futures::{Stream, StreamExt as _};
use tokio::{
    io::{AsyncWrite, AsyncWriteExt as _},
    time::{Instant, sleep, timeout_at},
};

use super::shape::USER;
use crate::sandbox::{Exec, ExecOutput};

/// Bytes of output that are buffered at a time.
const BUFFER_BYTES: usize = 64 * 1024;
/// How often the engine is asked whether the command has ended while its output is silent. A process that it left in
/// the background keeps the output open and is not waited for.
const END_CHECK: Duration = Duration::from_millis(500);
/// The pause between two looks at a command whose output has ended and whose status is not written yet.
const STATUS_PAUSE: Duration = Duration::from_millis(20);

/// Runs a command in a container. Errors are the engine's; a command that fails is a success here.
pub async fn run(
    docker: &Docker,
    container: &str,
    exec: Exec,
    started: Instant,
) -> Result<ExecOutput, Error> {
    let environment = exec
        .environment
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let options = CreateExecOptions {
        attach_stdin: Some(true),
        attach_stdout: Some(true),
        attach_stderr: Some(true),
        tty: Some(false),
        cmd: Some(exec.command),
        env: Some(environment),
        user: Some(USER.to_owned()),
        working_dir: Some(exec.working_directory),
        ..CreateExecOptions::default()
    };
    let id = docker.create_exec(container, options).await?.id;
    let start = StartExecOptions {
        detach: false,
        tty: false,
        output_capacity: Some(BUFFER_BYTES),
    };
    let mut kept = Kept::new(exec.output_limit_bytes);
    let mut status = None;
    if let StartExecResults::Attached { output, input } =
        docker.start_exec(&id, Some(start)).await?
    {
        let all = async {
            converse(docker, &id, input, &exec.input, output, &mut kept).await?;
            status_of(docker, &id).await
        };
        // Nothing can be done about the command itself when its time is over: see `Exec::timeout`.
        if let Ok(outcome) = timeout_at(started + exec.timeout, all).await {
            status = outcome?;
        }
    }
    Ok(ExecOutput {
        status,
        output: kept.output,
        errors: kept.errors,
        dropped_bytes: kept.dropped_bytes,
        elapsed: started.elapsed(),
    })
}

/// Writes the input and reads the output at the same time, until the output or the command ends.
async fn converse(
    docker: &Docker,
    id: &str,
    mut input: impl AsyncWrite + Unpin,
    bytes: &[u8],
    output: impl Stream<Item = Result<LogOutput, Error>> + Unpin,
    kept: &mut Kept,
) -> Result<(), Error> {
    let write = async {
        // A command that does not read its input is no failure.
        let _: io::Result<()> = async {
            input.write_all(bytes).await?;
            input.flush().await?;
            input.shutdown().await
        }
        .await;
        std::future::pending().await
    };
    tokio::select! {
        never = write => never,
        outcome = read(docker, id, output, kept) => outcome,
    }
}

async fn read(
    docker: &Docker,
    id: &str,
    mut output: impl Stream<Item = Result<LogOutput, Error>> + Unpin,
    kept: &mut Kept,
) -> Result<(), Error> {
    let mut ended = false;
    loop {
        let next = tokio::select! {
            biased;
            next = output.next() => next,
            () = sleep(END_CHECK) => {
                // What was on its way when the command ended has had one more interval to arrive.
                if ended {
                    return Ok(());
                }
                ended = docker.inspect_exec(id).await?.running == Some(false);
                continue;
            }
        };
        match next.transpose()? {
            Some(LogOutput::StdErr { message }) => kept.errors(&message),
            Some(LogOutput::StdOut { message } | LogOutput::Console { message }) => {
                kept.output(&message);
            }
            Some(LogOutput::StdIn { .. }) => {}
            None => return Ok(()),
        }
    }
}

/// The exit status; the engine writes it a moment after the end of the output.
async fn status_of(docker: &Docker, id: &str) -> Result<Option<i64>, Error> {
    loop {
        let facts = docker.inspect_exec(id).await?;
        if facts.running != Some(true) {
            return Ok(facts.exit_code);
        }
        sleep(STATUS_PAUSE).await;
    }
}

/// What is kept of a command's output.
struct Kept {
    limit: usize,
    output: Vec<u8>,
    errors: Vec<u8>,
    dropped_bytes: u64,
}

impl Kept {
    fn new(limit: usize) -> Self {
        Self {
            limit,
            output: Vec::new(),
            errors: Vec::new(),
            dropped_bytes: 0,
        }
    }

    fn output(&mut self, piece: &[u8]) {
        self.dropped_bytes += keep(&mut self.output, piece, self.limit);
    }

    fn errors(&mut self, piece: &[u8]) {
        self.dropped_bytes += keep(&mut self.errors, piece, self.limit);
    }
}

/// Appends what there is room for; answers with the number of bytes that were dropped.
fn keep(kept: &mut Vec<u8>, piece: &[u8], limit: usize) -> u64 {
    let room = limit.saturating_sub(kept.len()).min(piece.len());
    kept.extend_from_slice(&piece[..room]);
    (piece.len() - room) as u64
}
