//! Files and git objects by REST: the road for pictures that a pull request shows.

use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::github::auth::{self, Caller, Need};
use crate::github::git::Git;
use crate::github::pulls;
use crate::github::reply::{ApiError, ApiResult, answer, ok};
use crate::github::state::{RepositoryName, Shared, SharedState, Upload};

const READ: Need = Need::read(&["contents"]);
const WRITE: Need = Need::write(&["contents"]);
/// Largest blob GitHub takes by REST, in bytes.
const LARGEST_BLOB: usize = 100 * 1024 * 1024;

/// An admitted request for one repository.
struct Admitted {
    caller: Caller,
    name: RepositoryName,
    git: Git,
}

fn admit(
    shared: &Shared,
    headers: &HeaderMap,
    repository: &(String, String),
    need: Need,
) -> Result<Admitted, ApiError> {
    let caller = auth::caller(shared, headers)?;
    let name = caller.repository(shared, repository, need)?;
    let git = shared.git(&name)?;
    Ok(Admitted { caller, name, git })
}

fn decode(content: &str, encoding: Option<&str>) -> Result<Vec<u8>, ApiError> {
    if encoding == Some("utf-8") {
        return Ok(content.as_bytes().to_vec());
    }
    let packed: String = content.split_whitespace().collect();
    let bytes = STANDARD.decode(packed);
    let bytes = bytes.map_err(|_| ApiError::unprocessable("content is not valid Base64"))?;
    if bytes.len() > LARGEST_BLOB {
        return Err(ApiError::unprocessable(
            "Sorry, your input was too large to process.",
        ));
    }
    Ok(bytes)
}

fn safe_path(path: &str) -> Result<(), ApiError> {
    let bad = |part: &str| matches!(part, "" | "." | ".." | ".git");
    if path.split('/').any(bad) {
        return Err(ApiError::unprocessable(
            "path contains a malformed path component",
        ));
    }
    Ok(())
}

#[derive(Deserialize)]
pub(super) struct ReadQuery {
    r#ref: Option<String>,
}

pub(super) async fn read(
    State(shared): State<SharedState>,
    Path((owner, repository, path)): Path<(String, String, String)>,
    Query(query): Query<ReadQuery>,
    headers: HeaderMap,
) -> ApiResult {
    let Admitted { name, git, .. } = admit(&shared, &headers, &(owner, repository), READ)?;
    let revision = query.r#ref.as_deref().unwrap_or("main");
    let content = git
        .file(revision, &path)
        .await?
        .ok_or_else(ApiError::not_found)?;
    let blob = git
        .run(&["rev-parse", &format!("{revision}:{path}")])
        .await?;
    let mut entry = file_entry(&shared, &name, (&path, revision), (&blob, content.len()));
    entry["encoding"] = json!("base64");
    entry["content"] = json!(STANDARD.encode(content));
    ok(entry)
}

fn file_entry(
    shared: &Shared,
    name: &RepositoryName,
    (path, revision): (&str, &str),
    (blob, size): (&str, usize),
) -> Value {
    let api = format!("{}/api/v3/repos/{}", shared.base, name.full());
    let web = format!("{}/{}", shared.base, name.full());
    json!({
        "type": "file",
        "name": path.rsplit('/').next(),
        "path": path,
        "sha": blob,
        "size": size,
        "url": format!("{api}/contents/{path}?ref={revision}"),
        "git_url": format!("{api}/git/blobs/{blob}"),
        "html_url": format!("{web}/blob/{revision}/{path}"),
        "download_url": format!("{web}/raw/{revision}/{path}"),
    })
}

#[derive(Deserialize)]
struct WriteRequest {
    message: Option<String>,
    content: Option<String>,
    branch: Option<String>,
    sha: Option<String>,
}

