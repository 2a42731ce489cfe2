//! Many mentions at once: how long each of them waits for a sign of life.

use std::time::Duration;

use anyhow::Context as _;
use deckhand_world::slack::{ChannelKind, Membership, Thread};
use futures::future::try_join_all;

use super::place::Place;
use super::series::Series;

/// How long a sign of life may take before the measurement is given up.
const SIGN_WITHIN: Duration = Duration::from_mins(2);

/// How long the signs of life took.
pub struct Crowd {
    /// From each mention to the reaction on it.
    pub reaction: Series,
    /// From each mention to the first words under it.
    pub words: Series,
}

/// Mentions Deckhand so many times in the same moment, each in a channel of its own, because Slack takes one message a
/// second in each.
pub async fn measure(place: &Place, mentions: usize) -> anyhow::Result<Crowd> {
    let slack = &place.world.slack;
    let channels: Vec<String> = (1..=mentions)
        .map(|number| format!("crowd{number}"))
        .collect();
    for channel in &channels {
        slack.add_channel(channel, ChannelKind::Public, Membership::Joined);
    }
    let threads = try_join_all(channels.iter().map(|channel| place.mention(channel))).await?;
    let signs = try_join_all(threads.iter().map(signs)).await?;
    Ok(Crowd {
        reaction: signs.iter().map(|(reaction, _)| *reaction).collect(),
        words: signs.iter().map(|(_, words)| *words).collect(),
    })
}

async fn signs(thread: &Thread) -> anyhow::Result<(Duration, Duration)> {
    let thread = thread.with_patience(SIGN_WITHIN);
    let both = || {
        let timing = thread.timing();
        timing.first_reaction.zip(timing.first_words)
    };
    let found = thread.wait("a reaction and words", both).await;
    found.context("a mention got no sign of life")
}
