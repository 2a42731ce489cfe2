//! What is said of files and links that do not reach the agent.

use askama::Template;

use super::{
    amounts::{Cut, Room},
    tame::filters,
};
use crate::domain::attachment::{
    NUMBER_MAX, REPLIES_MAX, Refused, SIZE_MAX_BYTES, Unfit, UnreadLink, WhyUnread,
};

/// Bytes of a megabyte, as people are told sizes.
const MEGABYTE: u64 = 1 << 20;

/// `files_refused.md`.
#[derive(Template)]
#[template(path = "messages/files_refused.md")]
pub(super) struct FilesRefusedView<'a> {
    files: &'a [Refused],
    room: Room,
}

#[expect(
    clippy::unused_self,
    clippy::trivially_copy_pass_by_ref,
    reason = "a template calls it so"
)]
impl<'a> FilesRefusedView<'a> {
    pub(super) const fn new(files: &'a [Refused], room: Room) -> Self {
        Self { files, room }
    }

    fn cut<'b, T>(&self, list: &'b [T]) -> Cut<'b, T> {
        self.room.cut(list)
    }

    /// In megabytes, never less than the limit that it is over.
    fn megabytes(&self, size_bytes: &u64) -> u64 {
        size_bytes.div_ceil(MEGABYTE)
    }

    fn size_max(&self) -> u64 {
        SIZE_MAX_BYTES / MEGABYTE
    }

    fn number_max(&self) -> usize {
        NUMBER_MAX
    }

    fn replies_max(&self) -> usize {
        REPLIES_MAX
    }
}

/// `links_unread.md`.
#[derive(Template)]
#[template(path = "messages/links_unread.md")]
pub(super) struct LinksUnreadView<'a> {
    links: &'a [UnreadLink],
    room: Room,
}

impl<'a> LinksUnreadView<'a> {
    pub(super) const fn new(links: &'a [UnreadLink], room: Room) -> Self {
        Self { links, room }
    }

    fn cut<'b, T>(&self, list: &'b [T]) -> Cut<'b, T> {
        self.room.cut(list)
    }
}

#[derive(Template)]
#[template(path = "prompts/parts/file_unread.md")]
struct FileUnreadView<'a> {
    name: &'a str,
}

/// What is said of a file that could not be read when the work began.
pub fn file_unread(name: &str) -> Result<String, askama::Error> {
    Ok(super::tidy(&FileUnreadView { name }.render()?))
}
