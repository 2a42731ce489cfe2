//! What people do with views: forms that the app opened, the menus in them, and the app's own page.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use serde_json::{Value, json};

use super::core::Core;
use super::delivery::Delivery;
use super::ids::{UserId, ViewId};
use super::people::{ViewAnswer, option_of, person};
use super::workspace::{View, ViewState};
use super::{Slack, blocks, events, methods};

impl Slack {
    /// Submits the view that a person has in front of them; `fields` are a block's identifier or label, and a value.
    pub async fn submit_view(
        &self,
        user: &str,
        fields: &[(&str, &str)],
    ) -> anyhow::Result<ViewAnswer> {
        self.core.submit(user, fields).await
    }

    /// A person writes into a menu of the view in front of them that asks the app for its entries, named as a field is; the
    /// values of those that the app offers.
    pub async fn look_into(
        &self,
        user: &str,
        menu: &str,
        written: &str,
    ) -> anyhow::Result<Vec<String>> {
        self.core.look_into(user, menu, written).await
    }

    /// A person opens the app's page, and what they see there is what the app published last.
    pub async fn open_home(&self, user: &str) -> anyhow::Result<Delivery> {
        let parcel = self.core.change(|workspace| {
            let user = person(workspace, user)?;
            Ok::<_, anyhow::Error>(events::of_opened_home(workspace, &user))
        })?;
        self.core.deliver_one(parcel).await
    }

    /// The page that the app published for a person last, in words: its headers, texts and the labels of its buttons.
    #[must_use]
    pub fn home(&self, user: &str) -> Option<String> {
        self.core.look(|workspace| {
            let user = person(workspace, user).ok()?;
            let view = &workspace.homes.get(&user)?.payload;
            let mut lines = Vec::new();
            for block in view["blocks"].as_array().into_iter().flatten() {
                let texts = [&block["text"]["text"], &block["accessory"]["text"]["text"]];
                lines.extend(texts.into_iter().filter_map(|text| text.as_str()));
                let buttons = block["elements"].as_array().into_iter().flatten();
                lines.extend(buttons.filter_map(|button| button["text"]["text"].as_str()));
            }
            Some(lines.join("\n"))
        })
    }

    /// Presses a button of the page that the app published for a person, by its label or `action_id`.
    pub async fn press_at_home(&self, user: &str, label: &str) -> anyhow::Result<Delivery> {
        self.core.press_at_home(user, label).await
    }

    /// What can be pressed on the page that the app published for a person: the labels of its buttons that are no links.
    #[must_use]
    pub fn buttons_at_home(&self, user: &str) -> Vec<String> {
        self.core.look(|workspace| {
            let user = person(workspace, user).ok();
            let page = user.and_then(|user| workspace.homes.get(&user));
            let buttons = page.map(|page| buttons_of(&page.payload));
            let buttons = buttons.unwrap_or_default();
            let pressed = buttons.iter().filter(|(_, button)| button["url"].is_null());
            let labels = pressed.filter_map(|(_, button)| button["text"]["text"].as_str());
            labels.map(str::to_owned).collect()
        })
    }

    /// Waits until the app has opened a view for a person.
    pub async fn wait_for_view(&self, user: &str, patience: Duration) -> anyhow::Result<View> {
        let user = self.look(|workspace| person(workspace, user))?;
        let mut changes = self.changes();
        let open = |core: &Core| core.look(|workspace| workspace.open_view(&user).cloned());
        let waiting = async {
            loop {
                if let Some(view) = open(&self.core) {
                    return Ok(view);
                }
                changes.changed().await?;
            }
        };
        tokio::time::timeout(patience, waiting)
            .await
            .context("no view was opened")?
    }
}

impl Core {
    /// A person, and the view that they have in front of them.
    fn in_front_of(&self, user: &str) -> anyhow::Result<(UserId, View)> {
        self.look(|workspace| {
            let user = person(workspace, user)?;
            let view = workspace.open_view(&user).cloned();
            Ok((user, view.context("nobody opened a view for this person")?))
        })
    }

    /// Submits the view that a person has in front of them; `fields` are a block's identifier or label, and a value.
    pub(crate) async fn submit(
        self: &Arc<Self>,
        user: &str,
        fields: &[(&str, &str)],
    ) -> anyhow::Result<ViewAnswer> {
        let (user, view) = self.in_front_of(user)?;
        let values = view_values(&view.payload, fields)?;
        let wire = methods::view_wire(&view, &values);
        let parcel =
            self.change(|workspace| events::of_view(workspace, "view_submission", &user, wire));
        let delivery = self.deliver_one(parcel).await?;
        if !delivery.accepted() {
            bail!(
                "the app did not take the view: {:?} {}",
                delivery.attempts,
                delivery.answer
            );
        }
        Ok(self.settle_view(&view.id, &delivery.answer))
    }

    /// Presses a button of the page that the app published for a person.
    pub(crate) async fn press_at_home(
        self: &Arc<Self>,
        user: &str,
        label: &str,
    ) -> anyhow::Result<Delivery> {
        let parcel = self.change(|workspace| {
            let user = person(workspace, user)?;
            let page = workspace.homes.get(&user);
            let page = page.context("nothing was published for this person")?;
            let wire = methods::view_wire(page, &json!({}));
            let is_it =
                |button: &Value| button["text"]["text"] == label || button["action_id"] == label;
            let (block, button) = buttons_of(&wire)
                .into_iter()
                .find(|(_, button)| is_it(button))
                .with_context(|| format!("the page has no button {label}: {wire}"))?;
            let (block, button) = (block.clone(), button.clone());
            anyhow::Ok(events::of_press_in_view(
                workspace,
                &user,
                wire.clone(),
                (&block, &button),
            ))
        })?;
        self.deliver_one(parcel).await
    }

