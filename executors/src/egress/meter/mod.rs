//! What a run spends on models, read at the proxy, whatever the agent says of it; and the ceiling that stops the next
//! call before it is made.
//!
//! A call that begins sets aside what it may cost: everything it sends and everything it may write. A call begins only
//! while what is spent and what is set aside are below the ceiling. So what a run spends is at most the ceiling and the
//! cost of one call, however many calls it makes at once. Where the provider counts more than was set aside (a model
//! that writes more than it was asked to, a conversation that the provider keeps), that difference comes on top for
//! each call under way.
//!
//! In reading order: [`endpoint`] (what may be asked), [`asked`] (what a request asks for, read by [`json`]),
//! [`answer`] (what an answer says, read by [`scan`], and at a glance by [`shape`]), and here the sums.

pub mod answer;
pub mod asked;
pub mod endpoint;
mod json;
mod scan;
mod shape;

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::{
    sync::{Notify, watch},
    time::timeout,
};

use self::{
    answer::{AnswerReader, Reading, Wire},
    asked::Asked,
    endpoint::Provider,
};
use crate::agent::{MicroDollars, Price, PriceTable, Tokens};

/// How long a call waits for others that have set aside what is left.
const MAX_WAIT: Duration = Duration::from_mins(2);
/// What a model is taken to write in a second where nothing was seen of its answer, in tokens.
const TOKENS_PER_SECOND: u64 = 100;
/// How long calls that were cut may take to be settled.
const SETTLE_TIME: Duration = Duration::from_secs(2);

/// What a run has spent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct Spend {
    /// Tokens of the calls that are over.
    pub tokens: Tokens,
    /// What they cost.
    pub cost: MicroDollars,
    /// The part of the cost that no provider counted: answers that were cut, or came without a count.
    pub estimated: MicroDollars,
    /// Calls that are over and cost anything.
    pub calls: u64,
    /// Those of them whose model is not in the price table, priced as the provider's most expensive one.
    pub unlisted: u64,
    /// Calls that were refused because the ceiling is reached.
    pub refused: u64,
    /// What the calls under way have cost already: their input.
    pub under_way: MicroDollars,
}

impl Spend {
    /// As the next owner of the run begins with it: what was under way was cut, and is an estimate for good.
    #[must_use]
    pub fn taken_up(self) -> Self {
        Self {
            cost: self.cost + self.under_way,
            estimated: self.estimated + self.under_way,
            under_way: MicroDollars::default(),
            ..self
        }
    }
}

/// The most that a run may spend.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SpendCeiling {
    /// There is none.
    #[default]
    None,
    /// So much, with what it had spent before its way out was opened again.
    At(MicroDollars),
}

/// How a run's spend is counted.
#[derive(Clone, Debug)]
pub struct Metering {
    /// What models cost.
    pub prices: PriceTable,
    /// The most that the run may spend.
    pub ceiling: SpendCeiling,
    /// What it had spent when its way out was open before.
    pub before: Spend,
}

impl Default for Metering {
    fn default() -> Self {
        Self {
            prices: PriceTable::built_in(),
            ceiling: SpendCeiling::None,
            before: Spend::default(),
        }
    }
}

/// Why a call is not made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overspent {
    /// What is spent has reached the ceiling.
    Reached(MicroDollars),
    /// Calls under way have set aside what is left, for longer than it is waited.
    SetAside,
}

/// The sums of one run.
#[derive(Debug)]
pub struct Meter {
    prices: PriceTable,
    ceiling: SpendCeiling,
    set_aside: Mutex<SetAside>,
    spend: watch::Sender<Spend>,
    freed: Notify,
}

/// What calls under way may still cost.
#[derive(Clone, Copy, Debug, Default)]
struct SetAside {
    amount: MicroDollars,
    calls: usize,
}

impl Meter {
    /// Begins with what was spent before.
    pub fn new(metering: Metering) -> Self {
        Self {
            prices: metering.prices,
            ceiling: metering.ceiling,
            set_aside: Mutex::default(),
            spend: watch::Sender::new(metering.before.taken_up()),
            freed: Notify::new(),
        }
    }

    /// What is spent.
    pub fn spend(&self) -> Spend {
        *self.spend.borrow()
    }

