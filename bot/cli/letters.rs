//! What was given up, on the command line: listed, tried again, dropped. A server may run meanwhile.

use anyhow::bail;
use clap::Subcommand;

use super::say;
use crate::{
    clock::Clock,
    config::Config,
    domain::{TaskId, Timestamp, event::Event},
    engine::dispatch::work_delivery,
    redact::Redactor,
    store::{
        Store,
        dead_letters::{Letter, Queue, Wished},
        inbox::NewDelivery,
    },
};

/// How much of an error a line of the list shows, in characters.
const ERROR_SHOWN: usize = 90;

#[derive(Debug, Subcommand)]
pub(super) enum LetterVerb {
    /// What was given up, and what waits after a try that failed.
    List {
        /// One JSON object a line, with everything that is stored.
        #[arg(long)]
        json: bool,
    },
    /// Tries it again now, in its old place.
    Retry {
        /// Its identifier, as the list shows it.
        id: String,
    },
    /// Lets go of it for good. What waits behind it goes on, and the task hears of it where it waits for it.
    Drop {
        /// Its identifier, as the list shows it.
        id: String,
    },
}

pub(super) async fn run(
    config: &Config,
    redactor: &Redactor,
    queue: Queue,
    verb: LetterVerb,
    by: &str,
) -> anyhow::Result<()> {
    let store = Store::open_beside(&config.database_url).await?;
    let now = Clock::default().now();
    let obeyed = obey(&store, redactor, queue, verb, (by, now)).await;
    store.close().await;
    obeyed
}

async fn obey(
    store: &Store,
    redactor: &Redactor,
    queue: Queue,
    verb: LetterVerb,
    (by, now): (&str, Timestamp),
) -> anyhow::Result<()> {
    let noun = match queue {
        Queue::Inbox => "delivery",
        Queue::Outbox => "effect",
    };
    match verb {
        LetterVerb::List { json } => {
            let letters = store.letters(queue).await?;
            if letters.is_empty() && !json {
                say(&format!(
                    "no {noun} was given up, and none waits after a try that failed"
                ));
            }
            for letter in &letters {
                let line = if json {
                    as_json(letter).to_string()
                } else {
                    in_a_line(letter, now)
                };
                say(&redactor.redacted(line));
            }
        }
        LetterVerb::Retry { id } => match store.retry_letter(queue, &id, by, now).await? {
            Wished::Done => say(&format!("the {noun} {id} is tried again now")),
            Wished::Unknown | Wished::MustBeDone => {
                bail!("no {noun} {id} was given up or waits")
            }
            Wished::TaskIsOver => bail!(
                "the task of this {noun} was cancelled or deleted; nothing of it is said or done any more. Drop it: deckhand {} drop {id}",
                verb_of(queue)
            ),
        },
        LetterVerb::Drop { id } => {
            let news = news(store, queue, &id, by).await?;
            match store
                .drop_letter(queue, &id, by, news.as_ref(), now)
                .await?
            {
                Wished::Done => say(&format!("the {noun} {id} is dropped")),
                Wished::MustBeDone => bail!(
                    "this {noun} is a cancel, a word to the agent or a decision about the network; somebody waits for it, and it is tried until it works"
                ),
                Wished::Unknown | Wished::TaskIsOver => {
                    bail!("no {noun} {id} was given up or waits")
                }
            }
        }
    }
    Ok(())
}

const fn verb_of(queue: Queue) -> &'static str {
    match queue {
        Queue::Inbox => "inbox",
        Queue::Outbox => "outbox",
    }
}

/// Work that its task still waits for: without a word the task would wait for ever. What was given up was told already.
async fn news(
    store: &Store,
    queue: Queue,
    id: &str,
    by: &str,
) -> anyhow::Result<Option<NewDelivery>> {
    if queue == Queue::Inbox {
        return Ok(None);
    }
    let Some(letter) = store.effect_letter(id).await? else {
        return Ok(None);
    };
    if letter.given_up || !letter.origin.starts_with("work:") {
        return Ok(None);
    }
    let stored = store.task(&TaskId(letter.task)).await?;
    Ok(stored.map(|stored| {
        let event = Event::EffectGivenUp {
            effect: "the next step".to_owned(),
            reason: format!("{by} dropped it: {}", letter.error),
        };
        work_delivery(&stored.task, format!("given-up:{id}"), event)
    }))
}

fn in_a_line(letter: &Letter, now: Timestamp) -> String {
    let state = if letter.given_up { "given up" } else { "waits" };
    let tries = if letter.attempts == 1 { "try" } else { "tries" };
    let mut error: String = letter.error.chars().take(ERROR_SHOWN).collect();
    if error.len() < letter.error.len() {
        error.push('…');
    }
    // A lane's name has its task behind it.
    let origin = letter.origin.split(':').next().unwrap_or_default();
    let whose = if letter.task.is_empty() {
        &letter.conversation
    } else {
        &letter.task
    };
    format!(
        "{}  {state:<8}  {:>3} {tries:<5}  {:>8}  {origin:<12}  {whose}  {error}",
        letter.id,
        letter.attempts,
        age(now.milliseconds_since(letter.since) / 1_000),
    )
}

/// How old something is, in its largest unit.
fn age(seconds: i64) -> String {
    match seconds {
        ..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}

fn as_json(letter: &Letter) -> serde_json::Value {
    serde_json::json!({
        "id": letter.id,
        "origin": letter.origin,
        "task": letter.task,
        "conversation": letter.conversation,
        "given_up": letter.given_up,
        "attempts": letter.attempts,
        "since_ms": letter.since.0,
        "error": letter.error,
        "body": letter.body,
    })
}

#[cfg(test)]
mod tests {
    use super::age;

    #[test]
    fn ages_are_told_in_their_largest_unit() {
        for (seconds, words) in [
            (0, "0 s"),
            (119, "119 s"),
            (120, "2 min"),
            (7_199, "119 min"),
            (7_200, "2 h"),
            (172_800, "2 days"),
        ] {
            assert_eq!(age(seconds), words);
        }
    }
}
