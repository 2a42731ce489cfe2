//! Git over HTTP: `git http-backend` run as a CGI program behind GitHub's kind of sign-in.

use std::process::Stdio;

use anyhow::Context as _;
use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, HeaderValue, Response as HttpResponse, StatusCode, header};
use axum::response::Response;
use futures::TryStreamExt as _;
use tokio::io::{AsyncBufRead, AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio_util::io::{ReaderStream, StreamReader};

use super::auth::{self, Caller, Need};
use super::git;
use super::pulls;
use super::state::{RepositoryName, Shared, SharedState};

/// Header lines that the CGI program may answer with.
const CGI_HEADERS: usize = 50;
/// Bytes of a push's report, which is a few lines per ref.
const PUSH_REPORT: u64 = 4 * 1024 * 1024;

/// Which side of git is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Service {
    UploadPack,
    ReceivePack,
}

/// `GET /{owner}/{repo}.git/info/refs` and `POST /{owner}/{repo}.git/git-{service}`.
pub(super) async fn serve(
    State(shared): State<SharedState>,
    Path((owner, repository)): Path<(String, String)>,
    request: Request,
) -> Response {
    let query = request.uri().query().unwrap_or_default();
    let tail = request.uri().path().rsplit('/').next().unwrap_or_default();
    let service = match (tail, query) {
        ("refs", "service=git-upload-pack") | ("git-upload-pack", _) => Service::UploadPack,
        ("refs", "service=git-receive-pack") | ("git-receive-pack", _) => Service::ReceivePack,
        _ => return text(StatusCode::FORBIDDEN, "Please upgrade your git client.\n"),
    };
    let name = repository
        .strip_suffix(".git")
        .unwrap_or(&repository)
        .to_owned();
    let (caller, name) = match admit(&shared, request.headers(), &(owner, name), service) {
        Ok(admitted) => admitted,
        Err(refusal) => return *refusal,
    };
    match run(&shared, &caller, &name, service, request).await {
        Ok(response) => response,
        Err(error) => {
            tracing::error!(
                error = format!("{error:#}"),
                "git over HTTP failed in the world"
            );
            text(StatusCode::INTERNAL_SERVER_ERROR, "Server Error\n")
        }
    }
}

/// GitHub answers 401 without a credential, 404 for what the caller may not see, 403 for a push
/// without the right to write.
fn admit(
    shared: &Shared,
    headers: &HeaderMap,
    wanted: &(String, String),
    service: Service,
) -> Result<(Caller, RepositoryName), Box<Response>> {
    let secret = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| {
            value
                .strip_prefix("Basic ")
                .or_else(|| value.strip_prefix("basic "))
        })
        .and_then(auth::basic_password);
    let Some(secret) = secret else {
        return Err(Box::new(sign_in("No anonymous write access.\n")));
    };
    let caller = auth::by_token(shared, &secret)
        .map_err(|_| Box::new(sign_in("Invalid username or token.\n")))?;
    let need = match service {
        Service::UploadPack => Need::read(&["contents"]),
        Service::ReceivePack => Need::write(&["contents"]),
    };
    let full = format!("{}/{}", wanted.0, wanted.1);
    match caller.repository(shared, wanted, need) {
        Ok(name) => Ok((caller, name)),
        // Seen but not usable in this way is the one case that is no 404.
        Err(_)
            if caller
                .repository(shared, wanted, Need::read(&["metadata"]))
                .is_ok() =>
        {
            let refusal = format!("Permission to {full}.git denied to {}.\n", caller.login());
            Err(Box::new(text(StatusCode::FORBIDDEN, &refusal)))
        }
        Err(_) => Err(Box::new(text(
            StatusCode::NOT_FOUND,
            "Repository not found.\n",
        ))),
    }
}

fn sign_in(message: &str) -> Response {
    let mut response = text(StatusCode::UNAUTHORIZED, message);
    let realm = HeaderValue::from_static("Basic realm=\"GitHub\"");
    response
        .headers_mut()
        .insert(header::WWW_AUTHENTICATE, realm);
    response
}

