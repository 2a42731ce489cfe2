//! The checklist of a status message: a `plan` block, edited in place like everything else of it.

use serde_json::{Value, json};

use super::limits::{BLOCK_TEXT_MAX_CHARS, PLAN_TASKS_MAX, PLAN_TITLE_MAX_CHARS};
use crate::{
    domain::clip,
    surface::{Step, StepStanding},
};

/// The type of the block.
const KIND: &str = "plan";

/// The steps as a block, below `spoken` characters of other text; none where there are none, or no room is left.
pub(super) fn block(headline: &str, steps: &[Step], spoken: usize) -> Option<Value> {
    let title = clip(headline, PLAN_TITLE_MAX_CHARS);
    let mut room = BLOCK_TEXT_MAX_CHARS.saturating_sub(spoken + characters(&title));
    let mut tasks = Vec::new();
    let mut is_stopped = false;
    for step in steps.iter().take(PLAN_TASKS_MAX) {
        let shown = clip(step.title.trim(), PLAN_TITLE_MAX_CHARS);
        let Some(left) = room.checked_sub(characters(&shown)) else {
            break;
        };
        room = left;
        // A task without a title is refused, and with it the whole message.
        if shown.is_empty() {
            continue;
        }
        let status = status(step.standing, &mut is_stopped);
        tasks.push(json!({ "task_id": format!("step-{}", tasks.len() + 1), "title": shown, "status": status }));
    }
    let is_shown = !tasks.is_empty() && !title.trim().is_empty();
    is_shown.then(|| json!({ "type": KIND, "title": title, "tasks": tasks }))
}

/// Whether Slack may have refused a message for what not every workspace has, or for a sum that is too long.
pub(super) fn may_be_why(code: &str) -> bool {
    matches!(
        code,
        "invalid_blocks" | "invalid_blocks_format" | "msg_blocks_too_long"
    )
}

/// Blocks that not every workspace has, and that no message needs.
const NEWER: [&str; 2] = [KIND, "context_actions"];

/// Takes the blocks out of a message that it can do without. False where it has none.
pub(super) fn take_out(message: &mut Value) -> bool {
    let Some(blocks) = message["blocks"].as_array_mut() else {
        return false;
    };
    let before = blocks.len();
    blocks.retain(|block| !NEWER.iter().any(|newer| block["type"] == *newer));
    blocks.len() < before
}

/// What ended the work is one step; those behind it were not reached. Source: reference of the task card block.
const fn status(standing: StepStanding, is_stopped: &mut bool) -> &'static str {
    match standing {
        StepStanding::Active => "in_progress",
        StepStanding::Done => "complete",
        StepStanding::Failed if !*is_stopped => {
            *is_stopped = true;
            "error"
        }
        StepStanding::Failed | StepStanding::Pending => "pending",
    }
}

fn characters(text: &str) -> usize {
    text.chars().count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(title: &str, standing: StepStanding) -> Step {
        Step {
            title: title.to_owned(),
            standing,
        }
    }

    #[test]
    fn a_step_is_done_under_way_waiting_or_where_it_ended() {
        use StepStanding::{Active, Done, Failed, Pending};
        let standings = |all: &[StepStanding]| {
            let steps: Vec<Step> = all.iter().map(|one| step("Work", *one)).collect();
            let block = block("1 of 4 done", &steps, 0).unwrap_or_default();
            let tasks = block["tasks"].as_array().cloned().unwrap_or_default();
            let statuses = tasks.iter().map(|task| task["status"].as_str());
            statuses
                .flatten()
                .map(str::to_owned)
                .collect::<Vec<String>>()
        };
        assert_eq!(
            standings(&[Done, Active, Pending]),
            ["complete", "in_progress", "pending"]
        );
        // One thing went wrong, not everything behind it.
        assert_eq!(
            standings(&[Done, Failed, Failed]),
            ["complete", "error", "pending"]
        );
    }

    #[test]
    fn it_stays_within_slacks_limits_whatever_an_agent_lists() {
        let long = "é".repeat(5_000);
        let steps: Vec<Step> = (0..200)
            .map(|n| step(&format!("{n}{long}"), StepStanding::Pending))
            .collect();
        let block = block(&long, &steps, 1_000).unwrap_or_default();
        let tasks = block["tasks"].as_array().cloned().unwrap_or_default();
        let texts = tasks.iter().chain([&block]);
        let lengths = texts.map(|one| characters(one["title"].as_str().unwrap_or_default()));
        let (most, sum) = lengths.fold((0, 0), |(most, sum), one| (one.max(most), one + sum));
        assert!(most <= PLAN_TITLE_MAX_CHARS, "{most}");
        assert!(sum + 1_000 <= BLOCK_TEXT_MAX_CHARS, "{sum}");
        let short: Vec<Step> = (0..200)
            .map(|n| step(&n.to_string(), StepStanding::Pending))
            .collect();
        let block = super::block("many", &short, 0).unwrap_or_default();
        let tasks = block["tasks"].as_array().cloned().unwrap_or_default();
        assert_eq!(tasks.len(), PLAN_TASKS_MAX);
        let mut names: Vec<&str> = tasks.iter().filter_map(|t| t["task_id"].as_str()).collect();
        names.dedup();
        assert_eq!(names.len(), PLAN_TASKS_MAX);
    }

    #[test]
    fn where_nothing_fits_there_is_none() {
        let steps = [
            step("Work", StepStanding::Active),
            step(" ", StepStanding::Done),
        ];
        assert_eq!(block("one", &steps, BLOCK_TEXT_MAX_CHARS), None);
        assert_eq!(block("", &steps, 0), None);
        assert_eq!(block("one", &[], 0), None);
        assert_eq!(block("one", &steps[1..], 0), None);
    }
}
