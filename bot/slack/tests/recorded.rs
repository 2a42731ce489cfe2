//! Payloads as production sent them, from outside material that is not part of this project.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a recording that cannot be read is a failed test; a skipped one says so"
)]

use std::{collections::BTreeMap, path::PathBuf};

use serde_json::Value;

use super::me;
use crate::{
    domain::incoming::Incoming,
    slack::{Relevance, accept, read},
};

/// The recordings by file and name, each with the bot's user; none where they are not on this machine.
pub(crate) fn recordings() -> Option<BTreeMap<String, (String, Value)>> {
    let root = std::env::var_os("CONFORMANCE_DIR").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/conformance"),
        PathBuf::from,
    );
    let folder = root.join("slack/recorded");
    let Ok(files) = std::fs::read_dir(&folder) else {
        println!(
            "skipped: there are no recordings in {}; set CONFORMANCE_DIR to where they are",
            folder.display()
        );
        return None;
    };
    let mut all = BTreeMap::new();
    for file in files.map(|file| file.unwrap().path()) {
        let content: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
        let bot = content["botUserId"].as_str().unwrap_or_default().to_owned();
        for (name, payload) in content
            .as_object()
            .unwrap()
            .iter()
            .filter(|(_, payload)| payload.is_object())
        {
            all.insert(
                format!("{}/{name}", file.file_stem().unwrap().to_string_lossy()),
                (bot.clone(), payload.clone()),
            );
        }
    }
    Some(all)
}

#[test]
fn every_recorded_mention_and_direct_message_is_heard_in_full() {
    let Some(recordings) = recordings() else {
        return;
    };
    let mut heard = 0;
    for (name, (bot, payload)) in &recordings {
        let event = &payload["event"];
        let written = event["text"].as_str().unwrap_or_default();
        let for_us = event["type"] == "app_mention"
            || written.contains(&format!("<@{bot}>"))
            || event["channel_type"] == "im";
        if !for_us || event["bot_id"].is_string() || event["user"] == bot.as_str() {
            continue;
        }
        let accepted = accept(payload).unwrap();
        assert_eq!(accepted.relevance, Relevance::Certain, "{name}");
        let Incoming::Said {
            conversation,
            text,
            mentioned,
            files,
            ..
        } = read(payload, &me(bot))
        else {
            panic!("{name} was not heard")
        };
        assert!(mentioned, "{name}");
        assert_eq!(accepted.conversation_hint, Some(conversation), "{name}");
        assert!(
            !text.contains('<') && !text.contains(bot.as_str()) && !text.is_empty(),
            "{name}: {text}"
        );
        let lost: Vec<&str> = written
            .split(|c: char| !c.is_alphanumeric())
            .filter(|word| word.len() > 3 && !text.contains(word) && !bot.contains(word))
            .collect();
        assert!(lost.is_empty(), "{name} lost {lost:?}");
        assert_eq!(
            files.len(),
            event["files"].as_array().map_or(0, Vec::len),
            "{name}"
        );
        heard += 1;
    }
    assert!(heard >= 10, "{heard}");
}

#[test]
fn recorded_replies_wait_for_the_store_and_everything_else_is_left_alone() {
    let Some(recordings) = recordings() else {
        return;
    };
    for (name, (bot, payload)) in &recordings {
        let event = &payload["event"];
        let accepted = accept(payload);
        let expected = match (payload["type"].as_str(), event["type"].as_str()) {
            (Some("event_callback"), Some("reaction_added")) => Some(Relevance::IfLineKnown),
            (Some("event_callback"), Some("message"))
                if event["user"] == bot.as_str() || event["bot_id"].is_string() =>
            {
                None
            }
            (Some("event_callback"), Some("message"))
                if event["thread_ts"].is_string()
                    && !event["text"].as_str().unwrap().contains(bot.as_str())
                    && event["channel_type"] != "im" =>
            {
                Some(Relevance::IfConversationKnown)
            }
            (Some("event_callback"), Some("message" | "app_mention")) => Some(Relevance::Certain),
            (None, _) if payload["command"].is_string() => Some(Relevance::Certain),
            // Buttons and forms of other apps are none of ours, and neither is everything else.
            _ => None,
        };
        assert_eq!(
            accepted.as_ref().map(|accepted| accepted.relevance),
            expected,
            "{name}"
        );
        if accepted.is_none() {
            assert_eq!(read(payload, &me(bot)), Incoming::Nothing, "{name}");
        }
    }
}

#[test]
fn a_recorded_command_is_asked_in_its_channel() {
    let Some(recordings) = recordings() else {
        return;
    };
    let (bot, payload) = &recordings["slash-commands--slack/slashCommandWithArgs"];
    let Incoming::Asked {
        conversation,
        by,
        text,
    } = read(payload, &me(bot))
    else {
        panic!("the command was not read")
    };
    assert_eq!(conversation.0, "slack:T00FAKE00BB:C00FAKECHAN3:-");
    assert_eq!(by.id.0, "slack:T00FAKE00BB:U00FAKEUSER2");
    assert_eq!(text, "some arguments here");
}