    /// Asks the app for the entries of a menu in the view that a person has in front of them.
    pub(crate) async fn look_into(
        self: &Arc<Self>,
        user: &str,
        menu: &str,
        written: &str,
    ) -> anyhow::Result<Vec<String>> {
        let (user, view) = self.in_front_of(user)?;
        let wire = methods::view_wire(&view, &json!({}));
        let mut blocks = wire["blocks"].as_array().into_iter().flatten();
        let block = blocks.find(|block| {
            block["element"]["type"] == "external_select"
                && [
                    &block["block_id"],
                    &block["label"]["text"],
                    &block["element"]["action_id"],
                ]
                .iter()
                .any(|name| **name == menu)
        });
        let block = block.with_context(|| format!("the view has no menu {menu} to write into"))?;
        let least = block["element"]["min_query_length"].as_u64().unwrap_or(3);
        if (written.chars().count() as u64) < least {
            bail!("Slack asks for nothing before {least} characters are written");
        }
        let named = (
            block["block_id"].clone(),
            block["element"]["action_id"].clone(),
        );
        let parcel = self.change(|workspace| {
            events::of_suggestion(
                workspace,
                &user,
                wire.clone(),
                (&named.0, &named.1),
                written,
            )
        });
        let delivery = self.deliver_one(parcel).await?;
        if !delivery.accepted() {
            bail!(
                "the app told no entries: {:?} {}",
                delivery.attempts,
                delivery.answer
            );
        }
        let answer: Value = serde_json::from_str(&delivery.answer)?;
        let options = answer["options"]
            .as_array()
            .context("the app answered without options")?;
        for fault in blocks::option_faults(options) {
            self.record_violation(fault);
        }
        let values = options.iter().filter_map(|option| option["value"].as_str());
        Ok(values.map(str::to_owned).collect())
    }

    /// Does with a view what the app answered to its submission.
    fn settle_view(&self, id: &ViewId, answer: &str) -> ViewAnswer {
        let answer: Value = serde_json::from_str(answer).unwrap_or_default();
        match answer["response_action"].as_str() {
            Some("errors") => {
                let errors = answer["errors"].as_object().into_iter().flatten();
                let told = errors.map(|(block, told)| {
                    (block.clone(), told.as_str().unwrap_or_default().to_owned())
                });
                ViewAnswer::Errors(told.collect())
            }
            Some("update") => {
                self.change(|workspace| {
                    if let Some(view) = workspace.views.get_mut(id) {
                        view.payload = answer["view"].clone();
                    }
                });
                ViewAnswer::Updated
            }
            Some(_) | None => {
                self.close_view(id);
                ViewAnswer::Closed
            }
        }
    }

    /// Takes a view away from its person.
    pub(crate) fn close_view(&self, id: &ViewId) -> Option<View> {
        self.change(|workspace| {
            let view = workspace.views.get_mut(id)?;
            view.state = ViewState::Closed;
            Some(view.clone())
        })
    }
}

/// The buttons of a view, each with its block.
fn buttons_of(view: &Value) -> Vec<(&Value, &Value)> {
    let mut found = Vec::new();
    for block in view["blocks"].as_array().into_iter().flatten() {
        let elements = block["elements"].as_array().into_iter().flatten();
        let all = elements.chain(block.get("accessory"));
        let buttons = all.filter(|element| element["type"] == "button");
        found.extend(buttons.map(|button| (block, button)));
    }
    found
}

/// A view's state as a submission carries it: what was filled in, and initial values where nothing was.
fn view_values(view: &Value, fields: &[(&str, &str)]) -> anyhow::Result<Value> {
    let mut values = json!({});
    let mut known = Vec::new();
    for block in view["blocks"].as_array().into_iter().flatten() {
        if block["type"] != "input" {
            continue;
        }
        let names = [
            &block["block_id"],
            &block["label"]["text"],
            &block["element"]["action_id"],
        ];
        let names = names.map(|name| name.as_str().unwrap_or_default());
        let filled = fields
            .iter()
            .find(|(name, _)| names.contains(name))
            .map(|(_, value)| *value);
        known.extend(names);
        let element = &block["element"];
        let is_choice = ["static_select", "radio_buttons"]
            .iter()
            .any(|kind| element["type"] == *kind);
        let value = if element["type"] == "conversations_select" {
            json!({ "type": element["type"], "selected_conversation": filled })
        } else if element["type"] == "external_select" {
            let option = filled.map(
                |name| json!({ "text": { "type": "plain_text", "text": name }, "value": name }),
            );
            json!({ "type": element["type"], "selected_option": option })
        } else if is_choice {
            let chosen = filled.map(|label| option_of(element, label)).transpose()?;
            let chosen = chosen.unwrap_or_else(|| element["initial_option"].clone());
            json!({ "type": element["type"], "selected_option": chosen })
        } else {
            let written =
                filled.map_or_else(|| element["initial_value"].clone(), |text| json!(text));
            // An empty field travels as null.
            let written = if written == "" { Value::Null } else { written };
            json!({ "type": element["type"], "value": written })
        };
        values[names[0]][names[2]] = value;
    }
    match fields.iter().find(|(name, _)| !known.contains(name)) {
        Some((name, _)) => bail!("the view has no field {name}; it has {known:?}"),
        None => Ok(values),
    }
}
