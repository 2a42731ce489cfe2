//! Files: those that people hung on issues and comments, and pictures that are sent.

use reqwest::{
    Response, StatusCode,
    header::{CACHE_CONTROL, CONTENT_TYPE},
};
use secrecy::{ExposeSecret as _, SecretString};

use super::{
    client::{Client, pause, read_to, refused, transient, unreachable},
    operations::{UPLOAD, Upload, UploadAnswer},
};
use crate::{
    domain::{clip, conversation::FileRef},
    surface::{FILE_TOO_LARGE, PictureFile, SurfaceError},
};

/// The most files that are taken from one text.
const FILES_MAX: usize = 20;
/// The longest name that is taken, in characters; a link can have a whole paragraph for one.
const NAME_MAX_CHARS: usize = 120;
/// What goes with the bytes of an upload. Source: Linear's guide to uploading files.
const CACHE: &str = "public, max-age=31536000";
const PNG: &str = "image/png";

/// The files that a text in Markdown names: `[name](address)`, as a picture or as a link. Only what lies below `uploads_url`
/// is one: files are private and need the token, which goes nowhere else. The size is not known.
pub(super) fn named_in(text: &str, uploads_url: &str) -> Vec<FileRef> {
    let mut files: Vec<FileRef> = Vec::new();
    if uploads_url.is_empty() {
        return files;
    }
    for (at, _) in text.match_indices(&format!("]({uploads_url}/")) {
        let Some(address) = text[at + 2..].split([')', ' ']).next() else {
            continue;
        };
        let name = text[..at].rsplit(['[', '\n']).next().map(str::trim);
        let name = name.filter(|name| !name.is_empty()).unwrap_or("file");
        let name = clip(name, NAME_MAX_CHARS);
        if files.len() < FILES_MAX && files.iter().all(|file| file.handle != address) {
            files.push(FileRef {
                media_type: media_type(&name).to_owned(),
                name,
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
        Some("mp4" | "mov" | "webm" | "mkv" | "avi") => "video/mp4",
        Some("mp3" | "m4a" | "wav" | "ogg") => "audio/mpeg",
        Some(_) | None => "application/octet-stream",
    }
}

/// How a download is named in errors.
const DOWNLOAD: &str = "reading a file from Linear";

/// The bytes of a file, at most `limit_bytes` of them. The token goes to Linear's own store and nowhere else.
pub(super) async fn download(
    client: &Client,
    uploads_url: &str,
    file: &FileRef,
    limit_bytes: u64,
) -> Result<Vec<u8>, SurfaceError> {
    if !file.handle.starts_with(&format!("{uploads_url}/")) {
        return Err(refused(DOWNLOAD, "not_at_linear"));
    }
    let token = client.token().await?;
    let mut response = ask_for(client, file, &token).await?;
    if response.status() == StatusCode::UNAUTHORIZED {
        // The token is worth nothing any more; or the file is another workspace's, which a new one does not change.
        client.forget(&token).await;
        let token = client.token().await?;
        response = ask_for(client, file, &token).await?;
    }
    answered(DOWNLOAD, &response)?;
    if response
        .content_length()
        .is_some_and(|length| length > limit_bytes)
    {
        return Err(refused(DOWNLOAD, FILE_TOO_LARGE));
    }
    let limit_bytes = usize::try_from(limit_bytes).unwrap_or(usize::MAX);
    read_to(DOWNLOAD, response, limit_bytes).await
}

async fn ask_for(
    client: &Client,
    file: &FileRef,
    token: &SecretString,
) -> Result<Response, SurfaceError> {
    let request = client
        .http()
        .get(&file.handle)
        .bearer_auth(token.expose_secret());
    let sent = request.send().await;
    sent.map_err(|error| unreachable(DOWNLOAD, &error))
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
    answered(WHAT, &response)?;
    Ok(slot.asset_url)
}

fn answered(what: &str, response: &Response) -> Result<(), SurfaceError> {
    match response.status().as_u16() {
        200..300 => Ok(()),
        code @ (408 | 429 | 500..) => {
            let wait = pause(response.headers());
            Err(transient(format!("{what}: answered {code}"), wait))
        }
        code => Err(refused(what, &format!("answered {code}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UPLOADS: &str = "https://uploads.linear.app";

    fn named(text: &str) -> Vec<(String, String, String)> {
        let found = named_in(text, UPLOADS).into_iter();
        found
            .map(|file| (file.name, file.media_type, file.handle))
            .collect()
    }

    #[test]
    fn only_what_lies_at_linear_is_a_file() {
        for elsewhere in [
            "![x](https://uploads.linear.app.evil.example/a)",
            "![x](https://uploads.linear.app@evil.example/a)",
            "![x](https://evil.example/?https://uploads.linear.app/a)",
            "![x](http://uploads.linear.app/a)",
            "![x](//uploads.linear.app/a)",
            "![x](/a)",
            "https://uploads.linear.app/a",
        ] {
            assert_eq!(named(elsewhere), [], "{elsewhere}");
        }
        assert_eq!(
            named_in("![x](/a) ![x](https://uploads.linear.app/a)", ""),
            []
        );
    }

    #[test]
    fn a_name_is_a_line_of_some_length() {
        let long = "x".repeat(500);
        let text = format!(
            "Words\nthat go on](https://uploads.linear.app/a) [{long}](https://uploads.linear.app/b)"
        );
        let names: Vec<String> = named(&text).into_iter().map(|(name, ..)| name).collect();
        assert_eq!(names[0], "that go on");
        assert_eq!(names[1].chars().count(), NAME_MAX_CHARS);
    }

    #[test]
    fn files_are_found_in_markdown_and_other_links_are_not() {
        let text = "See ![before.png](https://uploads.linear.app/a/b) and [log.txt](https://uploads.linear.app/c \"title\"), \
                    again ![x](https://uploads.linear.app/a/b), not [this](https://evil.example/https://uploads.linear.app/d).";
        let found = named(text);
        let found: Vec<_> = found
            .iter()
            .map(|(name, kind, handle)| (name.as_str(), kind.as_str(), handle.as_str()))
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
