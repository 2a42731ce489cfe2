//! Photographs pages of the application before and after the change, with the browser in the clean container.

use std::time::Duration;

use super::{
    room::{Ran, Room, Script},
    trees::Tree,
};
use crate::sandbox::{ExecOutput, ExecutorError};

/// Seconds until the application has to answer.
const START_SECONDS: u64 = 60;
/// Seconds until the browser has to be done with one page.
const PAGE_SECONDS: u64 = 45;
/// How much longer than their own limits the scripts' surroundings may take.
const GRACE: Duration = Duration::from_secs(15);
/// Bytes of the largest picture that is kept.
const PICTURE_BYTES: usize = 5 * 1024 * 1024;
/// Pixels of the longest side of a picture that is kept.
const PICTURE_SIDE: u32 = 4096;
/// Pages that are photographed; more get a sentence.
const PAGES: usize = 6;
/// Bytes of the longest path of a page.
const PATH_BYTES: usize = 2048;
/// Bytes of the application's last words that a reason quotes.
const QUOTED_BYTES: usize = 400;

/// How the application under change is started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StartCommand {
    /// The shell command. It runs with `PORT` set and may stay in the foreground.
    pub command: String,
    /// The port on which it answers HTTP.
    pub port: u16,
}

/// A page of the application.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The path with its query, from `/`.
    pub path: String,
    /// What people call it.
    pub title: String,
}

/// Before or after the change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Moment {
    /// At the commit that the task began with.
    Before,
    /// At the commit that is to be pushed.
    After,
}

/// What became of a picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PictureOutcome {
    /// It was taken.
    Taken {
        /// The file, a PNG whose header was checked.
        png: Vec<u8>,
        /// What the application answered for the page; `None` where it answered no HTTP.
        http_status: Option<u16>,
    },
    /// It was not, which says nothing against the commit.
    Missing {
        /// Why.
        reason: String,
    },
}

/// One page at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    /// The page.
    pub page: Page,
    /// Before or after the change.
    pub moment: Moment,
    /// The picture, or why there is none.
    pub outcome: PictureOutcome,
}

/// Starts the application and waits for its port. An application that ends with an error has no use in being waited
/// for; one that ends well may have left a server behind.
const START: &str = r#"
seconds=$1 port=$2 command=$3
export PORT="$port"
rm -f /tmp/deckhand-app.ended
( setsid sh -lc "$command"; echo $? > /tmp/deckhand-app.ended ) >/tmp/deckhand-app.log 2>&1 </dev/null &
end=$(($(date +%s) + seconds))
while [ "$(date +%s)" -lt "$end" ]; do
  curl --silent --noproxy '*' --max-time 5 --output /dev/null "http://127.0.0.1:$port/"
  case $? in
    7|28) ;;
    *) exit 0 ;;
  esac
  if [ -s /tmp/deckhand-app.ended ] && [ "$(cat /tmp/deckhand-app.ended)" != 0 ]; then
    echo "it ended with status $(cat /tmp/deckhand-app.ended): $(tail -c 300 /tmp/deckhand-app.log)" >&2
    exit 70
  fi
  sleep 0.1
done
echo "nothing answered on port $port within $seconds seconds: $(tail -c 300 /tmp/deckhand-app.log)" >&2
exit 75
"#;

/// The browser's own sandbox cannot start inside this one, which is the stronger of the two. It never sees anything
/// but the application.
const PHOTOGRAPH: &str = r#"
seconds=$1 url=$2
for name in chromium chromium-headless-shell chromium-browser google-chrome; do
  browser=$(command -v "$name") && break
done
if [ -z "$browser" ]; then echo "the image has no browser" >&2; exit 69; fi
folder=$(mktemp -d /tmp/deckhand-browser.XXXXXX)
HOME=$folder timeout -k 5 "$seconds" "$browser" --headless=new --no-sandbox --disable-dev-shm-usage --disable-gpu \
  --hide-scrollbars --no-first-run --no-proxy-server --disable-background-networking --disable-component-update \
  --disable-crash-reporter --window-size=1280,800 --user-data-dir="$folder/profile" --screenshot="$folder/page.png" \
  "$url" >"$folder/log" 2>&1
if [ -s "$folder/page.png" ]; then
  curl --silent --noproxy '*' --max-time 5 --output /dev/null --write-out '%{http_code}' "$url" >&2
  cat "$folder/page.png"
  rm -rf "$folder"
else
  echo "the browser made no picture: $(tail -c 300 "$folder/log")" >&2
  rm -rf "$folder"
  exit 70
fi
"#;

