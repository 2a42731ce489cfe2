//! Interactions and commands, which come as forms.

use serde_json::{Map, Value};

/// The payload of a form: the JSON in its field `payload`, or, for a command, its fields.
#[must_use]
pub fn form_to_value(form: &[u8]) -> Option<Value> {
    let form = std::str::from_utf8(form).ok()?;
    // An address is the nearest thing at hand that decodes what browsers encode.
    let mut address = reqwest::Url::parse("form:/").ok()?;
    address.set_query(Some(form));
    let mut fields = Map::new();
    for (name, value) in address.query_pairs() {
        if name == "payload" {
            return serde_json::from_str(&value).ok();
        }
        fields.insert(name.into_owned(), Value::String(value.into_owned()));
    }
    (!fields.is_empty()).then_some(Value::Object(fields))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn forms_are_decoded() {
        assert_eq!(
            form_to_value(b"payload=%7B%22type%22%3A%22x%22%7D"),
            Some(json!({"type": "x"}))
        );
        assert_eq!(
            form_to_value("command=%2Fdeckhand&text=a+%26+b+%C3%A9+'\"#".as_bytes()),
            Some(json!({"command": "/deckhand", "text": "a & b é '\"#"}))
        );
        assert_eq!(form_to_value(b"payload=nonsense"), None);
        assert_eq!(form_to_value(b""), None);
        assert_eq!(form_to_value(&[0xff]), None);
    }
}
