//! The agent's words until they are in the log, and where the first of them came: whoever takes the run up goes on there, so
//! that no line of the log is lost with the process that had heard half of it.

use deckhand_executors::agent::ResumePoint;

/// Words that are in no log yet.
#[derive(Debug, Default)]
pub(super) struct Unlogged {
    text: String,
    /// Up to where the agent was heard when there was nothing to write.
    point: Option<ResumePoint>,
}

impl Unlogged {
    /// None of what comes behind this.
    pub(super) const fn behind(point: ResumePoint) -> Self {
        Self {
            text: String::new(),
            point: Some(point),
        }
    }

    pub(super) fn push(&mut self, text: &str) {
        self.text.push_str(text);
    }

    /// How much it is, in bytes.
    pub(super) const fn len(&self) -> usize {
        self.text.len()
    }

    pub(super) fn take(&mut self) -> String {
        std::mem::take(&mut self.text)
    }

    /// Keeps the last word back: it may go on, and half a secret looks like none.
    pub(super) fn take_whole_words(&mut self) -> String {
        let last = self.text.rsplit_once(char::is_whitespace);
        let last = last.map_or_else(String::new, |(_, last)| last.to_owned());
        let mut whole = std::mem::replace(&mut self.text, last);
        whole.truncate(whole.len() - self.text.len());
        // To hear the word that is kept would be to hear all of this again.
        self.point = None;
        whole
    }

    /// The agent was heard up to here, and what is to be written of that is here.
    pub(super) fn heard_to(&mut self, point: ResumePoint) {
        if self.text.is_empty() || self.point.is_none() {
            self.point = Some(point);
        }
    }

    /// Where whoever takes the run up goes on, who has none of these words; `now` is up to where the agent was heard.
    pub(super) fn point(&self, now: ResumePoint) -> ResumePoint {
        match &self.point {
            Some(point) if !self.text.is_empty() => point.clone(),
            Some(_) | None => now,
        }
    }
}

#[cfg(test)]
mod tests {
    use deckhand_executors::agent::{AgentSessionId, MicroDollars, PermissionAnswer};

    use super::*;

    fn at(position: u64) -> ResumePoint {
        ResumePoint {
            session: AgentSessionId("s".to_owned()),
            position,
            prompts: 1,
            permissions: PermissionAnswer::Allow,
            cost_before: MicroDollars::default(),
        }
    }

    #[test]
    fn who_goes_on_hears_what_is_in_no_log_again_and_nothing_else() {
        let mut words = Unlogged::behind(at(10));
        assert_eq!(words.point(at(10)), at(10));
        words.push("The offset ");
        words.heard_to(at(20));
        words.push("counts");
        words.heard_to(at(30));
        assert_eq!(words.point(at(30)), at(10));
        assert_eq!(words.take(), "The offset counts");
        assert_eq!(words.point(at(30)), at(30));
        words.heard_to(at(40));
        words.push("users.");
        assert_eq!(words.point(at(50)), at(40));
    }

    #[test]
    fn of_a_long_text_only_whole_words_are_written_and_none_of_them_is_heard_again() {
        let mut words = Unlogged::behind(at(10));
        words.push("one two thr");
        assert_eq!(words.take_whole_words(), "one two ");
        assert_eq!(words.point(at(20)), at(20));
        words.heard_to(at(20));
        words.push("ee");
        words.heard_to(at(30));
        assert_eq!(words.point(at(30)), at(20));
        assert_eq!(words.take(), "three");
        words.push("without-an-end");
        assert_eq!(words.take_whole_words(), "without-an-end");
        assert_eq!(words.len(), 0);
    }
}
