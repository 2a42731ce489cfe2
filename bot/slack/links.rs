//! Messages that a request links to: read one level deep, where the bot may read them and where nobody sees by it what was
//! said among others.

use std::collections::HashMap;

use reqwest::Url;
use serde_json::Value;

use super::{
    api::permanent,
    history::is_speech,
    ids::{self, Place},
    limits::{LINKED_LINES_MAX, LINKS_MAX},
    methods,
    outbound::Slack,
};
use crate::{
    domain::conversation::{ConversationId, Line, LineKind},
    surface::{Linked, SurfaceError},
};

/// The domain of all workspaces.
const WORKSPACES: &str = ".slack.com";

/// A message that an address names. Source: answers of `chat.getPermalink`.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Link<'a> {
    /// As it was written.
    written: &'a str,
    /// Whose it is: host and port.
    host: String,
    channel: String,
    ts: String,
    /// The thread that it is a reply in, where the address says so.
    thread: Option<String>,
}

impl Slack {
    /// The messages that a text links to, with the beginnings of their threads. What cannot be read is named, and costs
    /// nothing else. Links in what is read are not followed.
    pub async fn linked(
        &self,
        conversation: &ConversationId,
        text: &str,
    ) -> Result<Linked, SurfaceError> {
        let mut linked = Linked::default();
        let links = links(text);
        if links.is_empty() {
            return Ok(linked);
        }
        let here = ids::parse_conversation(conversation)?;
        let own = self.me().await?.url.clone();
        let own = Url::parse(&own).ok().and_then(|url| host(&url));
        let mut people = HashMap::new();
        for (index, link) in links.into_iter().enumerate() {
            let is_own = own.as_ref() == Some(&link.host);
            if !is_own && !link.host.ends_with(WORKSPACES) {
                continue;
            }
            let is_here = link.channel == here.channel
                && here.ts.is_some()
                && (Some(&link.ts) == here.ts.as_ref() || link.thread == here.ts);
            // What stands in this thread is read as its thread.
            if is_own && is_here {
                continue;
            }
            if !is_own || index >= LINKS_MAX {
                linked.unread.push(link.written.to_owned());
                continue;
            }
            match self.follow(&here, &link, &mut people).await {
                Ok(read) if !read.is_empty() => linked.lines.extend(read),
                Ok(_) | Err(SurfaceError::Permanent { .. }) => {
                    linked.unread.push(link.written.to_owned());
                }
                Err(error) => return Err(error),
            }
        }
        Ok(linked)
    }

    async fn follow(
        &self,
        here: &Place,
        link: &Link<'_>,
        people: &mut HashMap<String, crate::domain::conversation::Person>,
    ) -> Result<Vec<Line>, SurfaceError> {
        if link.channel != here.channel {
            self.may_be_shown(here, &link.channel).await?;
        }
        let root = link.thread.as_deref().unwrap_or(&link.ts);
        let mut messages = self.replies(&link.channel, root, LINKED_LINES_MAX).await?;
        let is_it = |message: &Value| message["ts"] == link.ts.as_str();
        if !messages.iter().any(is_it) {
            // It stands further below in its thread; asked for by itself, Slack gives it alone.
            let alone = self.replies(&link.channel, &link.ts, 1).await?;
            messages.extend(alone.into_iter().filter(is_it));
        }
        let me = self.me().await?.user_id.clone();
        let place = Place {
            team: here.team.clone(),
            channel: link.channel.clone(),
            ts: Some(root.to_owned()),
        };
        let mut lines = Vec::new();
        for message in messages
            .iter()
            .filter(|message| message["user"] != me.as_str() && is_speech(message))
        {
            let said = self.line(&place, message, &me, people).await?;
            lines.extend(said.map(|said| Line {
                kind: LineKind::Linked,
                ..said
            }));
        }
        Ok(lines)
    }

    async fn replies(
        &self,
        channel: &str,
        ts: &str,
        most: usize,
    ) -> Result<Vec<Value>, SurfaceError> {
        let limit = most.to_string();
        let arguments = [("channel", channel), ("ts", ts), ("limit", &limit)];
        let page = self.api.get(methods::THREAD, &arguments).await?;
        let messages = page["messages"].as_array().cloned().unwrap_or_default();
        Ok(messages.into_iter().take(most).collect())
    }

