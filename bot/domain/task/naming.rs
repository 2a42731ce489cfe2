//! What a task is called: for people, and as a branch.

use super::Task;
use crate::domain::clip;

impl Task {
    /// The branch that the work goes to: `deckhand/<slug>-<id>`. It is made of the request's first line, so that it is
    /// the same from the first checkout to the last follow-up.
    #[must_use]
    pub fn branch(&self) -> String {
        let first = self.request.text.lines().next().unwrap_or_default();
        let named_after = self.named_after.as_deref().unwrap_or(first);
        format!("deckhand/{}-{}", slug(named_after), self.id)
    }

    /// The title, or the first words of the request.
    #[must_use]
    pub fn title(&self) -> String {
        self.specification.as_ref().map_or_else(
            || clip(self.request.text.lines().next().unwrap_or_default(), 80),
            |specification| specification.title.clone(),
        )
    }
}

/// The longest slug in a branch name, in characters.
const SLUG_MAX_CHARS: usize = 40;

fn slug(text: &str) -> String {
    let mut slug = String::new();
    for character in text.chars() {
        if character.is_ascii_alphanumeric() {
            slug.push(character.to_ascii_lowercase());
        } else if !slug.ends_with('-') && !slug.is_empty() {
            slug.push('-');
        }
        if slug.len() >= SLUG_MAX_CHARS {
            break;
        }
    }
    let slug = slug.trim_end_matches('-');
    if slug.is_empty() {
        "task".to_owned()
    } else {
        slug.to_owned()
    }
}
