//! A row of times that were measured, and what is told of it.

use std::time::Duration;

/// Times of the same thing, in the order of their length.
#[derive(Clone, Debug, Default)]
pub struct Series(Vec<Duration>);

impl FromIterator<Duration> for Series {
    fn from_iter<I: IntoIterator<Item = Duration>>(times: I) -> Self {
        let mut times: Vec<Duration> = times.into_iter().collect();
        times.sort_unstable();
        Self(times)
    }
}

impl Series {
    /// The time that so many percent of the others do not exceed (nearest rank).
    #[must_use]
    pub fn percentile(&self, percent: usize) -> Duration {
        let rank = (self.0.len() * percent).div_ceil(100).max(1);
        self.0.get(rank - 1).copied().unwrap_or_default()
    }

    /// The one in the middle.
    #[must_use]
    pub fn median(&self) -> Duration {
        self.percentile(50)
    }

    /// The median, the shortest, the longest.
    #[must_use]
    pub fn spread(&self) -> [Duration; 3] {
        let shortest = self.0.first().copied().unwrap_or_default();
        [self.median(), shortest, self.longest()]
    }

    /// What half, what nearly all and what all of them do not exceed.
    #[must_use]
    pub fn tail(&self) -> [Duration; 3] {
        [self.median(), self.percentile(95), self.longest()]
    }

    /// The longest.
    #[must_use]
    pub fn longest(&self) -> Duration {
        self.0.last().copied().unwrap_or_default()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }
}

/// Milliseconds with one decimal.
#[must_use]
pub fn milliseconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 10_000.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_times_that_were_measured() {
        let series: Series = (1..=50).rev().map(Duration::from_secs).collect();
        let seconds = |percent| series.percentile(percent).as_secs();
        assert_eq!((seconds(50), seconds(95), seconds(100)), (25, 48, 50));
        assert_eq!(Series::default().median(), Duration::ZERO);
    }
}