    /// Tells of every change.
    pub fn subscribe(&self) -> watch::Receiver<Spend> {
        self.spend.subscribe()
    }

    /// Waits until no call is under way: those that were cut need a moment to be settled.
    pub async fn settled(&self) -> Spend {
        let settled = async {
            loop {
                let freed = self.freed.notified();
                tokio::pin!(freed);
                freed.as_mut().enable();
                if self.set_aside().calls == 0 {
                    return;
                }
                freed.await;
            }
        };
        // What is then still under way is counted by what it sent.
        let _ = timeout(SETTLE_TIME, settled).await;
        self.spend().taken_up()
    }

    /// Lets a call begin, or says why not. Waits while other calls have set aside what is left.
    pub async fn admit(
        self: &Arc<Self>,
        provider: Provider,
        wire: Wire,
        asked: Asked,
    ) -> Result<Call, Overspent> {
        let price = self.price(provider, &asked.model).1;
        let likely = price.of(&Tokens {
            input: asked.input,
            ..Tokens::default()
        });
        let most = price.of(&Tokens {
            input: asked.input,
            output: asked.output,
            ..Tokens::default()
        });
        let admitted = async {
            loop {
                let freed = self.freed.notified();
                tokio::pin!(freed);
                freed.as_mut().enable();
                match self.begin(likely, most) {
                    Err(Overspent::SetAside) => freed.await,
                    decided => return decided,
                }
            }
        };
        let admitted = timeout(MAX_WAIT, admitted).await;
        admitted.unwrap_or(Err(Overspent::SetAside))?;
        Ok(Call {
            meter: Arc::clone(self),
            provider,
            wire,
            asked,
            likely,
            most,
            progress: Progress::Begun,
        })
    }

    fn begin(&self, likely: MicroDollars, most: MicroDollars) -> Result<(), Overspent> {
        let mut set_aside = self.set_aside();
        if let SpendCeiling::At(ceiling) = self.ceiling {
            let spent = self.spend().cost;
            if spent >= ceiling {
                drop(set_aside);
                self.spend.send_modify(|spend| spend.refused += 1);
                return Err(Overspent::Reached(ceiling));
            }
            if spent + set_aside.amount >= ceiling {
                return Err(Overspent::SetAside);
            }
        }
        set_aside.amount = set_aside.amount + most;
        set_aside.calls += 1;
        self.spend
            .send_modify(|spend| spend.under_way = spend.under_way + likely);
        Ok(())
    }

    fn end(&self, likely: MicroDollars, most: MicroDollars, charge: &Charge) {
        let mut set_aside = self.set_aside();
        set_aside.amount = set_aside.amount.saturating_sub(most);
        set_aside.calls = set_aside.calls.saturating_sub(1);
        self.spend.send_modify(|spend| {
            spend.under_way = spend.under_way.saturating_sub(likely);
            spend.tokens.add(&charge.tokens);
            spend.cost = spend.cost + charge.cost;
            if charge.is_estimate {
                spend.estimated = spend.estimated + charge.cost;
            }
            if charge.tokens.total() > 0 {
                spend.calls += 1;
                spend.unlisted += u64::from(!charge.is_listed);
            }
        });
        drop(set_aside);
        self.freed.notify_waiters();
    }

    /// The price of a model, and whether it is its own.
    fn price(&self, provider: Provider, model: &str) -> (bool, Price) {
        match self.prices.of(model) {
            Some(price) => (true, price),
            None => (false, self.prices.highest(provider.models())),
        }
    }

    fn set_aside(&self) -> MutexGuard<'_, SetAside> {
        // Nothing can panic while it is held.
        self.set_aside
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a call cost.
#[derive(Debug, Default)]
struct Charge {
    tokens: Tokens,
    cost: MicroDollars,
    is_estimate: bool,
    is_listed: bool,
}

/// A call of a model under way. It is settled when it is dropped, whatever happened to it.
#[derive(Debug)]
pub struct Call {
    meter: Arc<Meter>,
    provider: Provider,
    wire: Wire,
    asked: Asked,
    likely: MicroDollars,
    most: MicroDollars,
    progress: Progress,
}

#[derive(Debug)]
enum Progress {
    /// Nothing was sent.
    Begun,
    /// The provider has it, since then.
    Sent(Instant),
    /// An answer comes.
    Answering {
        since: Instant,
        reader: Box<AnswerReader>,
        end: End,
    },
    /// It was refused; that costs only what the provider says it costs.
    Refused(Box<AnswerReader>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Cut,
    Reached,
}

impl Call {
    /// It is being sent to the provider.
    pub fn send(&mut self) {
        self.progress = Progress::Sent(Instant::now());
    }

