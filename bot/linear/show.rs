//! What a session shows beside its talk: the checklist, and links to the task's page and the pull request.

use super::{
    client::Client,
    memory::Memory,
    operations::{
        ATTACH, Attachment, Change, Id, Input, LINK_PULL_REQUEST, Link, OfSession, PlanStatus,
        PlanStep, PullRequestOf, SESSION, SHOW, Session, Show,
    },
};
use crate::{
    surface::{Control, Step, StepStanding, SurfaceError, Words, WordsKind},
    words::{OPEN_PULL_REQUEST, PULL_REQUEST, tame},
};

/// The longest title of a session, in characters. Source: the description of `AgentSessionUpdateInput.summary`.
const TITLE_MAX_CHARS: usize = 255;

/// Brings checklist and links up to date where words change them. They are ornament: what goes wrong is logged, and
/// tried again with the next words.
pub(super) async fn show(client: &Client, session: &str, words: &Words, memory: &mut Memory) {
    if let Err(error) = try_show(client, session, words, memory).await {
        tracing::warn!(session, %error, "the checklist or the links of a session could not be shown");
    }
    if let Err(error) = name(client, session, words, memory).await {
        tracing::warn!(session, %error, "a session could not be given its title");
    }
}

/// Gives the session the title of its task, by itself: where Linear does not take that, everything else is shown.
async fn name(
    client: &Client,
    session: &str,
    words: &Words,
    memory: &mut Memory,
) -> Result<(), SurfaceError> {
    let WordsKind::Status {
        title: Some(title), ..
    } = &words.kind
    else {
        return Ok(());
    };
    let title = tame::plain_to(title, TITLE_MAX_CHARS);
    if title.is_empty() || memory.title.as_ref() == Some(&title) {
        return Ok(());
    }
    // Asked for once, whether or not it works: it is ornament, and said with every status.
    memory.title = Some(title.clone());
    let input = Show {
        summary: Some(title),
        ..Show::default()
    };
    client.change(&SHOW, &Change { id: session, input }).await
}

async fn try_show(
    client: &Client,
    session: &str,
    words: &Words,
    memory: &mut Memory,
) -> Result<(), SurfaceError> {
    let mut wanted = Show::default();
    let plan = plan(words).filter(|plan| *plan != memory.plan);
    wanted.plan.clone_from(&plan);
    let mut links = Vec::new();
    let pages: Vec<Link> = words.controls.iter().filter_map(page).collect();
    if !pages.is_empty() {
        links = known_links(client, session, memory).await?;
        for page in pages {
            if links.contains(&page) {
                continue;
            }
            if page.label == OPEN_PULL_REQUEST {
                attach(client, session, &page.url).await?;
            }
            // A page that has moved is still the same page.
            for outdated in links
                .iter()
                .filter(|link| link.label == page.label && link.url != page.url)
            {
                wanted.removed_external_urls.push(outdated.url.clone());
            }
            links.retain(|link| link.label != page.label && link.url != page.url);
            links.push(page.clone());
            wanted.added_external_urls.push(page);
        }
    }
    if plan.is_none() && wanted.added_external_urls.is_empty() {
        return Ok(());
    }
    let has_links = !wanted.added_external_urls.is_empty();
    client
        .change(
            &SHOW,
            &Change {
                id: session,
                input: wanted,
            },
        )
        .await?;
    if let Some(plan) = plan {
        memory.plan = plan;
    }
    if has_links {
        memory.links = Some(links);
    }
    Ok(())
}

/// Hangs a pull request on the session's issue: by way of Linear's own integration, which keeps its state up to date, and
/// as a plain link where the workspace has none. Both change what hangs there already.
async fn attach(client: &Client, session: &str, url: &str) -> Result<(), SurfaceError> {
    let answer: OfSession<Session> = client.run(&SESSION, &Id { id: session }).await?;
    let Some(issue) = answer.agent_session.issue else {
        return Ok(());
    };
    let issue = issue.id.as_str();
    let linked = client
        .change(&LINK_PULL_REQUEST, &PullRequestOf { issue, url })
        .await;
    let Err(error @ SurfaceError::Permanent { .. }) = linked else {
        return linked;
    };
    tracing::debug!(session, %error, "a pull request is attached as a plain link");
    let input = Attachment {
        issue_id: issue,
        title: PULL_REQUEST,
        url,
    };
    match client.change(&ATTACH, &Input { input }).await {
        // It stands among the session's links all the same.
        Err(error @ SurfaceError::Permanent { .. }) => {
            tracing::warn!(session, %error, "a pull request could not be linked to its issue");
            Ok(())
        }
        other => other,
    }
}

async fn known_links(
    client: &Client,
    session: &str,
    memory: &mut Memory,
) -> Result<Vec<Link>, SurfaceError> {
    if let Some(links) = &memory.links {
        return Ok(links.clone());
    }
    let answer: OfSession<Session> = client.run(&SESSION, &Id { id: session }).await?;
    memory.links = Some(answer.agent_session.external_links.clone());
    Ok(answer.agent_session.external_links)
}

fn page(control: &Control) -> Option<Link> {
    match control {
        Control::Open { label, url } => Some(Link {
            label: label.clone(),
            url: url.clone(),
        }),
        Control::Approve { .. }
        | Control::Edit { .. }
        | Control::ChangeRepository
        | Control::Cancel
        | Control::Retry
        | Control::Rate
        | Control::MakeIssue { .. }
        | Control::Settings { .. }
        | Control::Widen { .. }
        | Control::Settle { .. }
        | Control::Answer { .. } => None,
    }
}

fn plan(words: &Words) -> Option<Vec<PlanStep>> {
    match &words.kind {
        WordsKind::Status { steps, .. } if !steps.is_empty() => {
            Some(steps.iter().map(step).collect())
        }
        WordsKind::Status { .. }
        | WordsKind::Decision
        | WordsKind::Ending { .. }
        | WordsKind::Note => None,
    }
}

fn step(step: &Step) -> PlanStep {
    let status = match step.standing {
        StepStanding::Pending => PlanStatus::Pending,
        StepStanding::Active => PlanStatus::InProgress,
        StepStanding::Done => PlanStatus::Completed,
        StepStanding::Failed => PlanStatus::Canceled,
    };
    PlanStep {
        content: step.title.clone(),
        status,
    }
}
