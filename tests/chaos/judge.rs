//! What is asked of a run when it is over. It reads a record of what the stand-ins, the database and the engine saw, so
//! that each question can be tried on a record that is made up.

use std::{collections::BTreeMap, time::Duration};

/// Secrets that must not be seen anywhere but in the bot's own settings.
pub const CANARIES: [&str; 5] = [
    "xoxb-2041-canary-of-the-bots-token",
    "canary-of-slacks-signing-secret-77",
    "ghp_canaryOfThePersonalToken0181",
    "canary-of-githubs-webhook-secret-90",
    "sk-canary-model-key-that-never-enters-a-sandbox-4410",
];
/// The words of the confirmation of a cancel.
pub const CONFIRMED: &str = "Cancelled by";

/// How the card of a task begins that was cancelled.
pub const OVER: &str = "This task was cancelled.";

/// How a story ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// With a pull request that was merged.
    Merged,
    /// Stopped before there was a pull request.
    Stopped,
    /// Stopped so late that the pull request may be there.
    StoppedLate,
}

/// What can be done to the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    Said,
    /// To one person alone.
    Whispered,
    /// What was said was changed.
    Changed,
    Pushed,
    Opened,
    AskedAModel,
}

/// Something that was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Act {
    /// Since the story began.
    pub at: Duration,
    pub deed: Deed,
    pub words: String,
}

/// A message that everybody sees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// The name that the bot gave to its place in the thread.
    pub slot: String,
    pub words: String,
}

/// What was seen of a run.
#[derive(Clone, Debug)]
pub struct Record {
    pub ending: Ending,
    /// Whether Slack made a change of a message wait.
    pub change_waited: bool,
    /// Whether somebody still did something after they had said stop, which they may be answered in private.
    pub went_on: bool,
    /// How the task stands; `gone` where there is none.
    pub state: String,
    pub pull_requests: usize,
    /// What stands in the thread at the end.
    pub shown: Vec<Shown>,
    /// What was done, in no order.
    pub acts: Vec<Act>,
    /// What people asked for that the work does not have.
    pub unheard: Vec<String>,
    /// Deliveries and effects that were given up.
    pub given_up: Vec<String>,
    /// Deliveries, effects, sandboxes and volumes that are still there.
    pub left: Vec<String>,
    /// What the platforms say that the bot did against their rules.
    pub rules_broken: Vec<String>,
    /// Everything that was kept or shown, by where.
    pub kept: Vec<(String, Vec<u8>)>,
}

impl Record {
    /// A sentence for each thing that must not be.
    pub fn violations(&self) -> Vec<String> {
        let mut violations = Vec::new();
        violations.extend(self.wrong_end());
        violations.extend(self.wrong_pull_requests());
        violations.extend(self.said_twice());
        violations.extend(self.after_the_cancel());
        violations.extend(self.confirmed_again());
        violations.extend(self.unheard.iter().map(|what| format!("not heard: {what}")));
        violations.extend(self.given_up.iter().map(|row| format!("given up: {row}")));
        violations.extend(self.left.iter().map(|what| format!("left: {what}")));
        violations.extend(self.rules_broken.iter().cloned());
        violations.extend(self.secrets());
        violations
    }

    fn wrong_end(&self) -> Option<String> {
        let wanted = match self.ending {
            Ending::Merged => "completed",
            Ending::Stopped | Ending::StoppedLate => "canceled",
        };
        (self.state != wanted).then(|| format!("the task is {}, not {wanted}", self.state))
    }

    fn wrong_pull_requests(&self) -> Option<String> {
        let wanted = match self.ending {
            Ending::Merged => 1..=1,
            Ending::Stopped => 0..=0,
            Ending::StoppedLate => 0..=1,
        };
        (!wanted.contains(&self.pull_requests))
            .then(|| format!("there are {} pull requests", self.pull_requests))
    }

    /// A place in the thread is filled once, whatever stands in it.
    fn said_twice(&self) -> Vec<String> {
        let mut slots: BTreeMap<&str, usize> = BTreeMap::new();
        for message in &self.shown {
            *slots.entry(&message.slot).or_default() += 1;
        }
        let doubles = self
            .shown
            .iter()
            .filter(|message| slots[&*message.slot] > 1);
        doubles
            .map(|message| format!("said twice, as {}: {}", message.slot, message.words))
            .collect()
    }

