//! Files, both ways: pictures that are shown, attachments that are read.

use reqwest::{Url, header::CONTENT_TYPE};
use serde_json::{Value, json};

use super::{
    api::{permanent, transient},
    history::Page,
    ids::{self, Place},
    limits::{ALT_MAX_CHARS, FILE_TIMEOUT},
    methods,
    outbound::Slack,
};
use crate::{
    domain::{
        clip,
        conversation::{ConversationId, FileRef},
    },
    surface::{Attempt, FILE_TOO_LARGE, PictureFile, SurfaceError},
    words,
};

/// How a download is named in errors.
const DOWNLOAD: &str = "a download";
/// How an upload is named in errors.
const UPLOAD: &str = "an upload";

impl Slack {
    /// Posts pictures as one message. Slack knows no key for files, so a repeated attempt looks for their names in the thread.
    pub async fn show_pictures(
        &self,
        conversation: &ConversationId,
        pictures: &[PictureFile],
        attempt: Attempt,
    ) -> Result<(), SurfaceError> {
        if pictures.is_empty() {
            return Ok(());
        }
        let place = ids::parse_conversation(conversation)?;
        if attempt == Attempt::Repeated && self.shows_already(&place, pictures).await? {
            return Ok(());
        }
        let mut files = Vec::with_capacity(pictures.len());
        for picture in pictures {
            files.push(json!({ "id": self.upload(picture).await?, "title": picture.title }));
        }
        let mut complete = json!({ "files": files, "channel_id": place.channel, "initial_comment": words::PICTURES });
        if let Some(thread) = &place.ts {
            complete["thread_ts"] = json!(thread);
        }
        self.api
            .post(methods::SHOW_FILES, &complete)
            .await
            .map(drop)
    }

    async fn upload(&self, picture: &PictureFile) -> Result<String, SurfaceError> {
        const METHOD: methods::Method = methods::ANNOUNCE_FILE;
        let (length, alt) = (
            picture.png.len().to_string(),
            clip(&picture.title, ALT_MAX_CHARS),
        );
        let ticket = self
            .api
            .get(
                METHOD,
                &[
                    ("filename", &picture.name),
                    ("length", &length),
                    ("alt_txt", &alt),
                ],
            )
            .await?;
        let (url, id) = ticket["upload_url"]
            .as_str()
            .zip(ticket["file_id"].as_str())
            .ok_or_else(|| transient(METHOD.name(), "gave an answer that is none", None))?;
        let sending = self
            .api
            .http
            .post(url)
            .header(CONTENT_TYPE, "image/png")
            .timeout(FILE_TIMEOUT)
            .body(picture.png.clone());
        let answer = sending
            .send()
            .await
            .map_err(|_| transient(UPLOAD, "cannot be reached", None))?;
        status(UPLOAD, &answer)?;
        Ok(id.to_owned())
    }

    async fn shows_already(
        &self,
        place: &Place,
        pictures: &[PictureFile],
    ) -> Result<bool, SurfaceError> {
        let me = self.me().await?.user_id.clone();
        let mut shown = false;
        self.for_each_page(place, "", |messages| {
            shown |= messages
                .iter()
                .filter(|message| message["user"] == me.as_str())
                .any(|message| holds_all(message, pictures));
            if shown { Page::Enough } else { Page::Next }
        })
        .await?;
        Ok(shown)
    }

    /// The bytes of a file, at most `limit_bytes` of them. The token is shown to Slack alone, whatever address the file states.
    pub async fn download(
        &self,
        file: &FileRef,
        limit_bytes: u64,
    ) -> Result<Vec<u8>, SurfaceError> {
        let url = self.address(file).await?;
        if !self.api.may_see_token(&url) {
            return Err(permanent(DOWNLOAD, "not_an_address_of_slack"));
        }
        let mut answer = self
            .api
            .download(url)
            .timeout(FILE_TIMEOUT)
            .send()
            .await
            .map_err(|_| transient(DOWNLOAD, "cannot be reached", None))?;
        status(DOWNLOAD, &answer)?;
        // Without the right to read files, Slack sends its page to sign in.
        let is_page = answer
            .headers()
            .get(CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .is_some_and(|kind| kind.starts_with("text/html"));
        if is_page && !file.media_type.starts_with("text/html") {
            return Err(permanent(DOWNLOAD, "missing_scope"));
        }
        let mut bytes = Vec::new();
        while let Some(chunk) = answer
            .chunk()
            .await
            .map_err(|_| transient(DOWNLOAD, "broke off", None))?
        {
            if bytes.len() as u64 + chunk.len() as u64 > limit_bytes {
                return Err(permanent(DOWNLOAD, FILE_TOO_LARGE));
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes)
    }

    async fn address(&self, file: &FileRef) -> Result<Url, SurfaceError> {
        let unknown = || permanent(DOWNLOAD, "file_not_found");
        if file.handle.contains("://") {
            return Url::parse(&file.handle).map_err(|_| unknown());
        }
        let found = self
            .api
            .get(methods::FILE, &[("file", &file.handle)])
            .await?;
        found["file"]["url_private"]
            .as_str()
            .and_then(|url| Url::parse(url).ok())
            .ok_or_else(unknown)
    }
}

fn holds_all(message: &Value, pictures: &[PictureFile]) -> bool {
    let files = message["files"]
        .as_array()
        .map_or(&[] as &[Value], Vec::as_slice);
    pictures.iter().all(|picture| {
        files
            .iter()
            .any(|file| file["name"] == picture.name.as_str())
    })
}

fn status(what: &str, answer: &reqwest::Response) -> Result<(), SurfaceError> {
    let status = answer.status();
    if status.is_success() {
        return Ok(());
    }
    let code = format!("http_{}", status.as_u16());
    if status.is_server_error() || status.as_u16() == 429 {
        Err(transient(
            what,
            &format!("answered with status {}", status.as_u16()),
            None,
        ))
    } else {
        Err(permanent(what, &code))
    }
}