    /// Fails where words of that channel are not for everybody here: of a private one, and anything in a channel that is
    /// shared with another organisation. That the bot was invited there does not mean that the people here were.
    async fn may_be_shown(&self, here: &Place, channel: &str) -> Result<(), SurfaceError> {
        let there = self
            .api
            .get(methods::CHANNEL, &[("channel", channel)])
            .await?;
        let is = |channel: &Value, field: &str| channel["channel"][field] == true;
        if !is(&there, "is_channel") || is(&there, "is_private") || is(&there, "is_mpim") {
            return Err(permanent("following a link", "not_public"));
        }
        // A direct message has nobody else in it.
        if !here.channel.starts_with('D') {
            let here = self
                .api
                .get(methods::CHANNEL, &[("channel", &here.channel)])
                .await?;
            if is(&here, "is_ext_shared") || is(&here, "is_pending_ext_shared") {
                return Err(permanent("following a link", "shared_with_others"));
            }
        }
        Ok(())
    }
}

/// The messages that a text links to, each once.
fn links(text: &str) -> Vec<Link<'_>> {
    let mut found: Vec<Link<'_>> = Vec::new();
    let edges = |c: char| "<>()[]{}\"'`,;|*_~".contains(c);
    for word in text.split(|c: char| c.is_whitespace() || "<>|".contains(c)) {
        let word = word.trim_matches(edges).trim_end_matches(['.', ':', '!']);
        let Some(link) = link(word) else { continue };
        let is_known = |known: &Link<'_>| {
            (&known.host, &known.channel, &known.ts) == (&link.host, &link.channel, &link.ts)
        };
        if !found.iter().any(is_known) {
            found.push(link);
        }
    }
    found
}

/// `https://acme.slack.com/archives/C1/p1766458026240809?thread_ts=1766458026.240809&cid=C1`.
fn link(word: &str) -> Option<Link<'_>> {
    if !word.starts_with("http") {
        return None;
    }
    let url = Url::parse(word).ok()?;
    let mut segments = url.path_segments()?;
    let (archives, channel, moment) = (segments.next()?, segments.next()?, segments.next()?);
    let is_channel = !channel.is_empty()
        && channel.len() <= 20
        && channel.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if archives != "archives" || !is_channel || segments.any(|rest| !rest.is_empty()) {
        return None;
    }
    let digits = moment.strip_prefix('p')?;
    let is_moment = (7..=20).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
    let (seconds, fraction) = is_moment.then(|| digits.split_at(digits.len() - 6))?;
    let thread = url
        .query_pairs()
        .find(|(name, _)| name == "thread_ts")
        .map(|(_, value)| value.into_owned())
        .filter(|ts| !ts.is_empty() && ts.bytes().all(|b| b.is_ascii_digit() || b == b'.'));
    Some(Link {
        written: word,
        host: host(&url)?,
        channel: channel.to_owned(),
        ts: format!("{seconds}.{fraction}"),
        thread,
    })
}

fn host(url: &Url) -> Option<String> {
    let host = url.host_str()?.to_ascii_lowercase();
    Some(match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_messages_are_found_among_words() {
        const ROOT: &str = "https://acme.slack.com/archives/C1/p1766458026240809";
        let text = format!(
            "see {ROOT}, (https://acme.slack.com/archives/C1/p1766458099000100?thread_ts=1766458026.240809&cid=C1) and {ROOT}.\n\
             not https://acme.slack.com/archives/C1 or https://acme.slack.com/files/U1/F1 or https://acme.slack.com/archives/C1/x1 \
             or https://acme.slack.com/archives/../p1766458026240809 or archives/C1/p1766458026240809"
        );
        let found: Vec<(String, String, Option<String>)> = links(&text)
            .into_iter()
            .map(|link| (link.channel, link.ts, link.thread))
            .collect();
        let root = "1766458026.240809".to_owned();
        assert_eq!(
            found,
            [
                ("C1".to_owned(), root.clone(), None),
                ("C1".to_owned(), "1766458099.000100".to_owned(), Some(root)),
            ]
        );
        assert_eq!(links(&text)[0].host, "acme.slack.com");
    }

    #[test]
    fn nothing_hostile_is_an_address() {
        for word in [
            "http",
            "https://",
            "https://acme.slack.com/archives/C1/p",
            "https://acme.slack.com/archives/C1/pé66458026240809",
            "https://acme.slack.com/archives/C%2F1/p1766458026240809",
            "https://acme.slack.com/archives/C1/p1766458026240809/more",
            "https://acme.slack.com/archives/C1/p99999999999999999999999999",
        ] {
            assert_eq!(link(word), None, "{word}");
        }
    }
}
