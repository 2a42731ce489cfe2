//! Runs git on the host: a clean environment, no hooks, no prompts, a wall-clock limit, bounded output.
//!
//! It is only ever pointed at bare repositories that the host made itself, never at a folder that a sandbox can
//! write: git runs programs that such a folder's configuration names.

use std::{ffi::OsString, path::Path, process::Stdio, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use rustix::process::{Pid, Signal, kill_process_group};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _},
    process::{Child, Command},
    time::timeout,
};

use super::{address::RepositoryUrl, trouble::Trouble};

/// Bytes of standard error that are kept, from its start; a remote can send any amount.
const ERRORS_KEPT_BYTES: usize = 64 * 1024;
/// Bytes of standard output for commands that answer with a name or two.
pub(crate) const SHORT_OUTPUT_BYTES: usize = 64 * 1024;
/// Wall-clock limit of commands that touch only the local disk.
pub(crate) const LOCAL_TIME: Duration = Duration::from_mins(1);

/// What git may see of the bot's own environment: where programs, proxies and roots of trust are.
const INHERITED: [&str; 12] = [
    "PATH",
    "TMPDIR",
    "SSH_AUTH_SOCK",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "GIT_SSL_CAINFO",
    "http_proxy",
    "https_proxy",
    "HTTPS_PROXY",
    "all_proxy",
    "no_proxy",
    "NO_PROXY",
];

/// Settings that hold for every command. The slow-line rule ends a transfer that has all but stopped.
/// Attributes come from an empty tree: those of a repository could hide a file's lines from who looks through them.
const ALWAYS: [(&str, &str); 16] = [
    ("attr.tree", "4b825dc642cb6eb9a060e54bf8d69288fbee4904"),
    ("core.attributesFile", "/dev/null"),
    ("core.excludesFile", "/dev/null"),
    ("core.hooksPath", "/dev/null"),
    ("core.fsmonitor", "false"),
    ("core.protectHFS", "true"),
    ("core.protectNTFS", "true"),
    ("core.askPass", ""),
    ("credential.helper", ""),
    ("gc.auto", "0"),
    ("maintenance.auto", "false"),
    ("protocol.allow", "never"),
    ("core.sharedRepository", "0644"),
    ("http.lowSpeedLimit", "1000"),
    ("http.lowSpeedTime", "60"),
    ("submodule.recurse", "false"),
];

/// A user name and a password or token for a remote over HTTP.
#[derive(Debug, Clone)]
pub struct Credential {
    /// The user; forges that take a bare token want a fixed name here.
    pub user: String,
    /// The password or token.
    pub secret: SecretString,
}

impl Credential {
    /// The `Authorization` header, with the texts that must never be shown.
    fn header(&self) -> (String, Vec<String>) {
        let secret = self.secret.expose_secret();
        let encoded = STANDARD.encode(format!("{}:{secret}", self.user));
        let header = format!("Authorization: Basic {encoded}");
        (header, vec![encoded, secret.to_owned()])
    }
}

/// What happens to output that is over the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Overflow {
    /// The command is ended and its output is worth nothing.
    Refuse,
    /// The command is ended and what came so far is kept.
    Cut,
}

/// A command that could not be run to its end, or ended badly.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GitError {
    /// Git could not be started.
    #[error("git could not be started on the host: {0}")]
    Start(std::io::Error),
    /// The wall-clock limit passed.
    #[error("git did not finish within {} seconds", .0.as_secs())]
    TooSlow(Duration),
    /// The output was over its limit.
    #[error("git answered with more than {0} bytes")]
    TooMuch(usize),
    /// A pipe broke.
    #[error("git could not be read: {0}")]
    Pipe(std::io::Error),
    /// Git ended with a status other than zero.
    #[error("git said: {}", .0.summary())]
    Failed(Failure),
}

/// What a command that ended badly left behind.
#[derive(Debug)]
pub(crate) struct Failure {
    /// The exit status; -1 where a signal ended it.
    pub(crate) status: i32,
    /// Standard output.
    pub(crate) output: Vec<u8>,
    /// Standard error, without credentials.
    pub(crate) errors: String,
}

