//! Repositories, people, pull requests and comments in the form of GitHub's REST answers.

use serde_json::{Map, Value, json};

use super::auth::APP_LOGIN;
use super::git::{DiffSize, Merge};
use super::state::{Comment, PullRequest, PullState, RepositoryName, Shared};

/// The numbers of a pull request that only git knows.
#[derive(Debug, Clone)]
pub(super) struct PullFacts {
    pub size: DiffSize,
    pub merge: Merge,
    pub base_tip: String,
    pub comments: usize,
}

/// A number that stays the same for the same text.
fn number_of(text: &str) -> u64 {
    text.bytes().fold(7, |number, byte| {
        (number * 31 + u64::from(byte)) % 1_000_000_007
    })
}

fn node(kind: &str, id: u64) -> String {
    format!("{kind}_world{id}")
}

/// A person, the App's bot, or an organisation.
pub(super) fn user(shared: &Shared, login: &str) -> Value {
    let api = format!("{}/api/v3/users/{login}", shared.base);
    let kind = if login == APP_LOGIN { "Bot" } else { "User" };
    let mut user = json!({
        "login": login,
        "id": number_of(login),
        "node_id": node("U", number_of(login)),
        "avatar_url": format!("{}/avatars/{login}", shared.base),
        "gravatar_id": "",
        "url": api,
        "html_url": format!("{}/{login}", shared.base),
        "type": kind,
        "user_view_type": "public",
        "site_admin": false,
    });
    for (field, tail) in [
        ("followers_url", "/followers"),
        ("following_url", "/following{/other_user}"),
        ("gists_url", "/gists{/gist_id}"),
        ("starred_url", "/starred{/owner}{/repo}"),
        ("subscriptions_url", "/subscriptions"),
        ("organizations_url", "/orgs"),
        ("repos_url", "/repos"),
        ("events_url", "/events{/privacy}"),
        ("received_events_url", "/received_events"),
    ] {
        user[field] = json!(format!("{api}{tail}"));
    }
    user
}

/// The ends of a repository's own addresses.
const REPOSITORY_ADDRESSES: &[(&str, &str)] = &[
    ("archive_url", "/{archive_format}{/ref}"),
    ("assignees_url", "/assignees{/user}"),
    ("blobs_url", "/git/blobs{/sha}"),
    ("branches_url", "/branches{/branch}"),
    ("collaborators_url", "/collaborators{/collaborator}"),
    ("comments_url", "/comments{/number}"),
    ("commits_url", "/commits{/sha}"),
    ("compare_url", "/compare/{base}...{head}"),
    ("contents_url", "/contents/{+path}"),
    ("contributors_url", "/contributors"),
    ("deployments_url", "/deployments"),
    ("downloads_url", "/downloads"),
    ("events_url", "/events"),
    ("forks_url", "/forks"),
    ("git_commits_url", "/git/commits{/sha}"),
    ("git_refs_url", "/git/refs{/sha}"),
    ("git_tags_url", "/git/tags{/sha}"),
    ("hooks_url", "/hooks"),
    ("issue_comment_url", "/issues/comments{/number}"),
    ("issue_events_url", "/issues/events{/number}"),
    ("issues_url", "/issues{/number}"),
    ("keys_url", "/keys{/key_id}"),
    ("labels_url", "/labels{/name}"),
    ("languages_url", "/languages"),
    ("merges_url", "/merges"),
    ("milestones_url", "/milestones{/number}"),
    (
        "notifications_url",
        "/notifications{?since,all,participating}",
    ),
    ("pulls_url", "/pulls{/number}"),
    ("releases_url", "/releases{/id}"),
    ("stargazers_url", "/stargazers"),
    ("statuses_url", "/statuses/{sha}"),
    ("subscribers_url", "/subscribers"),
    ("subscription_url", "/subscription"),
    ("tags_url", "/tags"),
    ("teams_url", "/teams"),
    ("trees_url", "/git/trees{/sha}"),
];

