//! Whether what comes in belongs to something of ours, as the doors ask before they store it: to a task, or to a request that
//! still waits itself, because whoever works has more to do or is away.
//!
//! Each question is one statement. A request that is taken up between two looks would be seen by neither of them.

use super::{Store, StoreError, dialect, inbox::Source, posts::REQUEST_SLOT};
use crate::domain::conversation::{ConversationId, LineRef};

impl Store {
    /// Whether what is said in a conversation matters: it has a task, or a delivery of it waits, which may open one.
    ///
    /// # Errors
    /// What the database said.
    pub async fn is_followed(&self, conversation: &ConversationId) -> Result<bool, StoreError> {
        let row = dialect::is_followed()
            .bind(&conversation.0)
            .bind(format!(":{REQUEST_SLOT}"))
            .fetch_optional(self.database.reading())
            .await?;
        Ok(row.is_some())
    }

    /// The conversation of a line that is ours or a request to us, or that waits in a delivery: in the one of this source and
    /// key, or in one of the thread that the line opens, which has the line's name. None where it is nothing for us.
    ///
    /// # Errors
    /// What the database said.
    pub async fn conversation_of(
        &self,
        line: &LineRef,
        (source, key): (Source, &str),
    ) -> Result<Option<ConversationId>, StoreError> {
        let row = dialect::conversation_of()
            .bind(&line.0)
            .bind(source.name())
            .bind(key)
            .fetch_one(self.database.reading())
            .await?;
        let found: Option<String> = row.try_get("conversation")?;
        Ok(found.map(ConversationId))
    }
}
