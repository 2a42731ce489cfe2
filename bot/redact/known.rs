//! Tells those who look through a change where the secrets of this process stand in it.

use std::{
    ops::Range,
    sync::{Arc, PoisonError},
};

use deckhand_executors::broker::KnownSecrets;

use super::Redactor;

impl KnownSecrets for Redactor {
    fn find(&self, text: &[u8]) -> Vec<Range<usize>> {
        let held = self.inner.held.read();
        let finder = Arc::clone(&held.unwrap_or_else(PoisonError::into_inner).finder);
        let mut places: Vec<Range<usize>> = finder
            .spans(text)
            .into_iter()
            .map(|(start, end)| start..end)
            .collect();
        places.sort_by_key(|place| (place.start, place.end));
        places
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn a_held_secret_is_found_in_a_change_and_a_lookalike_is_not() {
        let redactor = Redactor::new(["correct-horse-battery".to_owned().into()]).unwrap();
        let text = b"x = 'correct-horse-battery'; y = 'ghp_aaaaaaaaaaaaaaaaaaaaaaaa'";
        assert_eq!(
            redactor.find(text).as_slice(),
            std::slice::from_ref(&(5..26))
        );
        let encoded = b"eCA9IGNvcnJlY3QtaG9yc2UtYmF0dGVyeQ==";
        assert_eq!(redactor.find(encoded).len(), 1);
    }
}
