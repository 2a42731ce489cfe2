//! Manners under Slack's limits: one message a second in a channel, so many calls of a method in a minute, and whoever is
//! told to wait waits for everybody.
//!
//! The tiers are counted here before anything is asked ([`super::tiers`]). What Slack says goes before that: one refused call
//! tells how long its method has to rest, and the others of that method do not ask meanwhile.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use super::{
    api::transient,
    methods::{self, Method},
    tiers::{Count, Urgency},
};
use crate::{clock::Clock, domain::Timestamp, surface::SurfaceError};

/// One message in a channel for each of these, in milliseconds. Source: Slack's guide to rate limits, on posting messages.
const MESSAGE_EVERY_MS: i64 = 1_000;
/// How many may come in a burst; Slack allows short ones and gives no number.
const BURST: i64 = 10;
/// How long a call waits for its turn, in milliseconds. Who would wait longer comes again: a status may be an old one by then.
const WAIT_MAX_MS: i64 = 2_000;
/// How long a method rests when Slack does not say.
const REST: Duration = Duration::from_secs(5);
/// Channels that are remembered before those are forgotten in which nothing was said for a while.
const CHANNELS_MAX: usize = 1_024;

/// What was said where, and which methods rest, in one workspace.
#[derive(Debug)]
pub(super) struct Manners {
    clock: Clock,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    /// Until when each method rests.
    rests: HashMap<Method, Timestamp>,
    /// When all that was said in each channel would have been said, one message at a time.
    said: HashMap<String, Timestamp>,
    /// What was called in the last minute, by method.
    counts: HashMap<Method, Count>,
    /// How many times as much as Slack publishes is called besides.
    more: usize,
}

/// A call that waits for its turn.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asking<'a> {
    /// What is called.
    pub(super) method: Method,
    /// How much somebody waits for it.
    pub(super) urgency: Urgency,
    /// Where it would be heard.
    pub(super) channel: Option<&'a str>,
    /// What it would change.
    pub(super) subject: &'a str,
}

impl Manners {
    pub(super) fn new(clock: Clock) -> Self {
        Self {
            clock,
            inner: Mutex::default(),
        }
    }

    /// The same before anything was called, where Slack allows so many times what it publishes.
    pub(super) fn allowed(&self, times: u16) -> Self {
        let more = usize::from(times.saturating_sub(1));
        Self {
            clock: self.clock.clone(),
            inner: Mutex::new(Inner {
                more,
                ..Inner::default()
            }),
        }
    }

    /// Waits until it is this call's turn; an error with how long it would be where that is long.
    pub(super) async fn turn(&self, asking: Asking<'_>) -> Result<(), SurfaceError> {
        let wait = self.inner().turn(asking, self.clock.steady());
        let name = asking.method.name();
        let wait = wait.map_err(|wait| transient(name, "limits us", Some(wait)))?;
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
        Ok(())
    }