impl Failure {
    /// The last line that git itself wrote, which names the cause.
    pub(crate) fn summary(&self) -> String {
        let line = |mark: &str| self.errors.lines().rfind(|line| line.starts_with(mark));
        line("fatal:")
            .or_else(|| line("error:"))
            .or_else(|| self.errors.lines().rfind(|line| !line.trim().is_empty()))
            .unwrap_or("nothing")
            .chars()
            .take(300)
            .collect()
    }

    /// The lines that name causes, joined: git's own check writes its reason before the last line.
    pub(crate) fn cause(&self) -> String {
        let marked = |line: &&str| {
            ["error:", "fatal:"]
                .iter()
                .any(|mark| line.starts_with(mark))
        };
        let lines: Vec<&str> = self.errors.lines().filter(marked).take(4).collect();
        if lines.is_empty() {
            self.summary()
        } else {
            lines.join("; ").chars().take(600).collect()
        }
    }

    /// What kind of trouble the words describe.
    pub(crate) fn trouble(&self) -> Trouble {
        Trouble::read(&self.errors)
    }
}

/// One git command, built step by step. It cannot be printed, because it may hold a credential.
#[must_use]
pub(crate) struct Git {
    arguments: Vec<OsString>,
    settings: Vec<(String, String)>,
    environment: Vec<(&'static str, String)>,
    hidden: Vec<String>,
    input: Vec<u8>,
    time: Duration,
    output_limit: usize,
    overflow: Overflow,
}

impl Git {
    /// A command in a bare repository of the host.
    pub(crate) fn within(repository: &Path, arguments: &[&str]) -> Self {
        let mut git = Self::new(arguments);
        let mut place = OsString::from("--git-dir=");
        place.push(repository);
        git.arguments.insert(0, place);
        git
    }

    /// A command that needs no repository.
    pub(crate) fn new(arguments: &[&str]) -> Self {
        Self {
            arguments: arguments.iter().map(OsString::from).collect(),
            settings: Vec::new(),
            environment: Vec::new(),
            hidden: Vec::new(),
            input: Vec::new(),
            time: LOCAL_TIME,
            output_limit: SHORT_OUTPUT_BYTES,
            overflow: Overflow::Refuse,
        }
    }

