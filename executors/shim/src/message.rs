//! Reads two members of a JSON-RPC message, `id` and `method`, and nothing else: enough to know what a line is.

/// What a line is, as far as the bridge has to know.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Envelope<'a> {
    /// The identifier as it is written: `7`, `"seven"`. Absent from notifications.
    pub id: Option<&'a str>,
    /// The method's name without its quotes. Absent from answers.
    pub method: Option<&'a str>,
}

/// Reads the outermost object of one line. What is no object, or broken, gives what was found until there.
pub fn envelope(line: &str) -> Envelope<'_> {
    let mut found = Envelope::default();
    let mut scanner = Scanner {
        text: line,
        position: 0,
    };
    if scanner.next_token() != Some("{") {
        return found;
    }
    while let Some(key) = scanner.next_token() {
        if key == "," {
            continue;
        }
        if key == "}" || scanner.next_token() != Some(":") {
            break;
        }
        let Some(value) = scanner.value() else { break };
        match key {
            "\"id\"" if value != "null" => found.id = Some(value),
            "\"method\"" => {
                found.method = value
                    .strip_prefix('"')
                    .and_then(|rest| rest.strip_suffix('"'));
            }
            _ => {}
        }
    }
    found
}

struct Scanner<'a> {
    text: &'a str,
    position: usize,
}

impl<'a> Scanner<'a> {
    /// One whole value: a token, or everything up to the bracket that closes the one it begins with.
    fn value(&mut self) -> Option<&'a str> {
        let first = self.next_token()?;
        let start = self.position - first.len();
        let mut depth = usize::from(is_opening(first));
        while depth > 0 {
            let token = self.next_token()?;
            if is_opening(token) {
                depth += 1;
            } else if matches!(token, "}" | "]") {
                depth -= 1;
            }
        }
        self.text.get(start..self.position)
    }

    /// One bracket, comma, colon, string with its quotes, or bare word.
    fn next_token(&mut self) -> Option<&'a str> {
        let rest = self.text.get(self.position..)?;
        let trimmed = rest.trim_start_matches([' ', '\t', '\r', '\n']);
        let length = match trimmed.as_bytes().first()? {
            b'{' | b'}' | b'[' | b']' | b',' | b':' => 1,
            b'"' => string_length(trimmed.as_bytes())?,
            _ => trimmed
                .find(['{', '}', '[', ']', ',', ':', '"', ' ', '\t', '\r', '\n'])
                .unwrap_or(trimmed.len()),
        };
        self.position += rest.len() - trimmed.len() + length;
        trimmed.get(..length)
    }
}

fn is_opening(token: &str) -> bool {
    matches!(token, "{" | "[")
}

/// The length of the string at the beginning, with both quotes.
fn string_length(bytes: &[u8]) -> Option<usize> {
    let mut position = 1;
    loop {
        match bytes.get(position)? {
            b'"' => return Some(position + 1),
            b'\\' => position += 2,
            _ => position += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_outermost_members_count() {
        let table = [
            (
                r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"id":9,"method":"x"}}"#,
                Some("1"),
                Some("initialize"),
            ),
            (
                r#"{"params":{"a":[{"id":3},"}"]},"id":"a\"b","method":"tools/call"}"#,
                Some(r#""a\"b""#),
                Some("tools/call"),
            ),
            (
                r#" { "result" : { "method" : "no" } , "id" : 12 } "#,
                Some("12"),
                None,
            ),
            (
                r#"{"method":"notifications/initialized"}"#,
                None,
                Some("notifications/initialized"),
            ),
            (r#"{"id":null,"error":{"code":-32700}}"#, None, None),
            (r#"{"text":"\\","id":4}"#, Some("4"), None),
        ];
        for (line, id, method) in table {
            assert_eq!(envelope(line), Envelope { id, method }, "{line}");
        }
    }

    #[test]
    fn broken_lines_do_no_harm() {
        for line in [
            "",
            "hello",
            "[1,2]",
            "{",
            r#"{"id"#,
            r#"{"id":"#,
            r#"{"id":1"#,
            r#"{"a":"\"#,
            "{]}",
            r#"{"é":"ü"#,
        ] {
            let _ = envelope(line);
        }
    }
}
