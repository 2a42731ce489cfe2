//! The arguments of a call, however they came (query, form, JSON), and their check against a method's description.

use serde_json::{Map, Value};

use super::catalogue::{ArgumentType, MethodSpec};

/// Methods that read nothing from a JSON body: their arguments come by query or form.
const NO_JSON: &[&str] = &[
    "chat.getPermalink",
    "conversations.history",
    "conversations.info",
    "conversations.replies",
    "files.getUploadURLExternal",
    "files.info",
    "reactions.get",
    "team.info",
    "users.info",
    "users.lookupByEmail",
];

/// The arguments of one call.
#[derive(Clone, Debug, Default)]
pub(crate) struct Arguments {
    values: Map<String, Value>,
}

/// Why arguments could not be read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Unreadable {
    /// The body is not what its content type says.
    Malformed,
    /// The method takes no JSON.
    JsonNotTaken,
}

impl Arguments {
    /// Reads query and body together. The token may come among them, as forms do it.
    pub(crate) fn read(
        method: &str,
        query: &str,
        content_type: &str,
        body: &[u8],
    ) -> Result<Self, Unreadable> {
        let mut values = Map::new();
        insert_form(&mut values, query.as_bytes())?;
        if body.is_empty() {
            return Ok(Self { values });
        }
        if content_type.starts_with("application/json") {
            if NO_JSON.contains(&method) {
                return Err(Unreadable::JsonNotTaken);
            }
            let given: Map<String, Value> =
                serde_json::from_slice(body).map_err(|_| Unreadable::Malformed)?;
            values.extend(given.into_iter().filter(|(_, value)| !value.is_null()));
        } else {
            insert_form(&mut values, body)?;
        }
        Ok(Self { values })
    }

    pub(crate) fn take_token(&mut self) -> Option<String> {
        self.values
            .remove("token")
            .and_then(|token| token.as_str().map(str::to_owned))
    }

    /// The arguments as one JSON object.
    pub(crate) fn to_json(&self) -> Value {
        Value::Object(self.values.clone())
    }

    /// An argument as text; numbers and flags in their usual spelling.
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        match self.values.get(name)? {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            Value::Bool(flag) => Some(flag.to_string()),
            Value::Null | Value::Array(_) | Value::Object(_) => None,
        }
    }

    /// An argument as text, empty where it is absent.
    pub(crate) fn text_or_empty(&self, name: &str) -> String {
        self.text(name).unwrap_or_default()
    }

    pub(crate) fn number(&self, name: &str) -> Option<usize> {
        self.text(name)?.parse().ok()
    }

    /// Whether a flag is set; an absent one is not.
    pub(crate) fn is_set(&self, name: &str) -> bool {
        self.text(name)
            .is_some_and(|text| text == "true" || text == "1")
    }

    /// An argument that is JSON, or JSON in a string; `Err` where the string is no JSON.
    pub(crate) fn json(&self, name: &str) -> Result<Option<Value>, serde_json::Error> {
        match self.values.get(name) {
            Some(Value::String(text)) => serde_json::from_str(text).map(Some),
            other => Ok(other.cloned()),
        }
    }

    /// What is wrong with the arguments by the method's description, in Slack's manner of saying it.
    pub(crate) fn faults(&self, spec: &MethodSpec) -> Vec<String> {
        let missing = spec
            .arguments
            .iter()
            .filter(|(name, argument)| argument.required && !self.values.contains_key(*name))
            .map(|(name, _)| format!("[ERROR] missing required field: {name}"));
        let wrong = self
            .values
            .iter()
            .filter_map(|(name, value)| match spec.arguments.get(name) {
                Some(argument) if fits(argument.kind, value) => None,
                Some(argument) => Some(format!(
                    "[ERROR] must be a {:?} [json-pointer:/{name}]",
                    argument.kind
                )),
                // Slack's own clients name the workspace with every call, which an installation for an organisation needs.
                None if name == "team_id" => None,
                None => Some(format!("[ERROR] no such argument: {name}")),
            });
        missing.chain(wrong).collect()
    }
}

fn insert_form(values: &mut Map<String, Value>, form: &[u8]) -> Result<(), Unreadable> {
    let pairs: Vec<(String, String)> = decode_form(form).ok_or(Unreadable::Malformed)?;
    values.extend(
        pairs
            .into_iter()
            .map(|(name, value)| (name, Value::String(value))),
    );
    Ok(())
}

/// Decodes `a=b&c=d`; `None` where the bytes are no UTF-8.
pub(crate) fn decode_form(form: &[u8]) -> Option<Vec<(String, String)>> {
    let fields = form
        .split(|byte| *byte == b'&')
        .filter(|field| !field.is_empty());
    fields
        .map(|field| {
            let split = field
                .iter()
                .position(|byte| *byte == b'=')
                .unwrap_or(field.len());
            let value = field.get(split + 1..).unwrap_or_default();
            Some((decoded(&field[..split])?, decoded(value)?))
        })
        .collect()
}

fn decoded(text: &[u8]) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, tail)) = rest.split_first() {
        let escaped = tail.get(..2).and_then(|digits| hex::decode(digits).ok());
        match (first, escaped) {
            (b'%', Some(byte)) => {
                bytes.extend(byte);
                rest = &tail[2..];
                continue;
            }
            (b'+', _) => bytes.push(b' '),
            _ => bytes.push(*first),
        }
        rest = tail;
    }
    String::from_utf8(bytes).ok()
}

/// Encodes pairs as a form.
pub(crate) fn encode_form(pairs: &[(&str, &str)]) -> String {
    let fields: Vec<String> = pairs
        .iter()
        .map(|(name, value)| format!("{}={}", percent_encoded(name), percent_encoded(value)))
        .collect();
    fields.join("&")
}

/// Text as it can stand in an address or form.
pub(crate) fn percent_encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    text.bytes()
        .map(|byte| {
            if plain(byte) {
                char::from(byte).to_string()
            } else {
                format!("%{byte:02X}")
            }
        })
        .collect()
}

fn fits(kind: ArgumentType, value: &Value) -> bool {
    match kind {
        ArgumentType::Any => true,
        // The published descriptions call some JSON arguments strings, since forms carry them so.
        ArgumentType::Text => value.is_string() || value.is_array() || value.is_object(),
        ArgumentType::List => value.is_string() || value.is_array(),
        ArgumentType::Flag => match value.as_str() {
            Some(text) => ["true", "false", "1", "0"].contains(&text),
            None => value.is_boolean(),
        },
        ArgumentType::Number => match value.as_str() {
            Some(text) => text.parse::<u64>().is_ok(),
            None => value.is_number(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_decoded_as_browsers_write_it() {
        let pairs = decode_form(b"text=a+b%26c%3D%C3%A9&empty=&flag").unwrap_or_default();
        let expected = [("text", "a b&c=é"), ("empty", ""), ("flag", "")];
        let expected: Vec<_> = expected
            .iter()
            .map(|(a, b)| ((*a).to_owned(), (*b).to_owned()))
            .collect();
        assert_eq!(pairs, expected);
    }

    #[test]
    fn what_is_encoded_is_decoded_again() {
        let text = "a+b & c=d %41 é\n";
        let written = encode_form(&[("x", text)]);
        assert_eq!(
            decode_form(written.as_bytes()),
            Some(vec![("x".into(), text.into())])
        );
    }

    #[test]
    fn reading_methods_take_no_json() {
        let read = Arguments::read("users.info", "", "application/json", b"{\"user\":\"U1\"}");
        assert_eq!(read.err(), Some(Unreadable::JsonNotTaken));
    }
}
