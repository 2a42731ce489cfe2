//! What a Slack client makes of the words that a person types, before they travel.

use serde_json::{Value, json};

use super::ids::UserId;
use super::workspace::Workspace;

/// A person's words as they travel.
pub(crate) struct Typed {
    /// With mentions as `<@U…>`, links as `<https://…>`, and `&`, `<`, `>` escaped.
    pub(crate) text: String,
    /// The same as a `rich_text` block.
    pub(crate) blocks: Vec<Value>,
    /// Whom it mentions.
    pub(crate) mentions: Vec<UserId>,
}

/// One piece of what was typed.
enum Piece<'a> {
    Text(&'a str),
    Mention(UserId),
    Link(&'a str),
}

/// Translates typed words: `@name` becomes a mention where there is such a person, an address becomes a link.
pub(crate) fn translate(workspace: &Workspace, typed: &str) -> Typed {
    let mut text = String::new();
    let mut elements = Vec::new();
    let mut mentions = Vec::new();
    for piece in pieces(workspace, typed) {
        match piece {
            Piece::Text(words) => {
                text.push_str(&escape(words));
                elements.push(json!({ "type": "text", "text": words }));
            }
            Piece::Mention(user) => {
                text.push_str(&angled(&["@", user.as_str()]));
                elements.push(json!({ "type": "user", "user_id": user }));
                mentions.push(user);
            }
            Piece::Link(url) => {
                text.push_str(&angled(&[&escape(url)]));
                elements.push(json!({ "type": "link", "url": url }));
            }
        }
    }
    let section = json!({ "type": "rich_text_section", "elements": elements });
    let blocks = if typed.is_empty() {
        Vec::new()
    } else {
        vec![json!({ "type": "rich_text", "block_id": "typed", "elements": [section] })]
    };
    Typed {
        text,
        blocks,
        mentions,
    }
}

/// The parts in angle brackets.
fn angled(parts: &[&str]) -> String {
    format!("<{}>", parts.concat())
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

fn pieces<'a>(workspace: &Workspace, typed: &'a str) -> Vec<Piece<'a>> {
    let mut pieces = Vec::new();
    let mut plain_from = 0;
    let mut at = 0;
    while at < typed.len() {
        let rest = &typed[at..];
        let starts_word = typed[..at]
            .chars()
            .next_back()
            .is_none_or(|before| !before.is_alphanumeric());
        let found = if starts_word {
            special(workspace, rest)
        } else {
            None
        };
        if let Some((piece, length)) = found {
            push_text(&mut pieces, &typed[plain_from..at]);
            pieces.push(piece);
            at += length;
            plain_from = at;
        } else {
            at += rest.chars().next().map_or(1, char::len_utf8);
        }
    }
    push_text(&mut pieces, &typed[plain_from..]);
    pieces
}

fn push_text<'a>(pieces: &mut Vec<Piece<'a>>, text: &'a str) {
    if !text.is_empty() {
        pieces.push(Piece::Text(text));
    }
}

/// A mention or link at the start of `rest`, with its length in bytes.
fn special<'a>(workspace: &Workspace, rest: &'a str) -> Option<(Piece<'a>, usize)> {
    if let Some(after) = rest.strip_prefix("<@") {
        let (id, _) = after.split_once('>')?;
        return Some((Piece::Mention(workspace.user(id)?.id.clone()), id.len() + 3));
    }
    if let Some(after) = rest.strip_prefix('@') {
        let length = after
            .find(|c: char| !c.is_alphanumeric() && c != '_' && c != '-')
            .unwrap_or(after.len());
        let user = workspace.user(&after[..length])?;
        return Some((Piece::Mention(user.id.clone()), length + 1));
    }
    if rest.starts_with("https://") || rest.starts_with("http://") {
        let end = rest
            .find(|c: char| c.is_whitespace() || "<>|\"`".contains(c))
            .unwrap_or(rest.len());
        let url = rest[..end].trim_end_matches(['.', ',', ')', ':', ';', '!', '?', '\'']);
        return Some((Piece::Link(url), url.len()));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typed_words_travel_escaped_with_mentions_and_links() {
        let typed = translate(
            &Workspace::new(),
            "@deckhand is a<b & https://a.example/x?y=1. ok, mail me@ana.example",
        );
        assert_eq!(
            typed.text,
            "<@U0DECK> is a&lt;b &amp; <https://a.example/x?y=1>. ok, mail me@ana.example"
        );
        assert_eq!(typed.mentions, [UserId::from("U0DECK")]);
    }

    #[test]
    fn nobody_of_that_name_is_just_text() {
        let typed = translate(&Workspace::new(), "npm i @acme/web @nobody");
        assert_eq!(typed.text, "npm i @acme/web @nobody");
        assert!(typed.mentions.is_empty());
    }
}
