//! What tokens cost: a table of list prices, found by the beginning of a model's name.

use std::{collections::BTreeMap, fmt, iter::Sum, ops::Add};

use serde::Deserialize;

use super::usage::Tokens;

/// What a model costs where nothing at all is known of any: more than those that are.
const DEAREST: Price = Price {
    input: 10_000_000,
    cached_input: 1_000_000,
    cache_write: 12_500_000,
    output: 50_000_000,
};
/// Tokens that a price is for.
const TOKENS_PER_PRICE: u128 = 1_000_000;

/// An amount of money: millionths of a US dollar.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    serde::Serialize,
    serde::Deserialize,
)]
#[serde(transparent)]
pub struct MicroDollars(pub u64);

impl MicroDollars {
    /// From dollars as agents report them; nothing where that is no amount.
    #[must_use]
    pub fn from_dollars(dollars: f64) -> Option<Self> {
        let micro = (dollars * 1e6).round();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "checked to be within what fits"
        )]
        (0.0..9e15).contains(&micro).then_some(Self(micro as u64))
    }

    /// This much less, and never below nothing.
    #[must_use]
    pub fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl Add for MicroDollars {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl Sum for MicroDollars {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        amounts.fold(Self::default(), Add::add)
    }
}

impl fmt::Display for MicroDollars {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cents = self.0.div_ceil(10_000);
        write!(formatter, "${}.{:02}", cents / 100, cents % 100)
    }
}

/// What a model's tokens cost, in micro-dollars per million of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Price {
    /// Tokens that the model reads for the first time.
    pub input: u64,
    /// Tokens that it reads again from its cache.
    pub cached_input: u64,
    /// Tokens that it writes into its cache.
    pub cache_write: u64,
    /// Tokens that it writes, its thoughts among them.
    pub output: u64,
}

impl Price {
    /// What these tokens cost.
    #[must_use]
    pub fn of(&self, tokens: &Tokens) -> MicroDollars {
        let total: u128 = [
            (tokens.input, self.input),
            (tokens.cached_input, self.cached_input),
            (tokens.cache_write, self.cache_write),
            (tokens.output, self.output),
        ]
        .into_iter()
        .map(|(count, price)| u128::from(count) * u128::from(price))
        .sum();
        MicroDollars(u64::try_from(total / TOKENS_PER_PRICE).unwrap_or(u64::MAX))
    }
}

/// The prices of models.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PriceTable {
    by_prefix: BTreeMap<String, Price>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    price: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    prefix: String,
    #[serde(flatten)]
    price: Price,
}

impl PriceTable {
    /// The list prices that come with Deckhand.
    #[must_use]
    pub fn built_in() -> Self {
        Self::parse(include_str!("prices.toml")).unwrap_or_else(|error| {
            // A test reads the same file.
            tracing::error!(%error, "the built-in price table cannot be read");
            Self::default()
        })
    }

    /// Reads a table: `[[price]]` entries with `prefix`, `input`, `cached_input`, `cache_write`, `output`.
    pub fn parse(text: &str) -> Result<Self, toml::de::Error> {
        let file: File = toml::from_str(text)?;
        let by_prefix = file
            .price
            .into_iter()
            .map(|entry| (entry.prefix, entry.price))
            .collect();
        Ok(Self { by_prefix })
    }

    /// This table with the other's entries added; where both have one, the other's counts.
    #[must_use]
    pub fn with(mut self, other: Self) -> Self {
        self.by_prefix.extend(other.by_prefix);
        self
    }

    /// The price of a model, by the longest prefix that fits. Words before a slash, as some agents put the provider's
    /// name, do not count.
    #[must_use]
    pub fn of(&self, model: &str) -> Option<Price> {
        let name = model.rsplit('/').next().unwrap_or(model);
        self.by_prefix
            .iter()
            .filter(|(prefix, _)| name.starts_with(prefix.as_str()))
            .max_by_key(|(prefix, _)| prefix.len())
            .map(|(_, price)| *price)
    }

    /// The highest price among the models whose names begin with one of these, or among all where none does: what is
    /// unknown is never free.
    #[must_use]
    pub fn highest(&self, beginnings: &[&str]) -> Price {
        let rank = |price: &&Price| (price.output, price.input);
        let own = self.by_prefix.iter().filter(|(prefix, _)| {
            beginnings
                .iter()
                .any(|beginning| prefix.starts_with(beginning))
        });
        let own = own.map(|(_, price)| price).max_by_key(rank);
        let any = || self.by_prefix.values().max_by_key(rank);
        own.or_else(any).copied().unwrap_or(DEAREST)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    #[test]
    fn the_longest_prefix_counts_and_an_unknown_model_has_no_price() {
        let table = PriceTable::built_in();
        assert_eq!(table.of("gpt-5-mini-2025").unwrap().output, 2_000_000);
        assert_eq!(table.of("gpt-5.1").unwrap().output, 10_000_000);
        assert_eq!(
            table.of("anthropic/claude-opus-5-5").unwrap().input,
            5_000_000
        );
        assert_eq!(table.of("scripted-large"), None);
    }

    #[test]
    fn an_unknown_model_costs_what_the_dearest_of_its_provider_does() {
        let table = PriceTable::built_in();
        assert_eq!(Some(table.highest(&["gpt"])), table.of("gpt-6-astra"));
        assert_eq!(Some(table.highest(&["claude"])), table.of("claude-opus"));
        assert_eq!(Some(table.highest(&["nobody"])), table.of("gpt-6-astra"));
        assert_eq!(PriceTable::default().highest(&["gpt"]), DEAREST);
    }

    #[test]
    fn each_sort_of_token_has_its_own_price() {
        let tokens = Tokens {
            input: 468,
            cached_input: 2000,
            cache_write: 0,
            output: 112,
        };
        let price = PriceTable::built_in().of("claude-opus-5-5").unwrap();
        assert_eq!(price.of(&tokens), MicroDollars(2340 + 1000 + 2800));
    }

    #[test]
    fn an_added_entry_replaces_the_one_of_the_same_prefix() {
        let added = "[[price]]\nprefix = 'scripted'\ninput = 1\ncached_input = 0\ncache_write = 0\noutput = 2\n";
        let table = PriceTable::built_in().with(PriceTable::parse(added).unwrap());
        assert_eq!(table.of("scripted-large").unwrap().output, 2);
        assert!(PriceTable::parse("[[price]]\nprefix = 'x'\n").is_err());
    }

    #[test]
    fn amounts_are_shown_in_cents_and_never_as_less_than_they_are() {
        assert_eq!(MicroDollars(0).to_string(), "$0.00");
        assert_eq!(MicroDollars(1).to_string(), "$0.01");
        assert_eq!(MicroDollars(12_340_000).to_string(), "$12.34");
        assert_eq!(
            MicroDollars::from_dollars(0.006_768),
            Some(MicroDollars(6768))
        );
        for no_amount in [-1.0, f64::NAN, f64::INFINITY] {
            assert_eq!(MicroDollars::from_dollars(no_amount), None);
        }
    }
}
