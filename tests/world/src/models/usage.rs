//! The tokens that a scripted turn reports: plausible, and the same each time.

/// Input tokens of a first request; agents send 15 to 50 kB of instructions and tools with it.
const FIRST_INPUT: u64 = 9_000;

/// How much each step adds to the conversation.
const INPUT_A_STEP: u64 = 400;

/// Output tokens of a turn that says next to nothing.
const LEAST_OUTPUT: u64 = 40;

/// Characters in a token, about.
const CHARACTERS_A_TOKEN: usize = 4;

/// Tokens of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// All of the input, the cached part included.
    pub input: u64,
    /// The part of the input that came from the provider's cache.
    pub cached: u64,
    /// What the model wrote.
    pub output: u64,
}

impl Usage {
    /// The tokens of the turn after `step` calls that writes so many characters.
    #[must_use]
    pub fn of_step(step: usize, written: usize) -> Self {
        let steps = u64::try_from(step).unwrap_or(u64::MAX);
        let input = FIRST_INPUT.saturating_add(steps.saturating_mul(INPUT_A_STEP));
        let words = u64::try_from(written / CHARACTERS_A_TOKEN).unwrap_or(u64::MAX);
        Self {
            input,
            cached: if step == 0 { 0 } else { input - INPUT_A_STEP },
            output: LEAST_OUTPUT.saturating_add(words),
        }
    }

    /// Input and output together.
    #[must_use]
    pub const fn total(self) -> u64 {
        self.input.saturating_add(self.output)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_turn_finds_nothing_cached_and_later_ones_all_but_the_last_step() {
        let first = Usage::of_step(0, 400);
        assert_eq!((first.input, first.cached, first.output), (9_000, 0, 140));
        let third = Usage::of_step(2, 0);
        assert_eq!(
            (third.input, third.cached, third.total()),
            (9_800, 9_400, 9_840)
        );
    }
}