    /// After the confirmation nothing is said, changed, pushed, opened or asked of a model. Only the card of the task, which
    /// stands there, says that it is over as soon as Slack lets it; and who went on after their stop is told that it has ended.
    fn after_the_cancel(&self) -> Vec<String> {
        if self.ending == Ending::Merged {
            return Vec::new();
        }
        let confirms = |act: &&Act| {
            matches!(act.deed, Deed::Said | Deed::Changed) && act.words.contains(CONFIRMED)
        };
        let is_card = |act: &&Act| {
            self.change_waited && act.deed == Deed::Changed && act.words.starts_with(OVER)
        };
        let is_answer = |act: &&Act| self.went_on && act.deed == Deed::Whispered;
        let confirmations = self.acts.iter().filter(confirms);
        let Some(confirmed) = confirmations.map(|act| act.at).min() else {
            return vec!["the cancel was not confirmed".to_owned()];
        };
        let late = self.acts.iter().filter(|act| {
            // The same words may be put into their place again.
            act.at > confirmed && !confirms(act) && !is_card(act) && !is_answer(act)
        });
        late.map(|act| {
            let after = act.at.saturating_sub(confirmed);
            format!(
                "{:?} {after:?} after the confirmation of a cancel: {}",
                act.deed, act.words
            )
        })
        .collect()
    }

    /// A cancel is confirmed once, also where it was asked for twice.
    fn confirmed_again(&self) -> Option<String> {
        let shown = self.shown.iter();
        let confirmations = shown.filter(|message| message.words.contains(CONFIRMED));
        let count = confirmations.count();
        (count > 1).then(|| format!("the cancel was confirmed {count} times"))
    }

    fn secrets(&self) -> Vec<String> {
        let mut found = Vec::new();
        for (place, bytes) in &self.kept {
            let secrets = secrets_in(bytes);
            found.extend(secrets.map(|canary| format!("{place} holds {canary}")));
        }
        found
    }
}

/// Whether a secret is in there.
pub fn has_secret(bytes: &[u8]) -> bool {
    secrets_in(bytes).next().is_some()
}

/// Secrets as they are, and as a database prints bytes.
fn secrets_in(bytes: &[u8]) -> impl Iterator<Item = &'static str> {
    CANARIES.into_iter().filter(|canary| {
        let hex = hex::encode(canary);
        holds(bytes, canary.as_bytes()) || holds(bytes, hex.as_bytes())
    })
}

fn holds(bytes: &[u8], wanted: &[u8]) -> bool {
    memchr::memmem::find(bytes, wanted).is_some()
}

/// The tests of the questions: each is asked of a record in which one thing is wrong.
pub mod tests {
    use std::time::Duration;

    use super::{Act, CANARIES, Deed, Ending, OVER, Record, Shown};

    fn said(at_ms: u64, words: &str) -> Act {
        act(at_ms, Deed::Said, words)
    }

    fn act(at_ms: u64, deed: Deed, words: &str) -> Act {
        Act {
            at: Duration::from_millis(at_ms),
            deed,
            words: words.to_owned(),
        }
    }

    fn shown(slot: &str, words: &str) -> Shown {
        Shown {
            slot: slot.to_owned(),
            words: words.to_owned(),
        }
    }

    fn merged() -> Record {
        Record {
            ending: Ending::Merged,
            change_waited: false,
            went_on: false,
            state: "completed".to_owned(),
            pull_requests: 1,
            shown: vec![shown("plan", "The plan"), shown("result", "The result")],
            acts: vec![
                said(10, "The plan"),
                act(20, Deed::AskedAModel, "/v1/messages"),
                act(30, Deed::Pushed, "deckhand/1"),
                act(40, Deed::Opened, "acme/web#1"),
                said(50, "The result"),
            ],
            unheard: Vec::new(),
            given_up: Vec::new(),
            left: Vec::new(),
            rules_broken: Vec::new(),
            kept: vec![("the log".to_owned(), b"The bot listens.".to_vec())],
        }
    }

    fn stopped() -> Record {
        Record {
            ending: Ending::Stopped,
            state: "canceled".to_owned(),
            pull_requests: 0,
            shown: vec![shown("plan", "The plan"), shown("end", "Cancelled by Ana")],
            acts: vec![
                said(10, "The plan"),
                said(20, "Cancelled by Ana"),
                said(25, "Cancelled by Ana"),
            ],
            ..merged()
        }
    }

