//! Takes a credential out of answers: a service that repeats what it was sent must not tell it to the sandbox.

use std::sync::Arc;

use bytes::Bytes;
use futures::stream;
use http_body_util::{BodyExt as _, StreamBody};
use hyper::{
    HeaderMap, Response,
    body::Frame,
    header::{CONTENT_ENCODING, HeaderValue},
};

use super::{
    credential::Credential,
    refusal::{Body, BodyError},
};

/// What stands in the place of each byte: lengths stay what they were said to be.
const MASK: u8 = b'*';

/// Whether a body with these headers can be looked through: nothing can be found in a compressed one.
pub fn is_plain(headers: &HeaderMap) -> bool {
    let plain = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"identity");
    headers.get_all(CONTENT_ENCODING).iter().all(plain)
}

/// The answer to a request that a credential was put on, without the credential.
pub fn scrub(response: Response<Body>, credential: &Credential) -> Response<Body> {
    let (mut head, body) = response.into_parts();
    let echoes: Arc<[Vec<u8>]> = credential.echoes().into();
    scrub_headers(&mut head.headers, &echoes);
    let frames = stream::unfold(Some((body, Scrubber::new(echoes))), |state| async move {
        let (mut body, mut scrubber) = state?;
        loop {
            let frame: Option<Result<Frame<Bytes>, BodyError>> = body.frame().await;
            let Some(frame) = frame else {
                let rest = scrubber.finish();
                return (!rest.is_empty()).then(|| (Ok(Frame::data(rest)), None));
            };
            match frame.map(Frame::into_data) {
                Ok(Ok(data)) => {
                    let data = scrubber.feed(&data);
                    if !data.is_empty() {
                        return Some((Ok(Frame::data(data)), Some((body, scrubber))));
                    }
                }
                // Trailers: nobody needs them here, and each would have to be looked through.
                Ok(Err(_)) => {}
                Err(error) => return Some((Err(error), None)),
            }
        }
    });
    Response::from_parts(head, StreamBody::new(frames).boxed_unsync())
}

fn scrub_headers(headers: &mut HeaderMap, echoes: &[Vec<u8>]) {
    for value in headers.values_mut() {
        let mut bytes = value.as_bytes().to_vec();
        if mask(&mut bytes, echoes)
            && let Ok(masked) = HeaderValue::from_bytes(&bytes)
        {
            *value = masked;
        }
    }
}

/// Finds the spellings in a stream, wherever it is cut into pieces.
struct Scrubber {
    echoes: Arc<[Vec<u8>]>,
    /// The end of what came, where it may be the beginning of a spelling.
    held: Vec<u8>,
}

impl Scrubber {
    fn new(echoes: Arc<[Vec<u8>]>) -> Self {
        Self {
            echoes,
            held: Vec::new(),
        }
    }

    /// What may be passed on after this piece.
    fn feed(&mut self, piece: &[u8]) -> Bytes {
        let mut bytes = std::mem::take(&mut self.held);
        bytes.extend_from_slice(piece);
        mask(&mut bytes, &self.echoes);
        let begun = begun(&bytes, &self.echoes);
        self.held = bytes.split_off(bytes.len() - begun);
        bytes.into()
    }

    /// What was held back and is the beginning of nothing after all.
    fn finish(&mut self) -> Bytes {
        std::mem::take(&mut self.held).into()
    }
}

/// Masks every whole spelling; answers whether there was one.
fn mask(bytes: &mut [u8], echoes: &[Vec<u8>]) -> bool {
    let mut found = false;
    for echo in echoes {
        let mut start = 0;
        while let Some(rest) = bytes.get_mut(start..) {
            let Some(position) = rest.windows(echo.len()).position(|window| window == echo) else {
                break;
            };
            if let Some(place) = rest.get_mut(position..position + echo.len()) {
                place.fill(MASK);
            }
            found = true;
            start += position + echo.len();
        }
    }
    found
}

/// How many bytes at the end may be the beginning of a spelling.
fn begun(bytes: &[u8], echoes: &[Vec<u8>]) -> usize {
    let longest = echoes.iter().map(Vec::len).max().unwrap_or(1) - 1;
    (1..=longest.min(bytes.len()))
        .rev()
        .find(|length| {
            let end = bytes.get(bytes.len() - length..).unwrap_or_default();
            echoes
                .iter()
                .any(|echo| echo.len() > end.len() && echo.starts_with(end))
        })
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    fn run(echoes: &[&str], pieces: &[&[u8]]) -> (String, usize) {
        let echoes: Vec<Vec<u8>> = echoes.iter().map(|echo| echo.as_bytes().to_vec()).collect();
        let mut scrubber = Scrubber::new(echoes.into());
        let (mut out, mut held) = (Vec::new(), 0);
        for piece in pieces {
            out.extend(scrubber.feed(piece));
            held = held.max(scrubber.held.len());
        }
        out.extend(scrubber.finish());
        (String::from_utf8(out).unwrap(), held)
    }

    #[test]
    fn an_echo_is_masked_however_it_is_cut() {
        let text =
            b"{\"token\":\"npm_secret\",\"again\":\"npm_secretnpm_secret\",\"part\":\"npm_sec\"}";
        let masked =
            "{\"token\":\"**********\",\"again\":\"********************\",\"part\":\"npm_sec\"}";
        for size in 1..=text.len() {
            let pieces: Vec<&[u8]> = text.chunks(size).collect();
            let (out, held) = run(&["npm_secret", "bnBtX3NlY3JldA"], &pieces);
            assert_eq!(out, masked, "in pieces of {size}");
            assert!(held < 14, "{held} bytes held");
        }
    }

    #[test]
    fn a_beginning_inside_a_beginning_is_not_lost() {
        let (out, _) = run(&["aaaaaaab"], &[b"aaaaaaa", b"aaaaaaa", b"ab-aaaaaaa"]);
        assert_eq!(out, "aaaaaaaa********-aaaaaaa");
    }

    #[test]
    fn what_holds_no_echo_passes_at_once() {
        let (out, held) = run(&["npm_secret"], &[b"data: one\n\n", b"data: two\n\n"]);
        assert_eq!((out.as_str(), held), ("data: one\n\ndata: two\n\n", 0));
        assert_eq!(run(&[], &[b"x"]), ("x".to_owned(), 0));
    }

    #[test]
    fn headers_are_looked_through_too() {
        let mut headers = HeaderMap::new();
        headers.insert(
            "location",
            "https://a.example/?t=npm_secret".parse().unwrap(),
        );
        headers.insert("x-other", "npm_".parse().unwrap());
        scrub_headers(&mut headers, &[b"npm_secret".to_vec()]);
        assert_eq!(headers["location"], "https://a.example/?t=**********");
        assert_eq!(headers["x-other"], "npm_");
    }
}
