//! What the demo claims in its last line, each thing looked up where it really is.

use anyhow::{Context as _, ensure};
use deckhand_world::github::{Github, PullRequest, PullState};
use deckhand_world::slack::Thread;
use serde_json::{Value, json};

use crate::serve::{REPOSITORY, World};

/// Pictures that the story ends with: one page before and after.
const SCREENSHOTS: usize = 2;
/// How a PNG file begins.
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";
/// What every commit has to say about itself.
const TRAILERS: [&str; 5] = [
    "Deckhand-Task: ",
    "Requested-by: ",
    "Approved-by: ",
    "Deckhand-Agent: ",
    "Deckhand-Model: ",
];

/// How many requirements ended how.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Requirements {
    met: usize,
    not_met: usize,
    not_checked: usize,
}

impl Requirements {
    /// Counts what `deckhand task show` says.
    pub fn of(task: &Value) -> anyhow::Result<Self> {
        let judged = task["requirements"]
            .as_array()
            .context("`task show` says nothing about requirements")?;
        let count = |verdict: &str| {
            judged
                .iter()
                .filter(|one| one["verdict"] == verdict)
                .count()
        };
        Ok(Self {
            met: count("met"),
            not_met: count("not_met"),
            not_checked: count("not_checked"),
        })
    }

    /// Whether there are some and all of them are met.
    pub fn are_all_met(&self) -> bool {
        self.met > 0 && self.not_met + self.not_checked == 0
    }

    /// As the last line has it.
    pub fn shown(&self) -> Value {
        json!({ "met": self.met, "not_met": self.not_met, "not_checked": self.not_checked })
    }
}

/// The state's name.
pub fn state(task: &Value) -> &str {
    task["state"]["state"].as_str().unwrap_or("unknown")
}

/// The pull request that the task names, as GitHub has it, with its branch and its commits.
pub async fn pull_request(github: &Github, task: &Value) -> anyhow::Result<PullRequest> {
    let publication = &task["publication"];
    let number = publication["pull_request"]["number"]
        .as_u64()
        .context("the task names no pull request")?;
    let repository = github.repository(REPOSITORY)?;
    let found = repository.pull_requests();
    let found = found.into_iter().find(|one| one.number == number);
    let found = found.with_context(|| format!("there is no pull request #{number}"))?;
    ensure!(
        found.state == PullState::Open,
        "the pull request is {:?}",
        found.state
    );
    ensure!(
        publication["branch"] == found.head.as_str(),
        "it is from {}",
        found.head
    );
    let commits = repository.log(&found.head).await?;
    let newest = commits.first().context("its branch has no commit")?;
    ensure!(
        publication["commit"] == newest.id.as_str(),
        "its branch is at {}",
        newest.id
    );
    for trailer in TRAILERS {
        ensure!(
            newest.message.lines().any(|line| line.starts_with(trailer)),
            "the commit has no trailer {trailer:?}:\n{}",
            newest.message
        );
    }
    Ok(found)
}

/// How many pictures people see in the thread; more or fewer than expected is an error.
pub fn screenshots(thread: &Thread) -> anyhow::Result<usize> {
    let files = thread.files();
    let is_picture = |content: &[u8]| content.starts_with(PNG);
    let pictures: Vec<_> = files
        .iter()
        .filter_map(|file| file.content.as_ref())
        .filter(|content| is_picture(content))
        .collect();
    ensure!(
        pictures.len() == SCREENSHOTS,
        "{} pictures are in the thread, not {SCREENSHOTS}",
        pictures.len()
    );
    ensure!(
        pictures[0] != pictures[1],
        "the pictures before and after are the same"
    );
    Ok(pictures.len())
}

/// The pictures of the pull request are there for whoever opens it.
pub async fn pictures_of(pull_request: &PullRequest) -> anyhow::Result<()> {
    let parts = pull_request.body.split("![").skip(1);
    let address = |part: &str| Some(part.split_once("](")?.1.split_once(')')?.0.to_owned());
    let addresses: Vec<String> = parts.filter_map(address).collect();
    ensure!(
        addresses.len() == SCREENSHOTS,
        "the pull request shows {} pictures, not {SCREENSHOTS}",
        addresses.len()
    );
    for address in addresses {
        let answer = reqwest::get(&address).await?.error_for_status()?;
        ensure!(
            answer.bytes().await?.starts_with(PNG),
            "{address} is no picture"
        );
    }
    Ok(())
}

/// Nothing that the platforms forbid was done, and no key was seen where none belongs.
pub fn nothing_forbidden(world: &World) -> anyhow::Result<()> {
    let all = [
        ("Slack", world.slack.violations()),
        ("GitHub", world.github.violations()),
        ("the model providers", world.models.violations()),
    ];
    for (whose, violations) in all {
        ensure!(
            violations.is_empty(),
            "against the rules of {whose}:\n{}",
            violations.join("\n")
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::Requirements;

    #[test]
    fn requirements_are_all_met_only_when_there_are_some() {
        let of = |verdicts: &[&str]| {
            let judged: Vec<_> = verdicts
                .iter()
                .map(|verdict| json!({ "verdict": verdict }))
                .collect();
            Requirements::of(&json!({ "requirements": judged }))
                .map(|found| found.are_all_met())
                .ok()
        };
        assert_eq!(of(&[]), Some(false));
        assert_eq!(of(&["met", "met"]), Some(true));
        assert_eq!(of(&["met", "not_checked"]), Some(false));
        assert!(Requirements::of(&json!({})).is_err());
    }
}