pub(super) async fn write(
    State(shared): State<SharedState>,
    Path((owner, repository, path)): Path<(String, String, String)>,
    headers: HeaderMap,
    bytes: Bytes,
) -> ApiResult {
    let Admitted { caller, name, git } = admit(&shared, &headers, &(owner, repository), WRITE)?;
    let request: WriteRequest = super::body(&bytes)?;
    safe_path(&path)?;
    let missing = |field: &str| ApiError::unprocessable(&format!("\"{field}\" wasn't supplied."));
    let message = request.message.ok_or_else(|| missing("message"))?;
    let content = decode(&request.content.ok_or_else(|| missing("content"))?, None)?;
    let branch = request.branch.as_deref().unwrap_or("main");
    if git.branch(branch).await?.is_none() {
        let message = format!("Branch {branch} not found");
        return Err(ApiError::new(StatusCode::NOT_FOUND, message));
    }
    let there = git
        .resolve_object(&format!("refs/heads/{branch}:{path}"))
        .await?;
    match (&there, &request.sha) {
        (Some(_), None) => {
            return Err(ApiError::unprocessable(
                "Invalid request.\n\n\"sha\" wasn't supplied.",
            ));
        }
        (Some(have), Some(want)) if have != want => {
            let message = format!("{path} does not match {want}");
            return Err(ApiError::new(StatusCode::CONFLICT, message));
        }
        (Some(_), Some(_)) | (None, _) => {}
    }
    let _writing = shared.writing(&name).await?;
    let before = git.branches().await?;
    let size = content.len();
    let tick = shared.lock().fresh_id() - 1_000_000;
    git.commit(branch, &[(path.as_str(), content)], &message, tick)
        .await?;
    remember(&shared, &name, &path, size)?;
    pulls::after_push(&shared, &name, &before, caller.login()).await?;
    let commit = git.branch(branch).await?;
    let blob = git
        .resolve_object(&format!("refs/heads/{branch}:{path}"))
        .await?
        .unwrap_or_default();
    let status = if there.is_some() {
        StatusCode::OK
    } else {
        StatusCode::CREATED
    };
    let entry = file_entry(&shared, &name, (&path, branch), (&blob, size));
    answer(
        status,
        json!({ "content": entry, "commit": { "sha": commit, "message": message } }),
    )
}

fn remember(shared: &Shared, name: &RepositoryName, path: &str, size: usize) -> anyhow::Result<()> {
    let upload = Upload {
        path: path.to_owned(),
        size,
    };
    shared
        .lock()
        .repository_mut(name)?
        .snapshot
        .uploads
        .push(upload);
    shared.touch();
    Ok(())
}

#[derive(Deserialize)]
struct BlobRequest {
    content: String,
    encoding: Option<String>,
}

pub(super) async fn blob(
    State(shared): State<SharedState>,
    Path(repository): Path<(String, String)>,
    headers: HeaderMap,
    bytes: Bytes,
) -> ApiResult {
    let Admitted { name, git, .. } = admit(&shared, &headers, &repository, WRITE)?;
    let request: BlobRequest = super::body(&bytes)?;
    let encoding = request.encoding.as_deref().unwrap_or("utf-8");
    let content = decode(&request.content, Some(encoding))?;
    let id = git.write_blob(&content).await?;
    remember(&shared, &name, "", content.len())?;
    let url = format!(
        "{}/api/v3/repos/{}/git/blobs/{id}",
        shared.base,
        name.full()
    );
    answer(StatusCode::CREATED, json!({ "sha": id, "url": url }))
}

#[derive(Deserialize)]
struct TreeRequest {
    base_tree: Option<String>,
    tree: Vec<TreeEntry>,
}

#[derive(Deserialize)]
struct TreeEntry {
    path: String,
    mode: String,
    sha: Option<String>,
    content: Option<String>,
}

pub(super) async fn tree(
    State(shared): State<SharedState>,
    Path(repository): Path<(String, String)>,
    headers: HeaderMap,
    bytes: Bytes,
) -> ApiResult {
    let Admitted { name, git, .. } = admit(&shared, &headers, &repository, WRITE)?;
    let request: TreeRequest = super::body(&bytes)?;
    let mut lines = Vec::new();
    for entry in request.tree {
        safe_path(&entry.path)?;
        let blob = match (entry.sha, entry.content) {
            (Some(blob), _) => blob,
            (None, Some(content)) => git.write_blob(content.as_bytes()).await?,
            (None, None) => {
                return Err(ApiError::unprocessable(
                    "tree.sha or tree.content must be given",
                ));
            }
        };
        remember(&shared, &name, &entry.path, 0)?;
        lines.push(format!("{} {blob}\t{}\n", entry.mode, entry.path));
    }
    let id = git
        .write_tree(request.base_tree.as_deref(), &lines.concat())
        .await;
    let id = id.map_err(|_| ApiError::unprocessable("Tree SHA does not exist or is invalid"))?;
    answer(
        StatusCode::CREATED,
        json!({ "sha": id, "truncated": false, "tree": [] }),
    )
}

