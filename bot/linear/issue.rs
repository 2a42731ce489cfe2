//! The issue behind a session: moved to a started state when work begins, and delegated to the bot where nobody has it.

use super::{
    Linear, ids,
    operations::{
        Change, Id, OfSession, START_ISSUE, StartIssue, TeamState, WORK_ITEM, WorkIssue, WorkItem,
    },
};
use crate::{
    domain::{
        conversation::{ConversationId, LineRef},
        effect::Mark,
    },
    surface::SurfaceError,
};

impl Linear {
    /// Shows how the task stands. The session's own state follows from what is said; only the beginning of work has
    /// something to move. What was asked for by a rule and not by a person is left where people triage it; what somebody
    /// asked for elsewhere was.
    pub async fn mark(
        &self,
        conversation: &ConversationId,
        request: &LineRef,
        mark: Mark,
    ) -> Result<(), SurfaceError> {
        match mark {
            Mark::Working => {}
            Mark::Accepted
            | Mark::NeedsYou
            | Mark::Proved
            | Mark::Answered
            | Mark::Gaps
            | Mark::Canceled => {
                return Ok(());
            }
        }
        let session = ids::session_of(conversation)?;
        let item: WorkItem = self
            .client
            .run::<OfSession<WorkItem>>(&WORK_ITEM, &Id { id: session })
            .await?
            .agent_session;
        let is_asked_for = item.creator.is_some() || ids::is_own_opening(request);
        let Some(issue) = item.issue.filter(|_| is_asked_for) else {
            return Ok(());
        };
        let delegate_id = issue.delegate.is_none().then_some(item.app_user.id);
        let state_id = started_state(&issue).map(|state| state.id.clone());
        if state_id.is_none() && delegate_id.is_none() {
            return Ok(());
        }
        self.client
            .change(
                &START_ISSUE,
                &Change {
                    id: &issue.id,
                    input: StartIssue {
                        state_id,
                        delegate_id,
                    },
                },
            )
            .await
    }
}

/// The team's first started state, unless the issue has begun or ended already.
fn started_state(issue: &WorkIssue) -> Option<&TeamState> {
    if matches!(
        issue.state.r#type.as_str(),
        "started" | "completed" | "canceled"
    ) {
        return None;
    }
    issue
        .team
        .states
        .nodes
        .iter()
        .min_by(|one, other| one.position.total_cmp(&other.position))
}
