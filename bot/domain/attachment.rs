//! Files that hang on a request: which of them reach the agent.

use serde::{Deserialize, Serialize};

use super::{
    RunNumber,
    conversation::{FileRef, LineRef},
};

/// The largest file that is given to an agent, in bytes.
pub const SIZE_MAX_BYTES: u64 = 10 << 20;
/// The most files that are given to an agent with one request, or with one reply to its task.
pub const NUMBER_MAX: usize = 10;
/// The most files of replies to one task.
pub const REPLIES_MAX: usize = 50;

/// Media types that no agent reads: their beginnings.
const UNREADABLE: [&str; 12] = [
    "audio/",
    "video/",
    "application/java-archive",
    "application/vnd.android.package-archive",
    "application/vnd.microsoft.portable-executable",
    "application/x-apple-diskimage",
    "application/x-dosexec",
    "application/x-elf",
    "application/x-executable",
    "application/x-iso9660-image",
    "application/x-mach-binary",
    "application/x-msdownload",
];
/// The same by the ends of names, where a surface does not know a type.
const UNREADABLE_ENDS: [&str; 8] = [
    ".exe", ".dll", ".dmg", ".iso", ".apk", ".jar", ".msi", ".so",
];

/// Why a file does not reach the agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum Unfit {
    /// It is larger than [`SIZE_MAX_BYTES`].
    TooLarge {
        /// Its size in bytes, as the surface states it.
        size_bytes: u64,
    },
    /// It turned out to be larger than [`SIZE_MAX_BYTES`] when it was read: its surface does not state sizes.
    Larger,
    /// It is a program, sound or video.
    Unreadable,
    /// There are more than [`NUMBER_MAX`].
    TooMany,
    /// The task has [`REPLIES_MAX`] of replies already.
    TaskIsFull,
    /// It could not be read: it was deleted, or lies where the bot may not read.
    Gone,
}

/// Why what a request links to does not reach the agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WhyUnread {
    /// It leads out of what the bot is installed in.
    Elsewhere,
    /// Somebody who reads the conversation may not read what was said there.
    NotForAll,
    /// The conversation is shared with another organisation.
    SharedHere,
    /// It is one link more than are followed.
    TooMany,
    /// It is gone, or stands where the bot may not read.
    Gone,
}

/// A link of a request that was not followed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnreadLink {
    /// As it was written.
    pub link: String,
    /// Why it was not.
    pub why: WhyUnread,
}

/// A file that hung on a reply to a task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplyFile {
    /// The reply, which says on which surface the file is.
    pub line: LineRef,
    /// The file.
    pub file: FileRef,
    /// The run that had it first; none while it waits for one.
    pub run: Option<RunNumber>,
}

/// A file that does not reach the agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// Its name, as its sender gave it.
    pub name: String,
    /// Why.
    pub why: Unfit,
}

/// Why a file is not taken, whatever stands beside it.
#[must_use]
pub fn unfit(file: &FileRef) -> Option<Unfit> {
    if file.size_bytes > SIZE_MAX_BYTES {
        let size_bytes = file.size_bytes;
        return Some(Unfit::TooLarge { size_bytes });
    }
    let (kind, name) = (
        file.media_type.to_ascii_lowercase(),
        file.name.to_ascii_lowercase(),
    );
    let is_unreadable = UNREADABLE.iter().any(|known| kind.starts_with(known))
        || UNREADABLE_ENDS.iter().any(|end| name.ends_with(end));
    is_unreadable.then_some(Unfit::Unreadable)
}
