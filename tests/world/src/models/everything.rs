//! Everything that a request tells the model: each text in it, wherever it stands, and the words on its pictures.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::Value;

use super::picture;

/// How a PNG begins in Base64.
const PICTURE: &str = "iVBORw0KGgo";

/// All texts of a request in no particular order: what agents put into the system's part, what people said, what tools
/// answered and how they are described, and what stands on pictures.
pub(super) fn texts(body: &Value) -> Vec<String> {
    let mut found = Vec::new();
    collect(body, &mut found);
    found
}

fn collect(value: &Value, into: &mut Vec<String>) {
    match value {
        Value::String(text) => {
            into.extend(words_on_pictures(text));
            into.push(text.clone());
        }
        Value::Array(parts) => parts.iter().for_each(|part| collect(part, into)),
        Value::Object(fields) => fields.values().for_each(|field| collect(field, into)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// The words on the pictures of a text, which come as Base64: alone, as an address with its own content, or printed by a
/// command. An agent without a tool for pictures can show its model one in no other way.
fn words_on_pictures(text: &str) -> Vec<String> {
    let is_letter = |letter: char| letter.is_ascii_alphanumeric() || "+/=".contains(letter);
    let starts = text.match_indices(PICTURE).map(|(at, _)| &text[at..]);
    let pictures = starts.map(|rest| {
        rest.split(|letter| !is_letter(letter))
            .next()
            .unwrap_or(rest)
    });
    pictures
        .filter_map(|packed| STANDARD.decode(packed).ok())
        .filter_map(|png| picture::read(&png))
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_text_is_found_and_pictures_are_read() {
        let picture = STANDARD.encode(picture::draw(&["on the wall"]));
        let body = json!({
            "system": [{"type": "text", "text": "be kind"}],
            "messages": [
                {"role": "user", "content": "mend it"},
                {"role": "user", "content": [{"type": "tool_result", "content": [
                    {"type": "text", "text": "done"},
                    {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": picture}},
                ]}]},
                {"role": "user", "content": format!("wall.png: {picture}\nfloor.png: {PICTURE}")},
                {"image_url": {"url": format!("data:image/png;base64,{picture}")}},
            ],
        });
        let texts = texts(&body);
        for text in ["be kind", "mend it", "done"] {
            assert!(texts.iter().any(|one| one == text), "{text}: {texts:?}");
        }
        assert_eq!(texts.iter().filter(|one| *one == "on the wall").count(), 3);
    }
}