    /// One more argument, which may be any path.
    pub(crate) fn argument(mut self, argument: impl Into<OsString>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// One more setting.
    pub(crate) fn setting(mut self, key: &str, value: &str) -> Self {
        self.settings.push((key.to_owned(), value.to_owned()));
        self
    }

    /// One more variable.
    pub(crate) fn variable(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.environment.push((name, value.into()));
        self
    }

    /// Allows the address's transport and no other, and adds the credential for its host only.
    pub(crate) fn remote(mut self, url: &RepositoryUrl, credential: Option<&Credential>) -> Self {
        let transport = format!("protocol.{}.allow", url.scheme().as_str());
        self.settings.push((transport, "always".to_owned()));
        if let Some(credential) = credential {
            let (header, hidden) = credential.header();
            let key = format!("http.{}.extraHeader", url.origin());
            self.settings.push((key, header));
            self.hidden.extend(hidden);
        }
        self
    }

    /// Bytes for standard input.
    pub(crate) fn input(mut self, input: impl Into<Vec<u8>>) -> Self {
        self.input = input.into();
        self
    }

    /// The wall-clock limit.
    pub(crate) fn time(mut self, time: Duration) -> Self {
        self.time = time;
        self
    }

    /// The limit of standard output in bytes, and what is done with more.
    pub(crate) fn output(mut self, limit: usize, overflow: Overflow) -> Self {
        self.output_limit = limit;
        self.overflow = overflow;
        self
    }

    /// Runs it and gives the standard output as text without its last line end.
    pub(crate) async fn line(self) -> Result<String, GitError> {
        let output = self.run().await?;
        Ok(String::from_utf8_lossy(&output).trim_end().to_owned())
    }

    /// Runs it and gives the standard output. Dropping the future ends the command and everything it started.
    pub(crate) async fn run(self) -> Result<Vec<u8>, GitError> {
        let mut child = self.command().spawn().map_err(GitError::Start)?;
        let mut group = Group::of(&child);
        let limit = self.time;
        let finished = timeout(limit, self.attend(&mut child)).await;
        let (output, errors, status) = finished.map_err(|_| GitError::TooSlow(limit))??;
        group.is_over();
        if output.len() > self.output_limit {
            let mut output = output;
            output.truncate(self.output_limit);
            return match self.overflow {
                Overflow::Refuse => Err(GitError::TooMuch(self.output_limit)),
                Overflow::Cut => Ok(output),
            };
        }
        if status == 0 {
            return Ok(output);
        }
        Err(GitError::Failed(Failure {
            status,
            output,
            errors: self.without_secrets(&errors),
        }))
    }

    fn command(&self) -> Command {
        let mut command = Command::new("git");
        // Name by name: for a command whose environment is cleared, and so has a `PATH` of its own, the standard library copies
        // this whole process, which takes longer the more memory it has.
        for (name, _) in std::env::vars_os() {
            if !INHERITED.iter().any(|inherited| name == *inherited) {
                command.env_remove(name);
            }
        }
        command
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_ATTR_NOSYSTEM", "1")
            .env("GIT_LITERAL_PATHSPECS", "1")
            .env("GIT_NO_LAZY_FETCH", "1")
            .env("GIT_NO_REPLACE_OBJECTS", "1")
            .env("GIT_OPTIONAL_LOCKS", "0")
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("GIT_SSH_COMMAND", "ssh -oBatchMode=yes -oConnectTimeout=20")
            .env("LC_ALL", "C");
        let own = self.settings.iter().map(|(key, value)| (&**key, &**value));
        let mut count = 0_usize;
        for (key, value) in ALWAYS.into_iter().chain(own) {
            command
                .env(format!("GIT_CONFIG_KEY_{count}"), key)
                .env(format!("GIT_CONFIG_VALUE_{count}"), value);
            count += 1;
        }
        command.env("GIT_CONFIG_COUNT", count.to_string());
        for (name, value) in &self.environment {
            command.env(name, value);
        }
        command
            .args(&self.arguments)
            .current_dir("/")
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    async fn attend(&self, child: &mut Child) -> Result<(Vec<u8>, String, i32), GitError> {
        let (input, output, errors) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let feed = async {
            if let Some(mut input) = input {
                // A command that has seen enough closes its end; its exit status tells whether that was right.
                let _ = input.write_all(&self.input).await;
                let _ = input.shutdown().await;
            }
        };
        let ((), output, errors) = tokio::join!(
            feed,
            read_some(output, self.output_limit),
            read_beginning(errors, ERRORS_KEPT_BYTES)
        );
        let output = output.map_err(GitError::Pipe)?;
        let errors = errors.map_err(GitError::Pipe)?;
        let status = child.wait().await.map_err(GitError::Pipe)?;
        let errors = String::from_utf8_lossy(&errors).into_owned();
        Ok((output, errors, status.code().unwrap_or(-1)))
    }

    fn without_secrets(&self, text: &str) -> String {
        self.hidden
            .iter()
            .filter(|secret| !secret.is_empty())
            .fold(text.to_owned(), |text, secret| text.replace(secret, "***"))
    }
}

/// Reads up to one byte over the limit and then closes the pipe, at which the writer ends.
async fn read_some(pipe: Option<impl AsyncRead + Unpin>, limit: usize) -> std::io::Result<Vec<u8>> {
    let mut kept = Vec::new();
    if let Some(pipe) = pipe {
        let over = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
        pipe.take(over).read_to_end(&mut kept).await?;
    }
    Ok(kept)
}

/// Reads to the end and keeps the beginning.
async fn read_beginning(
    pipe: Option<impl AsyncRead + Unpin>,
    limit: usize,
) -> std::io::Result<Vec<u8>> {
    let mut kept = Vec::new();
    let Some(mut pipe) = pipe else {
        return Ok(kept);
    };
    let mut chunk = [0_u8; 4096];
    loop {
        let read = pipe.read(&mut chunk).await?;
        if read == 0 {
            return Ok(kept);
        }
        let room = limit.saturating_sub(kept.len()).min(read);
        kept.extend_from_slice(&chunk[..room]);
    }
}

/// The process group of a running command. Git starts others (the transport, the packer), so ending the first alone
/// would leave a transfer going and its locks held; a polite signal lets git take its own locks away.
struct Group(Option<Pid>);

impl Group {
    fn of(child: &Child) -> Self {
        let id = child.id().and_then(|id| i32::try_from(id).ok());
        Self(id.and_then(Pid::from_raw))
    }

    /// The command has been waited for, so its number may belong to another process by now.
    fn is_over(&mut self) {
        self.0 = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(id) = self.0 {
            // It may have ended by itself meanwhile, which is as good.
            let _ = kill_process_group(id, Signal::TERM);
        }
    }
}

#[cfg(test)]
#[expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn output_over_the_limit_is_refused_or_cut() {
        let refused = Git::new(&["--help"])
            .output(10, Overflow::Refuse)
            .run()
            .await;
        assert!(matches!(refused, Err(GitError::TooMuch(10))));
        let cut = Git::new(&["--help"]).output(10, Overflow::Cut).run().await;
        assert_eq!(cut.unwrap().len(), 10);
    }

