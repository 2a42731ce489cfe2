//! A thread as plain text: what a person would read, for scenarios that failed and for a terminal.

use serde_json::Value;

use super::emoji;
use super::ids::{ChannelId, Ts};
use super::message::{Audience, EditMark, Message, Presence};
use super::workspace::Workspace;

/// All that a person reads in a message, one line for each line; mentions stay `<@U…>`.
pub(crate) fn plain_text(text: &str, blocks: &[Value]) -> String {
    if blocks.is_empty() {
        return plain_mrkdwn(text);
    }
    let lines: Vec<String> = blocks
        .iter()
        .map(block)
        .filter(|line| !line.is_empty())
        .collect();
    lines.join("\n")
}

fn block(block: &Value) -> String {
    match block["type"].as_str().unwrap_or_default() {
        "section" => {
            let fields = block["fields"].as_array().into_iter().flatten();
            let texts = [&block["text"]]
                .into_iter()
                .chain(fields)
                .filter(|text| text.is_object());
            let accessory = block.get("accessory").map(element);
            texts
                .map(text_object)
                .chain(accessory)
                .collect::<Vec<_>>()
                .join("\n")
        }
        "header" => format!("# {}", text_object(&block["text"])),
        "markdown" => block["text"].as_str().unwrap_or_default().to_owned(),
        "context" | "actions" | "context_actions" => {
            let elements = block["elements"].as_array().into_iter().flatten();
            elements.map(element).collect::<Vec<_>>().join(" ")
        }
        "divider" => "----".to_owned(),
        "image" => element(block),
        "plan" => {
            let tasks = block["tasks"].as_array().into_iter().flatten().map(task);
            let title = block["title"].as_str().unwrap_or_default().to_owned();
            [title]
                .into_iter()
                .chain(tasks)
                .collect::<Vec<_>>()
                .join("\n")
        }
        "task_card" => task(block),
        "table" => {
            let rows = block["rows"].as_array().into_iter().flatten();
            rows.map(row).collect::<Vec<_>>().join("\n")
        }
        "rich_text" => rich_text(block),
        other => format!("({other})"),
    }
}

/// A text object as plain text.
fn text_object(text: &Value) -> String {
    let content = text["text"].as_str().unwrap_or_default();
    if text["type"] == "mrkdwn" {
        plain_mrkdwn(content)
    } else {
        emoji::expand(content)
    }
}

/// A button as `[Label]`, a menu as `[Label ▾]`, a picture as what it shows, a text as itself.
fn element(element: &Value) -> String {
    let label = |value: &Value| value["text"].as_str().unwrap_or_default().to_owned();
    match element["type"].as_str().unwrap_or_default() {
        "button" => format!("[{}]", label(&element["text"])),
        "static_select" | "overflow" | "users_select" => {
            format!("[{} ▾]", label(&element["placeholder"]))
        }
        "image" => format!(
            "(picture: {})",
            element["alt_text"].as_str().unwrap_or_default()
        ),
        "feedback_buttons" => "[👍] [👎]".to_owned(),
        _ => text_object(element),
    }
}

fn task(task: &Value) -> String {
    let mark = match task["status"].as_str().unwrap_or_default() {
        "complete" => "✓",
        "in_progress" => "▸",
        "error" => "✗",
        _ => "○",
    };
    let parts = ["details", "output"].map(|part| rich_text(&task[part]));
    let parts = parts
        .iter()
        .filter(|part| !part.is_empty())
        .map(|part| format!(" ({part})"));
    format!(
        "{mark} {}{}",
        task["title"].as_str().unwrap_or_default(),
        parts.collect::<String>()
    )
}

fn row(row: &Value) -> String {
    let cells = row.as_array().into_iter().flatten();
    let cells = cells.map(|cell| match cell["type"].as_str() {
        Some("rich_text") => rich_text(cell),
        Some(_) | None => cell["text"].as_str().unwrap_or_default().to_owned(),
    });
    cells.collect::<Vec<_>>().join(" | ")
}

/// The words of rich text, whatever their nesting.
fn rich_text(value: &Value) -> String {
    let elements = value["elements"].as_array().into_iter().flatten();
    let joint = if value["type"] == "rich_text" || value["type"] == "rich_text_list" {
        "\n"
    } else {
        ""
    };
    let parts = elements.map(
        |element| match element["type"].as_str().unwrap_or_default() {
            "text" => element["text"].as_str().unwrap_or_default().to_owned(),
            "user" => format!("<@{}>", element["user_id"].as_str().unwrap_or_default()),
            "link" => element["text"]
                .as_str()
                .or(element["url"].as_str())
                .unwrap_or_default()
                .to_owned(),
            "emoji" => emoji::expand(&format!(
                ":{}:",
                element["name"].as_str().unwrap_or_default()
            )),
            _ => rich_text(element),
        },
    );
    parts.collect::<Vec<_>>().join(joint)
}

