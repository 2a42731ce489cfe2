//! The story that the demo plays: who says what in #eng before Deckhand is asked.

use deckhand_world::slack::{Slack, Thread};

use crate::serve::REPOSITORY;

/// The channel of the story.
const CHANNEL: &str = "eng";
/// Who asks, and who approves.
pub const REQUESTER: &str = "ana";
/// How it begins.
const OPENING: &str = "The second page of the user list shows the same people as the first one. \
    I ask for 150 at a time.";
/// What the others say; one of them is wrong.
const OTHERS: [(&str, &str); 2] = [
    ("ben", "I think it is the database index."),
    ("cleo", "It only happens with a limit over 100 for me."),
];
/// The request.
const REQUEST: &str = "The offset parameter of /api/v2/users is ignored when limit is over 100.";
/// What the requester wants to be different in the first plan.
pub const CORRECTION: &str = "Please also test an offset that is no multiple of the limit.";

/// The thread before anybody mentions Deckhand.
pub async fn seed(slack: &Slack) -> anyhow::Result<Thread> {
    let thread = slack.say(REQUESTER, CHANNEL, OPENING).await?;
    for (person, words) in OTHERS {
        thread.say(person, words).await?;
    }
    Ok(thread)
}

/// The request with its repository.
pub fn request() -> String {
    format!("{REQUEST} repo={REPOSITORY}")
}

/// The request as a person types it.
pub fn mention_as_typed() -> String {
    format!("@deckhand {}", request())
}
