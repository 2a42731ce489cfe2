//! The world beside the machine: it knows only what effects did to it, and is held against the task after each event.

use crate::domain::{
    RunNumber,
    conversation::{LineRef, Standing},
    effect::{Assignment, Effect, Lane},
    event::Event,
    held::HeldVerdict,
    task::{Next, State, Task},
};

/// What the world has seen so far, by effects alone.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub(super) struct World {
    pub(super) live: Option<RunNumber>,
    pub(super) started: Vec<RunNumber>,
    pub(super) is_canceled: bool,
    pub(super) heard_but_not_told: usize,
}

impl World {
    pub(super) fn see(&mut self, before: &Task, event: &Event, after: &Task, effects: &[Effect]) {
        if let Event::RunEnded { run, .. } = event
            && self.live == Some(*run)
        {
            self.live = None;
        }
        for effect in effects {
            match effect {
                Effect::StartRun { run, assignment } => {
                    assert_eq!(self.live, None, "two live runs");
                    assert!(!self.started.contains(run), "a run number was used twice");
                    assert!(!self.is_canceled, "a run after a cancel");
                    if assignment.changes_files() {
                        assert!(
                            after.approval.is_some(),
                            "the workspace would change before an approval is stored"
                        );
                    }
                    self.live = Some(*run);
                    self.started.push(*run);
                }
                Effect::StopAll => self.live = None,
                Effect::Prove { commit, .. } | Effect::Publish { commit, .. } => {
                    assert!(!self.is_canceled, "work after a cancel");
                    assert!(after.may_leave(commit), "{commit:?} was not decided on");
                    if commit.0 != "c1" {
                        let decided = after
                            .held_decisions
                            .iter()
                            .find(|decision| decision.commit == *commit);
                        let decided =
                            decided.expect("a held change leaves without a stored decision");
                        assert_eq!(decided.by.standing, Standing::Member);
                        let is_whole = matches!(decided.verdict, HeldVerdict::Included { .. });
                        assert_eq!(is_whole, commit.0 == "h1", "what was left out leaves");
                    }
                    assert!(
                        after.approval.is_some(),
                        "something leaves before an approval is stored"
                    );
                }
                Effect::Steer { run, number, .. } => {
                    assert_eq!(self.live, Some(*run), "a run that is not live is steered");
                    let kept = u32::try_from(after.steering.len()).ok();
                    assert_eq!(*number, kept, "an effect is no proof that words were heard");
                }
                Effect::Say { .. }
                | Effect::Introduce
                | Effect::Redraw
                | Effect::Whisper { .. }
                | Effect::Mark { .. }
                | Effect::Hear { .. }
                | Effect::FileIssue { .. }
                | Effect::Gather
                | Effect::ShowPictures { .. }
                | Effect::Widen { .. }
                | Effect::OpenForm { .. }
                | Effect::OpenRequestForm { .. }
                | Effect::OpenSettingsForm { .. }
                | Effect::PostRequest { .. }
                | Effect::ShowHome { .. }
                | Effect::Release => {}
            }
        }
        if self.is_canceled {
            let only_words = effects
                .iter()
                .all(|effect| effect.lane() != Lane::Work || *effect == Effect::Release);
            assert!(only_words, "work after a cancel: {effects:?}");
        }
        self.is_canceled |= matches!(after.state, State::Canceled { .. });
        self.agree(before, event, after, effects);
    }

    fn agree(&self, before: &Task, event: &Event, after: &Task, effects: &[Effect]) {
        if matches!(
            after.state,
            State::Planning { .. } | State::Preparing { .. } | State::Running { .. }
        ) {
            assert_eq!(
                self.live,
                after.state.live_run(),
                "world and task disagree on the live run"
            );
        } else {
            assert_eq!(
                self.live, None,
                "a run lives that the task does not know of: {:?}",
                after.state
            );
        }
        if let Event::Said { line, command, .. } = event
            && line.author.standing == Standing::Member
        {
            assert!(
                !effects.is_empty(),
                "somebody was ignored: {command:?} in {}",
                before.state.name()
            );
        }
        let waits = |task: &Task, line: &LineRef| {
            task.waiting
                .iter()
                .any(|waiting| &waiting.reference == line)
        };
        for line in &before.waiting {
            let is_taken = effects
                .iter()
                .any(|effect| matches!(effect, Effect::StartRun { .. } | Effect::StopAll))
                || after
                    .context
                    .iter()
                    .any(|known| known.reference == line.reference)
                || matches!(
                    &after.state,
                    State::Queued {
                        next: Next::Run { .. }
                    }
                );
            assert!(
                waits(after, &line.reference) || is_taken,
                "a queued message was lost at {event:?} in {}",
                before.state.name()
            );
        }
        for (line, number) in before.steering.iter().zip(1..) {
            let is_heard =
                matches!(event, Event::RunEnded { ending, .. } if ending.heard.contains(&number));
            let is_kept = after.steering.contains(line) || after.waiting.contains(line);
            let is_told = matches!(
                &after.assignment,
                Some(Assignment::FollowUp { words }) if words.iter().any(|said| said.contains(&line.text))
            );
            assert!(
                is_heard || is_kept || is_told || self.is_canceled,
                "what was said to be heard at once was lost at {event:?}"
            );
        }
        assert!(
            after.steering.is_empty() || matches!(after.state, State::Running { .. }),
            "words wait for a run that is over: {:?}",
            after.state
        );
        if before.approval.is_none()
            && let Some(approval) = &after.approval
        {
            assert_eq!(
                approval.by.standing,
                Standing::Member,
                "somebody approved who may not"
            );
            assert!(after.approval_holds(), "an approval that binds to nothing");
        }
    }
}
