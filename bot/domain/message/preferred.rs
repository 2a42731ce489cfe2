//! Settings that people may change themselves, as they are shown.

use serde::{Deserialize, Serialize};

use crate::domain::preferences::Preferences;

/// A person's settings, and those of where they ask.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SettingsCard {
    /// Their own.
    pub mine: Preferences,
    /// The channel, by its name in the settings; none outside of any.
    pub place: Option<String>,
    /// The channel's.
    pub here: Preferences,
    /// The agent where nobody set one.
    pub agent: String,
    /// Whether they may change anything.
    pub may_change: bool,
}
