//! The session's tools: an MCP server on a unix socket, by which an agent hands over what it made.
//!
//! Inside the sandbox the shim is the server's other end, so that nothing is scraped from prose and every agent works the
//! same way. Several connections at a time are served; agents open one a session and one a helper of their own.

use std::{
    fs::Permissions,
    io,
    os::unix::fs::{MetadataExt as _, PermissionsExt},
    path::{Path, PathBuf},
    sync::Arc,
};

use rmcp::{
    ErrorData, RoleServer, ServerHandler,
    model::{
        CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, Implementation,
        ListToolsResult, PaginatedRequestParams, ServerCapabilities, ServerConfig, Tool,
    },
    serve_server,
    service::RequestContext,
    transport::async_rw::AsyncRwTransport,
};
use serde_json::Value;
use tokio::{
    io::split,
    net::UnixListener,
    sync::{Semaphore, mpsc, oneshot},
    task::{AbortHandle, JoinSet},
    time::{Duration, timeout},
};

use crate::door::{Closer, Entrance, Guest};

/// The server's name, which agents put before the names of its tools.
pub const SERVER_NAME: &str = "deckhand";

/// What the shim is told so that it connects an agent to the server.
pub(super) const SHIM_ARGUMENT: &str = "mcp";

/// The socket's name in a run's folder.
pub const SOCKET_NAME: &str = "mcp.sock";

/// Longest arguments of a call, in bytes of JSON.
pub const ARGUMENTS_LIMIT_BYTES: usize = 256 * 1024;

/// Longest message, in bytes; a call has an envelope around its arguments, and escapes within them.
const MESSAGE_LIMIT_BYTES: usize = 4 * ARGUMENTS_LIMIT_BYTES;

/// Most connections at a time.
const CONNECTION_LIMIT: usize = 16;

/// Longest path of a unix socket on Linux, in bytes (`sun_path` of unix(7), with its closing zero).
const SOCKET_PATH_LIMIT_BYTES: usize = 107;

/// How long a call may take to be answered.
const ANSWER_WAIT: Duration = Duration::from_mins(1);

/// A tool that a session offers.
#[derive(Clone, Debug, PartialEq)]
pub struct ToolDescription {
    /// Its name.
    pub name: String,
    /// What it is for, in the agent's words.
    pub description: String,
    /// The JSON schema of its arguments: an object.
    pub schema: Value,
}

/// A call of a tool. The answer goes to the agent; an `Err` tells it what to mend.
#[derive(Debug)]
pub struct HandoverCall {
    /// The tool's name; always one of those that are offered.
    pub tool: String,
    /// Its arguments: an object, of at most [`ARGUMENTS_LIMIT_BYTES`]. They do not have to fit the schema.
    pub arguments: Value,
    /// Where the answer goes. Dropping it tells the agent to try again.
    pub answer: oneshot::Sender<Result<String, String>>,
}

