//! Words that interrupt an agent: they wait until its turn has ended, are told to it, and whoever brought them hears when that
//! is stored.

use std::time::{Duration, Instant};

use deckhand_executors::agent::Turn;
use tokio::sync::oneshot;

use super::{Heard, Marked, Prepared, Watcher};
use crate::{
    domain::{effect::Assignment, event::RunFailure},
    words::{self, PromptExtra},
};

/// How long an agent may take to let itself be interrupted; then its run ends, and the words begin the next one.
const INTERRUPT_WITHIN: Duration = Duration::from_secs(5);

/// Words for an agent at work.
#[derive(Debug)]
pub struct Words {
    /// Their number among what is said to the run. None in what an earlier version stored.
    pub number: Option<u32>,
    /// The words.
    pub text: String,
    /// Answered when the agent was told and that is stored, dropped where that cannot be any more.
    pub told: oneshot::Sender<()>,
}

/// Words that wait for the end of the agent's turn.
#[derive(Debug, Default)]
pub(super) struct Pending {
    words: Vec<Words>,
    since: Option<Instant>,
}

/// Whether words are there for the first time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Brought {
    First,
    Again,
}

impl Pending {
    /// Adds words; those that are there already answer whoever has brought them last.
    fn add(&mut self, words: Words) -> Brought {
        let is_same = |one: &&mut Words| (one.number, &one.text) == (words.number, &words.text);
        if let Some(known) = self.words.iter_mut().find(is_same) {
            known.told = words.told;
            return Brought::Again;
        }
        self.since.get_or_insert_with(Instant::now);
        self.words.push(words);
        Brought::First
    }

    fn take(&mut self) -> Vec<Words> {
        self.since = None;
        std::mem::take(&mut self.words)
    }

    /// What the agent never took; none where it took all of it.
    pub(super) fn give_up(&mut self) -> Option<String> {
        let words = self.take().into_iter().map(|words| words.text);
        let words: Vec<String> = words.collect();
        (!words.is_empty()).then(|| words.join("\n"))
    }

    /// Whether the agent does not let itself be interrupted: some listen only between two answers of their model.
    pub(super) fn is_deaf(&self) -> bool {
        self.since
            .is_some_and(|since| since.elapsed() > INTERRUPT_WITHIN)
    }
}

impl Watcher<'_> {
    /// Interrupts the agent with words that it was not told yet.
    pub(super) async fn steer(&mut self, prepared: &mut Prepared, words: Words) {
        let heard = &prepared.ending.heard;
        if words.number.is_some_and(|number| heard.contains(&number)) {
            // Its effect was not ended, or that it was told was not stored.
            if self.mark(prepared).await == Marked::Stored {
                let _ = words.told.send(());
            }
            return;
        }
        if self.pending.add(words) == Brought::First && prepared.session.turn() == Turn::Open {
            prepared.session.cancel();
        }
    }

    /// Begins the next turn with what has interrupted the one before. None where nothing has.
    pub(super) async fn tell_pending(&mut self, prepared: &mut Prepared) -> Option<Heard> {
        let pending = self.pending.take();
        if pending.is_empty() {
            return None;
        }
        // What it said before is in front of what it says to this.
        self.flush_text().await;
        let said = pending.iter().map(|words| words.text.clone()).collect();
        let prompt = words::prompt(
            self.task,
            &Assignment::FollowUp { words: said },
            &PromptExtra {
                network: prepared.egress.allowed().to_vec(),
                ..PromptExtra::default()
            },
        );
        let Ok(prompt) = prompt else {
            return Some(Heard::Over(None));
        };
        if let Err(error) = prepared.session.prompt(&prompt).await {
            return Some(Heard::Over(Some(RunFailure::Other {
                detail: error.to_string(),
            })));
        }
        let numbers = pending.iter().filter_map(|words| words.number);
        prepared.ending.heard.extend(numbers);
        if self.mark(prepared).await == Marked::Stored {
            for words in pending {
                // Who does not wait any more brings them again.
                let _ = words.told.send(());
            }
        }
        Some(Heard::Going)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    fn words(number: u32, text: &str) -> (Words, oneshot::Receiver<()>) {
        let (told, is_told) = oneshot::channel();
        let words = Words {
            number: Some(number),
            text: text.to_owned(),
            told,
        };
        (words, is_told)
    }

    #[test]
    fn words_that_are_brought_again_wait_once_and_answer_who_waits_for_it() {
        let mut pending = Pending::default();
        let (first, mut is_told_first) = words(1, "the other file");
        let (other, _waits) = words(2, "and a test");
        let (again, mut is_told_again) = words(1, "the other file");
        assert_eq!(pending.add(first), Brought::First);
        assert_eq!(pending.add(other), Brought::First);
        assert_eq!(pending.add(again), Brought::Again);
        let taken = pending.take();
        let texts: Vec<&str> = taken.iter().map(|words| &*words.text).collect();
        assert_eq!(texts, ["the other file", "and a test"]);
        for words in taken {
            let _ = words.told.send(());
        }
        assert!(is_told_first.try_recv().is_err());
        is_told_again.try_recv().unwrap();
        assert_eq!(pending.give_up(), None);
    }

    #[test]
    fn words_that_are_given_up_answer_nobody_and_are_kept_together() {
        let mut pending = Pending::default();
        let (first, mut is_told) = words(1, "the other file");
        pending.add(first);
        pending.add(words(2, "and a test").0);
        let given_up = pending.give_up();
        assert_eq!(given_up.as_deref(), Some("the other file\nand a test"));
        assert!(is_told.try_recv().is_err());
        assert!(!pending.is_deaf());
    }
}
