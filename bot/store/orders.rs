//! Orders: what operators ask for by the command line and programs by the API, as it lies in the inbox.

use serde::{Deserialize, Serialize};

use super::{
    StoreError,
    inbox::{NewDelivery, Source},
};
use crate::domain::{TaskId, task::Task};

/// A command that comes from no conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case")]
pub enum Order {
    /// Ends a task.
    Cancel {
        /// Which.
        task: TaskId,
        /// Who: as the system names them, or the name of the API's token.
        by: String,
    },
}

/// The order to end a task, to be stored in the order of its conversation. `key` makes it the same one when it comes again
/// for the same task.
///
/// # Errors
/// [`StoreError::Document`] where it cannot be written down.
pub fn cancel(source: Source, task: &Task, by: &str, key: &str) -> Result<NewDelivery, StoreError> {
    let order = Order::Cancel {
        task: task.id.clone(),
        by: by.to_owned(),
    };
    Ok(NewDelivery {
        source,
        key: format!("cancel:{}:{key}", task.id),
        conversation: task.conversation.0.clone(),
        body: serde_json::to_value(order)?,
    })
}
