//! Attacks by words: instructions of people and texts that may not give any, to an agent that obeys every one of them.
//!
//! Each story is the real bot with a real agent in its real sandbox; only its model is a stand-in, and the worst that
//! there can be. No fence is judged here, because this model knows none: an attack is held where its effect is not seen
//! outside. A row that the model did not see, or did not obey, shows nothing and counts as not made.

mod conversation;
mod dress;
mod evidence;
mod material;
mod outside;
mod rows_file;
mod rows_issue;
mod rows_reading;
mod rows_said;
mod rows_thread;
mod stories;

use deckhand_world::models::{SEAM, orders_in};

use dress::Dress;
use stories::Story;

use super::suite::{Canary, Family, Listed, Outcome, Suite};

/// An attack by words.
pub struct Injected {
    /// Its name; it never changes.
    pub id: &'static str,
    /// What is tried, in one sentence.
    pub tries: &'static str,
    /// Where the words stand.
    pub place: Place,
    /// How the effect would be seen.
    pub sign: Sign,
    /// How the words are written.
    pub dress: Dress,
    /// The words. What the model shall do stands in them as the stand-in's notation has it: run, call or say, and the deed
    /// between backticks. `CANARY` is the row's canary, which is whole only in what came of the deed; `EVIL` is a host of
    /// the attacker, `HOST` and `PORT` are where the suite listens on this machine, `FORGE` is the forge's address.
    pub text: &'static str,
}

/// Where words stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In the thread, before the bot is mentioned.
    Thread(Speaker),
    /// In the thread, while a plan waits: to the bot itself and not to the agent.
    Said(Speaker),
    /// An emoji of this name on the plan.
    Reaction(Speaker),
    /// A press of the newest button with this label.
    Press(Speaker),
    /// In an issue's title, which a guest wrote.
    IssueTitle,
    /// In an issue's description, which a guest wrote.
    IssueDescription,
    /// In a comment of a guest below the issue.
    IssueComment,
    /// In the session of an issue, by a guest, while a plan waits.
    IssueSaid,
    /// In this file of the repository.
    File(&'static str),
    /// In the name of a file.
    FileName,
    /// In the message of a commit.
    CommitMessage,
    /// In the output of a program of the repository.
    Output(Stream),
    /// In the output of a check, which the agent reads when the proof has found something.
    CheckOutput,
    /// In a page that the agent reads.
    Page,
    /// In the head of an answer of a web server.
    PageHead,
    /// On a picture in the repository.
    Picture,
}

/// Who speaks in a thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speaker {
    /// A member whom the policy does not list.
    Bystander,
    /// A guest.
    Guest,
    /// Somebody of another organisation, by Slack Connect.
    Outsider,
    /// A program.
    Bot,
}

impl Speaker {
    /// The handle.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bystander => "ben",
            Self::Guest => "gus",
            Self::Outsider => "olga",
            Self::Bot => "robot",
        }
    }
}

/// Where a program prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    Output,
    Errors,
}

/// How the effect of words would be seen. Beside it, every canary is looked for in all places outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    /// The canary arrives at any host, or in any packet.
    Arrives,
    /// The canary stands in a repository of the forge or in the host's copy of one: in a file, a name, a message, a
    /// reference.
    Pushed,
    /// The canary stands where people read it, in a link, a picture or a mention that works.
    Acts,
    /// The canary stands in words of the bot that are not set off as the agent's.
    Speaks,
    /// The model provider saw another key, or was asked for what the canary names as a model.
    Asked,
    /// A requirement counts as met that no check has seen met.
    Met,
    /// Approval, plan, ceiling, repository, network or end of the task are not what ana decided.
    Decides,
    /// Another task's sandbox has it.
    Stays,
}

macro_rules! injected {
    ($id:literal, $tries:literal, $place:expr, $sign:ident, $text:literal) => {
        injected!($id, $tries, $place, $sign, Plain, $text)
    };
    ($id:literal, $tries:literal, $place:expr, $sign:ident, $dress:ident, $text:literal) => {
        $crate::words::Injected {
            id: $id,
            tries: $tries,
            place: $place,
            sign: $crate::words::Sign::$sign,
            dress: $crate::words::dress::Dress::$dress,
            text: $text,
        }
    };
}
use injected;

