//! The limits that Slack sets, each with its unit.
//!
//! They come from Slack's reference of methods and blocks, and where that is silent from the comments and
//! issues of its public client libraries.

use std::time::Duration;

/// Connections of Socket Mode that one app may have.
pub const SOCKETS: usize = 10;
/// Blocks in one message.
pub const BLOCKS_PER_MESSAGE: usize = 50;
/// Blocks in one modal.
pub const BLOCKS_PER_VIEW: usize = 100;
/// Characters of text in all blocks of one message together; beyond it Slack answers `msg_blocks_too_long`.
pub const BLOCK_TEXT_PER_MESSAGE: usize = 13_200;
/// Characters of `text` in a new message; Slack cuts what is beyond.
pub const TEXT_IN_POST: usize = 40_000;
/// Characters of `text` in an edit; beyond it Slack answers `msg_too_long`.
pub const TEXT_IN_UPDATE: usize = 4_000;
/// Characters in one `markdown` block, and in `markdown_text`.
pub const MARKDOWN: usize = 12_000;
/// Characters in a section's text.
pub const SECTION_TEXT: usize = 3_000;
/// Characters in one field of a section.
pub const SECTION_FIELD: usize = 2_000;
/// Fields in one section.
pub const SECTION_FIELDS: usize = 10;
/// Characters in a header.
pub const HEADER_TEXT: usize = 150;
/// Characters in one text of a context block.
pub const CONTEXT_TEXT: usize = 3_000;
/// Elements in a context block.
pub const CONTEXT_ELEMENTS: usize = 10;
/// Elements in an actions block.
pub const ACTIONS_ELEMENTS: usize = 25;
/// Elements in a `context_actions` block.
pub const CONTEXT_ACTIONS_ELEMENTS: usize = 5;
/// Characters on a button.
pub const BUTTON_TEXT: usize = 75;
/// Characters in a button's value.
pub const BUTTON_VALUE: usize = 2_000;
/// Characters in a button's address.
pub const BUTTON_URL: usize = 3_000;
/// Characters in an `action_id`, a `block_id` and a `callback_id`.
pub const IDENTIFIER: usize = 255;
/// Options in a select menu.
pub const OPTIONS: usize = 100;
/// Characters in an option's text and description.
pub const OPTION_TEXT: usize = 75;
/// Characters in an option's value.
pub const OPTION_VALUE: usize = 150;
/// Characters in a placeholder.
pub const PLACEHOLDER: usize = 150;
/// Characters in an image's alternative text.
pub const IMAGE_ALT: usize = 2_000;
/// Tasks in one `plan` block.
pub const PLAN_TASKS: usize = 50;
/// Rows in a table block.
pub const TABLE_ROWS: usize = 100;
/// Cells in one row of a table block.
pub const TABLE_COLUMNS: usize = 20;
/// Characters in all cells of a table block.
pub const TABLE_TEXT: usize = 10_000;
/// Characters in a modal's title, submit and close labels.
pub const VIEW_TITLE: usize = 24;
/// Characters in a modal's `private_metadata`.
pub const PRIVATE_METADATA: usize = 3_000;
/// Bytes of a whole view.
pub const VIEW_BYTES: usize = 250_000;
/// Characters in an input's label.
pub const INPUT_LABEL: usize = 2_000;
/// Characters in a file's alternative text.
pub const FILE_ALT: usize = 1_000;
/// Characters in an agent session's title.
pub const SESSION_TITLE: usize = 200;
/// Loading messages beside a thread's status.
pub const LOADING_MESSAGES: usize = 10;
/// Different emojis on one message.
pub const EMOJIS_PER_MESSAGE: usize = 23;
/// How long a `trigger_id` can open a view.
pub const TRIGGER_LIFETIME: Duration = Duration::from_secs(3);
/// How long a `response_url` can be used.
pub const RESPONSE_URL_LIFETIME: Duration = Duration::from_mins(30);
/// How often a `response_url` can be used.
pub const RESPONSE_URL_USES: u32 = 5;
/// How long Slack waits for the answer to one delivery.
pub const DELIVERY_PATIENCE: Duration = Duration::from_secs(3);
/// How long between two messages in one channel, where the limit is switched on.
pub const POST_INTERVAL: Duration = Duration::from_secs(1);
/// Calls of a method in a minute, by its tier, where the limit is switched on; none where Slack gives no such number.
#[must_use]
pub fn calls_a_minute(method: &str) -> Option<usize> {
    match method {
        "reactions.remove" => Some(20),
        "agents.sessions.setStatus"
        | "apps.connections.open"
        | "auth.revoke"
        | "chat.update"
        | "conversations.history"
        | "conversations.info"
        | "conversations.open"
        | "conversations.replies"
        | "reactions.add"
        | "reactions.get" => Some(50),
        "chat.postEphemeral"
        | "files.completeUploadExternal"
        | "files.getUploadURLExternal"
        | "files.info"
        | "users.info"
        | "views.open"
        | "views.publish" => Some(100),
        _ => None,
    }
}

/// How long a thread's status stays without a message.
pub const THREAD_STATUS_LIFETIME: Duration = Duration::from_mins(2);

/// Bytes of one file that the stand-in keeps (Slack itself allows more).
pub const FILE_BYTES: usize = 25 * 1024 * 1024;
/// Bytes of one call's body that the stand-in reads.
pub const CALL_BYTES: usize = 2 * 1024 * 1024;
/// Calls, deliveries and violations that are kept, each; the oldest go first.
pub const KEPT_RECORDS: usize = 20_000;
