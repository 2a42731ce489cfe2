//! What a run uses: tokens and money, from the four ways in which agents tell it.
//!
//! | what an agent tells | who does |
//! | --- | --- |
//! | `PromptResponse.usage` for the whole turn | Claude Code, Codex |
//! | `PromptResponse._meta.quota.token_count` for the whole turn | Gemini CLI |
//! | `PromptResponse.usage` for the last call of the model only | opencode, goose |
//! | `usage_update.cost`, growing over the whole session, also after it is resumed | Claude Code, opencode |
//!
//! Inside a turn there is only `usage_update.used`, the size of the context after each call. Until the turn ends the
//! tokens are estimated from it: what the context held before is read again from the cache, and what it grew by is
//! taken as half read and half written.

use agent_client_protocol_schema::v1::{PromptResponse, UsageUpdate};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::price::{MicroDollars, Price};

/// Tokens by what they cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Tokens {
    /// Read by the model for the first time.
    pub input: u64,
    /// Read again from the provider's cache.
    pub cached_input: u64,
    /// Written into the provider's cache.
    pub cache_write: u64,
    /// Written by the model, thoughts included.
    pub output: u64,
}

impl Tokens {
    /// All of them together.
    #[must_use]
    pub fn total(&self) -> u64 {
        [self.cached_input, self.cache_write, self.output]
            .into_iter()
            .fold(self.input, u64::saturating_add)
    }

    /// Adds the others to these.
    pub(crate) fn add(&mut self, other: &Self) {
        self.input = self.input.saturating_add(other.input);
        self.cached_input = self.cached_input.saturating_add(other.cached_input);
        self.cache_write = self.cache_write.saturating_add(other.cache_write);
        self.output = self.output.saturating_add(other.output);
    }
}

/// What something cost, and how that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Cost {
    /// The agent reported it.
    Reported(MicroDollars),
    /// Counted tokens by the price table.
    Priced(MicroDollars),
    /// Estimated tokens by the price table; in the middle of a turn, and for agents that count too little.
    Estimated(MicroDollars),
    /// Tokens were used and the model has no price. This is not nothing.
    Unknown,
}

impl Cost {
    /// The amount, where there is one.
    #[must_use]
    pub fn amount(self) -> Option<MicroDollars> {
        match self {
            Self::Reported(amount) | Self::Priced(amount) | Self::Estimated(amount) => Some(amount),
            Self::Unknown => None,
        }
    }
}

/// What a run used, from the opening of its session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Usage {
    /// Tokens of all turns.
    pub tokens: Tokens,
    /// Money for all turns.
    pub cost: Cost,
}

/// Which count of an agent holds for a whole turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum TokenReport {
    /// `PromptResponse.usage`.
    Turn,
    /// `PromptResponse._meta.quota`.
    Quota,
    /// None: `usage` is about the last call, so the estimate stays.
    LastCall,
}

/// Adds up what an agent tells.
#[derive(Clone, Debug)]
pub(super) struct UsageMeter {
    report: TokenReport,
    price: Option<Price>,
    /// Tokens of the turns that have ended.
    counted: Tokens,
    /// Whether all of `counted` was reported.
    exact: bool,
    /// The estimate for the turn under way.
    estimate: Tokens,
    /// The part of the estimate that the agent's own report of its cost does not hold yet.
    unreported: Tokens,
    /// The size of the context after the last call.
    context: u64,
    /// The session's cost when this run began.
    cost_before: MicroDollars,
    /// The session's cost as the agent told it last.
    session_cost: Option<MicroDollars>,
}

impl UsageMeter {
    pub(super) fn new(
        report: TokenReport,
        price: Option<Price>,
        cost_before: MicroDollars,
    ) -> Self {
        Self {
            report,
            price,
            counted: Tokens::default(),
            exact: true,
            estimate: Tokens::default(),
            unreported: Tokens::default(),
            context: 0,
            cost_before,
            session_cost: None,
        }
    }

    /// Takes the context's size as where it starts from: a session that is gone on with tells it before its first turn.
    pub(super) fn begin_with(&mut self, update: &UsageUpdate) {
        self.context = update.used;
    }

