//! Parts of the page without the page: what a person sees of a thread, a form or the app's own page, for documents that
//! are read later and elsewhere.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::mrkdwn::escape;
use super::{DOCUMENT, STYLE, blocks, snapshot};
use crate::slack::directory::BOT_USER;
use crate::slack::message::Audience;
use crate::slack::thread::Thread;
use crate::slack::workspace::Workspace;
use crate::slack::{Slack, people};

/// What moves and what is hidden on the live page is at rest here.
const AT_REST: &str =
    "html, body { height: auto; overflow: visible; } * { animation: none !important; }";

impl Slack {
    /// What `user` sees of the bot's messages in a thread, as HTML for [`still_document`].
    pub fn still_thread(&self, thread: &Thread, user: &str) -> anyhow::Result<String> {
        self.look(|workspace| {
            let me = people::person(workspace, user)?;
            let shown = workspace
                .thread(thread.channel(), thread.root())
                .filter(|message| message.user.as_str() == BOT_USER)
                .filter(|message| snapshot::is_visible(message, &me))
                .map(|message| {
                    let only = match message.audience {
                        Audience::Everyone => "",
                        Audience::Only(_) => " only-you",
                    };
                    let html = snapshot::message_html(workspace, message, &me);
                    format!(r#"<div class="message{only}">{html}</div>"#)
                });
            Ok(with_files(workspace, shown.collect()))
        })
    }

    /// The form that `user` has in front of them; none where there is none.
    pub fn still_view(&self, user: &str) -> anyhow::Result<Option<String>> {
        self.look(|workspace| {
            let me = people::person(workspace, user)?;
            Ok(workspace
                .open_view(&me)
                .map(|view| form(workspace, &view.payload)))
        })
    }

    /// The app's own page, as it was published for `user` last.
    pub fn still_home(&self, user: &str) -> anyhow::Result<Option<String>> {
        self.look(|workspace| {
            let me = people::person(workspace, user)?;
            let home = workspace.homes.get(&me).map(|page| &page.payload);
            Ok(home.map(|view| {
                let shown = blocks::html(workspace, "", list(&view["blocks"]));
                format!(r#"<div class="words still-home">{shown}</div>"#)
            }))
        })
    }

    /// Gives the bot a trigger, as if `user` had pressed something just now.
    pub fn trigger(&self, user: &str) -> anyhow::Result<String> {
        self.core.change(|workspace| {
            let me = people::person(workspace, user)?;
            Ok(workspace.make_trigger(&me))
        })
    }
}

/// A document that needs nothing else: the look of the page, `style` on top of it, and `body`.
#[must_use]
pub fn still_document(title: &str, style: &str, body: &str) -> String {
    let symbols = DOCUMENT
        .split_once("<svg hidden>")
        .and_then(|(_, rest)| rest.split_once("</svg>\n\n"))
        .map_or("", |(symbols, _)| symbols);
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<title>{}</title>\n<style>\n{STYLE}\n{AT_REST}\n{style}\n</style>\n</head>\n<body>\n<svg hidden>{symbols}</svg>\n{body}\n</body>\n</html>\n",
        escape(title)
    )
}

fn list(blocks: &Value) -> &[Value] {
    blocks.as_array().map_or(&[], Vec::as_slice)
}

fn form(workspace: &Workspace, view: &Value) -> String {
    let text = |name: &str| escape(view[name]["text"].as_str().unwrap_or_default());
    let fields = blocks::html(workspace, "", list(&view["blocks"]));
    let submit = match view["submit"]["text"].as_str() {
        Some(label) => format!(
            r#"<button type="button" class="button primary">{}</button>"#,
            escape(label)
        ),
        None => String::new(),
    };
    format!(
        r#"<div class="still-form"><div class="modal-head"><h2>{}</h2></div><div class="modal-body words">{fields}</div><div class="modal-foot"><button type="button" class="button">{}</button>{submit}</div></div>"#,
        text("title"),
        text("close")
    )
}

/// The workspace's pictures inside the HTML itself.
fn with_files(workspace: &Workspace, html: String) -> String {
    let files = workspace.files.values();
    files
        .filter_map(|file| Some((file, file.content.as_ref()?)))
        .fold(html, |html, (file, content)| {
            let address = format!(r#""/page/files/{}""#, file.id);
            if !html.contains(&address) {
                return html;
            }
            let data = STANDARD.encode(content);
            html.replace(
                &address,
                &format!(r#""data:{};base64,{data}""#, file.media_type()),
            )
        })
}
