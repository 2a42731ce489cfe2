//! Manners under Slack's limits: one message a second in a channel, and whoever is told to wait waits for everybody.
//!
//! Slack counts by method and workspace, in tiers that it does not promise to keep, so they are not counted here. One refused
//! call tells how long its method has to rest; the others of that method do not ask meanwhile.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::{Instant, sleep_until};

use super::{
    api::transient,
    methods::{self, Method},
};
use crate::surface::SurfaceError;

/// One message in a channel for each of these. Source: Slack's guide to rate limits, on posting messages.
const MESSAGE_EVERY: Duration = Duration::from_secs(1);
/// How many may come in a burst; Slack allows short ones and gives no number.
const BURST: u32 = 5;
/// How long a call waits for its turn. Who would wait longer comes again: a status may be an old one by then.
const WAIT_MAX: Duration = Duration::from_secs(2);
/// How long a method rests when Slack does not say.
const REST: Duration = Duration::from_secs(5);
/// Channels that are remembered before those are forgotten in which nothing was said for a while.
const CHANNELS_MAX: usize = 1_024;

/// What was said where, and which methods rest, in one workspace.
#[derive(Debug, Default)]
pub(super) struct Manners {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    /// Until when each method rests.
    rests: HashMap<Method, Instant>,
    /// When all that was said in each channel would have been said, one message at a time.
    said: HashMap<String, Instant>,
}

impl Manners {
    /// Waits until it is this call's turn; an error with how long it would be where that is long.
    pub(super) async fn turn(
        &self,
        method: Method,
        channel: Option<&str>,
    ) -> Result<(), SurfaceError> {
        let channel = channel.filter(|_| method == methods::SAY);
        let at = self
            .inner()
            .turn(method, channel, Instant::now())
            .map_err(|wait| transient(method.name(), "limits us", Some(wait)))?;
        if let Some(at) = at {
            sleep_until(at).await;
        }
        Ok(())
    }

    /// Slack has refused a call because there were too many.
    pub(super) fn refused(&self, method: Method, wait: Option<Duration>) {
        let until = Instant::now() + wait.unwrap_or(REST);
        let mut inner = self.inner();
        let rest = inner.rests.entry(method).or_insert(until);
        *rest = until.max(*rest);
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// When it is the turn of a call, where that is not now; how long that would be where it is too long.
    fn turn(
        &mut self,
        method: Method,
        channel: Option<&str>,
        now: Instant,
    ) -> Result<Option<Instant>, Duration> {
        let rested = self.rests.get(&method).copied().unwrap_or(now);
        let said = channel.and_then(|channel| self.said.get(channel)).copied();
        let said = said.unwrap_or(now).max(now);
        let at = match channel {
            Some(_) => rested.max(said.checked_sub(MESSAGE_EVERY * (BURST - 1)).unwrap_or(now)),
            None => rested,
        };
        let wait = at.saturating_duration_since(now);
        if wait > WAIT_MAX {
            return Err(wait);
        }
        if let Some(channel) = channel {
            if self.said.len() >= CHANNELS_MAX {
                self.said.retain(|_, said| *said > now);
            }
            self.said
                .insert(channel.to_owned(), said.max(at) + MESSAGE_EVERY);
        }
        Ok((at > now).then_some(at))
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    fn wait(turn: Result<(), SurfaceError>) -> Option<Duration> {
        match turn.unwrap_err() {
            SurfaceError::Transient { retry_after, .. } => retry_after,
            other => panic!("{other}"),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_channel_hears_a_short_burst_and_then_one_message_a_second() {
        let manners = Manners::default();
        let begun = Instant::now();
        let mut heard = Vec::new();
        for _ in 0..8 {
            manners.turn(methods::SAY, Some("C1")).await.unwrap();
            heard.push(begun.elapsed().as_secs());
        }
        assert_eq!(heard, [0, 0, 0, 0, 0, 1, 2, 3]);
        // Another channel and other calls have not waited.
        manners.turn(methods::SAY, Some("C2")).await.unwrap();
        manners.turn(methods::EDIT, Some("C1")).await.unwrap();
        assert_eq!(begun.elapsed().as_secs(), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn who_would_wait_long_for_a_channel_comes_again_and_takes_no_turn_away() {
        let manners = Manners::default();
        let all = (0..20).map(|_| manners.turn(methods::SAY, Some("C1")));
        let turns = futures::future::join_all(all).await;
        let heard = turns.iter().filter(|turn| turn.is_ok()).count();
        assert_eq!(heard, 7);
        for turn in turns.into_iter().filter(Result::is_err) {
            assert_eq!(wait(turn), Some(Duration::from_secs(3)));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_method_that_was_refused_rests_for_everybody_as_long_as_slack_says() {
        let manners = Manners::default();
        manners.refused(methods::EDIT, Some(Duration::from_secs(30)));
        // A later refusal that asks for less takes nothing back.
        manners.refused(methods::EDIT, Some(Duration::from_secs(1)));
        let turn = manners.turn(methods::EDIT, Some("C1")).await;
        assert_eq!(wait(turn), Some(Duration::from_secs(30)));
        manners.turn(methods::ADD_MARK, Some("C1")).await.unwrap();
        tokio::time::advance(Duration::from_secs(29)).await;
        let begun = Instant::now();
        manners.turn(methods::EDIT, Some("C1")).await.unwrap();
        assert_eq!(begun.elapsed(), Duration::from_secs(1));
    }

    #[tokio::test(start_paused = true)]
    async fn channels_in_which_nothing_is_said_are_forgotten() {
        let manners = Manners::default();
        for number in 0..CHANNELS_MAX {
            let channel = format!("C{number}");
            manners.turn(methods::SAY, Some(&channel)).await.unwrap();
        }
        tokio::time::advance(Duration::from_secs(2)).await;
        manners.turn(methods::SAY, Some("C0")).await.unwrap();
        assert_eq!(manners.inner().said.len(), 1);
    }
}
