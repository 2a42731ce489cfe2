//! Faults on order: what Slack does on a bad day, one call at a time.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use super::ids::ChannelId;
use super::limits::{POST_INTERVAL, calls_a_minute};

/// What the next call of a method meets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// HTTP 429 with `Retry-After`.
    RateLimited {
        /// How long the caller is told to wait; whole seconds are sent.
        retry_after: Duration,
    },
    /// HTTP 503 with no JSON in its body. Nothing was done.
    ServerError,
    /// The call is not done and the connection breaks.
    DropRequest,
    /// The call is done, but its answer breaks off: the caller cannot know.
    DropAnswer,
    /// The call is done, and its answer takes this long.
    Slow {
        /// How long.
        by: Duration,
    },
    /// HTTP 200 with this error code. Nothing was done.
    Error(String),
}

/// How often an app may write into one channel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PostLimit {
    /// As often as it likes: stories are quick so.
    #[default]
    Unlimited,
    /// Once a second and channel, as Slack has it; more is answered with 429.
    OnePerSecond,
}

/// How often an app may call a method.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TierLimit {
    /// As often as it likes.
    #[default]
    Unlimited,
    /// As often in a minute as the method's tier says; more is answered with 429.
    Published,
}

/// Whether the bot's token is worth something.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TokenStanding {
    /// It is.
    #[default]
    Valid,
    /// An administrator took it back: every call is refused with `token_revoked`.
    Revoked,
}

/// Faults that wait for their call, and the writing limit.
#[derive(Default)]
pub(crate) struct Weather {
    waiting: HashMap<String, VecDeque<Fault>>,
    pub(crate) limit: PostLimit,
    pub(crate) token: TokenStanding,
    last_posts: HashMap<ChannelId, Instant>,
    pub(crate) tiers: TierLimit,
    called: HashMap<String, VecDeque<Instant>>,
}

impl Weather {
    pub(crate) fn order(&mut self, method: &str, fault: Fault) {
        self.waiting
            .entry(method.to_owned())
            .or_default()
            .push_back(fault);
    }

    /// The fault that the present call of `method` meets.
    pub(crate) fn meet(&mut self, method: &str) -> Option<Fault> {
        self.waiting.get_mut(method)?.pop_front()
    }

    /// How many faults still wait for their call.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.values().map(VecDeque::len).sum()
    }

    /// The fault that a call of `method` meets where there were too many in the last minute.
    pub(crate) fn meet_tier(&mut self, method: &str) -> Option<Fault> {
        const MINUTE: Duration = Duration::from_mins(1);
        let most = calls_a_minute(method).filter(|_| self.tiers == TierLimit::Published)?;
        let now = Instant::now();
        let called = self.called.entry(method.to_owned()).or_default();
        called.retain(|at| now.duration_since(*at) < MINUTE);
        if called.len() < most {
            called.push_back(now);
            return None;
        }
        let oldest = called.front().copied().unwrap_or(now);
        Some(Fault::RateLimited {
            retry_after: MINUTE.saturating_sub(now.duration_since(oldest)),
        })
    }

    /// The fault that a message into `channel` meets where it comes too soon after the last one.
    pub(crate) fn meet_limit(&mut self, channel: &ChannelId) -> Option<Fault> {
        match self.limit {
            PostLimit::Unlimited => None,
            PostLimit::OnePerSecond => {
                let now = Instant::now();
                let too_soon = self
                    .last_posts
                    .get(channel)
                    .is_some_and(|last| now.duration_since(*last) < POST_INTERVAL);
                if too_soon {
                    return Some(Fault::RateLimited {
                        retry_after: POST_INTERVAL,
                    });
                }
                self.last_posts.insert(channel.clone(), now);
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Fault, Weather};

    #[test]
    fn a_fault_waits_until_its_call_comes() {
        let mut weather = Weather::default();
        weather.order("chat.update", Fault::ServerError);
        weather.order("chat.update", Fault::DropAnswer);
        weather.order("reactions.add", Fault::DropRequest);
        assert_eq!(weather.waiting(), 3);
        assert_eq!(weather.meet("chat.postMessage"), None);
        assert_eq!(weather.meet("chat.update"), Some(Fault::ServerError));
        assert_eq!(weather.waiting(), 2);
    }
}
