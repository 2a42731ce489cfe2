//! Files: those that people hung on issues and comments, and pictures that are sent.

use reqwest::header::{CACHE_CONTROL, CONTENT_TYPE};
use secrecy::ExposeSecret as _;

use super::{
    client::{Client, read_to, refused, transient, unreachable},
    operations::{UPLOAD, Upload, UploadAnswer},
};
use crate::{
    domain::conversation::FileRef,
    surface::{PictureFile, SurfaceError},
};

/// Where Linear keeps files; they are private and need the token.
const ASSETS: &str = "https://uploads.linear.app/";
/// The most files that are taken from one text.
const FILES_MAX: usize = 20;
/// What goes with the bytes of an upload. Source: Linear's guide to uploading files.
const CACHE: &str = "public, max-age=31536000";
const PNG: &str = "image/png";

/// The files that a text in Markdown names: `[name](address)`, as a picture or as a link. The size is not known.
pub(super) fn named_in(text: &str) -> Vec<FileRef> {
    let mut files: Vec<FileRef> = Vec::new();
    for (at, _) in text.match_indices(&format!("]({ASSETS}")) {
        let Some(address) = text[at + 2..].split([')', ' ']).next() else {
            continue;
        };
        let name = text[..at]
            .rsplit('[')
            .next()
            .map(str::trim)
            .filter(|name| !name.is_empty())
            .unwrap_or("file");
        if files.len() < FILES_MAX && files.iter().all(|file| file.handle != address) {
            files.push(FileRef {
                name: name.to_owned(),
                media_type: media_type(name).to_owned(),
                size_bytes: 0,
                handle: address.to_owned(),
            });
        }
    }
    files
}

fn media_type(name: &str) -> &'static str {
    match name
        .rsplit('.')
        .next()
        .map(str::to_ascii_lowercase)
        .as_deref()
    {
        Some("png") => PNG,
        Some("jpg" | "jpeg") => "image/jpeg",
        Some("gif") => "image/gif",
        Some("webp") => "image/webp",
        Some("pdf") => "application/pdf",
        Some("json") => "application/json",
        Some("txt" | "log" | "md" | "csv") => "text/plain",
        Some(_) | None => "application/octet-stream",
    }
}

/// The bytes of a file. The token goes to Linear's own store and nowhere else.
pub(super) async fn download(
    client: &Client,
    api_url: &str,
    file: &FileRef,
    limit_bytes: u64,
) -> Result<Vec<u8>, SurfaceError> {
    const WHAT: &str = "reading a file from Linear";
    if !file.handle.starts_with(ASSETS) && !file.handle.starts_with(&format!("{api_url}/")) {
        return Err(refused(WHAT, "not_at_linear"));
    }
    let request = client
        .http()
        .get(&file.handle)
        .bearer_auth(client.token().await?.expose_secret());
    let response = request
        .send()
        .await
        .map_err(|error| unreachable(WHAT, &error))?;
    answered(WHAT, response.status())?;
    read_to(
        WHAT,
        response,
        usize::try_from(limit_bytes).unwrap_or(usize::MAX),
    )
    .await
}

/// Sends a picture, and gives the address under which Markdown shows it.
pub(super) async fn upload(client: &Client, picture: &PictureFile) -> Result<String, SurfaceError> {
    const WHAT: &str = "sending a picture to Linear";
    let variables = Upload {
        filename: &picture.name,
        content_type: PNG,
        size: picture.png.len(),
    };
    let answer: UploadAnswer = client.run(&UPLOAD, &variables).await?;
    let slot = answer
        .file_upload
        .upload_file
        .ok_or_else(|| refused(WHAT, "no_place"))?;
    // The address is signed for these bytes; the token has no business there.
    let mut request = client
        .http()
        .put(&slot.upload_url)
        .header(CONTENT_TYPE, PNG)
        .header(CACHE_CONTROL, CACHE);
    for header in &slot.headers {
        request = request.header(&header.key, &header.value);
    }
    let response = request
        .body(picture.png.clone())
        .send()
        .await
        .map_err(|error| unreachable(WHAT, &error))?;
    answered(WHAT, response.status())?;
    Ok(slot.asset_url)
}

fn answered(what: &str, status: reqwest::StatusCode) -> Result<(), SurfaceError> {
    match status.as_u16() {
        200..300 => Ok(()),
        code @ (408 | 429 | 500..) => Err(transient(format!("{what}: answered {code}"), None)),
        code => Err(refused(what, &format!("answered {code}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_found_in_markdown_and_other_links_are_not() {
        let text = "See ![before.png](https://uploads.linear.app/a/b) and [log.txt](https://uploads.linear.app/c \"title\"), \
                    again ![x](https://uploads.linear.app/a/b), not [this](https://evil.example/https://uploads.linear.app/d).";
        let found = named_in(text);
        let found: Vec<_> = found
            .iter()
            .map(|file| {
                (
                    file.name.as_str(),
                    file.media_type.as_str(),
                    file.handle.as_str(),
                )
            })
            .collect();
        assert_eq!(
            found,
            [
                ("before.png", "image/png", "https://uploads.linear.app/a/b"),
                ("log.txt", "text/plain", "https://uploads.linear.app/c")
            ]
        );
    }
}
