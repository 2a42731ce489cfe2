//! Where tasks are talked about, as platforms said it.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use crate::domain::TaskId;

/// The most tasks whose page is remembered; beyond it, all are asked for anew.
const PAGES_MAX: usize = 1_000;
/// For how long it is believed that a page is not known.
const UNKNOWN_FOR: Duration = Duration::from_mins(1);

/// The pages that are known; clones share them.
#[derive(Debug, Clone, Default)]
pub struct KnownPages(Arc<Mutex<HashMap<TaskId, Told>>>);

/// What a platform said of a task's page, and when; none where it said nothing.
#[derive(Debug)]
struct Told {
    at: Instant,
    page: Option<String>,
}

/// What is known of a task's page.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Page {
    /// Its address.
    At(String),
    /// Its platform did not say it a moment ago.
    Unknown,
    /// Its platform has to be asked.
    Unasked,
}

impl KnownPages {
    /// The page of a task.
    pub(super) fn of(&self, task: &TaskId) -> Page {
        match self.pages().get(task) {
            Some(Told {
                page: Some(page), ..
            }) => Page::At(page.clone()),
            Some(told) if told.at.elapsed() < UNKNOWN_FOR => Page::Unknown,
            Some(_) | None => Page::Unasked,
        }
    }

    /// Remembers what a platform said, or that it did not.
    pub(super) fn learn(&self, task: &TaskId, page: Option<String>) {
        let mut pages = self.pages();
        if pages.len() >= PAGES_MAX {
            pages.clear();
        }
        let at = Instant::now();
        pages.insert(task.clone(), Told { at, page });
    }

    fn pages(&self) -> MutexGuard<'_, HashMap<TaskId, Told>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_page_is_asked_for_once_and_one_that_is_not_known_a_minute_later_again() {
        let pages = KnownPages::default();
        let [found, missing] = ["a", "b"].map(|id| TaskId(id.to_owned()));
        assert_eq!(pages.of(&found), Page::Unasked);
        pages.learn(&found, Some("page".to_owned()));
        pages.learn(&missing, None);
        tokio::time::advance(UNKNOWN_FOR / 2).await;
        assert_eq!(pages.of(&missing), Page::Unknown);
        tokio::time::advance(UNKNOWN_FOR).await;
        assert_eq!(pages.of(&missing), Page::Unasked);
        assert_eq!(pages.of(&found), Page::At("page".to_owned()));
        for number in 0..PAGES_MAX {
            pages.learn(&TaskId(number.to_string()), None);
        }
        assert_eq!(pages.of(&found), Page::Unasked, "there is no end to tasks");
    }
}
