//! A file of the workspace and its shape on the wire.

use bytes::Bytes;
use serde_json::{Value, json};

use super::arguments::percent_encoded;
use super::ids::{FileId, UserId};
use super::workspace::Workspace;

/// A file, from the moment an upload was announced.
#[derive(Clone, Debug)]
pub struct File {
    /// The identifier.
    pub id: FileId,
    /// The file's name.
    pub name: String,
    /// The title that people read.
    pub title: String,
    /// What it shows, for people who cannot see it.
    pub alt: String,
    /// Who uploaded it.
    pub user: UserId,
    /// Bytes that were announced.
    pub length: usize,
    /// The content, once it has arrived.
    pub content: Option<Bytes>,
}

impl File {
    /// The media type, told from the name.
    #[must_use]
    pub fn media_type(&self) -> &'static str {
        let extension = self
            .name
            .rsplit_once('.')
            .map_or("", |(_, extension)| extension);
        match extension.to_ascii_lowercase().as_str() {
            "png" => "image/png",
            "jpg" | "jpeg" => "image/jpeg",
            "gif" => "image/gif",
            "webp" => "image/webp",
            "mp4" => "video/mp4",
            "webm" => "video/webm",
            "json" => "application/json",
            "txt" | "log" | "md" | "diff" | "patch" => "text/plain",
            _ => "application/octet-stream",
        }
    }

    /// The file as the Web API and events carry it.
    #[must_use]
    pub(crate) fn wire(&self, workspace: &Workspace) -> Value {
        let address = &workspace.address;
        let extension = self
            .name
            .rsplit_once('.')
            .map_or("text", |(_, extension)| extension);
        let url = format!(
            "{address}/files/{}/{}",
            self.id,
            percent_encoded(&self.name)
        );
        json!({
            "id": self.id, "name": self.name, "title": self.title, "alt_txt": self.alt,
            "mimetype": self.media_type(), "filetype": extension, "pretty_type": extension.to_uppercase(),
            "user": self.user, "size": self.length, "mode": "hosted", "is_external": false,
            "url_private": url, "url_private_download": url,
            "permalink": format!("{address}/page/files/{}", self.id),
        })
    }
}