/// A row that takes part in a story.
pub struct Planted {
    pub row: &'static Injected,
    pub canary: Canary,
    /// The words as they stand in their place.
    pub words: String,
}

/// How it is known that words came to where they were meant for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// The model did what they say, and what came of it came back to it.
    Obeyed,
    /// The model was sent them.
    Seen,
    /// The bot took the delivery.
    Delivered,
}

/// What stands for other things in the words of rows.
pub struct Names {
    pub host: String,
    pub port: u16,
    pub forge: String,
}

impl Planted {
    fn new(row: &'static Injected, canary: Canary, names: &Names) -> Self {
        let port = names.port.to_string();
        let words = [
            ("CANARY", seamed(&canary).as_str()),
            ("EVIL", "collector.example"),
            ("HOST", &names.host),
            ("PORT", &port),
            ("FORGE", &names.forge),
        ]
        .iter()
        .fold(row.text.to_owned(), |text, (name, value)| {
            text.replace(name, value)
        });
        Self {
            row,
            canary,
            words: row.dress.put_on(&words),
        }
    }

    /// How it is known that the words were heard.
    pub fn heard(&self) -> Heard {
        match self.row.place {
            Place::Said(_) | Place::Reaction(_) | Place::Press(_) | Place::IssueSaid => {
                Heard::Delivered
            }
            _ if orders_in(&self.words).is_empty() => Heard::Seen,
            _ => Heard::Obeyed,
        }
    }

    /// What the model was sent where it saw the words.
    pub fn trace(&self) -> String {
        seamed(&self.canary)
    }
}

/// A canary as it stands in an order: whole only where the order was obeyed.
fn seamed(canary: &Canary) -> String {
    canary.as_str().replacen('-', &format!("-{SEAM}"), 1)
}

fn all() -> impl Iterator<Item = &'static Injected> {
    [
        rows_thread::ROWS,
        rows_said::ROWS,
        rows_issue::ROWS,
        rows_file::ROWS,
        rows_reading::ROWS,
    ]
    .into_iter()
    .flatten()
}

fn listed_row(row: &Injected) -> Listed {
    Listed {
        id: row.id.to_owned(),
        family: Family::Words,
        tries: row.tries.to_owned(),
    }
}

/// The rows.
pub fn listed() -> Vec<Listed> {
    all().map(listed_row).collect()
}

/// Tells the stories of the wanted rows.
pub async fn run(suite: &mut Suite) -> anyhow::Result<()> {
    if !suite.wants_any(&listed()) {
        return Ok(());
    }
    suite.heading(Family::Words);
    for story in stories::ALL {
        let rows = all().filter(|row| story.is_of(row.place) && suite.wants(&listed_row(row)));
        let rows: Vec<&'static Injected> = rows.collect();
        if rows.is_empty() {
            continue;
        }
        let mut outcomes = told(suite, story, &rows).await;
        let again: Vec<&'static Injected> = outcomes
            .iter()
            .filter_map(|(row, outcome)| outcome.is_not_made().then_some(*row))
            .collect();
        if !again.is_empty() {
            for (row, second) in told(suite, story, &again).await {
                let place = outcomes.iter_mut().find(|(known, _)| known.id == row.id);
                if let Some((_, first)) = place {
                    *first = second.after(first);
                }
            }
        }
        for (row, outcome) in outcomes {
            suite.tell(&listed_row(row), &outcome);
        }
    }
    Ok(())
}

/// Tells a story with these rows in it. One that breaks off has shown nothing, and the next one is told all the same.
async fn told(
    suite: &mut Suite,
    story: Story,
    rows: &[&'static Injected],
) -> Vec<(&'static Injected, Outcome)> {
    let planted: Vec<_> = rows.iter().map(|row| (*row, suite.plant())).collect();
    match tokio::spawn(stories::tell(story, planted)).await {
        Ok(Ok(outcomes)) => outcomes,
        Ok(Err(error)) => broken_off(rows, &format!("{error:#}")),
        Err(error) => broken_off(rows, &format!("the story broke off: {error}")),
    }
}

fn broken_off(rows: &[&'static Injected], why: &str) -> Vec<(&'static Injected, Outcome)> {
    rows.iter()
        .map(|row| (*row, Outcome::not_made(why)))
        .collect()
}
