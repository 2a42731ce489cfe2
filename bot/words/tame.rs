//! Words of others made harmless: what a model, a forge or a command wrote, before it stands in a message.
//!
//! Four places, four rules: inside a sentence ([`tame`]), as code ([`code`]), as a quoted passage ([`quoted`]) and as
//! lines of output ([`fenced`]). None of them lets a broadcast mention through, and none of them can end the place it
//! stands in.

use std::fmt::Display;

use crate::domain::clip;

/// The longest text of others inside one sentence, in characters, where no narrower limit is given.
pub const SENTENCE_MAX_CHARS: usize = 600;
/// The longest command that is shown in a line, in characters.
pub const CODE_MAX_CHARS: usize = 300;
/// The most lines of a quoted passage.
const QUOTED_MAX_LINES: usize = 25;
/// The most lines of output that are shown; the last ones are kept, because that is where errors stand.
const FENCED_MAX_LINES: usize = 15;
/// The longest line of shown output, in characters.
const FENCED_LINE_MAX_CHARS: usize = 240;
/// Words that close an issue where a reference to it follows. Source: GitHub's guide on linking a pull request to an issue.
const CLOSING: [&str; 9] = [
    "close", "closes", "closed", "fix", "fixes", "fixed", "resolve", "resolves", "resolved",
];
/// A space of no width, as Markdown writes it.
pub const JOINT_OF_MARKDOWN: &str = "&#8203;";
/// The same as a character.
pub const JOINT: &str = "\u{200b}";
/// Words that call everybody in a channel.
const BROADCASTS: [&str; 3] = ["channel", "here", "everyone"];

/// Makes a text harmless inside a sentence: one line, no broadcast mention, no link, no markup but code spans, cut.
#[must_use]
pub fn tame(text: &str) -> String {
    tame_to(text, SENTENCE_MAX_CHARS)
}

/// Like [`tame`], cut to `limit_chars` characters before markup is escaped.
#[must_use]
pub fn tame_to(text: &str, limit_chars: usize) -> String {
    let line = clip(strip_leading_markup(&one_line(text)), limit_chars);
    let spans = balanced_spans(&line);
    let mut tamed = String::with_capacity(line.len());
    for (index, span) in spans.iter().enumerate() {
        let is_code = index % 2 == 1;
        if is_code {
            tamed.push('`');
            tamed.push_str(span);
            tamed.push('`');
        } else {
            escape_prose(span, &mut tamed);
        }
    }
    tamed
}

/// The text as one plain line for a notification: no broadcast mention, nothing escaped, cut.
#[must_use]
pub fn plain_to(text: &str, limit_chars: usize) -> String {
    clip(&one_line(text), limit_chars)
}

/// The text as a code span that cannot be left, on one line.
#[must_use]
pub fn code(text: &str) -> String {
    let lines: Vec<String> = text
        .lines()
        .map(one_line)
        .filter(|line| !line.is_empty())
        .collect();
    // Two and more backticks in a row would look like an end, or like a fence, to some readers.
    let line = clip(&lines.join(" ⏎ "), CODE_MAX_CHARS).replace("``", "''");
    match line.contains('`') {
        _ if line.is_empty() => "(empty)".to_owned(),
        false => format!("`{line}`"),
        true => format!("`` {line} ``"),
    }
}

/// The text as a quoted passage: every line tamed and set off, blank lines kept, long passages cut.
#[must_use]
pub fn quoted(text: &str, limit_chars: usize) -> String {
    let cut = clip(text.trim(), limit_chars);
    let mut lines: Vec<String> = cut
        .lines()
        .take(QUOTED_MAX_LINES)
        .map(|line| format!("> {}", tame_to(line, limit_chars)))
        .collect();
    if cut.lines().count() > QUOTED_MAX_LINES {
        lines.push("> …".to_owned());
    }
    lines.join("\n")
}

/// The last lines of an output, in a fence that they cannot close. Empty where there is nothing to show.
#[must_use]
pub fn fenced(text: &str) -> String {
    let lines: Vec<String> = text
        .lines()
        .map(|line| strip_broadcasts(&visible(line.trim_end()).replace("```", "'''")))
        .map(|line| clip(&line, FENCED_LINE_MAX_CHARS))
        .collect();
    let end = lines
        .iter()
        .rposition(|line| !line.trim().is_empty())
        .map_or(0, |at| at + 1);
    let start = end.saturating_sub(FENCED_MAX_LINES);
    if end == 0 {
        return String::new();
    }
    format!("```\n{}\n```", lines[start..end].join("\n"))
}

