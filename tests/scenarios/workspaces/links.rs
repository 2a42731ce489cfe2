//! Links to messages where an organisation has installed the app for all of its workspaces.

use deckhand::domain::task::Task;
use deckhand_world::slack::{Call, ChannelKind, Home, Membership, Reach, Slack, Thread};

use super::{GRID, Many, mention};
use crate::harness::{CHANNEL, PATIENCE, REQUEST, asking::says};

/// The organisation's host.
const ORGANISATION: &str = "grid.enterprise.slack.com";
/// What is said of what not everybody may read.
const NOT_FOR_ALL: &str = "what was said there is not for everybody who reads this";

/// An organisation, in front of its workspace `T0ONE`.
async fn organisation() -> (Many, Slack) {
    let many = Many::open(GRID).await;
    let grid = many
        .beside(Home {
            team: "T0ONE".to_owned(),
            name: "Grid".to_owned(),
            organisation: Some(GRID.to_owned()),
        })
        .await;
    many.is_installed(GRID).await;
    (many, grid)
}

/// Somebody says a sentence in a channel of its own; the path of its address.
async fn said_in(grid: &Slack, channel: &str, reach: &Reach) -> String {
    grid.add_channel(channel, ChannelKind::Public, Membership::Joined);
    grid.set_reach(channel, reach).unwrap();
    let text = format!("Said in {channel}.");
    let said = grid.say("ben", channel, &text).await.unwrap();
    let digits = said.root().as_str().replace('.', "");
    format!("archives/{}/p{digits}", said.channel())
}

fn of(teams: &[&str]) -> Reach {
    Reach::Of(teams.iter().map(|team| (*team).to_owned()).collect())
}

fn read(task: &Task) -> Vec<&str> {
    task.context.iter().map(|line| line.text.as_str()).collect()
}

async fn ends(many: &Many, thread: &Thread) {
    thread.say("ana", "stop").await.unwrap();
    many.stands(GRID, thread, "canceled").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn in_an_organisation_a_link_is_read_by_any_of_its_names_where_everybody_here_may() {
    let (many, grid) = organisation().await;
    let own = said_in(&grid, "ops", &Reach::Own).await;
    let all = said_in(&grid, "news", &Reach::Organisation).await;
    let both = said_in(&grid, "both", &of(&["T0ONE", "T0TWO"])).await;
    let text = format!(
        "{REQUEST} See https://t0one.slack.com/{own} and https://{ORGANISATION}/{all} and https://t0two.{ORGANISATION}/{both}"
    );
    let thread = mention(&grid, &text).await;
    let task = many.stands(GRID, &thread, "awaiting_approval").await;
    assert_eq!(
        read(&task),
        ["Said in ops.", "Said in news.", "Said in both."]
    );
    let told = thread.render();
    assert!(!told.contains("could not be followed"), "{told}");
    ends(&many, &thread).await;

    // What one asks alone, one is answered alone.
    let text = format!("{REQUEST} See https://{ORGANISATION}/{own}");
    let asked = grid.direct("ana", &text).await.unwrap();
    let asked = asked.with_patience(PATIENCE);
    let task = many.stands(GRID, &asked, "awaiting_approval").await;
    assert_eq!(read(&task), ["Said in ops."]);
    ends(&many, &asked).await;
    many.close(&[&grid]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_workspace_of_the_organisation_keeps_to_itself_is_named_with_the_reason() {
    let (many, grid) = organisation().await;
    let theirs = said_in(&grid, "theirs", &of(&["T0TWO"])).await;
    let own = said_in(&grid, "ops", &Reach::Own).await;
    let all = said_in(&grid, "news", &Reach::Organisation).await;
    let theirs = format!("https://t0two.{ORGANISATION}/{theirs}");
    // By the organisation's own name it is the same message.
    let again = theirs.replace("t0two.", "");
    let thread = mention(&grid, &format!("{REQUEST} See {theirs} and {again}")).await;
    let task = many.stands(GRID, &thread, "awaiting_approval").await;
    assert_eq!(read(&task), Vec::<&str>::new());
    let told = says(&thread, "These links could not be followed").await;
    for link in [&theirs, &again] {
        assert!(
            told.says(&format!("`{link}` — {NOT_FOR_ALL}")),
            "{}",
            thread.render()
        );
    }
    assert!(!thread.render().contains("Said in"), "{}", thread.render());
    ends(&many, &thread).await;

    let text = format!("{REQUEST} See {theirs}");
    let asked = grid.direct("ana", &text).await.unwrap();
    let asked = asked.with_patience(PATIENCE);
    let task = many.stands(GRID, &asked, "awaiting_approval").await;
    assert_eq!(read(&task), Vec::<&str>::new());
    says(&asked, NOT_FOR_ALL).await;
    ends(&many, &asked).await;

    // Where two workspaces read along, what one of them said to itself is not for both.
    let both = of(&["T0ONE", "T0TWO"]);
    grid.set_reach(CHANNEL, &both).unwrap();
    let text =
        format!("{REQUEST} See https://{ORGANISATION}/{own} and https://{ORGANISATION}/{all}");
    let shared = mention(&grid, &text).await;
    let task = many.stands(GRID, &shared, "awaiting_approval").await;
    assert_eq!(read(&task), ["Said in news."]);
    let told = says(&shared, "This link could not be followed").await;
    assert!(
        told.says(&format!("{own}` — {NOT_FOR_ALL}")),
        "{}",
        shared.render()
    );
    ends(&many, &shared).await;
    many.close(&[&grid]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_asked_of_a_link_into_another_organisation() {
    let (many, grid) = organisation().await;
    let own = said_in(&grid, "ops", &Reach::Own).await;
    // They name what can be read here, so that only their host speaks against them.
    let others = [
        "other.slack.com",
        "t0one.other.enterprise.slack.com",
        "othergrid.enterprise.slack.com",
    ]
    .map(|host| format!("https://{host}/{own}"));
    let thread = mention(&grid, &format!("{REQUEST} See {}", others.join(" and "))).await;
    let task = many.stands(GRID, &thread, "awaiting_approval").await;
    assert_eq!(read(&task), Vec::<&str>::new());
    let told = says(&thread, "These links could not be followed").await;
    for link in &others {
        let named = format!("`{link}` — it leads into another workspace");
        assert!(told.says(&named), "{named}\n{}", thread.render());
    }
    let asked = |call: &Call| call.arguments["channel"] == "COPS";
    assert!(!grid.calls().iter().any(asked));
    ends(&many, &thread).await;
    many.close(&[&grid]).await;
}
