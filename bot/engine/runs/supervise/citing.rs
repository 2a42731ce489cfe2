//! Answers to questions, when they are handed over: whether the places that one names are there.

use deckhand_executors::mirror::{CommitId as GitCommit, Mirror};
use serde_json::Value;

use crate::{
    domain::{
        event::Ending,
        inquiry::{Answer, Source},
        specification::Workplace,
        task::Task,
    },
    engine::{Context, gather, runs::tools},
};

/// How much of a file is read to count its lines, in bytes; of a longer one only the beginning is looked at.
const FILE_MAX_BYTES: usize = 4 << 20;
/// What the agent is told of an answer that was taken.
const TAKEN: &str = "Taken. End your turn now.";

/// Takes an answer into the ending. The error is a sentence that tells the agent what to mend.
pub(super) async fn take(
    context: &Context,
    task: &Task,
    ending: &mut Ending,
    arguments: Value,
) -> Result<String, String> {
    if !task.purpose().is_inquiry() {
        return Err("nobody has asked for an answer here".to_owned());
    }
    let mut answer = tools::answer(arguments)?;
    let workplace = task.workplace.as_ref();
    let workplace = workplace.ok_or("there is no repository to answer from")?;
    look_up(context, workplace, &answer).await?;
    answer.pages = gather::pages_of(context, workplace);
    ending.answer = Some(answer);
    Ok(TAKEN.to_owned())
}

/// Whether every place is there, at the commit that was read. What the host cannot look at now is let pass.
async fn look_up(context: &Context, workplace: &Workplace, answer: &Answer) -> Result<(), String> {
    let mirror = gather::known_ground(context, &workplace.repository).await;
    let (Ok(mirror), Ok(commit)) = (mirror, GitCommit::parse(&workplace.base_commit.0)) else {
        return Ok(());
    };
    for source in &answer.sources {
        is_there(&mirror, &commit, source).await?;
    }
    Ok(())
}

async fn is_there(mirror: &Mirror, commit: &GitCommit, source: &Source) -> Result<(), String> {
    let path = &source.path;
    let Ok(found) = mirror.read_file(commit, path, FILE_MAX_BYTES).await else {
        return Ok(());
    };
    let Some(file) = found else {
        return Err(format!(
            "there is no file {path} at this commit; name files as they are in the repository, from its root"
        ));
    };
    let last = source.last_line.or(source.first_line).unwrap_or_default();
    let is_whole = u64::try_from(file.bytes.len()).is_ok_and(|read| read == file.size_bytes);
    let lines = String::from_utf8_lossy(&file.bytes).lines().count();
    if is_whole && usize::try_from(last).is_ok_and(|last| last > lines) {
        return Err(format!("{path} has {lines} lines, and no line {last}"));
    }
    Ok(())
}