/// The first lines of a text, in a fence that they cannot close.
#[must_use]
pub fn excerpt(text: &str, lines_max: usize) -> String {
    let all = || text.trim_end().lines();
    let line = |line: &str| strip_broadcasts(&visible(line.trim_end()).replace("```", "'''"));
    let mut lines: Vec<String> = all()
        .take(lines_max)
        .map(|text| clip(&line(text), FENCED_LINE_MAX_CHARS))
        .collect();
    if all().count() > lines_max {
        lines.push("…".to_owned());
    }
    format!("```\n{}\n```", lines.join("\n"))
}

/// A file's name in which everything that cannot be seen is written out.
#[must_use]
pub fn escaped(name: &str) -> String {
    let mut shown = String::with_capacity(name.len());
    for letter in name.chars() {
        if letter.is_control() || is_hidden(letter) {
            shown.extend(letter.escape_default());
        } else {
            shown.push(letter);
        }
    }
    shown
}

/// Takes from a text what a forge would act on where the text stands in a pull request or a commit: names that call people
/// and teams, and words that close issues. `joint` is something that nobody sees, in the form that the place takes. Code
/// spans are left as they are: nothing in them acts.
#[must_use]
pub fn unheard(text: &str, joint: &str) -> String {
    let mut spans = Vec::new();
    for (index, span) in text.split('`').enumerate() {
        let is_code = index % 2 == 1;
        spans.push(if is_code {
            span.to_owned()
        } else {
            without_calls(span, joint)
        });
    }
    spans.join("`")
}

fn without_calls(text: &str, joint: &str) -> String {
    let mut quiet = String::with_capacity(text.len());
    let mut before = ' ';
    for (at, letter) in text.char_indices() {
        let rest = &text[at + letter.len_utf8()..];
        quiet.push(letter);
        let next = rest.chars().next().unwrap_or(' ');
        let begins_word = !before.is_alphanumeric();
        let acts = match letter {
            '@' => begins_word && next.is_alphanumeric(),
            '#' => next.is_ascii_digit(),
            _ => begins_word && closes(&text[at..]),
        };
        if acts {
            quiet.push_str(joint);
        }
        before = letter;
    }
    quiet
}

/// Whether a text begins with a word that closes what an address behind it names, or with a reference in the form `GH-1`.
/// Words before a number need nothing: the number's own mark is broken.
fn closes(text: &str) -> bool {
    let word: &str = text
        .split(|c: char| !c.is_ascii_alphabetic())
        .next()
        .unwrap_or_default();
    let rest = &text[word.len()..];
    if word.eq_ignore_ascii_case("gh") {
        let number = rest.strip_prefix('-').and_then(|rest| rest.chars().next());
        return number.is_some_and(|digit| digit.is_ascii_digit());
    }
    let is_closing = CLOSING
        .iter()
        .any(|closing| word.eq_ignore_ascii_case(closing));
    let behind = rest.trim_start_matches(|c: char| c == ':' || c.is_whitespace());
    is_closing && behind.len() < rest.len() && behind.starts_with("http")
}

/// The text as the content of one cell of a table.
#[must_use]
pub fn cell(text: &str, limit_chars: usize) -> String {
    tame_to(text, limit_chars).replace('|', "\\|")
}

/// The text as one line inside a fence.
#[must_use]
pub fn log_line(text: &str) -> String {
    let lines: Vec<String> = text
        .lines()
        .map(one_line)
        .filter(|line| !line.is_empty())
        .collect();
    clip(&lines.join(" ⏎ ").replace("```", "'''"), CODE_MAX_CHARS)
}

/// One line of visible characters, with single spaces and without broadcast mentions.
fn one_line(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    strip_broadcasts(&visible(&words.join(" ")))
}

/// Without control characters, characters of no width, and those that turn the direction of writing: they hide what is there.
pub(super) fn visible(text: &str) -> String {
    text.chars()
        .filter(|c| (!c.is_control() || *c == '\t') && !is_hidden(*c))
        .collect()
}

/// Characters without a shape of their own, or that turn the direction of others.
const fn is_hidden(letter: char) -> bool {
    matches!(letter, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}')
}

/// Leaves the word of a broadcast mention and takes what makes it one: `<!here|@here>` and `@here` become `here`.
pub(super) fn strip_broadcasts(text: &str) -> String {
    let mut stripped = text.to_owned();
    while let Some(start) = stripped.find("<!") {
        let inside = &stripped[start + 2..];
        let (word, rest) = inside
            .split_once('>')
            .map_or((inside, ""), |(word, rest)| (word, rest));
        let word = word.split(['|', '^']).next().unwrap_or_default();
        stripped = format!("{}{word}{rest}", &stripped[..start]);
    }
    for word in BROADCASTS {
        stripped = strip_at(&stripped, word);
    }
    stripped
}

