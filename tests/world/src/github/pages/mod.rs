//! Pages for people: repositories, pull requests, commits, files. They are for reading, so that
//! every address in a message opens; merging and closing are the only buttons.

mod diff;
mod markdown;

use std::fmt::Write as _;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::{get, post};

use super::git::{Commit, Merge};
use super::pulls;
use super::render;
use super::state::{PullRequest, PullState, RepositoryName, Shared, SharedState};

const STYLE: &str = include_str!("style.css");
/// Bytes of a difference that a page shows.
const DIFF_LIMIT: usize = 400_000;
/// Commits that a page lists.
const LOG_LIMIT: usize = 50;
/// Who presses the buttons on a page.
const READER: &str = "ana";

/// A page, or why there is none.
struct Failure(anyhow::Error);

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let reason = escape(&format!("{:#}", self.0));
        let body = format!("<section class=box><p>{reason}</p></section>");
        (StatusCode::NOT_FOUND, frame("Not here", &body)).into_response()
    }
}

type Page = Result<Response, Failure>;
type Numbered = Path<(String, String, u64)>;
type Tailed = Path<(String, String, String)>;

pub(super) fn routes() -> Router<SharedState> {
    Router::new()
        .route("/", get(index))
        .route("/avatars/{login}", get(avatar))
        .route("/{owner}/{repository}", get(repository))
        .route("/{owner}/{repository}/tree/{*branch}", get(tree))
        .route("/{owner}/{repository}/commit/{id}", get(commit))
        .route("/{owner}/{repository}/blob/{*path}", get(raw))
        .route("/{owner}/{repository}/raw/{*path}", get(raw))
        .route("/{owner}/{repository}/pull/{number}", get(pull))
        .route("/{owner}/{repository}/pull/{number}/merge", post(merge))
        .route("/{owner}/{repository}/pull/{number}/close", post(close))
}

/// The page for an address at which there is nothing.
pub(super) fn missing(path: &str) -> Response {
    Failure(anyhow::anyhow!("There is no page at {path}.")).into_response()
}

/// Text made safe for a page.
fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            other => safe.push(other),
        }
    }
    safe
}

fn frame(title: &str, body: &str) -> Html<String> {
    let title = escape(title);
    Html(format!(
        "<!doctype html><html lang=en><head><meta charset=utf-8>\
         <meta name=viewport content=\"width=device-width, initial-scale=1\">\
         <title>{title}</title><style>{STYLE}</style></head><body>\
         <header class=top><a href=/>Code</a><span>stand-in for GitHub</span></header>\
         <main>{body}</main></body></html>"
    ))
}

fn crumbs(name: &RepositoryName) -> String {
    let (owner, repository, full) = (
        escape(&name.owner),
        escape(&name.name),
        escape(&name.full()),
    );
    format!("<p class=crumbs>{owner} / <a href=\"/{full}\"><b>{repository}</b></a></p>")
}

async fn index(State(shared): State<SharedState>) -> Html<String> {
    let names: Vec<String> = shared
        .lock()
        .repositories
        .keys()
        .map(RepositoryName::full)
        .collect();
    let mut list = String::new();
    for name in names {
        let name = escape(&name);
        let _ = write!(list, "<li><a href=\"/{name}\">{name}</a></li>");
    }
    frame(
        "Repositories",
        &format!("<h1>Repositories</h1><ul class=\"box rows\">{list}</ul>"),
    )
}

async fn avatar(Path(login): Path<String>) -> Response {
    let initial = escape(&login.chars().take(1).collect::<String>().to_uppercase());
    let hue = login
        .bytes()
        .fold(0_u32, |sum, byte| (sum * 31 + u32::from(byte)) % 360);
    let picture = format!(
        "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 40 40'>\
         <rect width='40' height='40' rx='20' fill='hsl({hue} 45% 45%)'/>\
         <text x='20' y='27' font-family='sans-serif' font-size='19' fill='white' \
         text-anchor='middle'>{initial}</text></svg>"
    );
    ([(header::CONTENT_TYPE, "image/svg+xml")], picture).into_response()
}

async fn repository(
    State(shared): State<SharedState>,
    Path((owner, name)): Path<(String, String)>,
) -> Page {
    let name = RepositoryName::new(&owner, &name)?;
    overview(&shared, &name, "main").await
}

async fn tree(State(shared): State<SharedState>, Path((owner, name, branch)): Tailed) -> Page {
    let name = RepositoryName::new(&owner, &name)?;
    overview(&shared, &name, &branch).await
}

