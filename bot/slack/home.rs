//! A person's page in Slack: the App Home.

use serde_json::{Value, json};

use super::{
    blocks, ids,
    limits::{
        BUTTON_MAX_CHARS, HEADER_MAX_CHARS, HOME_BLOCKS_MAX, SECTION_MAX_CHARS, URL_MAX_CHARS,
        VIEW_MAX_BYTES,
    },
    methods,
    outbound::Slack,
};
use crate::{
    domain::{clip, conversation::PersonId},
    surface::{HomeEntry, HomePage, SurfaceError, WordsKind},
};

/// What a page's view takes beside its blocks, in bytes.
const VIEW_FRAME_BYTES: usize = 1_000;

impl Slack {
    /// Shows a person their page; what was shown there before goes.
    pub async fn show_home(&self, person: &PersonId, page: &HomePage) -> Result<(), SurfaceError> {
        let (_, user) = ids::parse_person(person)?;
        let publishing = json!({ "user_id": user, "view": view(page) });
        self.api
            .post(methods::SHOW_HOME, &publishing)
            .await
            .map(drop)
    }
}

/// A page as a view. Its texts are plain, so nothing in them is markup.
pub(super) fn view(page: &HomePage) -> Value {
    let mut shown = Vec::new();
    for section in &page.sections {
        let title = clip(&section.title, HEADER_MAX_CHARS);
        shown.push(json!({ "type": "header", "text": { "type": "plain_text", "text": title } }));
        for one in &section.entries {
            shown.push(entry(shown.len(), one));
        }
    }
    let buttons: Vec<Value> = page
        .controls
        .iter()
        .enumerate()
        .map(|(index, control)| blocks::button(index, control, &WordsKind::Note))
        .collect();
    let actions = json!({ "type": "actions", "elements": buttons });
    let mut room = VIEW_MAX_BYTES - VIEW_FRAME_BYTES - actions.to_string().len();
    shown.truncate(HOME_BLOCKS_MAX - 1);
    let mut shown: Vec<Value> = shown
        .into_iter()
        .map_while(|block| {
            room = room.checked_sub(block.to_string().len() + 1)?;
            Some(block)
        })
        .collect();
    if !buttons.is_empty() {
        shown.push(actions);
    }
    json!({ "type": "home", "blocks": shown })
}

fn entry(place: usize, entry: &HomeEntry) -> Value {
    let text = clip(&entry.text, SECTION_MAX_CHARS);
    let mut section = json!({ "type": "section", "text": { "type": "plain_text", "text": text } });
    if let Some((label, url)) = &entry.page {
        section["accessory"] = json!({
            "type": "button",
            "action_id": format!("deckhand:open:{place}"),
            "text": { "type": "plain_text", "text": clip(label, BUTTON_MAX_CHARS) },
            "url": clip(url, URL_MAX_CHARS),
        });
    }
    section
}
