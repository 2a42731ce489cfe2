//! What a run spends: read at its way out, whatever its agent says of it.

use deckhand_executors::{
    agent::{self, PriceTable},
    egress::{Metering, Spend, SpendCeiling},
};
use serde_json::{Value, json};

use crate::domain::budget::{Ceilings, MicroDollars, Usage};

/// By how much an agent may count otherwise before that is noted, in percent of what the providers count.
const NOTED_PERCENT: u64 = 10;

/// How a run is counted that had spent `before` already: its ceiling is what earlier runs of the task left.
pub fn metering(earlier: &Usage, ceilings: &Ceilings, before: Spend) -> Metering {
    let spent = earlier.cost.unwrap_or_default();
    let left = ceilings.spend.0.saturating_sub(spent.0);
    Metering {
        prices: PriceTable::built_in(),
        ceiling: SpendCeiling::At(agent::MicroDollars(u64::try_from(left).unwrap_or_default())),
        before,
    }
}

/// A run's spend, as its task adds it up.
pub fn usage_of(spend: &Spend) -> Usage {
    let tokens = &spend.tokens;
    Usage {
        input_tokens: tokens
            .input
            .saturating_add(tokens.cached_input)
            .saturating_add(tokens.cache_write),
        output_tokens: tokens.output,
        cost: Some(MicroDollars(
            i64::try_from(spend.cost.0).unwrap_or(i64::MAX),
        )),
    }
}

/// Whether a run has to end for what it spent: it is over the ceiling, or was refused a call that would be.
pub fn is_over(earlier: &Usage, ceilings: &Ceilings, spend: &Spend) -> bool {
    let sum = earlier.plus(usage_of(spend));
    spend.refused > 0 || sum.cost.is_some_and(|cost| cost > ceilings.spend)
}

/// What is noted where the agent counts otherwise than the providers of its models do.
pub fn difference(claimed: &agent::Usage, spend: &Spend) -> Option<Value> {
    let claimed = claimed.cost.amount()?;
    let apart = claimed.0.abs_diff(spend.cost.0);
    let is_noted = apart.saturating_mul(100) > spend.cost.0.saturating_mul(NOTED_PERCENT);
    is_noted.then(|| {
        json!({
            "notice": "spend-differs",
            "agent_microdollars": claimed.0,
            "metered_microdollars": spend.cost.0,
        })
    })
}

#[cfg(test)]
mod tests {
    use deckhand_executors::agent::{Cost, Tokens};

    use super::*;

    const CEILINGS: Ceilings = Ceilings {
        spend: MicroDollars(5_000),
        run_ms: 0,
        work_ms: 0,
        rework_rounds: 0,
    };

    fn spend(cost: u64) -> Spend {
        Spend {
            cost: agent::MicroDollars(cost),
            ..Spend::default()
        }
    }

    fn used(cost: Option<i64>) -> Usage {
        Usage {
            input_tokens: 1,
            output_tokens: 1,
            cost: cost.map(MicroDollars),
        }
    }

    #[test]
    fn a_run_may_spend_what_its_task_has_left_and_no_more() {
        for (spent, left) in [
            (Some(0), 5_000),
            (Some(4_000), 1_000),
            (Some(9_000), 0),
            (None, 5_000),
        ] {
            let metering = metering(&used(spent), &CEILINGS, Spend::default());
            let left = SpendCeiling::At(agent::MicroDollars(left));
            assert_eq!(metering.ceiling, left);
        }
    }

    #[test]
    fn a_run_is_over_when_it_spent_too_much_or_was_refused_a_call() {
        let earlier = used(Some(4_000));
        assert!(!is_over(&earlier, &CEILINGS, &spend(1_000)));
        assert!(is_over(&earlier, &CEILINGS, &spend(1_001)));
        let refused = Spend {
            refused: 1,
            ..spend(1_000)
        };
        assert!(is_over(&earlier, &CEILINGS, &refused));
    }

    #[test]
    fn only_a_difference_that_matters_is_noted() {
        let claims = |cost| agent::Usage {
            tokens: Tokens::default(),
            cost,
        };
        let reported = |amount| claims(Cost::Reported(agent::MicroDollars(amount)));
        assert_eq!(difference(&reported(1_100), &spend(1_000)), None);
        assert!(difference(&reported(1_101), &spend(1_000)).is_some());
        assert!(difference(&reported(0), &spend(1_000)).is_some());
        assert_eq!(difference(&reported(0), &spend(0)), None);
        assert_eq!(difference(&claims(Cost::Unknown), &spend(1_000)), None);
    }
}
