//! Questions that are only answered, by the conversation in which they were asked.

use super::{
    Store, StoreError,
    database::query,
    tasks::{Stored, readable},
};
use crate::domain::{TaskId, Timestamp, conversation::ConversationId, task::Task};

/// The most questions of one conversation that are looked at.
const OF_CONVERSATION_MAX: i64 = 20;

impl Store {
    /// The questions of a conversation that are not over, or that failed and can be tried again; the newest first.
    pub async fn open_inquiries(
        &self,
        conversation: &ConversationId,
    ) -> Result<Vec<Stored>, StoreError> {
        let rows = query(
            "SELECT id, document, version FROM tasks
             WHERE conversation = $1 AND purpose = 'inquiry'
               AND state NOT IN ('completed', 'canceled', 'expired', 'unreadable')
             ORDER BY opened_ms DESC, id DESC LIMIT $2",
        )
        .bind(&conversation.0)
        .bind(OF_CONVERSATION_MAX)
        .fetch_all(self.database.reading())
        .await?;
        rows.iter().filter_map(readable).collect()
    }

    /// What was asked and answered in a conversation before a moment, beside this task: the last ones, the oldest of them
    /// first.
    pub async fn answered_before(
        &self,
        conversation: &ConversationId,
        (task, moment): (&TaskId, Timestamp),
        most: u32,
    ) -> Result<Vec<Task>, StoreError> {
        let rows = query(
            "SELECT id, document, version FROM tasks
             WHERE conversation = $1 AND purpose = 'inquiry' AND state = 'completed' AND id <> $2 AND opened_ms <= $3
             ORDER BY opened_ms DESC, id DESC LIMIT $4",
        )
        .bind(&conversation.0)
        .bind(&task.0)
        .bind(moment.0)
        .bind(i64::from(most))
        .fetch_all(self.database.reading())
        .await?;
        let tasks = rows.iter().rev().filter_map(readable);
        tasks
            .map(|stored| stored.map(|stored| stored.task))
            .collect()
    }
}
