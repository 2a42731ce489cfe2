//! Settings that people change themselves.

use askama::Template;

use super::tame::filters;
use crate::{
    domain::{
        message::SettingsCard,
        preferences::{Noise, Origin, Preferences, PreferencesOf},
    },
    surface::Control,
};

/// `settings.md`.
#[derive(Template)]
#[template(path = "messages/settings.md")]
pub(super) struct SettingsView<'a> {
    pub(super) card: &'a SettingsCard,
}

/// `settings_kept.md`.
#[derive(Template)]
#[template(path = "messages/settings_kept.md")]
pub(super) struct SettingsKeptView<'a> {
    pub(super) of: &'a PreferencesOf,
    pub(super) preferences: &'a Preferences,
}

/// What can be changed, by whoever may.
pub(super) fn controls(card: &SettingsCard) -> Vec<Control> {
    if !card.may_change {
        return Vec::new();
    }
    let here = card
        .place
        .clone()
        .map(|place| Control::Settings { place: Some(place) });
    let mine = Control::Settings { place: None };
    std::iter::once(mine).chain(here).collect()
}

/// What says that this repository or agent is meant, behind its name.
pub(super) const fn origin(origin: Option<Origin>) -> &'static str {
    match origin {
        Some(Origin::Thread) => " (as before in this conversation)",
        Some(Origin::Rules) => " (by the rules for this channel)",
        Some(Origin::Channel) => " (by the settings of this channel)",
        Some(Origin::Person) => " (by the settings of whoever asked)",
        Some(Origin::Filed) => " (by what the issue is filed under)",
        Some(Origin::Suggested) => " (as Linear suggests for the issue)",
        // Where there is no other, nothing was chosen.
        Some(Origin::Only) | None => "",
    }
}
