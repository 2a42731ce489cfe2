//! What applies to whoever asks, and what says so: `why`, `limits` and `experts`.

use askama::Template;

use super::{
    amounts::{Cut, Room, clock_of, count, duration, gigabytes, long_duration, spent},
    tame::filters,
};
use crate::domain::{
    Timestamp,
    attachment::{NUMBER_MAX, SIZE_MAX_BYTES},
    message::{AppliedTerms, Because, LimitsCard, Used, WhyCard},
    network::Verdict,
    policy::{Act, Refusal, Who},
    preferences::Origin,
    task::WAITING_WORDS_MAX,
};

/// `why.md`.
#[derive(Template)]
#[template(path = "messages/why.md")]
pub(super) struct WhyView<'a> {
    pub(super) card: &'a WhyCard,
    pub(super) room: Room,
}

#[expect(
    clippy::unused_self,
    clippy::trivially_copy_pass_by_ref,
    reason = "a template calls it so"
)]
impl WhyView<'_> {
    fn task(&self) -> Option<&str> {
        let terms = self.card.terms.as_ref()?;
        terms.task.as_deref()
    }

    fn terms(&self) -> Option<&AppliedTerms> {
        self.card.terms.as_deref()
    }

    fn cut<'b, T>(&self, list: &'b [T]) -> Cut<'b, T> {
        self.room.cut(list)
    }

    fn people(&self, number: &usize) -> String {
        count(*number, "person", "people")
    }

    /// How many of the people are not named.
    fn others(&self, number: &usize) -> usize {
        number.saturating_sub(self.card.people.len())
    }

    fn source(&self, because: &Because, setting: &str) -> String {
        because_of(*because, setting)
    }

    fn time(&self, milliseconds: &i64) -> String {
        duration(*milliseconds)
    }

    fn clock(&self, at: &Timestamp) -> String {
        clock_of(*at)
    }
}

/// What says that something is so, in words. `setting` is the variable that holds for every task.
fn because_of(because: Because, setting: &str) -> String {
    match because {
        Because::Said => "said in the request, or since".to_owned(),
        Because::Set(Origin::Thread) => "as before in this conversation".to_owned(),
        Because::Set(Origin::Rules) => {
            "by the rules of this installation for this channel".to_owned()
        }
        Because::Set(Origin::Channel) => "by the settings of this channel".to_owned(),
        Because::Set(Origin::Person) => "by the settings of whoever asked".to_owned(),
        Because::Set(Origin::Filed) => {
            "by the rules of this installation for what the issue is filed under".to_owned()
        }
        Because::Set(Origin::Suggested) => "as Linear suggests for the issue".to_owned(),
        Because::Set(Origin::Only) => "the only one in reach".to_owned(),
        Because::Installation => format!("by this installation, `{setting}`"),
        Because::Repository => "by this installation, for this repository".to_owned(),
        Because::Unset => {
            format!("by the key that this installation has, as `{setting}` is not set")
        }
    }
}

/// `limits.md`.
#[derive(Template)]
#[template(path = "messages/limits.md")]
pub(super) struct LimitsView<'a> {
    pub(super) card: &'a LimitsCard,
}

#[expect(
    clippy::unused_self,
    clippy::trivially_copy_pass_by_ref,
    reason = "a template calls it so"
)]
impl LimitsView<'_> {
    fn source(&self, because: &Because, setting: &str) -> String {
        because_of(*because, setting)
    }

    fn time(&self, milliseconds: &i64) -> String {
        duration(*milliseconds)
    }

    fn long(&self, milliseconds: &i64) -> String {
        long_duration(*milliseconds)
    }

    fn spent(&self, used: &Used) -> String {
        spent(used.spent)
    }

    fn times(&self, number: &u8) -> String {
        match number {
            0 => "never".to_owned(),
            1 => "once".to_owned(),
            2 => "twice".to_owned(),
            _ => format!("{number} times"),
        }
    }

    fn gigabytes(&self, bytes: &u64) -> String {
        gigabytes(*bytes)
    }

    fn megabytes(&self, bytes: &u64) -> u64 {
        bytes >> 20
    }

    fn files_max(&self) -> usize {
        NUMBER_MAX
    }

    fn size_max(&self) -> u64 {
        SIZE_MAX_BYTES >> 20
    }

    fn words_max(&self) -> usize {
        WAITING_WORDS_MAX
    }
}

/// `experts.md`.
#[derive(Template)]
#[template(path = "messages/experts.md")]
pub(super) struct ExpertsView<'a> {
    pub(super) agents: &'a [String],
    pub(super) room: Room,
}

impl ExpertsView<'_> {
    fn cut<'b, T>(&self, list: &'b [T]) -> Cut<'b, T> {
        self.room.cut(list)
    }
}