    /// Takes an update; true where it changed anything.
    pub(super) fn update(&mut self, update: &UsageUpdate) -> bool {
        let before = self.usage();
        if update.used != self.context {
            let growth = update.used.saturating_sub(self.context);
            let call = Tokens {
                input: growth.div_ceil(2),
                cached_input: self.context.min(update.used),
                cache_write: 0,
                output: growth / 2,
            };
            self.estimate.add(&call);
            self.unreported.add(&call);
            self.context = update.used;
        }
        let told = update.cost.as_ref().filter(|cost| cost.currency == "USD");
        let total = told.and_then(|cost| MicroDollars::from_dollars(cost.amount));
        if total.is_some() && total != self.session_cost {
            self.session_cost = total;
            self.unreported = Tokens::default();
        }
        self.usage() != before
    }

    /// Takes the end of a turn.
    pub(super) fn end_turn(&mut self, response: &PromptResponse) {
        let reported = match self.report {
            TokenReport::Turn => from_response(response),
            TokenReport::Quota => response.meta.as_ref().and_then(from_quota),
            TokenReport::LastCall => None,
        };
        self.settle(reported);
    }

    /// Takes the end of a turn that told nothing.
    pub(super) fn fail_turn(&mut self) {
        self.settle(None);
    }

    fn settle(&mut self, reported: Option<Tokens>) {
        let estimate = std::mem::take(&mut self.estimate);
        self.unreported = Tokens::default();
        self.exact &= reported.is_some() || estimate == Tokens::default();
        self.counted.add(&reported.unwrap_or(estimate));
    }

    /// The session's cost in all its runs, as the agent told it last.
    pub(super) fn session_cost(&self) -> Option<MicroDollars> {
        self.session_cost
    }

    /// What the run used so far.
    pub(super) fn usage(&self) -> Usage {
        let mut tokens = self.counted;
        tokens.add(&self.estimate);
        let cost = self.reported_cost().unwrap_or_else(|| self.priced(&tokens));
        Usage { tokens, cost }
    }

    /// What the agent reported and what has been estimated since. A report of nothing is none: agents report nothing for
    /// models that they have no price for.
    fn reported_cost(&self) -> Option<Cost> {
        let total = self.session_cost.filter(|total| total.0 > 0)?;
        // An agent that begins at nothing in every process reports less than was there before.
        let run = if total < self.cost_before {
            total
        } else {
            total.saturating_sub(self.cost_before)
        };
        if self.unreported == Tokens::default() {
            return Some(Cost::Reported(run));
        }
        let rest = self
            .price
            .map(|price| price.of(&self.unreported))
            .unwrap_or_default();
        Some(Cost::Estimated(run + rest))
    }

    fn priced(&self, tokens: &Tokens) -> Cost {
        match self.price {
            None if tokens.total() == 0 => Cost::Priced(MicroDollars::default()),
            None => Cost::Unknown,
            Some(price) if self.exact && self.estimate == Tokens::default() => {
                Cost::Priced(price.of(tokens))
            }
            Some(price) => Cost::Estimated(price.of(tokens)),
        }
    }
}

fn from_response(response: &PromptResponse) -> Option<Tokens> {
    let usage = response.usage.as_ref()?;
    Some(Tokens {
        input: usage.input_tokens,
        cached_input: usage.cached_read_tokens.unwrap_or_default(),
        cache_write: usage.cached_write_tokens.unwrap_or_default(),
        output: usage.output_tokens,
    })
}

