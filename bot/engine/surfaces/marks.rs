//! The emojis that the bot puts on what people said.

use super::{Surface, Surfaces};
use crate::{
    domain::{
        conversation::{ConversationId, LineRef},
        effect::Mark,
    },
    surface::SurfaceError,
};

impl Surfaces {
    /// Sets the status emoji on the request, and what the surface itself shows of the work. Where that is new to the
    /// surface, it is called `title`.
    pub async fn mark(
        &self,
        conversation: &ConversationId,
        request: &LineRef,
        mark: Mark,
        title: Option<&str>,
    ) -> Result<(), SurfaceError> {
        match self.surface(&conversation.0).await? {
            Surface::Slack(slack) => {
                slack.mark(request, mark).await?;
                let title = title.map(|title| self.clean(title));
                slack
                    .show_session(conversation, mark, title.as_deref())
                    .await
            }
            Surface::Linear(linear) => linear.mark(conversation, request, mark).await,
        }
    }

    /// Sets the status emoji on the request alone: what the surface shows of the whole conversation is another task's.
    pub async fn mark_line(
        &self,
        conversation: &ConversationId,
        request: &LineRef,
        mark: Mark,
    ) -> Result<(), SurfaceError> {
        match self.surface(&conversation.0).await? {
            Surface::Slack(slack) => slack.mark(request, mark).await,
            Surface::Linear(_) => Ok(()),
        }
    }

    /// Shows that a reply was heard.
    pub async fn hear(
        &self,
        conversation: &ConversationId,
        line: &LineRef,
    ) -> Result<(), SurfaceError> {
        match self.surface(&conversation.0).await? {
            Surface::Slack(slack) => slack.hear(line).await,
            Surface::Linear(linear) => linear.hear(conversation, line).await,
        }
    }
}
