//! The payloads of the webhooks.

use serde_json::{Value, json};

use super::git::NO_COMMIT;
use super::render;
use super::state::{Comment, INSTALLATION, PullRequest, PullState, RepositoryName, Shared};
use super::{auth, pulls};

/// Commits that a push event lists (GitHub's own limit).
const COMMITS_LISTED: usize = 2048;

/// A branch that moved.
#[derive(Debug, Clone, Copy)]
pub(super) struct Push<'a> {
    pub branch: &'a str,
    pub before: &'a str,
    pub after: &'a str,
    pub by: &'a str,
}

fn with_context(
    shared: &Shared,
    name: &RepositoryName,
    by: &str,
    mut payload: Value,
) -> anyhow::Result<Value> {
    let (id, installed) = {
        let state = shared.lock();
        let repository = state.repository(name)?;
        (repository.id, repository.installed)
    };
    payload["repository"] = render::repository(shared, name, id);
    payload["organization"] = json!({ "login": name.owner, "id": 1 });
    payload["sender"] = render::user(shared, by);
    if shared.app.is_some() && installed {
        payload["installation"] = json!({ "id": INSTALLATION, "node_id": "I_world7001" });
    }
    Ok(payload)
}

/// `pull_request`, with its action and who caused it.
pub(super) async fn pull_request(
    shared: &Shared,
    name: &RepositoryName,
    pull: &PullRequest,
    (action, by): (&str, &str),
) -> anyhow::Result<()> {
    let facts = pulls::facts(shared, name, pull).await?;
    let id = shared.lock().repository(name)?.id;
    let payload = json!({
        "action": action,
        "number": pull.number,
        "pull_request": render::pull(shared, (name, id), pull, Some(&facts)),
    });
    shared
        .webhooks
        .send("pull_request", &with_context(shared, name, by, payload)?);
    Ok(())
}

/// `push`.
pub(super) async fn push(
    shared: &Shared,
    name: &RepositoryName,
    push: Push<'_>,
) -> anyhow::Result<()> {
    let git = shared.git(name)?;
    let (created, deleted) = (push.before == NO_COMMIT, push.after == NO_COMMIT);
    let range = if created {
        push.after.to_owned()
    } else {
        format!("{}..{}", push.before, push.after)
    };
    let commits = if deleted {
        Vec::new()
    } else {
        git.log(&range, COMMITS_LISTED).await?
    };
    let forced = !created && !deleted && {
        let lost = format!("{}..{}", push.after, push.before);
        git.run(&["rev-list", "--count", &lost]).await? != "0"
    };
    let listed: Vec<Value> = commits
        .iter()
        .rev()
        .map(|commit| {
            json!({
                "id": commit.id,
                "message": commit.message,
                "distinct": true,
                "url": format!("{}/{}/commit/{}", shared.base, name.full(), commit.id),
                "author": { "name": commit.author },
            })
        })
        .collect();
    let payload = json!({
        "ref": format!("refs/heads/{}", push.branch),
        "before": push.before,
        "after": push.after,
        "created": created,
        "deleted": deleted,
        "forced": forced,
        "base_ref": null,
        "compare": format!("{}/{}/compare/{}...{}", shared.base, name.full(), push.before, push.after),
        "head_commit": listed.last(),
        "commits": listed,
        "pusher": { "name": push.by, "email": format!("{}@example.com", push.by) },
    });
    shared
        .webhooks
        .send("push", &with_context(shared, name, push.by, payload)?);
    Ok(())
}

/// `issue_comment`, with its action.
pub(super) fn comment(
    shared: &Shared,
    name: &RepositoryName,
    comment: &Comment,
    action: &str,
) -> anyhow::Result<()> {
    let pull = pulls::find(shared, name, comment.pull_request)?;
    let api = format!("{}/api/v3/repos/{}", shared.base, name.full());
    let web = format!("{}/{}/pull/{}", shared.base, name.full(), pull.number);
    let payload = json!({
        "action": action,
        "issue": {
            "number": pull.number,
            "title": pull.title,
            "body": pull.body,
            "state": pull.state.as_str(),
            "user": render::user(shared, &pull.author),
            "labels": render::labels(shared, name, &pull),
            "url": format!("{api}/issues/{}", pull.number),
            "html_url": web,
            "pull_request": {
                "url": format!("{api}/pulls/{}", pull.number),
                "html_url": web,
                "merged_at": matches!(pull.state, PullState::Merged { .. }).then(|| render::at(pull.updated_at)),
            },
        },
        "comment": render::comment(shared, name, comment),
    });
    let payload = with_context(shared, name, &comment.author, payload)?;
    shared.webhooks.send("issue_comment", &payload);
    Ok(())
}

/// `installation` (`created`, `deleted`) for the whole App.
pub(super) fn installation(shared: &Shared, action: &str) {
    let Some(app) = &shared.app else { return };
    let repositories: Vec<Value> = {
        let state = shared.lock();
        let installed = state
            .repositories
            .iter()
            .filter(|(_, repository)| repository.installed);
        installed
            .map(|(name, repository)| {
                json!({ "id": repository.id, "name": name.name, "full_name": name.full(), "private": true })
            })
            .collect()
    };
    shared.webhooks.send(
        "installation",
        &json!({
            "action": action,
            "installation": installation_body(shared, app.id),
            "repositories": repositories,
            "requester": null,
            "sender": render::user(shared, auth::TOKEN_OWNER),
        }),
    );
}

/// `installation_repositories` (`added`, `removed`) for one repository.
pub(super) fn installation_repository(
    shared: &Shared,
    name: &RepositoryName,
    action: &str,
) -> anyhow::Result<()> {
    let Some(app) = &shared.app else {
        return Ok(());
    };
    let id = shared.lock().repository(name)?.id;
    let one = json!([{ "id": id, "name": name.name, "full_name": name.full(), "private": true }]);
    let mut payload = json!({
        "action": action,
        "installation": installation_body(shared, app.id),
        "repository_selection": "selected",
        "repositories_added": [],
        "repositories_removed": [],
        "sender": render::user(shared, auth::TOKEN_OWNER),
    });
    payload[format!("repositories_{action}")] = one;
    shared.webhooks.send("installation_repositories", &payload);
    Ok(())
}

/// The App's installation.
pub(super) fn installation_body(shared: &Shared, app: u64) -> Value {
    let api = format!("{}/api/v3", shared.base);
    let owner = {
        let state = shared.lock();
        state
            .repositories
            .keys()
            .next()
            .map_or_else(|| "acme".to_owned(), |name| name.owner.clone())
    };
    let mut account = render::user(shared, &owner);
    account["type"] = json!("Organization");
    json!({
        "id": INSTALLATION,
        "account": account,
        "app_id": app,
        "app_slug": "deckhand",
        "client_id": format!("Iv1.world{app}"),
        "target_id": account["id"],
        "target_type": "Organization",
        "repository_selection": "selected",
        "permissions": shared.app.as_ref().map(|app| &app.permissions),
        "events": ["pull_request", "push", "issue_comment"],
        "access_tokens_url": format!("{api}/app/installations/{INSTALLATION}/access_tokens"),
        "repositories_url": format!("{api}/installation/repositories"),
        "html_url": format!("{}/organizations/{owner}/settings/installations/{INSTALLATION}", shared.base),
        "created_at": "2026-01-05T08:00:00Z",
        "updated_at": "2026-01-05T08:00:00Z",
        "single_file_name": null,
        "has_multiple_single_files": false,
        "single_file_paths": [],
        "suspended_by": null,
        "suspended_at": null,
    })
}