    #[tokio::test]
    async fn of_the_environment_it_sees_what_it_needs_and_no_more() {
        let see = ["-c", "alias.see=!env", "see"];
        let seen = Git::new(&see).line().await.unwrap();
        let names: Vec<&str> = seen
            .lines()
            .filter_map(|line| Some(line.split_once('=')?.0))
            .collect();
        assert!(names.contains(&"PATH"), "{names:?}");
        // What the shell of an alias adds by itself is nobody's secret.
        let own = |name: &str| {
            name.starts_with("GIT_") || ["LC_ALL", "PWD", "SHLVL", "_"].contains(&name)
        };
        let others = |name: &&str| !own(name) && !INHERITED.contains(name);
        let more: Vec<&str> = names.into_iter().filter(others).collect();
        assert!(more.is_empty(), "{more:?}");
        assert!(
            std::env::var_os("CARGO_MANIFEST_DIR").is_some(),
            "there is more"
        );
    }

    #[tokio::test]
    async fn a_command_that_hangs_is_ended_with_everything_it_started() {
        let folder = tempfile::tempdir().unwrap();
        let noted = folder.path().join("pid");
        let hang = format!(
            "alias.hang=!echo $$ > {}; sleep 1000; true",
            noted.display()
        );
        let git = Git::new(&["-c", &hang, "hang"]);
        let error = git.time(Duration::from_millis(500)).run().await;
        assert!(matches!(error, Err(GitError::TooSlow(_))));
        let started = std::fs::read_to_string(noted).unwrap();
        let process = Path::new("/proc").join(started.trim());
        let is_gone = async {
            while process.exists() {
                tokio::task::yield_now().await;
            }
        };
        timeout(Duration::from_secs(10), is_gone).await.unwrap();
    }

    #[tokio::test]
    async fn a_credential_goes_by_environment_and_is_scrubbed_from_errors() {
        let url = RepositoryUrl::parse("https://example.test/a/b").unwrap();
        let credential = Credential {
            user: "ana".to_owned(),
            secret: "hunter2".to_owned().into(),
        };
        let shown = "alias.reveal=!sh -c 'git config --get-regexp extraheader >&2; echo hunter2 >&2; exit 3'";
        let git = Git::new(&["-c", shown, "reveal"]);
        let Err(GitError::Failed(failure)) = git.remote(&url, Some(&credential)).run().await else {
            panic!("the command must fail");
        };
        assert!(
            failure
                .errors
                .contains("http.https://example.test/.extraheader")
        );
        assert!(failure.errors.contains("Basic ***"), "{}", failure.errors);
        assert!(!failure.errors.contains("hunter2"));
    }

    #[tokio::test]
    async fn the_bots_own_variables_do_not_reach_git() {
        let git = Git::new(&["-c", "alias.names=!env | cut -d= -f1", "names"]);
        let names = git.line().await.unwrap();
        let known = |name: &str| INHERITED.contains(&name) || name.starts_with("GIT_");
        let shells_own = ["PWD", "SHLVL", "_", "LC_ALL", "OLDPWD"];
        for name in names.lines() {
            assert!(known(name) || shells_own.contains(&name), "{name}");
        }
    }
}
