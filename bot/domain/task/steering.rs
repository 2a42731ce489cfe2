//! Words that interrupt the agent at work. Their effect says them to it; the task keeps them beside that until the run is
//! over, and says again what its agent has not heard.

use super::{State, Surroundings, Task, WAITING_WORDS_MAX, work::as_told};
use crate::domain::{
    Timestamp,
    command::Options,
    conversation::Line,
    effect::{Assignment, Effect},
    event::{Ending, RunFailure},
    message::Phase,
};

impl Task {
    pub(super) fn steered(
        &mut self,
        line: &Line,
        text: &str,
        at: Timestamp,
        around: &Surroundings,
    ) -> Vec<Effect> {
        let State::Running { run } = self.state else {
            return self.words(line, text, &Options::default(), true, at, around);
        };
        if self.words_kept() >= WAITING_WORDS_MAX {
            return vec![self.nothing_to_do(&line.author, "take more words before the next turn")];
        }
        // The run that hears the words gets what came with them.
        self.hand_files_to(run);
        self.steering.push(Line {
            text: text.to_owned(),
            ..line.clone()
        });
        let number = u32::try_from(self.steering.len()).ok();
        let came = self.reply_files.iter();
        let came = came.filter(|one| one.line == line.reference);
        vec![
            Effect::Steer {
                run,
                number,
                text: text.to_owned(),
                files: came.map(|one| one.file.handle.clone()).collect(),
            },
            Effect::Hear {
                line: line.reference.clone(),
            },
        ]
    }

    /// How many sentences the task keeps for its runs: all of it may come to be in one prompt.
    fn words_kept(&self) -> usize {
        let of_this_run = match &self.assignment {
            Some(Assignment::FollowUp { words }) => words.len(),
            _ => 0,
        };
        self.steering.len() + self.waiting.len() + of_this_run
    }

    /// Goes on at once with what was said to a run that is over and that its agent has not heard. None where there is nothing,
    /// or where the run failed: then whatever is started in its place begins with it.
    pub(super) fn go_on_with_unheard(&mut self, ending: &Ending) -> Option<Vec<Effect>> {
        let mut number = 0;
        self.steering.retain(|_| {
            number += 1;
            !ending.heard.contains(&number)
        });
        // Somebody may have the work finished as it is. The words wait for what follows that.
        if ending.failure == Some(RunFailure::OutOfWorkTime) && !self.steering.is_empty() {
            return None;
        }
        let mut words = self.take_unheard(ending);
        if words.is_empty() {
            return None;
        }
        if ending.failure.is_none() {
            self.report = ending.report.clone().or_else(|| self.report.take());
            words.extend(self.take_waiting());
            let start = self.start_run(Assignment::FollowUp { words });
            return Some(vec![start, self.say_progress(Phase::Preparing)]);
        }
        if let Some(Assignment::FollowUp { words: earlier }) = self.assignment.take() {
            words.splice(0..0, earlier);
        }
        self.assignment = Some(Assignment::FollowUp { words });
        None
    }

    fn take_unheard(&mut self, ending: &Ending) -> Vec<String> {
        let unheard = std::mem::take(&mut self.steering);
        if unheard.is_empty() {
            return ending.unheard.clone().into_iter().collect();
        }
        self.take_files_back(&unheard);
        as_told(unheard)
    }

    /// What was said to a run that did not end by itself waits for the next turn, before what waits for that anyway.
    pub(super) fn keep_unheard(&mut self) {
        if self.steering.is_empty() || matches!(self.state, State::Running { .. }) {
            return;
        }
        let unheard = std::mem::take(&mut self.steering);
        self.take_files_back(&unheard);
        self.waiting.splice(0..0, unheard);
    }
}