/// Slack's markup as plain text: links as `label <address>`, emojis as pictures, entities as themselves.
fn plain_mrkdwn(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find('<') {
        let (before, after) = rest.split_at(start);
        plain.push_str(before);
        let Some((inside, tail)) = after[1..].split_once('>') else {
            rest = after;
            break;
        };
        match inside.split_once('|') {
            Some((address, label)) if !address.starts_with(['@', '#', '!']) => {
                plain.push_str(&[label, " <", address, ">"].concat());
            }
            Some((_, label)) => plain.push_str(label),
            None if inside.starts_with('@') => plain.push_str(&["<", inside, ">"].concat()),
            None => plain.push_str(inside.trim_start_matches('!')),
        }
        rest = tail;
    }
    plain.push_str(rest);
    emoji::expand(&unescape(&plain))
}

/// Replaces the three entities that Slack uses by their characters.
pub(crate) fn unescape(text: &str) -> String {
    text.replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&amp;", "&")
}

/// `text` with mentions as `@name`.
pub(crate) fn name_mentions(workspace: &Workspace, text: &str) -> String {
    let mut named = text.to_owned();
    for user in &workspace.users {
        named = named.replace(&format!("<@{}>", user.id), &format!("@{}", user.name));
    }
    named
}

/// A message as a person sees it: author, words, buttons, edits, reactions, files.
#[must_use]
pub(crate) fn message(workspace: &Workspace, message: &Message) -> String {
    let author = workspace
        .user(message.user.as_str())
        .map_or("?", |user| user.name.as_str());
    let mut marks = Vec::new();
    if let Audience::Only(user) = &message.audience {
        let name = workspace
            .user(user.as_str())
            .map_or(user.as_str(), |user| user.name.as_str());
        marks.push(format!(" (only {name} sees this)"));
    }
    match (&message.edit_mark, message.versions.len()) {
        (EditMark::Hidden, 0) => {}
        (EditMark::Hidden | EditMark::Shown { .. }, times) => {
            marks.push(format!(" (edited {times}×)"));
        }
    }
    let words = match message.presence {
        Presence::Live => name_mentions(workspace, &message.plain_text()),
        Presence::Tombstone => "(deleted)".to_owned(),
    };
    let mut lines = vec![format!("{author}{}:", marks.concat())];
    lines.extend(words.lines().map(|line| format!("  {line}")));
    for id in &message.files {
        if let Some(file) = workspace.file(id) {
            lines.push(format!(
                "  📎 {} ({}, {} bytes)",
                file.title, file.name, file.length
            ));
        }
    }
    let reactions = message.reactions.iter().map(|reaction| {
        let names = reaction
            .users
            .iter()
            .filter_map(|user| workspace.user(user.as_str()));
        let names: Vec<&str> = names.map(|user| user.name.as_str()).collect();
        format!(
            "{} {}",
            emoji::glyph(&reaction.name).unwrap_or(&reaction.name),
            names.join(", ")
        )
    });
    let reactions: Vec<String> = reactions.collect();
    if !reactions.is_empty() {
        lines.push(format!("  ({})", reactions.join(" · ")));
    }
    lines.join("\n")
}

/// A whole thread.
#[must_use]
pub(crate) fn thread(workspace: &Workspace, channel: &ChannelId, root: &Ts) -> String {
    let name = workspace
        .channel(channel.as_str())
        .map_or(channel.as_str(), |channel| channel.name.as_str());
    let mut parts = vec![format!("#{name}")];
    parts.extend(
        workspace
            .thread(channel, root)
            .map(|reply| message(workspace, reply)),
    );
    if let Some(status) = workspace.statuses.get(&(channel.clone(), root.clone())) {
        let session = status
            .session
            .as_deref()
            .map(|session| format!("(session {session})"));
        let text = status.live_text().map(|text| format!("(deckhand {text})"));
        parts.extend(session.into_iter().chain(text));
    }
    parts.join("\n") + "\n"
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn markup_becomes_what_a_person_reads() {
        let text = ":eyes: <@UANA> see <https://a.example/1|run 1> &amp; <https://b.example> &lt;b&gt; <!here>";
        assert_eq!(
            plain_text(text, &[]),
            "👀 <@UANA> see run 1 <https://a.example/1> & https://b.example <b> here"
        );
    }

    #[test]
    fn blocks_are_read_instead_of_the_text() {
        let blocks = [
            json!({ "type": "header", "text": { "type": "plain_text", "text": "Plan 1" } }),
            json!({ "type": "plan", "title": "Fix", "tasks": [
                { "task_id": "1", "title": "Read", "status": "complete" },
                { "task_id": "2", "title": "Write", "status": "in_progress", "details": {
                    "type": "rich_text", "elements": [
                        { "type": "rich_text_section", "elements": [{ "type": "text", "text": "src/a.rs" }] } ] } },
            ] }),
            json!({ "type": "actions", "elements": [
                { "type": "button", "action_id": "a", "text": { "type": "plain_text", "text": "Approve" } },
                { "type": "button", "action_id": "b", "text": { "type": "plain_text", "text": "Cancel" } },
            ] }),
        ];
        assert_eq!(
            plain_text("fallback", &blocks),
            "# Plan 1\nFix\n✓ Read\n▸ Write (src/a.rs)\n[Approve] [Cancel]"
        );
    }
}
