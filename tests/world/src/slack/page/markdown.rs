//! The `markdown` block as HTML: `CommonMark` with tables, with no HTML of the writer's own let through.

use pulldown_cmark::{CowStr, Event, Options, Parser, Tag, TagEnd, html};

use super::mrkdwn::mention;
use crate::slack::emoji;
use crate::slack::workspace::Workspace;

/// A whole block.
pub(crate) fn html(workspace: &Workspace, text: &str) -> String {
    let options =
        Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH | Options::ENABLE_TASKLISTS;
    let mut in_code = false;
    let events = Parser::new_ext(text, options).map(|event| match event {
        Event::Html(written) | Event::InlineHtml(written) => Event::Text(written),
        Event::Start(Tag::Link {
            link_type,
            dest_url,
            title,
            id,
        }) => Event::Start(Tag::Link {
            link_type,
            dest_url: safe(dest_url),
            title,
            id,
        }),
        // Slack shows no pictures from markdown; the text that stands for them is shown.
        Event::Start(Tag::Image { .. }) => Event::Start(Tag::Emphasis),
        Event::End(TagEnd::Image) => Event::End(TagEnd::Emphasis),
        Event::Start(Tag::CodeBlock(kind)) => {
            in_code = true;
            Event::Start(Tag::CodeBlock(kind))
        }
        Event::End(TagEnd::CodeBlock) => {
            in_code = false;
            Event::End(TagEnd::CodeBlock)
        }
        Event::Text(words) if !in_code => Event::Text(emoji::expand(&words).into()),
        Event::SoftBreak => Event::HardBreak,
        other => other,
    });
    let mut shown = String::new();
    html::push_html(&mut shown, events);
    for user in &workspace.users {
        shown = shown.replace(
            &format!("&lt;@{}&gt;", user.id),
            &mention(workspace, user.id.as_str()),
        );
    }
    shown.replace(
        "<a href",
        r#"<a target="_blank" rel="noopener noreferrer" href"#,
    )
}

/// An address that a browser may follow, else none.
fn safe(address: CowStr<'_>) -> CowStr<'_> {
    let schemes = ["http://", "https://", "mailto:"];
    if schemes.iter().any(|scheme| address.starts_with(scheme)) {
        address
    } else {
        CowStr::Borrowed("#")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_writers_html_is_text_and_bad_addresses_lead_nowhere() {
        let workspace = Workspace::new();
        let shown = html(
            &workspace,
            "**b** <img src=x onerror=y> [go](javascript:alert(1)) <@UBEN> :tada:",
        );
        assert!(shown.contains("<strong>b</strong>"), "{shown}");
        assert!(
            !shown.contains("<img") && !shown.contains("javascript"),
            "{shown}"
        );
        assert!(
            shown.contains("<span class=\"mention\">@ben</span> 🎉"),
            "{shown}"
        );
        assert!(html(&workspace, "<div onclick=x>\nhi\n</div>").contains("&lt;div"));
        assert!(html(&workspace, "|a|b|\n|-|-|\n|1|2|").contains("<table>"));
    }
}
