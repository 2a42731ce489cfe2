//! Where on a surface each thing stands, so that it can be edited, marked and recognised.

use super::{Store, StoreError, database::query};
use crate::domain::{
    TaskId,
    conversation::{ConversationId, LineRef},
};

/// The slot of the request itself.
pub const REQUEST_SLOT: &str = "request";

/// The slot by which a task is found that is about something.
pub const ABOUT_SLOT: &str = "about";

/// The slot that the one task holds which must be the only live one about something.
pub const ALONE_SLOT: &str = "alone";

/// Something that stands on a surface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Post {
    /// Where.
    pub conversation: ConversationId,
    /// Its slot.
    pub slot: String,
    /// The task that it belongs to.
    pub task: TaskId,
}

impl Store {
    /// Remembers where something stands.
    pub async fn remember_post(&self, post: &Post, reference: &LineRef) -> Result<(), StoreError> {
        query(
            "INSERT INTO posts (conversation, slot, task, reference) VALUES ($1, $2, $3, $4)
             ON CONFLICT (conversation, slot) DO UPDATE SET reference = excluded.reference",
        )
        .bind(&post.conversation.0)
        .bind(keyed(post))
        .bind(&post.task.0)
        .bind(&reference.0)
        .execute(self.database.writing())
        .await?;
        Ok(())
    }

    /// Where something stands, if it does. What is stored of it may be damaged, which is [`StoreError::Post`]: it may stand
    /// somewhere then.
    pub async fn find_post(&self, post: &Post) -> Result<Option<LineRef>, StoreError> {
        let row = query("SELECT reference FROM posts WHERE conversation = $1 AND slot = $2")
            .bind(&post.conversation.0)
            .bind(keyed(post))
            .fetch_optional(self.database.reading())
            .await?;
        let Some(row) = row else { return Ok(None) };
        row.text("reference")?
            .map(|reference| Some(LineRef(reference)))
            .map_err(|damage| StoreError::Post(keyed(post), damage))
    }

    /// What stands there, if it is ours or a request to us.
    pub async fn post_at(&self, reference: &LineRef) -> Result<Option<Post>, StoreError> {
        let row = query("SELECT conversation, slot, task FROM posts WHERE reference = $1")
            .bind(&reference.0)
            .fetch_optional(self.database.reading())
            .await?;
        let Some(row) = row else { return Ok(None) };
        let task = TaskId(row.try_get("task")?);
        let slot: String = row.try_get("slot")?;
        let slot = slot
            .strip_prefix(&format!("{task}:"))
            .unwrap_or(&slot)
            .to_owned();
        Ok(Some(Post {
            conversation: ConversationId(row.try_get("conversation")?),
            slot,
            task,
        }))
    }
}

/// Several tasks can live in one conversation, so a slot is kept under its task.
fn keyed(post: &Post) -> String {
    format!("{}:{}", post.task, post.slot)
}