    /// Slack has refused a call because there were too many.
    pub(super) fn refused(&self, method: Method, wait: Option<Duration>) {
        let wait = i64::try_from(wait.unwrap_or(REST).as_millis()).unwrap_or(i64::MAX);
        let until = Timestamp(self.clock.steady().0.saturating_add(wait));
        let mut inner = self.inner();
        let rest = inner.rests.entry(method).or_insert(until);
        *rest = until.max(*rest);
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// How long a call waits for its turn, which it has then; how long that would be where it is too long.
    fn turn(&mut self, asking: Asking<'_>, now: Timestamp) -> Result<Duration, Duration> {
        let Asking {
            method,
            urgency,
            channel,
            subject,
        } = asking;
        let rested = self.rests.get(&method).copied().unwrap_or(now).max(now);
        let channel = channel.filter(|_| method == methods::SAY);
        let said = channel.and_then(|channel| self.said.get(channel)).copied();
        let said = said.unwrap_or(now).max(now);
        let mut at = match channel {
            Some(_) => rested.0.max(said.0 - MESSAGE_EVERY_MS * (BURST - 1)),
            None => rested.0,
        };
        let count = self.counts.entry(method).or_default();
        let a_minute = method.tier().a_minute();
        let a_minute = a_minute.map(|published| published * (1 + self.more));
        if let Some(a_minute) = a_minute {
            at = at.max(count.due(a_minute, (urgency, subject), now).0);
        }
        let wait = Duration::from_millis(u64::try_from(at - now.0).unwrap_or(0));
        if urgency == Urgency::Passing && at > now.0 {
            count.stand_in_line(subject, Timestamp(at));
            return Err(wait);
        }
        if at - now.0 > WAIT_MAX_MS {
            return Err(wait);
        }
        if let Some(a_minute) = a_minute {
            count.made(a_minute, subject, Timestamp(at));
        }
        if let Some(channel) = channel {
            if self.said.len() >= CHANNELS_MAX {
                self.said.retain(|_, said| *said > now);
            }
            let said = Timestamp(said.0.max(at) + MESSAGE_EVERY_MS);
            self.said.insert(channel.to_owned(), said);
        }
        Ok(wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_000_000);

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn later(seconds: i64) -> Timestamp {
        Timestamp(NOW.0 + seconds * 1_000)
    }

    fn asking(method: Method, channel: Option<&str>) -> Asking<'_> {
        Asking {
            method,
            urgency: method.urgency(),
            channel,
            subject: "",
        }
    }

    #[test]
    fn what_is_over_the_tier_waits_a_little_or_comes_again_and_a_status_never_waits_with_old_words()
    {
        let mut manners = Inner::default();
        let edit = asking(methods::EDIT, None);
        let status = Asking {
            urgency: Urgency::Passing,
            subject: "C1/1.0",
            ..edit
        };
        for second in 0..25 {
            assert_eq!(manners.turn(edit, later(second)), Ok(Duration::ZERO));
            assert_eq!(manners.turn(edit, later(second)), Ok(Duration::ZERO));
        }
        assert_eq!(manners.turn(edit, later(25)), Err(seconds(36)));
        // Whoever waits for the first two to be a minute old has a turn; the next one is the third's.
        assert_eq!(manners.turn(edit, later(59)), Ok(seconds(2)));
        assert_eq!(manners.turn(edit, later(59)), Ok(seconds(2)));
        assert_eq!(manners.turn(edit, later(59)), Err(seconds(3)));
        assert!(manners.turn(status, later(59)).is_err());
        // Another method is another count, and a form is not kept from its moment.
        let mark = asking(methods::ADD_MARK, None);
        assert_eq!(manners.turn(mark, later(59)), Ok(Duration::ZERO));
        let form = asking(methods::OPEN_FORM, None);
        for _ in 0..150 {
            assert_eq!(manners.turn(form, later(59)), Ok(Duration::ZERO));
        }
    }

    #[test]
    fn where_slack_allows_more_than_it_publishes_more_is_called_and_no_more_than_that() {
        let manners = Manners::new(Clock::default()).allowed(3);
        let mut inner = manners.inner();
        let edit = asking(methods::EDIT, None);
        for _ in 0..150 {
            assert_eq!(inner.turn(edit, NOW), Ok(Duration::ZERO));
        }
        assert!(inner.turn(edit, NOW).is_err());
    }

    #[test]
    fn a_channel_hears_a_short_burst_and_then_one_message_a_second() {
        let mut manners = Inner::default();
        let mut say = |channel, now| manners.turn(asking(methods::SAY, Some(channel)), now);
        for _ in 0..BURST {
            assert_eq!(say("C1", NOW), Ok(Duration::ZERO));
        }
        assert_eq!(say("C1", NOW), Ok(seconds(1)));
        assert_eq!(say("C1", NOW), Ok(seconds(2)));
        // Who would wait long comes again, and takes nobody's turn away.
        assert_eq!(say("C1", NOW), Err(seconds(3)));
        assert_eq!(say("C1", NOW), Err(seconds(3)));
        assert_eq!(say("C1", later(3)), Ok(Duration::ZERO));
        // Another channel has not waited.
        assert_eq!(say("C2", NOW), Ok(Duration::ZERO));
        // After a while there may be a burst again.
        for _ in 0..BURST {
            assert_eq!(say("C1", later(60)), Ok(Duration::ZERO));
        }
    }

    #[test]
    fn what_changes_a_message_does_not_wait_for_its_channel() {
        let manners = Manners::new(Clock::default());
        let edit = asking(methods::EDIT, Some("C1"));
        let mut edits = (0..50).map(|_| Box::pin(manners.turn(edit)));
        assert!(edits.all(|edit| futures::FutureExt::now_or_never(edit) == Some(Ok(()))));
    }

    #[test]
    fn a_method_that_was_refused_rests_for_everybody_as_long_as_slack_says() {
        let manners = Manners::new(Clock::default());
        manners.refused(methods::EDIT, Some(seconds(30)));
        // A later refusal that asks for less takes nothing back.
        manners.refused(methods::EDIT, Some(seconds(1)));
        let now = manners.clock.steady();
        let mut inner = manners.inner();
        let edit = asking(methods::EDIT, None);
        let rest = inner.turn(edit, now);
        assert!(rest.is_err_and(|rest| rest > seconds(25)), "{rest:?}");
        let mark = asking(methods::ADD_MARK, None);
        assert_eq!(inner.turn(mark, now), Ok(Duration::ZERO));
        let over = Timestamp(now.0 + 30_000);
        assert_eq!(inner.turn(edit, over), Ok(Duration::ZERO));
    }

    #[test]
    fn channels_in_which_nothing_is_said_are_forgotten() {
        let mut manners = Inner::default();
        for number in 0..CHANNELS_MAX {
            let said = manners.turn(asking(methods::SAY, Some(&format!("C{number}"))), NOW);
            assert_eq!(said, Ok(Duration::ZERO));
        }
        let said = manners.turn(asking(methods::SAY, Some("C0")), later(2));
        assert_eq!(said, Ok(Duration::ZERO));
        assert_eq!(manners.said.len(), 1);
    }
}
