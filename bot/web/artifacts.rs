//! Artifacts as a browser gets them: what they are is read from their first bytes, and nothing in them can act.

use std::path::Path;

use axum::{
    body::Body,
    http::{HeaderName, header},
    response::{IntoResponse, Response},
};

/// The largest artifact that is served, in bytes.
const SERVED_MAX_BYTES: u64 = 20 << 20;
/// The most pixels of a picture that a browser is asked to unpack; more could be a bomb.
const PIXELS_MAX: u64 = 4096 * 4096;
/// Nothing in an artifact is loaded, run or sent, also where it is opened by itself.
const CONTENT_SECURITY_POLICY: &str =
    "sandbox; default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

/// The answer with an artifact; none where there is no such file, or one that is too large.
pub(super) async fn answer(path: &Path) -> Option<Response> {
    let length = tokio::fs::metadata(path).await.ok()?.len();
    if length > SERVED_MAX_BYTES {
        return None;
    }
    let bytes = tokio::fs::read(path).await.ok()?;
    let headers = headers_of(&bytes);
    Some((headers, Body::from(bytes)).into_response())
}

/// A PNG of a proper size is shown; everything else is only ever saved, whatever it calls itself.
fn headers_of(bytes: &[u8]) -> [(HeaderName, &'static str); 6] {
    let (kind, disposition) = if is_picture(bytes) {
        ("image/png", "inline")
    } else {
        ("application/octet-stream", "attachment")
    };
    [
        (header::CONTENT_TYPE, kind),
        (header::CONTENT_DISPOSITION, disposition),
        (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (
            HeaderName::from_static("cross-origin-resource-policy"),
            "same-origin",
        ),
    ]
}

/// Whether it begins as a PNG does, with a width and a height that can be unpacked safely. Nothing is decoded for that.
fn is_picture(bytes: &[u8]) -> bool {
    let side = |from: usize| {
        let four = bytes.get(from..from + 4)?;
        Some(u64::from(u32::from_be_bytes(four.try_into().ok()?)))
    };
    let pixels = side(16).zip(side(20)).map(|(width, height)| width * height);
    bytes.starts_with(b"\x89PNG\r\n\x1a\n\x00\x00\x00\x0dIHDR")
        && pixels.is_some_and(|pixels| (1..=PIXELS_MAX).contains(&pixels))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn png(width: u32, height: u32) -> Vec<u8> {
        let mut bytes = b"\x89PNG\r\n\x1a\n\x00\x00\x00\x0dIHDR".to_vec();
        bytes.extend(width.to_be_bytes());
        bytes.extend(height.to_be_bytes());
        bytes
    }

    async fn served(bytes: &[u8]) -> (String, String) {
        let folder = tempfile::tempdir().expect("made");
        // The name is never believed.
        let path = folder.path().join("page.png");
        std::fs::write(&path, bytes).expect("written");
        let answer = answer(&path).await.expect("served");
        let value = |name: HeaderName| {
            let value = answer.headers().get(name).expect("set");
            value.to_str().expect("text").to_owned()
        };
        assert!(value(header::CONTENT_SECURITY_POLICY).starts_with("sandbox; default-src 'none';"));
        assert_eq!(value(header::X_CONTENT_TYPE_OPTIONS), "nosniff");
        (
            value(header::CONTENT_TYPE),
            value(header::CONTENT_DISPOSITION),
        )
    }

    #[tokio::test]
    async fn only_a_picture_of_a_proper_size_is_shown() {
        let shown = ("image/png".to_owned(), "inline".to_owned());
        let saved = (
            "application/octet-stream".to_owned(),
            "attachment".to_owned(),
        );
        assert_eq!(served(&png(1280, 800)).await, shown);
        for hostile in [
            b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>".to_vec(),
            b"<!doctype html><script>alert(1)</script>".to_vec(),
            b"PK\x03\x04".to_vec(),
            png(100_000, 100_000),
            png(u32::MAX, u32::MAX),
            png(0, 1),
            png(1, 1)[..20].to_vec(),
            Vec::new(),
        ] {
            assert_eq!(served(&hostile).await, saved, "{hostile:?}");
        }
    }

    #[tokio::test]
    async fn what_is_too_large_or_not_there_is_not_served() {
        let folder = tempfile::tempdir().expect("made");
        assert!(answer(&folder.path().join("none.png")).await.is_none());
        let path = folder.path().join("long.png");
        let file = std::fs::File::create(&path).expect("made");
        file.set_len(SERVED_MAX_BYTES + 1).expect("made longer");
        assert!(answer(&path).await.is_none());
    }
}