async fn overview(shared: &Shared, name: &RepositoryName, branch: &str) -> Page {
    let git = shared.git(name)?;
    let mut body = crumbs(name);
    let pulls = shared
        .lock()
        .repository(name)?
        .snapshot
        .pull_requests
        .clone();
    body.push_str("<h2>Pull requests</h2><ul class=\"box rows\">");
    if pulls.is_empty() {
        body.push_str("<li class=quiet>None yet</li>");
    }
    for pull in pulls.iter().rev() {
        let (full, number, title) = (name.full(), pull.number, escape(&pull.title));
        let _ = write!(
            body,
            "<li>{} <a href=\"/{full}/pull/{number}\">{title}</a> <span class=quiet>#{number}</span></li>",
            pill(pull)
        );
    }
    body.push_str("</ul><h2>Branches</h2><ul class=\"box rows\">");
    for (one, id) in git.branches().await? {
        let (full, one, short) = (name.full(), escape(&one), id.get(..7).unwrap_or(&id));
        let _ = write!(
            body,
            "<li><a href=\"/{full}/tree/{one}\">{one}</a> <code class=quiet>{short}</code></li>"
        );
    }
    let _ = write!(body, "</ul><h2>Commits on {}</h2>", escape(branch));
    if let Some(tip) = git.branch(branch).await? {
        body.push_str(&commits(name, &git.log(&tip, LOG_LIMIT).await?));
        if let Some(readme) = git.file(&tip, "README.md").await? {
            let readme = markdown::html(&String::from_utf8_lossy(&readme));
            let _ = write!(
                body,
                "<h2>README</h2><section class=\"box prose\">{readme}</section>"
            );
        }
    }
    Ok(frame(&name.full(), &body).into_response())
}

fn commits(name: &RepositoryName, commits: &[Commit]) -> String {
    let mut list = String::from("<ul class=\"box rows\">");
    for commit in commits {
        let short = commit.id.get(..7).unwrap_or(&commit.id);
        let subject = escape(commit.message.lines().next().unwrap_or_default());
        let author = escape(commit.author.split(" <").next().unwrap_or_default());
        let _ = write!(
            list,
            "<li><a href=\"/{}/commit/{}\"><code>{short}</code></a> {subject} <span class=quiet>{author}</span></li>",
            name.full(),
            escape(&commit.id),
        );
    }
    list.push_str("</ul>");
    list
}

async fn commit(State(shared): State<SharedState>, Path((owner, name, id)): Tailed) -> Page {
    let name = RepositoryName::new(&owner, &name)?;
    let git = shared.git(&name)?;
    let id = git
        .resolve(&id)
        .await?
        .ok_or_else(|| anyhow::anyhow!("there is no such commit"))?;
    let log = git.log(&id, 1).await?;
    let commit = log
        .first()
        .ok_or_else(|| anyhow::anyhow!("there is no such commit"))?;
    let range = commit
        .parents
        .first()
        .map_or_else(|| id.clone(), |parent| format!("{parent}..{id}"));
    let change = git.diff(&range, DIFF_LIMIT).await?;
    let body = format!(
        "{}<section class=box><pre class=message>{}</pre><p class=quiet>{} · <code>{id}</code></p></section>{}",
        crumbs(&name),
        escape(&commit.message),
        escape(&commit.author),
        diff::html(&change, &format!("/{}/raw/{id}", name.full())),
    );
    Ok(frame(commit.message.lines().next().unwrap_or_default(), &body).into_response())
}

/// A file's bytes; the revision is the longest branch name that the path begins with, or a commit.
async fn raw(State(shared): State<SharedState>, Path((owner, name, path)): Tailed) -> Page {
    let name = RepositoryName::new(&owner, &name)?;
    let git = shared.git(&name)?;
    let branches = git.branches().await?;
    let branch = branches
        .iter()
        .filter_map(|(branch, _)| {
            Some((
                branch.as_str(),
                path.strip_prefix(branch)?.strip_prefix('/')?,
            ))
        })
        .max_by_key(|(branch, _)| branch.len());
    let split = branch.or_else(|| path.split_once('/'));
    let (revision, file) = split.ok_or_else(|| anyhow::anyhow!("there is no such file"))?;
    let content = git.file(revision, file).await?;
    let content = content.ok_or_else(|| anyhow::anyhow!("{file} is not in {revision}"))?;
    let kind = match file.rsplit('.').next().unwrap_or_default() {
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "gif" => "image/gif",
        "webp" => "image/webp",
        _ => "text/plain; charset=utf-8",
    };
    Ok((
        [
            (header::CONTENT_TYPE, kind),
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        ],
        content,
    )
        .into_response())
}