    fn finds(record: &Record, words: &str) {
        let violations = record.violations();
        assert!(
            matches!(violations.as_slice(), [one] if one.contains(words)),
            "not found alone: {words}: {violations:?}"
        );
    }

    pub fn what_is_right_is_left_alone() {
        for record in [merged(), stopped()] {
            assert_eq!(record.violations(), Vec::<String>::new());
        }
        for pull_requests in [0, 1] {
            let record = Record {
                ending: Ending::StoppedLate,
                pull_requests,
                ..stopped()
            };
            assert_eq!(record.violations(), Vec::<String>::new());
        }
    }

    pub fn a_wrong_end_is_found() {
        let mut record = merged();
        record.state = "in_review".into();
        finds(&record, "the task is in_review, not completed");
        let mut record = stopped();
        record.state = "running".into();
        finds(&record, "the task is running, not canceled");
        record.state = "gone".into();
        finds(&record, "the task is gone, not canceled");
    }

    pub fn missing_and_second_pull_requests_are_found() {
        for (mut record, wrong) in [(merged(), 0), (merged(), 2), (stopped(), 1)] {
            record.pull_requests = wrong;
            finds(&record, &format!("there are {wrong} pull requests"));
        }
        let mut record = stopped();
        record.ending = Ending::StoppedLate;
        record.pull_requests = 2;
        finds(&record, "there are 2 pull requests");
    }

    pub fn doubles_are_found_also_with_other_words() {
        let mut record = merged();
        record.shown.push(shown("plan", "The plan, said otherwise"));
        let violations = record.violations();
        assert_eq!(violations.len(), 2, "{violations:?}");
        assert!(
            violations
                .iter()
                .all(|violation| violation.contains("said twice, as plan"))
        );
    }

    pub fn everything_after_a_cancel_is_found() {
        for deed in [
            Deed::Said,
            Deed::Whispered,
            Deed::Changed,
            Deed::Pushed,
            Deed::Opened,
            Deed::AskedAModel,
        ] {
            let mut record = stopped();
            record.change_waited = true;
            record.acts.push(act(21, deed, "something"));
            finds(&record, &format!("{deed:?} 1ms after the confirmation"));
        }
        // The card's last words may come late where Slack made them wait, and in their place only.
        let mut record = stopped();
        record.acts.push(act(21, Deed::Changed, OVER));
        finds(&record, "Changed 1ms after the confirmation");
        record.change_waited = true;
        assert_eq!(record.violations(), Vec::<String>::new());
        record.acts.push(act(22, Deed::Said, OVER));
        finds(&record, "Said 2ms after the confirmation");
        let mut record = stopped();
        record.acts.truncate(1);
        finds(&record, "the cancel was not confirmed");
    }

    pub fn a_second_stop_is_answered_in_private_and_confirms_nothing_again() {
        let mut record = stopped();
        record.went_on = true;
        record.acts.push(act(21, Deed::Whispered, "It has ended."));
        assert_eq!(record.violations(), Vec::<String>::new());
        record.acts.push(said(22, "It has ended."));
        finds(&record, "Said 2ms after the confirmation");
        let mut record = stopped();
        record.went_on = true;
        record.shown.push(shown("another end", "Cancelled by Ana"));
        finds(&record, "the cancel was confirmed 2 times");
    }

    pub fn what_is_not_heard_is_found() {
        let mut record = merged();
        record.unheard.push("a second line".to_owned());
        finds(&record, "not heard: a second line");
    }

    pub fn what_is_given_up_or_left_is_found() {
        let mut record = merged();
        record.given_up.push("an effect".to_owned());
        finds(&record, "given up: an effect");
        let mut record = stopped();
        record.left.push("the sandbox deckhand-1-run-1".to_owned());
        finds(&record, "left: the sandbox deckhand-1-run-1");
        let mut record = merged();
        record
            .rules_broken
            .push("two fields are missing".to_owned());
        finds(&record, "two fields are missing");
    }

    pub fn every_secret_is_found_as_text_and_as_bytes() {
        for canary in CANARIES {
            let hex = hex::encode(canary);
            for text in [format!("a{canary}b"), format!("\\x00{hex}00")] {
                let mut record = merged();
                record
                    .kept
                    .push(("the table".to_owned(), text.into_bytes()));
                finds(&record, &format!("the table holds {canary}"));
            }
        }
    }
}
