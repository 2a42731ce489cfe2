//! The connection to the engine, made when it is first needed, and what its refusals mean.

use std::{path::PathBuf, time::Duration};

use bollard::{API_DEFAULT_VERSION, Docker, errors::Error};
use tokio::{sync::OnceCell, time::timeout};

use super::features::Features;
use crate::sandbox::ExecutorError;

/// Where engines put their socket by custom.
const CUSTOMARY_SOCKET: &str = "/var/run/docker.sock";
/// How long the engine may take to begin an answer, in seconds.
const ANSWER_SECONDS: u64 = 60;
/// How long it may take to say what there is.
const ANSWERS_WITHIN: Duration = Duration::from_secs(10);

/// An engine that may be down at first.
#[derive(Debug)]
pub struct Engine {
    socket: String,
    ready: OnceCell<Ready>,
}

#[derive(Debug)]
struct Ready {
    docker: Docker,
    processors: f64,
    root: Option<PathBuf>,
    features: Features,
}

impl Engine {
    /// The engine behind a unix socket.
    pub fn at(endpoint: Option<&str>) -> Result<Self, ExecutorError> {
        let endpoint = endpoint.unwrap_or(CUSTOMARY_SOCKET);
        let socket = endpoint.strip_prefix("unix://").unwrap_or(endpoint);
        if !socket.starts_with('/') {
            let sentence = format!(
                "{endpoint} is no engine: give the absolute path of its socket, as unix:///path"
            );
            return Err(ExecutorError::Refused(sentence));
        }
        Ok(Self {
            socket: socket.to_owned(),
            ready: OnceCell::new(),
        })
    }

    /// The engine's programming interface, in the version that both sides know.
    pub async fn api(&self) -> Result<&Docker, ExecutorError> {
        Ok(&self.ready().await?.docker)
    }

    /// How many processors the engine has; it refuses containers that ask for more.
    pub async fn processors(&self) -> Result<f64, ExecutorError> {
        Ok(self.ready().await?.processors)
    }

    /// What the engine has of what the walls are made of.
    pub async fn features(&self) -> Result<&Features, ExecutorError> {
        Ok(&self.ready().await?.features)
    }

    /// The folder of the engine's data, as the engine's host has it.
    pub async fn root(&self) -> Result<Option<&PathBuf>, ExecutorError> {
        Ok(self.ready().await?.root.as_ref())
    }

    /// One line about the engine.
    pub async fn describe(&self) -> Result<String, ExecutorError> {
        let docker = self.api().await?;
        let (version, facts) =
            tokio::try_join!(docker.version(), docker.info()).map_err(refused)?;
        let unknown = || "unknown".to_owned();
        let mut runtimes: Vec<String> = facts.runtimes.unwrap_or_default().into_keys().collect();
        runtimes.sort();
        Ok(format!(
            "Docker {} (interface {}, storage {}, cgroup {}, {} processors, runtimes {})",
            version.version.unwrap_or_else(unknown),
            docker.client_version(),
            facts.driver.unwrap_or_else(unknown),
            facts
                .cgroup_version
                .map_or_else(unknown, |cgroup| cgroup.to_string()),
            facts.ncpu.unwrap_or_default(),
            runtimes.join(", "),
        ))
    }

    async fn ready(&self) -> Result<&Ready, ExecutorError> {
        self.ready
            .get_or_try_init(|| async {
                let docker =
                    Docker::connect_with_unix(&self.socket, ANSWER_SECONDS, API_DEFAULT_VERSION)
                        .map_err(refused)?
                        .negotiate_version()
                        .await
                        .map_err(refused)?;
                let facts = docker.info().await.map_err(refused)?;
                let processors = facts.ncpu.unwrap_or(1);
                // More than four billion processors would lose their exactness.
                let processors = u32::try_from(processors).map_or(1.0, f64::from);
                Ok(Ready {
                    docker,
                    processors,
                    features: Features::of(&facts),
                    root: facts.docker_root_dir.map(PathBuf::from),
                })
            })
            .await
    }
}

/// Asks what there is, which takes milliseconds: an engine that does not say it in time hangs, and whoever asks has more to do.
pub async fn in_time<T>(
    asked: impl Future<Output = Result<T, ExecutorError>>,
) -> Result<T, ExecutorError> {
    let hangs = |_| Err(ExecutorError::Unreachable("it does not answer".to_owned()));
    timeout(ANSWERS_WITHIN, asked).await.unwrap_or_else(hangs)
}

/// The HTTP status of an engine's refusal.
pub fn status_of(error: &Error) -> Option<u16> {
    match error {
        Error::DockerResponseServerError { status_code, .. } => Some(*status_code),
        _ => None,
    }
}

/// What a failure means where the caller knows nothing better.
pub fn refused(error: Error) -> ExecutorError {
    match error {
        Error::DockerResponseServerError { message, .. } => ExecutorError::Refused(message),
        Error::SocketNotFoundError(path) => {
            ExecutorError::Unreachable(format!("there is no socket at {path}"))
        }
        Error::RequestTimeoutError
        | Error::IOError { .. }
        | Error::HyperResponseError { .. }
        | Error::HyperLegacyError { .. } => ExecutorError::Unreachable(with_causes(&error)),
        _ => ExecutorError::Refused(error.to_string()),
    }
}

/// The error with what lies below it: the outermost sentence of a client says only that it failed.
fn with_causes(error: &dyn std::error::Error) -> String {
    let mut sentence = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let text = inner.to_string();
        if !sentence.contains(&text) {
            sentence = format!("{sentence}: {text}");
        }
        cause = inner.source();
    }
    sentence
}
