//! Markdown as GitHub shows it: tables, task lists, and a short list of HTML tags.

use std::fmt::Write as _;

use pulldown_cmark::{CowStr, Event, Options, Parser, Tag, html};

use super::escape;

/// Tags that pass, without attributes unless [`tag`] rebuilds them.
const TAGS: &[&str] = &[
    "details", "summary", "br", "hr", "b", "i", "em", "strong", "code", "pre", "kbd", "sub", "sup",
    "p", "table", "thead", "tbody", "tr", "td", "th", "ul", "ol", "li", "h1", "h2", "h3", "h4",
    "img", "a", "picture",
];

/// Renders Markdown; tags that are not on the list are shown as text, comments are left out.
pub(super) fn html(markdown: &str) -> String {
    let options =
        Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH | Options::ENABLE_TASKLISTS;
    let events = Parser::new_ext(markdown, options).map(|event| match event {
        Event::Html(text) => Event::Html(CowStr::from(clean(&text))),
        Event::InlineHtml(text) => Event::InlineHtml(CowStr::from(clean(&text))),
        Event::Start(Tag::Link {
            link_type,
            dest_url,
            title,
            id,
        }) => {
            let dest_url = safe_address(dest_url);
            Event::Start(Tag::Link {
                link_type,
                dest_url,
                title,
                id,
            })
        }
        Event::Start(Tag::Image {
            link_type,
            dest_url,
            title,
            id,
        }) => {
            let dest_url = safe_address(dest_url);
            Event::Start(Tag::Image {
                link_type,
                dest_url,
                title,
                id,
            })
        }
        other => other,
    });
    let mut page = String::new();
    html::push_html(&mut page, events);
    page
}

fn is_safe(address: &str) -> bool {
    match address.split_once(':') {
        None => true,
        Some((scheme, _)) => {
            matches!(
                scheme.to_ascii_lowercase().as_str(),
                "http" | "https" | "mailto"
            ) || scheme.contains('/')
        }
    }
}

fn safe_address(address: CowStr<'_>) -> CowStr<'_> {
    if is_safe(&address) {
        address
    } else {
        CowStr::Borrowed("#")
    }
}

fn clean(html: &str) -> String {
    let mut safe = String::new();
    let mut rest = html;
    while let Some(at) = rest.find('<') {
        safe.push_str(&escape(&rest[..at]));
        rest = &rest[at..];
        if let Some(comment) = rest.strip_prefix("<!--") {
            rest = comment.find("-->").map_or("", |end| &comment[end + 3..]);
            continue;
        }
        let Some(end) = rest.find('>') else { break };
        let inside = &rest[1..end];
        safe.push_str(&tag(inside).unwrap_or_else(|| escape(&rest[..=end])));
        rest = &rest[end + 1..];
    }
    safe.push_str(&escape(rest));
    safe
}

/// The tag again with only what is harmless in it, or nothing where it is not on the list.
fn tag(inside: &str) -> Option<String> {
    let (closing, body) = inside
        .strip_prefix('/')
        .map_or(("", inside), |body| ("/", body));
    let end = body
        .find(|c: char| !c.is_ascii_alphanumeric())
        .unwrap_or(body.len());
    let (name, attributes) = body.split_at(end);
    let name = name.to_ascii_lowercase();
    if !TAGS.contains(&name.as_str()) {
        return None;
    }
    let wanted: &[&str] = match name.as_str() {
        "img" => &["src", "alt", "width"],
        "a" => &["href"],
        _ => &[],
    };
    let mut kept = String::new();
    for attribute in wanted {
        if let Some(value) = value_of(attributes, attribute)
            && is_safe(value)
        {
            let _ = write!(kept, " {attribute}=\"{}\"", escape(value));
        }
    }
    if name == "details" && attributes.split_whitespace().any(|word| word == "open") {
        kept.push_str(" open");
    }
    Some(format!("<{closing}{name}{kept}>"))
}

fn value_of<'a>(attributes: &'a str, name: &str) -> Option<&'a str> {
    let at = attributes.find(&format!("{name}=\""))? + name.len() + 2;
    let rest = &attributes[at..];
    Some(&rest[..rest.find('"')?])
}

#[cfg(test)]
mod tests {
    use super::html;

    #[test]
    fn harmless_html_passes_and_the_rest_is_shown_as_text() {
        let page = html(
            "<details open><summary>Log</summary>\n\n<script>alert(1)</script>\n\n</details>\n<!-- mark -->",
        );
        assert!(page.contains("<details open><summary>Log</summary>"));
        assert!(!page.contains("<script>"));
        assert!(!page.contains("mark"));
    }

    #[test]
    fn a_picture_keeps_its_source_and_loses_its_script() {
        let page = html("<img src=\"/a.png\" onerror=\"x()\" width=\"320\">");
        assert_eq!(page.trim(), "<img src=\"/a.png\" width=\"320\">");
        assert!(!html("[x](javascript:alert(1))").contains("javascript"));
    }
}