fn pill(pull: &PullRequest) -> &'static str {
    match &pull.state {
        PullState::Open if pull.draft => "<span class=\"pill draft\">Draft</span>",
        PullState::Open => "<span class=\"pill open\">Open</span>",
        PullState::Closed => "<span class=\"pill closed\">Closed</span>",
        PullState::Merged { .. } => "<span class=\"pill merged\">Merged</span>",
    }
}

async fn pull(State(shared): State<SharedState>, Path((owner, name, number)): Numbered) -> Page {
    let name = RepositoryName::new(&owner, &name)?;
    let pull = pulls::find(&shared, &name, number)?;
    let facts = pulls::facts(&shared, &name, &pull).await?;
    let git = shared.git(&name)?;
    let range = format!("{}...{}", facts.base_tip, pull.head_commit);
    let change = git.diff(&range, DIFF_LIMIT).await?;
    let log = git
        .log(
            &format!("{}..{}", facts.base_tip, pull.head_commit),
            LOG_LIMIT,
        )
        .await?;
    let plural = if facts.size.commits == 1 { "" } else { "s" };
    let mut body = crumbs(&name);
    let _ = write!(
        body,
        "<h1>{} <span class=quiet>#{number}</span></h1><p class=meta>{} <b>{}</b> wants to merge {} commit{plural} \
         into <code>{}</code> from <code>{}</code></p>{}",
        escape(&pull.title),
        pill(&pull),
        escape(&pull.author),
        facts.size.commits,
        escape(&pull.base),
        escape(&pull.head),
        said(&pull.author, &render::at(pull.created_at), &pull.body),
    );
    let comments = shared.lock().repository(&name)?.snapshot.comments.clone();
    for comment in comments
        .iter()
        .filter(|comment| comment.pull_request == number)
    {
        body.push_str(&said(
            &comment.author,
            &render::at(comment.created_at),
            &comment.body,
        ));
    }
    body.push_str(&buttons(&name, &pull, &facts.merge));
    let _ = write!(
        body,
        "<h2>Commits</h2>{}<h2>Files changed <span class=quiet>{} · <span class=plus>+{}</span> <span class=minus>−{}</span></span></h2>{}",
        commits(&name, &log),
        facts.size.files,
        facts.size.additions,
        facts.size.deletions,
        diff::html(
            &change,
            &format!("/{}/raw/{}", name.full(), pull.head_commit)
        ),
    );
    Ok(frame(&format!("{} #{number}", pull.title), &body).into_response())
}

fn said(author: &str, at: &str, text: &str) -> String {
    let author = escape(author);
    format!(
        "<article class=box><header class=who><img src=\"/avatars/{author}\" alt=\"\"><b>{author}</b> \
         <span class=quiet>{at}</span></header><div class=prose>{}</div></article>",
        markdown::html(text),
    )
}

fn buttons(name: &RepositoryName, pull: &PullRequest, merge: &Merge) -> String {
    let address = format!("/{}/pull/{}", name.full(), pull.number);
    let sentence = match (&pull.state, merge) {
        (PullState::Open, Merge::Clean(_)) => {
            return format!(
                "<section class=\"box act\"><form method=post action=\"{address}/merge\"><button class=go>Merge pull request</button></form>\
                 <form method=post action=\"{address}/close\"><button>Close</button></form></section>"
            );
        }
        (PullState::Open, Merge::Conflicts) => {
            return format!(
                "<section class=\"box act\"><span>This branch has conflicts with the base.</span>\
                 <form method=post action=\"{address}/close\"><button>Close</button></form></section>"
            );
        }
        (PullState::Closed, _) => "Closed without being merged.".to_owned(),
        (PullState::Merged { commit, by }, _) => {
            let short = commit.get(..7).unwrap_or(commit);
            format!(
                "{} merged this by <a href=\"/{}/commit/{commit}\"><code>{short}</code></a>.",
                escape(by),
                name.full()
            )
        }
    };
    format!("<section class=\"box act\"><span>{sentence}</span></section>")
}

async fn merge(State(shared): State<SharedState>, Path((owner, name, number)): Numbered) -> Page {
    let name = RepositoryName::new(&owner, &name)?;
    pulls::merge(&shared, &name, (number, READER)).await?;
    Ok(Redirect::to(&format!("/{}/pull/{number}", name.full())).into_response())
}

async fn close(State(shared): State<SharedState>, Path((owner, name, number)): Numbered) -> Page {
    let name = RepositoryName::new(&owner, &name)?;
    pulls::close(&shared, &name, (number, READER)).await?;
    Ok(Redirect::to(&format!("/{}/pull/{number}", name.full())).into_response())
}
