//! Messages that a request links to: read one level deep, where the bot may read them and where nobody sees by it what was
//! said among others.

use std::collections::HashMap;

use reqwest::Url;
use serde_json::Value;

use super::{
    history::is_speech,
    ids::{self, Place},
    limits::{LINKED_LINES_MAX, LINKS_MAX},
    methods,
    outbound::Slack,
};
use crate::{
    domain::{
        attachment::{UnreadLink, WhyUnread},
        conversation::{ConversationId, Line, LineKind, Person, PersonId},
    },
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

/// Whose an address is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Whose {
    /// Of what the bot is installed in.
    Ours,
    /// Of another workspace or organisation.
    Anothers,
    /// Of nothing that has messages.
    NoWorkspaces,
}

/// What was found out of hosts.
#[derive(Debug, Default)]
struct Hosts {
    /// Whether Slack was asked what address this conversation's messages have.
    is_asked: bool,
    /// The host of that address, where they have one.
    here: Option<String>,
}

impl Slack {
    /// The messages that a text of somebody here links to, with the beginnings of their threads. What cannot be read is
    /// named with the reason, and costs nothing else. Links in what is read are not followed.
    pub async fn linked(
        &self,
        conversation: &ConversationId,
        by: &PersonId,
        text: &str,
    ) -> Result<Linked, SurfaceError> {
        let mut linked = Linked::default();
        let links = links(text);
        if links.is_empty() {
            return Ok(linked);
        }
        let here = ids::parse_conversation(conversation)?;
        let mut hosts = Hosts::default();
        let mut people = HashMap::new();
        for (index, link) in links.into_iter().enumerate() {
            let whose = self.whose(&here, &mut hosts, &link.host).await?;
            let is_here = link.channel == here.channel
                && here.ts.is_some()
                && (Some(&link.ts) == here.ts.as_ref() || link.thread == here.ts);
            let read = match whose {
                Whose::NoWorkspaces => continue,
                // What stands in this thread is read as its thread.
                Whose::Ours if is_here => continue,
                Whose::Anothers => Err(WhyUnread::Elsewhere),
                Whose::Ours if index >= LINKS_MAX => Err(WhyUnread::TooMany),
                Whose::Ours => match self.follow((&here, by), &link, &mut people).await {
                    Ok(Ok(read)) if read.is_empty() => Err(WhyUnread::Gone),
                    Ok(read) => read,
                    Err(SurfaceError::Permanent { .. }) => Err(WhyUnread::Gone),
                    Err(error) => return Err(error),
                },
            };
            match read {
                Ok(read) => linked.lines.extend(read),
                Err(why) => linked.unread.push(UnreadLink {
                    link: link.written.to_owned(),
                    why,
                }),
            }
        }
        Ok(linked)
    }

    /// Whose address it is. An organisation has one of its own, its workspaces have names below that, and each may have
    /// another, which is known where Slack itself names messages of this conversation so. Of any other nothing is asked.
    async fn whose(
        &self,
        here: &Place,
        hosts: &mut Hosts,
        host: &str,
    ) -> Result<Whose, SurfaceError> {
        let me = self.me().await?;
        let own = Url::parse(&me.url).ok().and_then(|url| self::host(&url));
        if own.as_deref() == Some(host) {
            return Ok(Whose::Ours);
        }
        if !host.ends_with(WORKSPACES) {
            return Ok(Whose::NoWorkspaces);
        }
        if me.organisation.is_none() {
            return Ok(Whose::Anothers);
        }
        let is_below = own.is_some_and(|own| {
            host.strip_suffix(&own)
                .is_some_and(|workspace| workspace.ends_with('.'))
        });
        if is_below || self.named_so(here, hosts).await? == Some(host) {
            return Ok(Whose::Ours);
        }
        Ok(Whose::Anothers)
    }

    /// The host in addresses of this conversation's messages, asked once.
    async fn named_so<'a>(
        &self,
        here: &Place,
        hosts: &'a mut Hosts,
    ) -> Result<Option<&'a str>, SurfaceError> {
        if !hosts.is_asked {
            hosts.here = match &here.ts {
                None => None,
                Some(ts) => {
                    let line = ids::line(&here.team, &here.channel, ts);
                    match self.permalink(&line).await {
                        Ok(page) => Url::parse(&page).ok().and_then(|url| host(&url)),
                        Err(SurfaceError::Permanent { .. }) => None,
                        Err(error) => return Err(error),
                    }
                }
            };
            hosts.is_asked = true;
        }
        Ok(hosts.here.as_deref())
    }

    async fn follow(
        &self,
        (here, by): (&Place, &PersonId),
        link: &Link<'_>,
        people: &mut HashMap<String, Person>,
    ) -> Result<Result<Vec<Line>, WhyUnread>, SurfaceError> {
        if link.channel != here.channel
            && let Some(why) = self.may_be_shown(here, by, &link.channel).await?
        {
            return Ok(Err(why));
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
        Ok(Ok(lines))
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