fn from_quota(meta: &Map<String, Value>) -> Option<Tokens> {
    let count = meta.get("quota")?.get("token_count")?;
    Some(Tokens {
        input: count.get("input_tokens")?.as_u64()?,
        output: count.get("output_tokens")?.as_u64()?,
        ..Tokens::default()
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;
    use serde_json::json;

    const PRICE: Price = Price {
        input: 2_000_000,
        cached_input: 1_000_000,
        cache_write: 0,
        output: 10_000_000,
    };

    fn update(used: u64, dollars: Option<f64>) -> UsageUpdate {
        let cost = dollars.map(|amount| json!({"amount": amount, "currency": "USD"}));
        serde_json::from_value(json!({"used": used, "size": 1000, "cost": cost})).unwrap()
    }

    fn response(body: Value) -> PromptResponse {
        serde_json::from_value(body).unwrap()
    }

    #[test]
    fn a_turn_is_estimated_by_the_growth_of_its_context_until_its_count_comes() {
        let mut meter = UsageMeter::new(TokenReport::Turn, Some(PRICE), MicroDollars(0));
        assert!(meter.update(&update(100, None)));
        assert!(!meter.update(&update(100, None)), "a repetition is no call");
        assert!(meter.update(&update(160, None)));
        let estimated = meter.usage();
        assert_eq!(
            estimated.tokens,
            Tokens {
                input: 80,
                cached_input: 100,
                cache_write: 0,
                output: 80
            }
        );
        assert_eq!(
            estimated.cost,
            Cost::Estimated(MicroDollars(160 + 100 + 800))
        );
        meter.end_turn(&response(json!({"stopReason": "end_turn", "usage": {
            "totalTokens": 160, "inputTokens": 50, "outputTokens": 10, "cachedReadTokens": 100}})));
        assert_eq!(
            meter.usage().cost,
            Cost::Priced(MicroDollars(100 + 100 + 100))
        );
        assert_eq!(meter.usage().tokens.total(), 160);
    }

    #[test]
    fn a_cost_that_grows_over_the_session_counts_from_where_the_run_began() {
        let mut meter = UsageMeter::new(TokenReport::Turn, None, MicroDollars(5_000));
        meter.update(&update(10, Some(0.007)));
        meter.end_turn(&response(json!({"stopReason": "end_turn", "usage": {
            "totalTokens": 3, "inputTokens": 2, "outputTokens": 1}})));
        assert_eq!(meter.usage().cost, Cost::Reported(MicroDollars(2_000)));
        assert_eq!(meter.session_cost(), Some(MicroDollars(7_000)));
    }

    #[test]
    fn a_second_turn_is_estimated_on_top_of_what_was_reported_for_the_first() {
        let mut meter = UsageMeter::new(TokenReport::Turn, Some(PRICE), MicroDollars(0));
        meter.update(&update(10, Some(0.5)));
        meter.fail_turn();
        assert_eq!(meter.usage().cost, Cost::Reported(MicroDollars(500_000)));
        meter.update(&update(30, None));
        assert_eq!(
            meter.usage().cost,
            Cost::Estimated(MicroDollars(500_000 + 20 + 10 + 100))
        );
    }

    #[test]
    fn a_count_that_starts_again_in_a_new_process_is_the_runs_own() {
        let mut meter = UsageMeter::new(TokenReport::LastCall, None, MicroDollars(5_000));
        meter.update(&update(0, Some(0.001)));
        assert_eq!(meter.usage().cost, Cost::Reported(MicroDollars(1_000)));
    }

    #[test]
    fn a_report_of_nothing_for_used_tokens_is_not_believed() {
        let mut meter = UsageMeter::new(TokenReport::LastCall, None, MicroDollars(0));
        meter.update(&update(1290, Some(0.0)));
        meter.fail_turn();
        assert_eq!(meter.usage().cost, Cost::Unknown);
    }

    #[test]
    fn the_count_of_the_last_call_is_not_taken_for_the_turn() {
        let mut meter = UsageMeter::new(TokenReport::LastCall, Some(PRICE), MicroDollars(0));
        for used in [1000, 2000, 3000, 3000] {
            meter.update(&update(used, None));
        }
        meter.end_turn(&response(json!({"stopReason": "end_turn", "usage": {
            "totalTokens": 3000, "inputTokens": 2990, "outputTokens": 10}})));
        assert_eq!(meter.usage().tokens.total(), 1000 + 2000 + 3000);
        assert!(matches!(meter.usage().cost, Cost::Estimated(_)));
    }

    #[test]
    fn geminis_count_is_in_its_quota() {
        let mut meter = UsageMeter::new(TokenReport::Quota, Some(PRICE), MicroDollars(0));
        meter.end_turn(&response(
            json!({"stopReason": "end_turn", "_meta": {"quota": {
            "token_count": {"input_tokens": 3702, "output_tokens": 168}}}}),
        ));
        assert_eq!(
            (meter.usage().tokens.input, meter.usage().tokens.output),
            (3702, 168)
        );
    }

    #[test]
    fn nothing_used_costs_nothing_also_without_a_price() {
        let meter = UsageMeter::new(TokenReport::Turn, None, MicroDollars(0));
        assert_eq!(meter.usage().cost, Cost::Priced(MicroDollars(0)));
    }
}