    /// It did not reach the provider.
    pub fn unsent(&mut self) {
        self.progress = Progress::Begun;
    }

    /// The head of the answer is there.
    pub fn answered(&mut self, is_success: Success, content_type: &str, content_encoding: &str) {
        let reader = Box::new(AnswerReader::new(self.wire, content_type, content_encoding));
        let since = match &self.progress {
            Progress::Sent(since) => *since,
            Progress::Begun | Progress::Answering { .. } | Progress::Refused(_) => Instant::now(),
        };
        self.progress = match is_success {
            Success::Yes => Progress::Answering {
                since,
                reader,
                end: End::Cut,
            },
            Success::No => Progress::Refused(reader),
        };
    }

    /// A piece of the answer passes.
    pub fn read(&mut self, piece: &[u8]) {
        match &mut self.progress {
            Progress::Answering { reader, .. } | Progress::Refused(reader) => reader.read(piece),
            Progress::Begun | Progress::Sent(_) => {}
        }
    }

    /// The answer came to its end.
    pub fn complete(&mut self) {
        if let Progress::Answering { end, .. } = &mut self.progress {
            *end = End::Reached;
        }
    }

    fn charge(&self) -> Charge {
        match &self.progress {
            Progress::Begun => Charge::default(),
            Progress::Sent(since) => self.estimate(&Reading::default(), self.unseen(*since)),
            Progress::Refused(reader) => {
                let reading = reader.reading();
                match reading.counted {
                    Some(tokens) => self.counted(&reading, tokens),
                    None => Charge::default(),
                }
            }
            Progress::Answering { since, reader, end } => {
                let reading = reader.reading();
                let is_whole =
                    reading.is_final || (self.wire == Wire::Gemini && *end == End::Reached);
                match reading.counted {
                    Some(tokens) if is_whole => self.counted(&reading, tokens),
                    Some(_) | None if *end == End::Cut && reader.is_whole() => {
                        let written = reading.written.max(self.unseen(*since));
                        self.estimate(&reading, written)
                    }
                    Some(_) | None => self.estimate(&reading, reading.written),
                }
            }
        }
    }

    /// What a model may have written that nobody saw.
    fn unseen(&self, since: Instant) -> u64 {
        let written = since.elapsed().as_secs().saturating_mul(TOKENS_PER_SECOND);
        written.min(self.asked.output)
    }

    /// What was counted and, where that is not all, what is likely.
    fn estimate(&self, reading: &Reading, written: u64) -> Charge {
        let mut tokens = reading.counted.unwrap_or(Tokens {
            input: self.asked.input,
            ..Tokens::default()
        });
        tokens.output = tokens.output.max(written);
        Charge {
            is_estimate: true,
            ..self.counted(reading, tokens)
        }
    }

    fn counted(&self, reading: &Reading, tokens: Tokens) -> Charge {
        // The one that answered, where the name that was asked for is another's.
        let names = reading.model.iter().chain([&self.asked.model]);
        let listed = names
            .map(|model| self.meter.price(self.provider, model))
            .find(|(is_listed, _)| *is_listed);
        let (is_listed, price) =
            listed.unwrap_or_else(|| self.meter.price(self.provider, &self.asked.model));
        // Kept for an hour it costs twice the input, and not five quarters of it.
        let dearer = Price {
            cache_write: price
                .input
                .saturating_mul(2)
                .saturating_sub(price.cache_write),
            ..Price::default()
        };
        let hour = Tokens {
            cache_write: reading.hour_write.min(tokens.cache_write),
            ..Tokens::default()
        };
        Charge {
            tokens,
            cost: price.of(&tokens) + dearer.of(&hour),
            is_estimate: false,
            is_listed,
        }
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.meter.end(self.likely, self.most, &self.charge());
    }
}

/// Whether a provider took a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Success {
    /// Its status is 2xx.
    Yes,
    /// It is another.
    No,
}

#[cfg(test)]
mod tests;
