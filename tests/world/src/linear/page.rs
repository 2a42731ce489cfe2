//! A session as people see it on an issue, as HTML: activities, choices, checklist and links.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pulldown_cmark::{Event, Options, Parser, html};
use serde_json::Value;

use super::rules::Content;
use super::session::{Activity, Session};

/// The look of a session.
pub const STYLE: &str = "
.session { color: #23252a; font: 14px/1.5 Inter, 'Liberation Sans', 'DejaVu Sans', sans-serif; display: grid; gap: 10px; }
.session .act { display: grid; grid-template-columns: 22px minmax(0, 1fr); gap: 10px; }
.session .act > i { background: #5e6ad2; border-radius: 50%; color: #fff; font: 600 11px/20px sans-serif; height: 20px; text-align: center; width: 20px; }
.session .who { color: #6b6f76; font-size: 12px; }
.session .who b { color: #23252a; }
.session .thought .said { color: #6b6f76; }
.session .passing .said { color: #8a8f98; font-style: italic; }
.session .elicitation .said, .session .response .said { border: 1px solid #e3e4e8; border-radius: 8px; padding: 10px 14px; }
.session .error .said { background: #fff5f5; border: 1px solid #f3c6c6; border-radius: 8px; padding: 10px 14px; }
.session .action .said { color: #3c4149; }
.session .said { overflow-wrap: anywhere; }
.session .said > :first-child { margin-top: 0; } .session .said > :last-child { margin-bottom: 0; }
.session .said p { margin: 6px 0; } .session .said ul, .session .said ol { margin: 6px 0; padding-left: 22px; }
.session .choices { display: flex; flex-wrap: wrap; gap: 6px; margin-top: 8px; }
.session .choices span { background: #fff; border: 1px solid #d0d3da; border-radius: 6px; font-weight: 500; padding: 3px 10px; }
.session .side { border: 1px solid #e3e4e8; border-radius: 8px; font-size: 13px; padding: 8px 12px; }
.session .side ul { list-style: none; margin: 0; padding: 0; }
.session img { border: 1px solid #e3e4e8; border-radius: 6px; max-width: 100%; }
";

impl Session {
    /// What people see of it. A passing activity is shown until another one takes its place.
    #[must_use]
    pub fn html(&self) -> String {
        let mut shown = String::new();
        let plan = self.plan();
        if !plan.is_empty() {
            let steps = plan.iter().map(|step| {
                let mark = match step.status.as_str() {
                    "completed" => "✔",
                    "inProgress" => "◐",
                    "canceled" => "✕",
                    _ => "○",
                };
                format!("<li>{mark} {}</li>", escape(&step.content))
            });
            // Writing into a text cannot fail.
            let _ = write!(
                shown,
                r#"<div class="side"><ul>{}</ul></div>"#,
                steps.collect::<String>()
            );
        }
        for activity in self.activities().iter().filter(|one| !one.replaced) {
            shown += &act(activity);
        }
        let links = self.external_urls();
        if !links.is_empty() {
            let links = links
                .iter()
                .map(|(label, url)| format!(r#"<a href="{}">{}</a>"#, escape(url), escape(label)));
            let links = links.collect::<Vec<_>>().join(" · ");
            let _ = write!(shown, r#"<div class="side">{links}</div>"#);
        }
        format!(r#"<div class="session">{}</div>"#, self.with_files(shown))
    }

    /// Pictures that were uploaded, inside the HTML itself.
    fn with_files(&self, html: String) -> String {
        let state = self.world.lock();
        let arrived = state.uploads.values().filter(|slot| slot.arrived);
        arrived.fold(html, |html, slot| {
            if !html.contains(&slot.file.asset_url) {
                return html;
            }
            let data = STANDARD.encode(&slot.file.bytes);
            let inside = format!("data:{};base64,{data}", slot.file.content_type);
            html.replace(&slot.file.asset_url, &inside)
        })
    }
}

fn act(activity: &Activity) -> String {
    let kind = activity.content.kind();
    let passing = if activity.ephemeral { " passing" } else { "" };
    let said = match &activity.content {
        Content::Action {
            action,
            parameter,
            result,
        } => {
            let result = result.as_deref().map(markdown).unwrap_or_default();
            format!(
                "<p><b>{}</b> {}</p>{result}",
                escape(action),
                escape(parameter)
            )
        }
        Content::Thought { .. }
        | Content::Elicitation { .. }
        | Content::Response { .. }
        | Content::Error { .. }
        | Content::Prompt { .. } => markdown(&activity.content.text()),
    };
    let initial = activity
        .author
        .chars()
        .next()
        .map(String::from)
        .unwrap_or_default();
    format!(
        r#"<div class="act {kind}{passing}"><i>{}</i><div><div class="who"><b>{}</b> · {kind}{}</div><div class="said">{said}{}</div></div></div>"#,
        escape(&initial),
        escape(&activity.author),
        if activity.ephemeral { ", passing" } else { "" },
        choices(&activity.signal_metadata)
    )
}

fn choices(metadata: &Value) -> String {
    let options = metadata["options"]
        .as_array()
        .map_or(&[] as &[Value], Vec::as_slice);
    if options.is_empty() {
        return String::new();
    }
    let labels = options.iter().map(|option| {
        let label = option["label"].as_str().or(option["value"].as_str());
        format!("<span>{}</span>", escape(label.unwrap_or_default()))
    });
    format!(
        r#"<div class="choices">{}</div>"#,
        labels.collect::<String>()
    )
}

/// Markdown with no HTML of the writer's own let through.
fn markdown(text: &str) -> String {
    let options =
        Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH | Options::ENABLE_TASKLISTS;
    let events = Parser::new_ext(text, options).map(|event| match event {
        Event::Html(written) | Event::InlineHtml(written) => Event::Text(written),
        other => other,
    });
    let mut shown = String::new();
    html::push_html(&mut shown, events);
    shown
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}
