//! What Slack says through a socket, read as raw JSON: what is missing or new makes it mean less, never an error.

use serde_json::{Value, json};

/// One message of Slack.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Said {
    /// The connection is ready.
    Hello,
    /// The connection ends soon, or at once.
    Disconnect(Reason),
    /// Something that has to be acknowledged.
    Envelope(Envelope),
    /// Something that nobody asks an answer for.
    Other,
}

/// Why Slack ends a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reason {
    /// It lasted long enough, or its host goes: another one is to be opened meanwhile. Unknown reasons count as this.
    Refresh,
    /// Socket Mode was switched off in the app's settings.
    LinkDisabled,
    /// The app has more connections than Slack allows.
    TooMany,
}

/// Something that Slack sends until it is acknowledged.
#[derive(Debug, Clone, PartialEq)]
pub struct Envelope {
    /// What the acknowledgement names.
    pub id: String,
    /// What is in it.
    pub content: Content,
}

/// What is in an envelope.
#[derive(Debug, Clone, PartialEq)]
pub enum Content {
    /// The payload of an event, an interaction or a command: what the HTTP doors get as a body.
    Payload(Value),
    /// An envelope of a kind that is not known here, whole.
    Unknown(Value),
}

/// Reads a message; none where it is no JSON object.
pub(super) fn read(text: &[u8]) -> Option<Said> {
    let mut frame: Value = serde_json::from_slice(text).ok()?;
    if !frame.is_object() {
        return None;
    }
    let id = frame["envelope_id"].as_str().filter(|id| !id.is_empty());
    let Some(id) = id.map(str::to_owned) else {
        return Some(match frame["type"].as_str() {
            Some("hello") => Said::Hello,
            Some("disconnect") => Said::Disconnect(match frame["reason"].as_str() {
                Some("link_disabled") => Reason::LinkDisabled,
                Some("too_many_websockets") => Reason::TooMany,
                _ => Reason::Refresh,
            }),
            _ => Said::Other,
        });
    };
    let is_known = matches!(
        frame["type"].as_str(),
        Some("events_api" | "interactive" | "slash_commands")
    );
    let content = if is_known && frame["payload"].is_object() {
        Content::Payload(frame["payload"].take())
    } else {
        Content::Unknown(frame)
    };
    Some(Said::Envelope(Envelope { id, content }))
}

/// The answer to an envelope that is stored. What is said to people is an effect, as behind the HTTP doors.
pub(super) fn acknowledgement(id: &str) -> String {
    json!({ "envelope_id": id }).to_string()
}

/// The answer to an envelope that asked for something: the entries of a menu.
pub(super) fn answer(id: &str, payload: &Value) -> String {
    json!({ "envelope_id": id, "payload": payload }).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> Option<Said> {
        read(text.as_bytes())
    }

    #[test]
    fn envelopes_give_what_the_http_doors_get() {
        for kind in ["events_api", "interactive", "slash_commands"] {
            let text = format!(
                r#"{{"type":"{kind}","envelope_id":"e1","accepts_response_payload":true,"retry_attempt":1,"payload":{{"a":1}}}}"#
            );
            let envelope = Envelope {
                id: "e1".to_owned(),
                content: Content::Payload(json!({"a": 1})),
            };
            assert_eq!(said(&text), Some(Said::Envelope(envelope)));
        }
    }

    #[test]
    fn what_is_unknown_stays_whole() {
        for text in [
            r#"{"type":"workflow","envelope_id":"e1","payload":{"a":1}}"#,
            r#"{"type":"events_api","envelope_id":"e1"}"#,
            r#"{"type":"events_api","envelope_id":"e1","payload":"text"}"#,
            r#"{"envelope_id":"e1"}"#,
        ] {
            let whole: Value = serde_json::from_str(text).expect("it is JSON");
            let envelope = Envelope {
                id: "e1".to_owned(),
                content: Content::Unknown(whole),
            };
            assert_eq!(said(text), Some(Said::Envelope(envelope)), "{text}");
        }
    }

    #[test]
    fn greetings_and_farewells_are_told_apart() {
        let farewell = |reason: &str| {
            said(&format!(
                r#"{{"type":"disconnect","reason":"{reason}","debug_info":{{}}}}"#
            ))
        };
        assert_eq!(
            said(r#"{"type":"hello","num_connections":1}"#),
            Some(Said::Hello)
        );
        for (reason, meant) in [
            ("warning", Reason::Refresh),
            ("refresh_requested", Reason::Refresh),
            ("a_reason_of_tomorrow", Reason::Refresh),
            ("link_disabled", Reason::LinkDisabled),
            ("too_many_websockets", Reason::TooMany),
        ] {
            assert_eq!(farewell(reason), Some(Said::Disconnect(meant)), "{reason}");
        }
        assert_eq!(said(r#"{"type":"goodbye"}"#), Some(Said::Other));
        assert_eq!(said("{}"), Some(Said::Other));
        assert_eq!(
            said(r#"{"envelope_id":7,"type":"events_api"}"#),
            Some(Said::Other)
        );
    }

    #[test]
    fn what_is_no_object_is_nothing() {
        let deep = "[".repeat(100_000);
        for text in ["", "{", "[]", "7", "null", "\"hello\"", deep.as_str()] {
            assert_eq!(said(text), None);
        }
        assert_eq!(read(&[0xff, 0xfe]), None);
    }

    #[test]
    fn an_acknowledgement_names_the_envelope_and_nothing_else() {
        assert_eq!(acknowledgement("e\"1"), r#"{"envelope_id":"e\"1"}"#);
    }
}
