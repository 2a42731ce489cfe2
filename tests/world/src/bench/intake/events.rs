//! The events: mentions as Slack sends them, about 2 KB each, every one different and signed when it is sent.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use deckhand_world::slack::signature;
use secrecy::SecretString;

use crate::serve::SIGNING_SECRET;

/// The words of each mention, in characters; with everything around them an event has about 2 KB.
const WORDS: usize = 600;
/// Events in one second of the messages' own time.
const IN_A_SECOND: u64 = 1_000_000;

/// Makes events, each with a number of its own.
pub struct Events {
    secret: SecretString,
    /// The second of the first one.
    began: u64,
    words: String,
    next: AtomicU64,
}

impl Events {
    /// Starts counting.
    pub fn new() -> Self {
        let words = "the pagination of /users ignores offset when limit is over 100; ";
        Self {
            secret: SecretString::from(SIGNING_SECRET),
            began: seconds(),
            words: words.chars().cycle().take(WORDS).collect(),
            next: AtomicU64::new(0),
        }
    }

    /// A number that no event had.
    pub fn fresh(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    /// Puts the request with the event of this number, signed now, in place of what is there, as it goes over the wire.
    pub fn write_request(&self, number: u64, request: &mut Vec<u8>) {
        let body = self.body(number);
        let now = seconds();
        let signature = signature(&self.secret, now, body.as_bytes());
        let length = body.len();
        let head = format!(
            "POST /slack/events HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\
             x-slack-request-timestamp: {now}\r\nx-slack-signature: {signature}\r\n\r\n"
        );
        request.clear();
        request.extend_from_slice(head.as_bytes());
        request.extend_from_slice(body.as_bytes());
    }

    /// A mention that the bot's own user wrote: there is nothing to answer, so what is measured is the way in and no way out.
    fn body(&self, number: u64) -> String {
        let words = &self.words;
        let (second, part) = (self.began + number / IN_A_SECOND, number % IN_A_SECOND);
        let ts = format!("{second}.{part:06}");
        format!(
            r#"{{"token":"a-word-that-means-nothing","team_id":"T0ACME","context_team_id":"T0ACME","context_enterprise_id":null,"api_app_id":"A0DECKHAND","event":{{"user":"U0DECK","type":"app_mention","ts":"{ts}","client_msg_id":"6f1c2b1e-6a57-4b5e-9f0c-{number:012x}","text":"<@U0DECK> {words}","team":"T0ACME","blocks":[{{"type":"rich_text","block_id":"b{number}","elements":[{{"type":"rich_text_section","elements":[{{"type":"user","user_id":"U0DECK"}},{{"type":"text","text":" {words}"}}]}}]}}],"channel":"C0INTAKE","event_ts":"{ts}"}},"type":"event_callback","event_id":"Ev{number:010}","event_time":{second},"authorizations":[{{"enterprise_id":null,"team_id":"T0ACME","user_id":"U0BENCH","is_bot":true,"is_enterprise_install":false}}],"is_ext_shared_channel":false,"event_context":"4-eyJldCI6ImFwcF9tZW50aW9uIiwidGlkIjoiVDBBQ01FIn0"}}"#
        )
    }
}

fn seconds() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.unwrap_or_default().as_secs()
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn every_event_is_a_mention_of_its_own_and_about_two_kilobytes() {
        let events = Events::new();
        let bodies = [events.fresh(), events.fresh()].map(|number| events.body(number));
        let [first, second]: [Value; 2] = bodies
            .each_ref()
            .map(|body| serde_json::from_str(body).unwrap());
        assert_eq!(first["event"]["type"], "app_mention");
        assert_ne!(first["event_id"], second["event_id"]);
        assert_ne!(first["event"]["ts"], second["event"]["ts"]);
        assert!(
            (1_900..2_300).contains(&bodies[0].len()),
            "{}",
            bodies[0].len()
        );
    }
}
