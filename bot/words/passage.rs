//! A longer text of a model as it stands in a message: paragraphs, lists and fenced code stay, and everything in them is
//! made harmless line by line.

use super::tame::{code, strip_broadcasts, tame_to, visible};
use crate::domain::clip;

/// The longest line of code, in characters.
const CODE_LINE_MAX_CHARS: usize = 400;
/// The longest name of a language behind a fence, in characters.
const LANGUAGE_MAX_CHARS: usize = 20;
/// How deep lists may be set in.
const DEPTH_MAX: usize = 3;
/// What is too short to be worth a cut line, in characters.
const REST_MIN_CHARS: usize = 80;
/// The mark of code that goes over several lines.
const FENCE: &str = "```";

/// A text that was made harmless.
pub(super) struct Passage {
    /// It, in Markdown.
    pub(super) markdown: String,
    /// Whether its end is missing.
    pub(super) is_cut: bool,
}

/// Makes a text harmless, cut to about so many characters. No line of it can look like one that the bot says itself: no
/// heading, no link, no picture, no fence that stays open, no call of everybody.
pub(super) fn passage(text: &str, limit_chars: usize) -> Passage {
    let mut lines: Vec<String> = Vec::new();
    let (mut room, mut in_code, mut is_cut) = (limit_chars, false, false);
    for line in text.lines() {
        if room == 0 {
            is_cut = true;
            break;
        }
        let edge = line.trim_start().starts_with(FENCE);
        let shown = if edge && is_one_line(line) {
            code(line.trim().trim_matches('`'))
        } else if edge {
            in_code = !in_code;
            if in_code {
                format!("{FENCE}{}", language(line))
            } else {
                FENCE.to_owned()
            }
        } else if in_code {
            let line = strip_broadcasts(&visible(line.trim_end())).replace(FENCE, "'''");
            clip(&line, CODE_LINE_MAX_CHARS)
        } else {
            prose(line, limit_chars)
        };
        let is_blank = shown.is_empty() && !in_code;
        if is_blank && lines.last().is_none_or(String::is_empty) {
            continue;
        }
        let length = shown.chars().count() + 1;
        if length > room {
            is_cut = true;
            if room > REST_MIN_CHARS && !edge {
                lines.push(clip(&shown, room));
            }
            break;
        }
        room -= length;
        lines.push(shown);
    }
    if in_code {
        lines.push(FENCE.to_owned());
    }
    Passage {
        markdown: lines.join("\n").trim_end().to_owned(),
        is_cut,
    }
}

/// Whether a fence is closed in the line that opens it.
fn is_one_line(line: &str) -> bool {
    let inside = line.trim_start().trim_start_matches('`');
    inside.contains(FENCE)
}

fn language(line: &str) -> String {
    let behind = line.trim_start().trim_start_matches('`').trim_start();
    let name = behind.chars().take_while(char::is_ascii_alphanumeric);
    name.take(LANGUAGE_MAX_CHARS).collect()
}

/// One line outside of code.
fn prose(line: &str, limit_chars: usize) -> String {
    let text = line.trim();
    if text.chars().count() > 2 && text.chars().all(|c| matches!(c, '-' | '=' | '_' | '*')) {
        // Under a line, it would make that a heading.
        return String::new();
    }
    let indent = line.len() - line.trim_start().len();
    if let Some((mark, rest)) = item(text) {
        let rest = tame_to(rest, limit_chars);
        if rest.is_empty() {
            return rest;
        }
        return format!("{}{mark} {rest}", "  ".repeat((indent / 2).min(DEPTH_MAX)));
    }
    let tamed = tame_to(text, limit_chars);
    if text.starts_with('#') && !tamed.is_empty() && !tamed.contains('`') {
        return format!("**{tamed}**");
    }
    match tamed.strip_prefix('[') {
        // It would look like a link at the beginning of a line.
        Some(rest) => format!("({}", rest.replacen(']', ")", 1)),
        None => tamed,
    }
}

/// The mark of a list's entry, and what stands behind it.
fn item(text: &str) -> Option<(String, &str)> {
    if let Some(rest) = text.strip_prefix(['-', '*', '+'])
        && rest.starts_with(' ')
    {
        return Some(("*".to_owned(), rest.trim_start()));
    }
    let (number, rest) = text.split_once(['.', ')'])?;
    let is_number = (1..=3).contains(&number.len()) && number.bytes().all(|b| b.is_ascii_digit());
    (is_number && rest.starts_with(' ')).then(|| (format!("{number}."), rest.trim_start()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        passage(text, 5_000).markdown
    }

    #[test]
    fn paragraphs_lists_and_code_stay() {
        let text = "It is in `lib/users.js`:\n\n\n1. first\n2) second\n   - deeper\n* last\n\n```js\nif (a < b) {\n\n  x();\n}\n```\n## So\n**bold** words";
        assert_eq!(
            shown(text),
            "It is in `lib/users.js`:\n\n1. first\n2. second\n  * deeper\n* last\n\n```js\nif (a < b) {\n\n  x();\n}\n```\n**So**\nbold words"
        );
    }

    #[test]
    fn nothing_calls_links_or_breaks_out() {
        let text = "<!channel> @here <@U1>\n[click](https://evil.example)\n![x](https://evil.example/p.png)\nA title\n=====\n\u{1b}[31mred\u{1b}[0m \u{202e}\n```\n@channel\n";
        assert_eq!(
            shown(text),
            "channel here &lt;@U1>\n(click) (https://evil.example)\n![x] (https://evil.example/p.png)\nA title\n\n(31mred[0m \n```\nchannel\n```"
        );
    }

    #[test]
    fn what_is_too_long_is_cut_and_says_so() {
        for text in [
            "word ".repeat(10_000),
            "line\n".repeat(10_000),
            format!("```\n{}", "x\n".repeat(50_000)),
        ] {
            let cut = passage(&text, 1_000);
            assert!(cut.is_cut);
            assert!(
                cut.markdown.chars().count() <= 1_010,
                "{}",
                cut.markdown.len()
            );
            assert_eq!(cut.markdown.matches(FENCE).count() % 2, 0);
        }
        assert!(!passage("short", 1_000).is_cut);
    }
}
