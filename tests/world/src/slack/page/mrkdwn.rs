//! Slack's own markup as HTML: bold, italic, code, quotes, links, mentions, emojis. Everything else is escaped.

use crate::slack::emoji;
use crate::slack::transcript::unescape;
use crate::slack::workspace::Workspace;

/// How deep emphasis may stand in emphasis; deeper marks stay as they are.
const DEEPEST: usize = 6;

/// Escapes text for HTML, attributes too.
pub(crate) fn escape(text: &str) -> String {
    let escaped = text
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;");
    escaped.replace('"', "&quot;").replace('\'', "&#39;")
}

/// A link, where the address is one that a browser may follow; else its label alone.
pub(crate) fn link(address: &str, label: &str) -> String {
    let safe = ["http://", "https://", "mailto:"]
        .iter()
        .any(|scheme| address.starts_with(scheme));
    if safe {
        format!(
            r#"<a href="{}" target="_blank" rel="noopener noreferrer">{}</a>"#,
            escape(address),
            escape(label)
        )
    } else {
        escape(label)
    }
}

/// A person's name as a mention.
pub(crate) fn mention(workspace: &Workspace, id: &str) -> String {
    let name = workspace.user(id).map_or(id, |user| user.name.as_str());
    format!(r#"<span class="mention">@{}</span>"#, escape(name))
}

/// Something in an element.
pub(crate) fn in_element(tag: &str, inside: &str) -> String {
    format!("<{tag}>{inside}</{tag}>")
}

/// A whole text.
pub(crate) fn html(workspace: &Workspace, text: &str) -> String {
    let mut html = String::new();
    for (index, part) in text.split("```").enumerate() {
        if index % 2 == 1 {
            html.push_str(&in_element(
                "pre",
                &escape(&unescape(part.trim_matches('\n'))),
            ));
        } else {
            html.push_str(&lines(
                workspace,
                if index == 0 {
                    part
                } else {
                    part.trim_start_matches('\n')
                },
            ));
        }
    }
    html
}

/// Lines, with quoted ones drawn together.
fn lines(workspace: &Workspace, text: &str) -> String {
    let mut html = String::new();
    let mut quoted = Vec::new();
    let mut is_first = true;
    for line in text.split('\n') {
        let quote = line.strip_prefix("&gt;").or_else(|| line.strip_prefix('>'));
        if let Some(quote) = quote {
            quoted.push(inline(workspace, quote.trim_start(), 0));
            continue;
        }
        if !quoted.is_empty() {
            html.push_str(&in_element("blockquote", &quoted.join("<br>")));
            quoted.clear();
            is_first = true;
        }
        if !is_first {
            html.push_str("<br>");
        }
        html.push_str(&inline(workspace, line, 0));
        is_first = false;
    }
    if !quoted.is_empty() {
        html.push_str(&in_element("blockquote", &quoted.join("<br>")));
    }
    html
}

/// One line.
fn inline(workspace: &Workspace, line: &str, depth: usize) -> String {
    let mut html = String::new();
    let mut plain = String::new();
    let mut rest = line;
    let mut before = ' ';
    while let Some(first) = rest.chars().next() {
        let piece = match first {
            '`' => code(rest),
            '<' => angle(workspace, rest),
            '*' | '_' | '~' if depth < DEEPEST && !before.is_alphanumeric() => {
                emphasis(workspace, rest, first, depth)
            }
            _ => None,
        };
        if let Some((shown, length)) = piece {
            flush(&mut html, &mut plain);
            html.push_str(&shown);
            rest = &rest[length..];
            before = ' ';
        } else {
            plain.push(first);
            rest = &rest[first.len_utf8()..];
            before = first;
        }
    }
    flush(&mut html, &mut plain);
    html
}

fn flush(html: &mut String, plain: &mut String) {
    html.push_str(&escape(&emoji::expand(&unescape(plain))));
    plain.clear();
}

/// `` `code` `` at the start, with its length.
fn code(rest: &str) -> Option<(String, usize)> {
    let inside = rest[1..]
        .split('`')
        .next()
        .filter(|inside| !inside.is_empty())?;
    rest[1 + inside.len()..].starts_with('`').then_some(())?;
    Some((
        format!("<code>{}</code>", escape(&unescape(inside))),
        inside.len() + 2,
    ))
}

/// `<@U…>`, `<#C…|name>`, `<!here>`, `<address|label>` at the start, with its length.
fn angle(workspace: &Workspace, rest: &str) -> Option<(String, usize)> {
    let (inside, _) = rest[1..].split_once('>')?;
    let length = inside.len() + 2;
    let (target, label) = inside
        .split_once('|')
        .map_or((inside, None), |(target, label)| (target, Some(label)));
    let shown = if let Some(id) = target.strip_prefix('@') {
        mention(workspace, id)
    } else if let Some(id) = target.strip_prefix('#') {
        let name = workspace
            .channel(id)
            .map_or(id, |channel| channel.name.as_str());
        format!(
            r#"<span class="mention">#{}</span>"#,
            escape(label.unwrap_or(name))
        )
    } else if let Some(whom) = target.strip_prefix('!') {
        format!(
            r#"<span class="mention">@{}</span>"#,
            escape(label.unwrap_or(whom))
        )
    } else {
        link(
            &unescape(target),
            &emoji::expand(&unescape(label.unwrap_or(target))),
        )
    };
    Some((shown, length))
}

/// Emphasis at the start, with its length: the marks touch their words.
fn emphasis(
    workspace: &Workspace,
    rest: &str,
    mark: char,
    depth: usize,
) -> Option<(String, usize)> {
    let inside_from = &rest[1..];
    let starts_well = inside_from
        .chars()
        .next()
        .is_some_and(|next| !next.is_whitespace() && next != mark);
    if !starts_well {
        return None;
    }
    let end = inside_from
        .match_indices(mark)
        .map(|(at, _)| at)
        .find(|at| {
            let last = inside_from[..*at].chars().next_back();
            let next = inside_from[at + 1..].chars().next();
            last.is_some_and(|last| !last.is_whitespace())
                && next.is_none_or(|next| !next.is_alphanumeric() && next != mark)
        })?;
    let tag = match mark {
        '*' => "strong",
        '_' => "em",
        _ => "s",
    };
    let inside = inline(workspace, &inside_from[..end], depth + 1);
    Some((in_element(tag, &inside), end + 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_is_shown_and_everything_else_is_escaped() {
        let workspace = Workspace::new();
        let cases = [
            (
                "*bold* _it_ ~gone~ 2*3*4 a_b_c",
                "<strong>bold</strong> <em>it</em> <s>gone</s> 2*3*4 a_b_c",
            ),
            ("`a < b & *c*`", "<code>a &lt; b &amp; *c*</code>"),
            (
                "<@UANA> :eyes: &lt;b&gt;",
                "<span class=\"mention\">@ana</span> 👀 &lt;b&gt;",
            ),
            ("<script>alert(1)</script>", "scriptalert(1)/script"),
            ("<javascript:alert(1)|click>", "click"),
            ("\"><img onerror=x>", "<blockquote></blockquote>"),
            (
                "a\n&gt; q1\n&gt; q2\nb",
                "a<blockquote>q1<br>q2</blockquote>b",
            ),
            (
                "x\n```\nlet a = 1 &lt; 2;\n```\ny",
                "x<br><pre>let a = 1 &lt; 2;</pre>y",
            ),
            ("*_both_*", "<strong><em>both</em></strong>"),
            ("* not bold *", "* not bold *"),
        ];
        for (text, expected) in cases {
            let shown = html(&workspace, text);
            if text.starts_with('"') {
                assert!(!shown.contains("<img"), "{shown}");
            } else {
                assert_eq!(shown, expected, "{text}");
            }
        }
        assert_eq!(
            html(&workspace, "<https://a.example/?x=1&amp;y=2|the *run*>"),
            "<a href=\"https://a.example/?x=1&amp;y=2\" target=\"_blank\" rel=\"noopener noreferrer\">the *run*</a>"
        );
    }
}