/// Takes the `@` from every `@word`, whatever its case.
fn strip_at(text: &str, word: &str) -> String {
    let lower = text.to_ascii_lowercase();
    let mut stripped = String::with_capacity(text.len());
    for (at, character) in text.char_indices() {
        let is_mention = character == '@' && lower[at + 1..].starts_with(word);
        if !is_mention {
            stripped.push(character);
        }
    }
    stripped
}

/// A sentence does not begin as a heading, a list, a quotation or a number of a list.
fn strip_leading_markup(line: &str) -> &str {
    let mut rest = line;
    loop {
        let marker = rest.trim_start_matches(['#', '>', '-', '+', '*', '=', '|']);
        let numbered = rest.trim_start_matches(|c: char| c.is_ascii_digit());
        let after_number = numbered
            .strip_prefix(". ")
            .or_else(|| numbered.strip_prefix(") "))
            .filter(|_| numbered.len() < rest.len());
        let next = match (marker.strip_prefix(' '), after_number) {
            (Some(after), _) if marker.len() < rest.len() => after,
            (_, Some(after)) => after,
            (None | Some(_), None) => return rest,
        };
        rest = next.trim_start();
    }
}

/// Splits at backticks so that every second part is code; one that is never closed becomes an apostrophe.
fn balanced_spans(line: &str) -> Vec<String> {
    let mut parts: Vec<String> = Vec::new();
    let mut after_backtick = false;
    for character in line.chars() {
        if character == '`' {
            if !after_backtick {
                parts.push(String::new());
            }
            after_backtick = true;
            continue;
        }
        after_backtick = false;
        if parts.is_empty() {
            parts.push(String::new());
        }
        if let Some(last) = parts.last_mut() {
            last.push(character);
        }
    }
    if line.starts_with('`') {
        parts.insert(0, String::new());
    }
    if parts.len().is_multiple_of(2) {
        let last = parts.pop().unwrap_or_default();
        if let Some(before) = parts.last_mut() {
            before.push('\'');
            before.push_str(&last);
        }
    }
    parts
}

/// Takes what would be markup outside of code. `<` is escaped as both Slack and `CommonMark` read it, so no tag, link or
/// mention can begin; so is `&` where it would begin such an escape.
fn escape_prose(text: &str, into: &mut String) {
    let text = text
        .replace("**", "")
        .replace("__", "")
        .replace("~~", "")
        .replace("](", "] (");
    for (at, character) in text.char_indices() {
        match character {
            '<' => into.push_str("&lt;"),
            '&' if begins_entity(&text[at + 1..]) => into.push_str("&amp;"),
            other => into.push(other),
        }
    }
}

/// Whether `rest` makes an ampersand before it an entity: `lt;`, `#60;`.
fn begins_entity(rest: &str) -> bool {
    let name = rest.strip_prefix('#').unwrap_or(rest);
    let after = name.trim_start_matches(|c: char| c.is_ascii_alphanumeric());
    after.len() < name.len() && after.starts_with(';')
}

/// The same as filters of templates.
#[expect(
    clippy::unnecessary_wraps,
    clippy::inline_always,
    clippy::unused_self,
    reason = "a filter of askama is made by its macro, and returns a result"
)]
pub(super) mod filters {
    use super::Display;

    /// [`super::tame_to`].
    #[askama::filter_fn]
    pub fn tame(
        text: impl Display,
        _: &dyn askama::Values,
        limit_chars: usize,
    ) -> askama::Result<String> {
        Ok(super::tame_to(&text.to_string(), limit_chars))
    }

    /// [`super::tame_to`] for a pull request: nothing in it calls anybody or closes anything.
    #[askama::filter_fn]
    pub fn unheard(
        text: impl Display,
        _: &dyn askama::Values,
        limit_chars: usize,
    ) -> askama::Result<String> {
        let tamed = super::tame_to(&text.to_string(), limit_chars);
        Ok(super::unheard(&tamed, super::JOINT_OF_MARKDOWN))
    }

    /// [`super::cell`] for a pull request.
    #[askama::filter_fn]
    pub fn unheard_cell(
        text: impl Display,
        _: &dyn askama::Values,
        limit_chars: usize,
    ) -> askama::Result<String> {
        let cell = super::cell(&text.to_string(), limit_chars);
        Ok(super::unheard(&cell, super::JOINT_OF_MARKDOWN))
    }

    /// [`super::plain_to`].
    #[askama::filter_fn]
    pub fn plain(
        text: impl Display,
        _: &dyn askama::Values,
        limit_chars: usize,
    ) -> askama::Result<String> {
        Ok(super::plain_to(&text.to_string(), limit_chars))
    }

    /// [`super::log_line`].
    #[askama::filter_fn]
    pub fn log_line(text: impl Display, _: &dyn askama::Values) -> askama::Result<String> {
        Ok(super::log_line(&text.to_string()))
    }