/// Photographs every page at one moment.
pub(super) async fn take(
    room: &Room<'_>,
    start: &StartCommand,
    pages: &[Page],
    moment: Moment,
    obstacle: Option<&str>,
) -> Result<Vec<Picture>, ExecutorError> {
    let picture = |page: &Page, outcome| Picture {
        page: page.clone(),
        moment,
        outcome,
    };
    let missing = |reason: &str| PictureOutcome::Missing {
        reason: reason.to_owned(),
    };
    let obstacle = match obstacle {
        Some(reason) => Some(reason.to_owned()),
        None => start_application(room, start, moment).await?,
    };
    if let Some(reason) = obstacle {
        return Ok(pages
            .iter()
            .map(|page| picture(page, missing(&reason)))
            .collect());
    }
    let mut pictures = Vec::new();
    for (number, page) in pages.iter().enumerate() {
        let outcome = if number >= PAGES {
            missing("only the first six pages are photographed")
        } else if is_proper_path(&page.path) {
            photograph(room, start, page, moment).await?
        } else {
            missing("the path is not one of the application's own")
        };
        pictures.push(picture(page, outcome));
    }
    Ok(pictures)
}

/// Starts the application in a container in which nothing else runs; a reason where it does not answer.
async fn start_application(
    room: &Room<'_>,
    start: &StartCommand,
    moment: Moment,
) -> Result<Option<String>, ExecutorError> {
    room.restart().await?;
    let arguments = vec![
        START_SECONDS.to_string(),
        start.port.to_string(),
        start.command.clone(),
    ];
    let script = Script {
        text: START,
        arguments,
        folder: Tree::of(moment).folder(),
        timeout: Duration::from_secs(START_SECONDS * 2) + GRACE,
        output_limit_bytes: QUOTED_BYTES,
    };
    Ok(match room.run(script).await? {
        Ran::Ended(output) if output.status == Some(0) => None,
        Ran::Ended(output) => Some(format!("the application did not start: {}", words(&output))),
        Ran::TooSlow(_) => Some("the application did not start in time".to_owned()),
        Ran::Died => Some("the container ended while the application started".to_owned()),
    })
}

async fn photograph(
    room: &Room<'_>,
    start: &StartCommand,
    page: &Page,
    moment: Moment,
) -> Result<PictureOutcome, ExecutorError> {
    let url = format!("http://127.0.0.1:{}{}", start.port, page.path);
    let script = Script {
        text: PHOTOGRAPH,
        arguments: vec![PAGE_SECONDS.to_string(), url],
        folder: Tree::of(moment).folder(),
        timeout: Duration::from_secs(PAGE_SECONDS) + GRACE,
        output_limit_bytes: PICTURE_BYTES,
    };
    let reason = match room.run(script).await? {
        Ran::Ended(output) if output.dropped_bytes > 0 => "the picture is too large".to_owned(),
        Ran::Ended(output) if output.status == Some(0) && is_picture(&output.output) => {
            let http_status = words(&output).parse().ok().filter(|status| *status != 0);
            return Ok(PictureOutcome::Taken {
                png: output.output,
                http_status,
            });
        }
        Ran::Ended(output) if output.status == Some(0) => "the picture is none".to_owned(),
        Ran::Ended(output) => words(&output),
        Ran::TooSlow(_) => "the browser was not done in time".to_owned(),
        Ran::Died => "the container ended while the browser ran".to_owned(),
    };
    Ok(PictureOutcome::Missing { reason })
}

fn words(output: &ExecOutput) -> String {
    let kept = output.errors.len().min(QUOTED_BYTES);
    String::from_utf8_lossy(&output.errors[..kept])
        .trim()
        .to_owned()
}

/// Whether it is a path on the application and nothing that a browser could take for another address.
fn is_proper_path(path: &str) -> bool {
    path.starts_with('/')
        && path.len() <= PATH_BYTES
        && !path.contains(|letter: char| {
            letter.is_control() || letter.is_whitespace() || letter == '\\'
        })
}

/// Whether the bytes begin as a PNG file does (its signature, then the header with width and height), of a size that
/// a chat can show.
fn is_picture(bytes: &[u8]) -> bool {
    let side = |from: usize| {
        let four = bytes.get(from..from + 4)?;
        Some(u32::from_be_bytes(four.try_into().ok()?))
    };
    bytes.starts_with(b"\x89PNG\r\n\x1a\n\x00\x00\x00\x0dIHDR")
        && [16, 20]
            .map(side)
            .iter()
            .all(|side| side.is_some_and(|side| (1..=PICTURE_SIDE).contains(&side)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_png_of_a_proper_size_is_a_picture() {
        let header = |width: u32, height: u32| {
            let mut bytes = b"\x89PNG\r\n\x1a\n\x00\x00\x00\x0dIHDR".to_vec();
            bytes.extend(width.to_be_bytes());
            bytes.extend(height.to_be_bytes());
            bytes
        };
        assert!(is_picture(&header(1280, 800)));
        assert!(!is_picture(&header(0, 800)));
        assert!(!is_picture(&header(1280, 100_000)));
        assert!(!is_picture(&header(1280, 800)[..20]));
        assert!(!is_picture(b"<svg/>"));
    }

    #[test]
    fn a_page_is_a_path_and_nothing_else() {
        assert!(is_proper_path("/users?limit=200&offset=3"));
        for path in [
            "",
            "users",
            "@evil.test/",
            "/a b",
            "/a\nb",
            "https://evil.test/",
            "/\\x",
        ] {
            assert!(!is_proper_path(path), "{path}");
        }
    }
}
