//! Times of the same thing by Deckhand and bare, taken in turns, so that whatever else the machine does is in both.

use std::time::Duration;

use crate::bench::series::Series;

/// Times of both, pair by pair.
#[derive(Clone, Debug, Default)]
pub struct Pairs(Vec<(Duration, Duration)>);

impl Pairs {
    /// Does each thing once to warm up, and then so many times in turns; who is first changes.
    pub async fn take(
        count: usize,
        mut ours: impl AsyncFnMut() -> anyhow::Result<Duration>,
        mut bare: impl AsyncFnMut() -> anyhow::Result<Duration>,
    ) -> anyhow::Result<Self> {
        ours().await?;
        bare().await?;
        let mut pairs = Vec::new();
        for turn in 0..count {
            pairs.push(if turn % 2 == 0 {
                let ours = ours().await?;
                (ours, bare().await?)
            } else {
                let bare = bare().await?;
                (ours().await?, bare)
            });
        }
        Ok(Self(pairs))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The times by Deckhand.
    pub fn ours(&self) -> Series {
        self.0.iter().map(|(ours, _)| *ours).collect()
    }

    /// The bare times.
    pub fn bare(&self) -> Series {
        self.0.iter().map(|(_, bare)| *bare).collect()
    }

    /// How many times as long it takes by Deckhand, in the pair in the middle.
    pub fn ratio(&self) -> f64 {
        let ratio = |(ours, bare): &(Duration, Duration)| ours.as_secs_f64() / bare.as_secs_f64();
        let mut ratios: Vec<f64> = self.0.iter().map(ratio).collect();
        ratios.sort_unstable_by(f64::total_cmp);
        // As with times: one that was measured (nearest rank).
        let middle = ratios.len().div_ceil(2).max(1) - 1;
        ratios.get(middle).copied().unwrap_or(f64::NAN)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    #[tokio::test]
    async fn both_take_turns_and_the_first_of_each_is_only_for_warmth() {
        let said = RefCell::new(String::new());
        let say = |word, seconds| {
            said.borrow_mut().push(word);
            Ok(Duration::from_secs(seconds))
        };
        let pairs = Pairs::take(3, async || say('o', 3), async || say('b', 2)).await;
        assert_eq!(*said.borrow(), "obobboob");
        let pairs = pairs.unwrap();
        assert_eq!((pairs.len(), pairs.ratio()), (3, 1.5));
    }

    #[test]
    fn the_ratio_is_of_pairs_and_not_of_what_lies_apart() {
        let seconds = |ours, bare| (Duration::from_secs(ours), Duration::from_secs(bare));
        // The machine was ten times as slow for the second pair.
        let pairs = Pairs(vec![seconds(2, 1), seconds(10, 10), seconds(3, 1)]);
        assert!((pairs.ratio() - 2.0).abs() < f64::EPSILON);
        assert_eq!(pairs.ours().median(), Duration::from_secs(3));
        assert_eq!(pairs.bare().median(), Duration::from_secs(1));
        assert!(Pairs::default().ratio().is_nan());
    }
}