    /// [`super::code`].
    #[askama::filter_fn]
    pub fn code(text: impl Display, _: &dyn askama::Values) -> askama::Result<String> {
        Ok(super::code(&text.to_string()))
    }

    /// [`super::quoted`].
    #[askama::filter_fn]
    pub fn quoted(
        text: impl Display,
        _: &dyn askama::Values,
        limit_chars: usize,
    ) -> askama::Result<String> {
        Ok(super::quoted(&text.to_string(), limit_chars))
    }

    /// [`super::excerpt`].
    #[askama::filter_fn]
    pub fn excerpt(
        text: impl Display,
        _: &dyn askama::Values,
        lines_max: usize,
    ) -> askama::Result<String> {
        Ok(super::excerpt(&text.to_string(), lines_max))
    }

    /// [`super::fenced`].
    #[askama::filter_fn]
    pub fn fenced(text: impl Display, _: &dyn askama::Values) -> askama::Result<String> {
        Ok(super::fenced(&text.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        assert_eq!(tame(text), expected, "{text:?}");
    }

    #[test]
    fn nobody_is_called_by_a_model() {
        check("<!channel> please look", "channel please look");
        check(
            "<!here|@here> and @Channel and @everyone",
            "here and Channel and everyone",
        );
        check("<!<!channel>>", "channel");
        check("<@U0ANA> look", "&lt;@U0ANA> look");
        check("mail ana@example.com", "mail ana@example.com");
        check("@\u{200b}channel", "channel");
        assert_eq!(code("echo @here"), "`echo here`");
        assert_eq!(fenced("<!everyone>"), "```\neveryone\n```");
        assert_eq!(plain_to("<!everyone> @here", 50), "everyone here");
    }

    #[test]
    fn a_forge_is_told_nothing_by_words_of_others() {
        for (text, expected) in [
            ("@acme/everyone, look", "@|acme/everyone, look"),
            ("(@ben) ana@example.com", "(@|ben) ana@example.com"),
            ("Closes #12, acme/web#3", "Closes #|12, acme/web#|3"),
            ("fixed GH-4 and RIGH-5", "fixed G|H-4 and RIGH-5"),
            (
                "Resolves: https://forge.example/i/1, prefix http://x",
                "R|esolves: https://forge.example/i/1, prefix http://x",
            ),
            ("# heading, C# and `@ben #1`", "# heading, C# and `@ben #1`"),
            ("@ü #", "@|ü #"),
        ] {
            assert_eq!(unheard(text, "|"), expected);
        }
    }

    #[test]
    fn a_sentence_stays_one_sentence() {
        check("# Heading\n\n- item\r\n> quote", "Heading - item > quote");
        check("1. first", "first");
        check("2024 is a year", "2024 is a year");
        check("- - # nested", "nested");
        check("**bold** and ~~gone~~", "bold and gone");
        check(
            "see [the page](https://evil.example) ![x](https://evil.example/p.png)",
            "see [the page] (https://evil.example) ![x] (https://evil.example/p.png)",
        );
        check("a\u{202e}b\u{7}c", "abc");
        check("--flag stays", "--flag stays");
    }

    #[test]
    fn code_spans_survive_and_cannot_run_away() {
        check("the `offset` of `a<b>` & c", "the `offset` of `a<b>` & c");
        check(
            "List<String> -> ?limit=1&offset=2 &lt; &#60;",
            "List&lt;String> -> ?limit=1&offset=2 &amp;lt; &amp;#60;",
        );
        check("`code` first", "`code` first");
        check("an open ` tick", "an open ' tick");
        check("```js alert(1)```", "`js alert(1)`");
        assert_eq!(code("echo `date`"), "`` echo `date` ``");
        assert_eq!(code("a\nb"), "`a ⏎ b`");
        assert_eq!(code("```` x ``"), "`'''' x ''`");
        assert_eq!(code(" \n"), "(empty)");
    }

    #[test]
    fn output_keeps_its_last_lines_and_its_fence() {
        let many: Vec<String> = (0..100).map(|n| format!("line {n}")).collect();
        let fenced_lines = fenced(&many.join("\n"));
        assert!(
            fenced_lines.starts_with("```\nline 85\n") && fenced_lines.ends_with("line 99\n```")
        );
        assert_eq!(fenced("a\n```\n# out\n\n"), "```\na\n'''\n# out\n```");
        assert_eq!(fenced(" \n"), "");
    }

    #[test]
    fn a_passage_is_quoted_line_by_line() {
        assert_eq!(
            quoted("Which one?\n\n- a\n@here", 100),
            "> Which one?\n> \n> a\n> here"
        );
    }
}