fn text(status: StatusCode, message: &str) -> Response {
    let mut response = Response::new(Body::from(message.to_owned()));
    *response.status_mut() = status;
    let kind = HeaderValue::from_static("text/plain; charset=UTF-8");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

fn backend(shared: &Shared, caller: &Caller, name: &RepositoryName, request: &Request) -> Command {
    let uri = request.uri();
    let ending = match uri.path().rsplit_once(".git/") {
        Some((_, ending)) => ending.to_owned(),
        // Without ".git" the repository is the second segment.
        None => uri
            .path()
            .splitn(4, '/')
            .nth(3)
            .unwrap_or_default()
            .to_owned(),
    };
    let mut command = git::command();
    command
        .arg("http-backend")
        .env("GIT_PROJECT_ROOT", shared.root.path())
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("PATH_INFO", format!("/{}.git/{ending}", name.full()))
        .env("QUERY_STRING", uri.query().unwrap_or_default())
        .env("REQUEST_METHOD", request.method().as_str())
        .env("REMOTE_USER", caller.login())
        .env("REMOTE_ADDR", "127.0.0.1")
        .env("WORLD_PUSHER", caller.login())
        .env(
            "WORLD_WORKFLOWS",
            if caller.may_change_workflows() {
                "allowed"
            } else {
                "refused"
            },
        );
    for (header, variable) in [
        ("content-type", "CONTENT_TYPE"),
        ("content-length", "CONTENT_LENGTH"),
        ("content-encoding", "HTTP_CONTENT_ENCODING"),
        ("git-protocol", "GIT_PROTOCOL"),
    ] {
        if let Some(value) = request
            .headers()
            .get(header)
            .and_then(|value| value.to_str().ok())
        {
            command.env(variable, value);
        }
    }
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    command
}

async fn run(
    shared: &SharedState,
    caller: &Caller,
    name: &RepositoryName,
    service: Service,
    request: Request,
) -> anyhow::Result<Response> {
    let pushes = service == Service::ReceivePack && request.method() == "POST";
    let mut before = Vec::new();
    let mut _writing = None;
    if pushes {
        _writing = Some(shared.writing(name).await?);
        before = shared.git(name)?.branches().await?;
    }
    let mut child = backend(shared, caller, name, &request)
        .spawn()
        .context("git did not start")?;
    let mut stdin = child.stdin.take().context("the input is piped")?;
    let body = request
        .into_body()
        .into_data_stream()
        .map_err(std::io::Error::other);
    tokio::spawn(async move {
        // The backend may close its input early; what it answers tells the client.
        let _ = tokio::io::copy(&mut StreamReader::new(body), &mut stdin).await;
    });
    let mut stdout = BufReader::new(child.stdout.take().context("the output is piped")?);
    let mut response = head(&mut stdout).await?;
    if pushes {
        let mut report = Vec::new();
        stdout.take(PUSH_REPORT).read_to_end(&mut report).await?;
        child.wait().await?;
        pulls::after_push(shared, name, &before, caller.login()).await?;
        *response.body_mut() = Body::from(report);
    } else {
        *response.body_mut() = stream(child, stdout);
    }
    Ok(response)
}

/// The output as a body; the program is kept until its output ends and killed if the client goes.
fn stream(child: Child, stdout: impl AsyncBufRead + Send + Unpin + 'static) -> Body {
    let output = ReaderStream::new(stdout);
    Body::from_stream(output.inspect_ok(move |_| {
        let _alive = &child;
    }))
}

/// Reads the CGI header block.
async fn head(stdout: &mut (impl AsyncBufRead + Unpin)) -> anyhow::Result<Response> {
    let mut builder = HttpResponse::builder().status(StatusCode::OK);
    for _ in 0..CGI_HEADERS {
        let mut line = String::new();
        stdout.read_line(&mut line).await?;
        let line = line.trim_end();
        let Some((field, value)) = line.split_once(':') else {
            break;
        };
        if field.eq_ignore_ascii_case("status") {
            let code = value.trim().split(' ').next().unwrap_or("500");
            builder = builder.status(code);
        } else {
            builder = builder.header(field, value.trim());
        }
    }
    Ok(builder.body(Body::empty())?)
}
