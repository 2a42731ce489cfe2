//! Limits of Slack that this side keeps, each with its unit and source.

use std::time::Duration;

/// Characters of one `markdown` block. Source: reference of the markdown block.
pub(super) const MARKDOWN_MAX_CHARS: usize = 12_000;
/// Characters of all blocks of one message together. Slack documents no sum and refuses about 13,200 with
/// `msg_blocks_too_long`. Source: the issue tracker of Slack's client libraries.
pub(super) const BLOCK_TEXT_MAX_CHARS: usize = 12_000;
/// Tasks of one `plan` block. Source: types of Slack's client library for the plan block.
pub(super) const PLAN_TASKS_MAX: usize = 50;
/// Characters of the title of a plan or of one of its tasks that this side shows; Slack documents no limit.
pub(super) const PLAN_TITLE_MAX_CHARS: usize = 250;
/// Characters of a session's title. Source: reference of `agents.sessions.setStatus`.
pub(super) const SESSION_TITLE_MAX_CHARS: usize = 200;
/// Characters of `text`; an edit with more is refused with `msg_too_long`. Source: reference of `chat.update`.
pub(super) const TEXT_MAX_CHARS: usize = 4_000;
/// Characters of a section's text. Source: reference of the section block.
pub(super) const SECTION_MAX_CHARS: usize = 3_000;
/// Characters of a header. Source: reference of the header block.
pub(super) const HEADER_MAX_CHARS: usize = 150;
/// Blocks of a person's page. Source: reference of Home views.
pub(super) const HOME_BLOCKS_MAX: usize = 100;
/// Bytes of a whole view; more are refused with `view_too_large`. Source: reference of `views.open`.
pub(super) const VIEW_MAX_BYTES: usize = 250_000;
/// Elements of one actions block. Source: reference of the actions block.
pub(super) const ACTIONS_MAX: usize = 25;
/// Characters on a button. Source: reference of the button element.
pub(super) const BUTTON_MAX_CHARS: usize = 75;
/// Characters of a button's value. Source: reference of the button element.
pub(super) const VALUE_MAX_CHARS: usize = 2_000;
/// Characters of a button's address. Source: reference of the button element.
pub(super) const URL_MAX_CHARS: usize = 3_000;
/// Options of one menu. Source: reference of the select menu element.
pub(super) const OPTIONS_MAX: usize = 100;
/// Characters that an option shows. Source: reference of the option object.
pub(super) const OPTION_MAX_CHARS: usize = 75;
/// Characters of an option's value. Source: reference of the option object.
pub(super) const OPTION_VALUE_MAX_CHARS: usize = 150;
/// Characters of a placeholder. Source: reference of the plain text input element.
pub(super) const PLACEHOLDER_MAX_CHARS: usize = 150;
/// Characters above a form and on its buttons. Source: reference of modal views.
pub(super) const VIEW_TITLE_MAX_CHARS: usize = 24;
/// Characters of a form's private metadata. Source: reference of modal views.
pub(super) const METADATA_MAX_CHARS: usize = 3_000;
/// Characters that a person may write into a form. Source: reference of the plain text input element.
pub(super) const INPUT_MAX_CHARS: usize = 3_000;
/// Characters of a file's alternative text. Source: reference of `files.getUploadURLExternal`.
pub(super) const ALT_MAX_CHARS: usize = 1_000;

/// Answers that stand as buttons; more of them become a menu, which a telephone can still show.
pub(super) const ANSWER_BUTTONS_MAX: usize = 5;
/// Messages in one page of a thread. Slack recommends no more than 200. Source: reference of `conversations.replies`.
pub(super) const PAGE_MESSAGES: usize = 200;
/// Pages of a thread that are read at most.
pub(super) const PAGES_MAX: usize = 10;
/// Links of a request to messages that are followed.
pub(super) const LINKS_MAX: usize = 5;
/// Messages of a linked thread that are read: its first ones.
pub(super) const LINKED_LINES_MAX: usize = 20;
/// Lines of a conversation that are handed on; the newest are kept.
pub(super) const LINES_MAX: usize = 200;
/// Bytes of one message through a socket, whole or in parts. Slack's events are far smaller; the HTTP doors take as much.
pub(super) const ENVELOPE_MAX_BYTES: usize = 5 << 20;
/// Messages of one socket that may be none of Slack's protocol before it is given up for another one.
pub(super) const GARBAGE_MAX: u32 = 20;
/// How long one call may take.
pub(super) const CALL_TIMEOUT: Duration = Duration::from_secs(20);
/// How long one file may take, either way.
pub(super) const FILE_TIMEOUT: Duration = Duration::from_mins(1);
/// How long connecting may take.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
