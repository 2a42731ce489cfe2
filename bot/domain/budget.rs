//! Money, usage and ceilings.

use deckhand_executors::sandbox::grouped;
use serde::{Deserialize, Serialize};

/// Money in millionths of a US dollar.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct MicroDollars(pub i64);

impl MicroDollars {
    /// From whole and fractional dollars, rounded.
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        reason = "clamped to a range that an i64 holds exactly"
    )]
    pub fn from_dollars(dollars: f64) -> Self {
        Self((dollars.clamp(0.0, 1e9) * 1e6).round() as i64)
    }

    /// Adds, and stays at the largest value instead of wrapping.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl std::fmt::Display for MicroDollars {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let cents = self.0.saturating_add(5_000) / 10_000;
        if self.0 > 0 && cents == 0 {
            return formatter.write_str("under $0.01");
        }
        let cents = u64::try_from(cents).unwrap_or_default();
        write!(formatter, "${}.{:02}", grouped(cents / 100), cents % 100)
    }
}

/// What a run used. Costs that cannot be priced are said to be unknown, never zero.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Tokens sent to the model, cached ones included.
    pub input_tokens: u64,
    /// Tokens that the model wrote.
    pub output_tokens: u64,
    /// What it cost, where a price is known.
    pub cost: Option<MicroDollars>,
}

impl Usage {
    /// The sum of two usages; unknown where either is unknown and used something.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        let cost = match (self.cost, other.cost) {
            (Some(a), Some(b)) => Some(a.plus(b)),
            (Some(a), None) if other.is_empty() => Some(a),
            (None, Some(b)) if self.is_empty() => Some(b),
            (Some(_) | None, None) | (None, Some(_)) => None,
        };
        Self {
            input_tokens: self.input_tokens + other.input_tokens,
            output_tokens: self.output_tokens + other.output_tokens,
            cost,
        }
    }

    /// Whether nothing was used.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.input_tokens == 0 && self.output_tokens == 0
    }
}

/// The ceilings of one task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ceilings {
    /// The most it may spend.
    pub spend: MicroDollars,
    /// The longest that one run may take, in milliseconds.
    pub run_ms: i64,
    /// The longest that the task may work before people are asked, all runs together, in milliseconds.
    #[serde(default = "for_ever")]
    pub work_ms: i64,
    /// How often a result that is not met goes back to the agent.
    pub rework_rounds: u8,
}

/// The ceiling of tasks that were opened before there was one, in milliseconds.
const fn for_ever() -> i64 {
    i64::MAX
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unpriced_part_makes_the_sum_unknown() {
        let priced = Usage {
            input_tokens: 1,
            output_tokens: 1,
            cost: Some(MicroDollars(5)),
        };
        let unpriced = Usage {
            cost: None,
            ..priced
        };
        assert_eq!(priced.plus(unpriced).cost, None);
        assert_eq!(priced.plus(Usage::default()).cost, Some(MicroDollars(5)));
    }

    #[test]
    fn money_reads_as_money() {
        assert_eq!(MicroDollars::from_dollars(1.5).to_string(), "$1.50");
        assert_eq!(MicroDollars(12).to_string(), "under $0.01");
        assert_eq!(MicroDollars(0).to_string(), "$0.00");
        assert_eq!(
            MicroDollars::from_dollars(12_345.5).to_string(),
            "$12,345.50"
        );
    }
}