#[derive(Deserialize)]
struct CommitRequest {
    message: String,
    tree: String,
    #[serde(default)]
    parents: Vec<String>,
}

pub(super) async fn commit(
    State(shared): State<SharedState>,
    Path(repository): Path<(String, String)>,
    headers: HeaderMap,
    bytes: Bytes,
) -> ApiResult {
    let Admitted { git, .. } = admit(&shared, &headers, &repository, WRITE)?;
    let request: CommitRequest = super::body(&bytes)?;
    let tick = shared.lock().fresh_id() - 1_000_000;
    let id = git
        .commit_tree(&request.tree, &request.parents, &request.message, tick)
        .await;
    let id = id.map_err(|_| ApiError::unprocessable("Tree SHA or a parent does not exist"))?;
    let body = json!({ "sha": id, "message": request.message, "tree": { "sha": request.tree } });
    answer(StatusCode::CREATED, body)
}

fn reference_body(shared: &Shared, name: &RepositoryName, reference: &str, id: &str) -> Value {
    let api = format!("{}/api/v3/repos/{}/git", shared.base, name.full());
    json!({
        "ref": reference,
        "url": format!("{api}/{reference}"),
        "object": { "type": "commit", "sha": id, "url": format!("{api}/commits/{id}") },
    })
}

pub(super) async fn show_ref(
    State(shared): State<SharedState>,
    Path((owner, repository, reference)): Path<(String, String, String)>,
    headers: HeaderMap,
) -> ApiResult {
    let Admitted { name, git, .. } = admit(&shared, &headers, &(owner, repository), READ)?;
    let reference = format!("refs/{reference}");
    let id = git
        .resolve(&reference)
        .await?
        .ok_or_else(ApiError::not_found)?;
    ok(reference_body(&shared, &name, &reference, &id))
}

#[derive(Deserialize)]
struct RefRequest {
    r#ref: Option<String>,
    sha: String,
    force: Option<bool>,
}

pub(super) async fn create_ref(
    State(shared): State<SharedState>,
    Path(repository): Path<(String, String)>,
    headers: HeaderMap,
    bytes: Bytes,
) -> ApiResult {
    let Admitted { caller, name, git } = admit(&shared, &headers, &repository, WRITE)?;
    let request: RefRequest = super::body(&bytes)?;
    let reference = request.r#ref.unwrap_or_default();
    if !reference.starts_with("refs/") || git.run(&["check-ref-format", &reference]).await.is_err()
    {
        return Err(ApiError::unprocessable("Reference name is not valid"));
    }
    if git.resolve(&reference).await?.is_some() {
        return Err(ApiError::unprocessable("Reference already exists"));
    }
    move_ref(&shared, (&caller, &name, &git), (&reference, &request.sha)).await?;
    answer(
        StatusCode::CREATED,
        reference_body(&shared, &name, &reference, &request.sha),
    )
}

pub(super) async fn update_ref(
    State(shared): State<SharedState>,
    Path((owner, repository, reference)): Path<(String, String, String)>,
    headers: HeaderMap,
    bytes: Bytes,
) -> ApiResult {
    let Admitted { caller, name, git } = admit(&shared, &headers, &(owner, repository), WRITE)?;
    let request: RefRequest = super::body(&bytes)?;
    let reference = format!("refs/{reference}");
    let missing = || ApiError::unprocessable("Reference does not exist");
    let old = git.resolve(&reference).await?.ok_or_else(missing)?;
    let forward = git
        .run(&["merge-base", "--is-ancestor", &old, &request.sha])
        .await
        .is_ok();
    if !forward && request.force != Some(true) {
        return Err(ApiError::unprocessable("Update is not a fast forward"));
    }
    move_ref(&shared, (&caller, &name, &git), (&reference, &request.sha)).await?;
    ok(reference_body(&shared, &name, &reference, &request.sha))
}

async fn move_ref(
    shared: &Shared,
    (caller, name, git): (&Caller, &RepositoryName, &Git),
    (reference, id): (&str, &str),
) -> Result<(), ApiError> {
    if git.resolve(id).await?.is_none() {
        return Err(ApiError::unprocessable("Object does not exist"));
    }
    let _writing = shared.writing(name).await?;
    let before = git.branches().await?;
    git.run(&["update-ref", reference, id]).await?;
    Ok(pulls::after_push(shared, name, &before, caller.login()).await?)
}
