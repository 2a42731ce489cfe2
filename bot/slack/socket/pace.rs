//! How long a socket waits for what, and how long it keeps away after something went wrong.

use std::time::Duration;

/// Times of one connection and of its successors.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    /// Until a connection stands and Slack has greeted.
    pub(super) open_within: Duration,
    /// Between two pings.
    pub(super) ping_every: Duration,
    /// After so long without a sign of life a connection is given up. Slack answers pings, so silence is a dead line, or
    /// a frame that never ends.
    pub(super) silent_after: Duration,
    /// For writing one message.
    pub(super) write_within: Duration,
    /// How long a connection is read on when its successor is there: what was on its way still arrives.
    pub(super) linger: Duration,
    /// For closing: Slack's own word to it is waited for so long.
    pub(super) close_within: Duration,
    /// A connection that held so long makes up for failures before it.
    pub(super) steady_after: Duration,
    /// The first wait after a failure; each further one doubles it.
    pub(super) wait_first: Duration,
    /// The longest wait.
    pub(super) wait_most: Duration,
    /// The first wait where Slack has too many connections of this app.
    pub(super) crowded_first: Duration,
    /// The longest of those.
    pub(super) crowded_most: Duration,
    /// The wait where Slack refuses the token; what heals it is done by a person.
    pub(super) refused: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            open_within: Duration::from_secs(20),
            ping_every: Duration::from_secs(10),
            silent_after: Duration::from_secs(35),
            write_within: Duration::from_secs(5),
            linger: Duration::from_secs(2),
            close_within: Duration::from_secs(1),
            steady_after: Duration::from_secs(30),
            wait_first: Duration::from_millis(500),
            wait_most: Duration::from_mins(1),
            crowded_first: Duration::from_secs(30),
            crowded_most: Duration::from_mins(10),
            refused: Duration::from_mins(5),
        }
    }
}

/// How often it went wrong in a row, and how long to keep away for it.
#[derive(Debug, Default)]
pub(super) struct BackOff {
    failures: u32,
}

impl BackOff {
    /// All is well again.
    pub(super) const fn settle(&mut self) {
        self.failures = 0;
    }

    /// How long to keep away now: doubled from `first` on to at most `most`, between a half and the whole of it as
    /// `spread` says (0 to 1), so that many who fail together do not come back together.
    pub(super) fn next(&mut self, first: Duration, most: Duration, spread: f64) -> Duration {
        let doubled = first.saturating_mul(2_u32.saturating_pow(self.failures));
        self.failures = self.failures.saturating_add(1);
        doubled
            .min(most)
            .mul_f64(0.5 + 0.5 * spread.clamp(0.0, 1.0))
    }
}

/// A number between 0 and 1 that nobody can foresee.
pub(super) fn chance() -> f64 {
    let bytes = uuid::Uuid::new_v4().into_bytes();
    let drawn = u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
    f64::from(drawn) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_limit_and_begin_anew_when_all_is_well() {
        let (first, most) = (Duration::from_millis(500), Duration::from_mins(1));
        let mut back_off = BackOff::default();
        let waits: Vec<u128> = (0..9)
            .map(|_| back_off.next(first, most, 1.0).as_millis())
            .collect();
        assert_eq!(
            waits,
            [
                500, 1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000
            ]
        );
        for _ in 0..100 {
            assert!(back_off.next(first, most, 1.0) <= most);
        }
        back_off.settle();
        assert_eq!(back_off.next(first, most, 0.0), first / 2);
    }

    #[test]
    fn chances_differ_and_stay_between_nothing_and_all() {
        let drawn: Vec<f64> = (0..100).map(|_| chance()).collect();
        assert!(drawn.iter().all(|chance| (0.0..=1.0).contains(chance)));
        assert!(drawn.windows(2).any(|pair| pair[0] < pair[1]));
    }
}