/// What is the same for every repository here.
fn repository_settings() -> Value {
    json!({
        "has_issues": true, "has_projects": true, "has_wiki": true, "has_pages": false,
        "has_downloads": true, "has_discussions": false,
        "allow_forking": false, "allow_squash_merge": true, "allow_merge_commit": true,
        "allow_rebase_merge": true, "allow_auto_merge": false, "delete_branch_on_merge": false,
        "web_commit_signoff_required": false,
        "forks": 0, "forks_count": 0, "open_issues": 0, "open_issues_count": 0,
        "watchers": 0, "watchers_count": 0, "stargazers_count": 0, "size": 1,
        "topics": [],
        "permissions": { "admin": false, "maintain": false, "push": true, "triage": true, "pull": true },
    })
}

/// A repository.
pub(super) fn repository(shared: &Shared, name: &RepositoryName, id: u64) -> Value {
    let full = name.full();
    let api = format!("{}/api/v3/repos/{full}", shared.base);
    let web = format!("{}/{full}", shared.base);
    let mut owner = user(shared, &name.owner);
    owner["type"] = json!("Organization");
    let mut repository = json!({
        "id": id,
        "node_id": node("R", id),
        "name": name.name,
        "full_name": full,
        "private": true,
        "visibility": "private",
        "owner": owner,
        "html_url": web,
        "clone_url": format!("{web}.git"),
        "git_url": format!("{web}.git"),
        "ssh_url": format!("git@world.invalid:{full}.git"),
        "svn_url": web,
        "mirror_url": null,
        "homepage": null,
        "description": null,
        "language": null,
        "license": null,
        "fork": false,
        "url": api,
        "default_branch": "main",
        "archived": false,
        "disabled": false,
        "is_template": false,
        "created_at": "2026-01-05T08:00:00Z",
        "updated_at": "2026-01-05T08:00:00Z",
        "pushed_at": "2026-01-05T08:00:00Z",
    });
    if let (Some(fields), Value::Object(settings)) =
        (repository.as_object_mut(), repository_settings())
    {
        fields.extend(settings);
    }
    for (field, tail) in REPOSITORY_ADDRESSES {
        repository[*field] = json!(format!("{api}{tail}"));
    }
    repository
}

fn label(shared: &Shared, name: &RepositoryName, label: &str) -> Value {
    json!({
        "id": number_of(label),
        "node_id": node("LA", number_of(label)),
        "url": format!("{}/api/v3/repos/{}/labels/{label}", shared.base, name.full()),
        "name": label,
        "color": "ededed",
        "default": false,
        "description": null,
    })
}

/// The labels of a pull request.
pub(super) fn labels(shared: &Shared, name: &RepositoryName, pull: &PullRequest) -> Value {
    pull.labels
        .iter()
        .map(|text| label(shared, name, text))
        .collect()
}

fn pull_addresses(
    shared: &Shared,
    name: &RepositoryName,
    pull: &PullRequest,
) -> Map<String, Value> {
    let repository = format!("{}/api/v3/repos/{}", shared.base, name.full());
    let number = pull.number;
    let api = format!("{repository}/pulls/{number}");
    let web = format!("{}/{}/pull/{number}", shared.base, name.full());
    let issue = format!("{repository}/issues/{number}");
    let statuses = format!("{repository}/statuses/{}", pull.head_commit);
    let mut map = Map::new();
    let mut links = Map::new();
    for (field, link, address) in [
        ("url", "self", api.clone()),
        ("html_url", "html", web.clone()),
        ("issue_url", "issue", issue.clone()),
        ("comments_url", "comments", format!("{issue}/comments")),
        (
            "review_comments_url",
            "review_comments",
            format!("{api}/comments"),
        ),
        (
            "review_comment_url",
            "review_comment",
            format!("{repository}/pulls/comments{{/number}}"),
        ),
        ("commits_url", "commits", format!("{api}/commits")),
        ("statuses_url", "statuses", statuses),
    ] {
        links.insert(link.to_owned(), json!({ "href": address }));
        map.insert(field.to_owned(), json!(address));
    }
    map.insert("diff_url".to_owned(), json!(format!("{web}.diff")));
    map.insert("patch_url".to_owned(), json!(format!("{web}.patch")));
    map.insert("_links".to_owned(), Value::Object(links));
    map
}

