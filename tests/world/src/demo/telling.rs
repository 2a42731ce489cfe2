//! Tells a thread in a terminal as it grows: each message once, and of each edit only what is new in it.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use deckhand_world::slack::{Message, Slack, Thread};
use tokio::task::JoinHandle;

/// What was told of one message.
#[derive(Default)]
struct Told {
    lines: HashSet<String>,
    files: usize,
    marks: usize,
}

/// Tells until it is dropped.
pub struct Telling(JoinHandle<()>);

impl Telling {
    /// Begins with what stands in the thread now.
    pub fn begin(slack: &Slack, thread: &Thread) -> Self {
        let (slack, thread) = (slack.clone(), thread.clone());
        // Ends with the handle; a line that cannot be printed is no loss to the story.
        Self(tokio::spawn(async move {
            let mut changes = slack.changes();
            let mut told = HashMap::new();
            let begun = Instant::now();
            loop {
                changes.mark_unchanged();
                for message in thread.messages() {
                    let earlier: &mut Told = told.entry(message.ts.clone()).or_default();
                    for line in news(&slack, &message, earlier, begun.elapsed()) {
                        let _ = super::say(&line);
                    }
                }
                if changes.changed().await.is_err() {
                    return;
                }
            }
        }))
    }
}

impl Drop for Telling {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// The lines of a message that were not told yet.
fn news(slack: &Slack, message: &Message, told: &mut Told, since: Duration) -> Vec<String> {
    let is_first = told.lines.is_empty();
    let words = with_names(slack, &message.plain_text());
    let fresh: Vec<&str> = words
        .lines()
        .filter(|line| !line.trim().is_empty() && told.lines.insert(essence(line)))
        .collect();
    let mut news = Vec::new();
    if !fresh.is_empty() {
        let author = author(slack, message);
        if is_first {
            news.push(format!("\n{author}, at {:.1} s:", since.as_secs_f64()));
            news.extend(words.lines().map(|line| format!("  {line}")));
        } else {
            let at = since.as_secs_f64();
            let told = |line: &&str| format!("  ~ {at:.1} s {author}: {line}");
            news.extend(fresh.iter().map(told));
        }
    }
    let files = message.files.iter().skip(told.files);
    news.extend(files.filter_map(|id| {
        let file = slack.look(|workspace| workspace.file(id).cloned())?;
        Some(format!(
            "  [file] {} ({}, {} bytes)",
            file.title, file.name, file.length
        ))
    }));
    told.files = message.files.len();
    let marks: Vec<&str> = message
        .reactions
        .iter()
        .map(|mark| mark.name.as_str())
        .collect();
    if marks.len() != told.marks {
        news.push(format!(
            "  ({})",
            marks
                .iter()
                .map(|mark| format!(":{mark}:"))
                .collect::<Vec<_>>()
                .join(" ")
        ));
    }
    told.marks = marks.len();
    news
}

/// A line without its figures: a status that only counts on says nothing new.
fn essence(line: &str) -> String {
    line.split(" · ")
        .filter(|part| {
            !part.starts_with(|first: char| first.is_ascii_digit()) && !part.starts_with("heard ")
        })
        .collect::<Vec<_>>()
        .join(" · ")
        .chars()
        .filter(|character| !character.is_ascii_digit())
        .collect()
}

fn author(slack: &Slack, message: &Message) -> String {
    name_of(slack, message.user.as_str()).unwrap_or_else(|| message.user.as_str().to_owned())
}

fn name_of(slack: &Slack, id: &str) -> Option<String> {
    slack.look(|workspace| workspace.user(id).map(|user| user.name.clone()))
}

/// The text with mentions as people read them.
fn with_names(slack: &Slack, text: &str) -> String {
    let mut parts = text.split("<@");
    let mut named = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        match part.split_once('>') {
            Some((id, rest)) => {
                let name = name_of(slack, id).unwrap_or_else(|| id.to_owned());
                named.push_str(&["@", &name, rest].concat());
            }
            None => named.push_str(&["<@", part].concat()),
        }
    }
    named
}

#[cfg(test)]
mod tests {
    use super::essence;

    #[test]
    fn a_status_that_only_counts_on_is_told_once() {
        let first = "**Working** — 12 s · last command `npm test` · heard 1 s ago";
        let later = "**Working** — 14 s · last command `npm test` · heard 3 s ago";
        let news = "**Working** — 15 s · last command `git diff` · heard 0 s ago";
        assert_eq!(essence(first), essence(later));
        assert_ne!(essence(first), essence(news));
    }
}