/// Why the tools cannot be offered.
#[derive(Debug, thiserror::Error)]
pub enum HandoverError {
    /// The folder's path is too long for a socket in it.
    #[error("the path {} has more than {SOCKET_PATH_LIMIT_BYTES} bytes, too many for a socket", .0.display())]
    PathTooLong(PathBuf),
    /// A schema is no object.
    #[error("the schema of the tool {0} is no object")]
    BadSchema(String),
    /// The machine has no thread left to close connections.
    #[error("no thread can be begun: {0}")]
    Thread(io::Error),
    /// The socket cannot be made.
    #[error("the socket {} cannot be made: {source}", .path.display())]
    Socket {
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// The tools of one run, offered until this is dropped.
#[derive(Debug)]
pub struct Handover {
    path: PathBuf,
    /// Which file there is this one's: another process may have put its own in the place.
    file: Option<(u64, u64)>,
    serving: AbortHandle,
}

impl Handover {
    /// Offers tools on `mcp.sock` in the run's folder. A socket that an earlier process left there is replaced.
    pub fn open(
        run_dir: &Path,
        tools: Vec<ToolDescription>,
        calls: mpsc::Sender<HandoverCall>,
    ) -> Result<Self, HandoverError> {
        let path = run_dir.join(SOCKET_NAME);
        if path.as_os_str().len() > SOCKET_PATH_LIMIT_BYTES {
            return Err(HandoverError::PathTooLong(path));
        }
        let tools = tools
            .into_iter()
            .map(offered)
            .collect::<Result<Vec<_>, _>>()?;
        let listener = listen(&path).map_err(|source| HandoverError::Socket {
            path: path.clone(),
            source,
        })?;
        let file = file_at(&path);
        let closer = Closer::start().map_err(HandoverError::Thread)?;
        let server = Server {
            tools: tools.into(),
            calls,
        };
        let entrance = Entrance::new(listener, &closer);
        let serving = tokio::spawn(serve(entrance, server)).abort_handle();
        Ok(Self {
            path,
            file,
            serving,
        })
    }
}

impl Drop for Handover {
    fn drop(&mut self) {
        self.serving.abort();
        if file_at(&self.path) != self.file {
            return;
        }
        if let Err(error) = std::fs::remove_file(&self.path) {
            tracing::debug!(%error, "the handover's socket is gone already");
        }
    }
}

/// What tells the file at a path from another one: its disk and its number there.
fn file_at(path: &Path) -> Option<(u64, u64)> {
    let known = std::fs::symlink_metadata(path).ok()?;
    Some((known.dev(), known.ino()))
}

fn listen(path: &Path) -> io::Result<UnixListener> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let listener = UnixListener::bind(path)?;
    // The sandbox's user is another one than the bot's.
    std::fs::set_permissions(path, Permissions::from_mode(0o666))?;
    Ok(listener)
}

fn offered(tool: ToolDescription) -> Result<Tool, HandoverError> {
    match tool.schema {
        Value::Object(schema) => Ok(Tool::new(tool.name, tool.description, Arc::new(schema))),
        _ => Err(HandoverError::BadSchema(tool.name)),
    }
}

/// Accepts until it is aborted; the connections end with it.
async fn serve(entrance: Entrance, server: Server) {
    let mut connections = JoinSet::new();
    let places = Arc::new(Semaphore::new(CONNECTION_LIMIT));
    loop {
        while connections.try_join_next().is_some() {}
        let Ok(place) = Arc::clone(&places).acquire_owned().await else {
            return;
        };
        match entrance.accept(place).await {
            Ok(guest) => {
                let server = server.clone();
                connections.spawn(talk(guest, server));
            }
            Err(error) => {
                tracing::warn!(%error, "an agent's connection for its tools was not accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

async fn talk(guest: Guest, server: Server) {
    let (read, write) = split(guest);
    let transport = AsyncRwTransport::<RoleServer, _, _>::new(read, write)
        .with_max_line_length(MESSAGE_LIMIT_BYTES);
    match serve_server(server, transport).await {
        Ok(running) => {
            if let Err(error) = running.waiting().await {
                tracing::warn!(%error, "serving an agent's tools broke off");
            }
        }
        Err(error) => {
            tracing::debug!(%error, "an agent's connection for its tools ended before it began");
        }
    }
}

#[derive(Clone)]
struct Server {
    tools: Arc<[Tool]>,
    calls: mpsc::Sender<HandoverCall>,
}

impl Server {
    /// Hands a call over; an `Err` is for the agent to read.
    async fn hand_over(&self, request: CallToolRequestParams) -> Result<String, String> {
        let tool = request.name.into_owned();
        if !self.tools.iter().any(|offered| offered.name == tool) {
            return Err(format!("There is no tool {tool:?}."));
        }
        let arguments = Value::Object(request.arguments.unwrap_or_default());
        let length = arguments.to_string().len();
        if length > ARGUMENTS_LIMIT_BYTES {
            return Err(format!(
                "The arguments have {length} bytes. At most {ARGUMENTS_LIMIT_BYTES} are taken: say it shorter."
            ));
        }
        let (answer, answered) = oneshot::channel();
        let call = HandoverCall {
            tool,
            arguments,
            answer,
        };
        let result = timeout(ANSWER_WAIT, async {
            self.calls.send(call).await.ok()?;
            answered.await.ok()
        });
        match result.await {
            Ok(Some(answer)) => answer,
            Ok(None) | Err(_) => Err(String::from(
                "This could not be taken now. Call the tool again with the same arguments.",
            )),
        }
    }
}

impl ServerHandler for Server {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
            .with_server_info(Implementation::new(SERVER_NAME, env!("CARGO_PKG_VERSION")))
    }

    async fn list_tools(
        &self,
        _request: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        Ok(ListToolsResult::with_all_items(self.tools.to_vec()))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let result = match self.hand_over(request).await {
            Ok(text) => CallToolResult::success(vec![ContentBlock::text(text)]),
            Err(text) => CallToolResult::error(vec![ContentBlock::text(text)]),
        };
        Ok(result.into())
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    #[tokio::test]
    async fn who_ends_late_leaves_the_socket_of_the_next_one() {
        let folder = tempfile::tempdir().unwrap();
        let open = || Handover::open(folder.path(), Vec::new(), mpsc::channel(1).0).unwrap();
        let earlier = open();
        let next = open();
        drop(earlier);
        assert!(folder.path().join(SOCKET_NAME).exists());
        drop(next);
        assert!(!folder.path().join(SOCKET_NAME).exists());
    }
}