/// A pull request; with the facts it is the full form, without them the form of a list.
pub(super) fn pull(
    shared: &Shared,
    (name, id): (&RepositoryName, u64),
    pull: &PullRequest,
    facts: Option<&PullFacts>,
) -> Value {
    let repo = repository(shared, name, id);
    let side = |branch: &str, commit: &str| {
        json!({
            "label": format!("{}:{branch}", name.owner),
            "ref": branch,
            "sha": commit,
            "user": repo["owner"],
            "repo": repo,
        })
    };
    let open = pull.state == PullState::Open;
    let merged = match &pull.state {
        PullState::Open | PullState::Closed => None,
        PullState::Merged { commit, by } => Some((commit, by)),
    };
    let base_tip = facts.map_or(pull.base_commit.as_str(), |facts| facts.base_tip.as_str());
    let pull_id = id * 10_000 + pull.number;
    let mut body = json!({
        "id": pull_id,
        "node_id": node("PR", pull_id),
        "number": pull.number,
        "state": pull.state.as_str(),
        "locked": false,
        "active_lock_reason": null,
        "title": pull.title,
        "body": pull.body,
        "user": user(shared, &pull.author),
        "author_association": "CONTRIBUTOR",
        "labels": labels(shared, name, pull),
        "milestone": null,
        "assignee": null, "assignees": [],
        "requested_reviewers": [], "requested_teams": [],
        "auto_merge": null,
        "draft": pull.draft,
        "head": side(&pull.head, &pull.head_commit),
        "base": side(&pull.base, base_tip),
        "created_at": at(pull.created_at),
        "updated_at": at(pull.updated_at),
        "closed_at": (!open).then(|| at(pull.updated_at)),
        "merged_at": merged.map(|_| at(pull.updated_at)),
        "merge_commit_sha": merged.map(|(commit, _)| commit),
    });
    if let Some(fields) = body.as_object_mut() {
        fields.extend(pull_addresses(shared, name, pull));
        if let Some(facts) = facts {
            let clean = matches!(facts.merge, Merge::Clean(_));
            let full = json!({
                "merged": merged.is_some(),
                "merged_by": merged.map(|(_, by)| user(shared, by)),
                "mergeable": open.then_some(clean),
                "rebaseable": open.then_some(clean),
                "mergeable_state": if !open { "unknown" } else if clean { "clean" } else { "dirty" },
                "maintainer_can_modify": false,
                "comments": facts.comments,
                "review_comments": 0,
                "commits": facts.size.commits,
                "additions": facts.size.additions,
                "deletions": facts.size.deletions,
                "changed_files": facts.size.files,
            });
            if let Value::Object(full) = full {
                fields.extend(full);
            }
        }
    }
    body
}

/// A comment under a pull request.
pub(super) fn comment(shared: &Shared, name: &RepositoryName, comment: &Comment) -> Value {
    let api = format!("{}/api/v3/repos/{}/issues", shared.base, name.full());
    let web = format!(
        "{}/{}/pull/{}",
        shared.base,
        name.full(),
        comment.pull_request
    );
    json!({
        "id": comment.id,
        "node_id": node("IC", comment.id),
        "url": format!("{api}/comments/{}", comment.id),
        "html_url": format!("{web}#issuecomment-{}", comment.id),
        "issue_url": format!("{api}/{}", comment.pull_request),
        "user": user(shared, &comment.author),
        "body": comment.body,
        "created_at": at(comment.created_at),
        "updated_at": at(comment.updated_at),
        "author_association": "CONTRIBUTOR",
        "performed_via_github_app": null,
        "reactions": { "url": format!("{api}/comments/{}/reactions", comment.id), "total_count": 0,
            "+1": 0, "-1": 0, "laugh": 0, "hooray": 0, "confused": 0, "heart": 0, "rocket": 0, "eyes": 0 },
    })
}

/// A moment as GitHub writes it.
pub(super) fn at(moment: jiff::Timestamp) -> String {
    moment.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}
