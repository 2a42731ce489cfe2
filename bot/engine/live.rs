//! The status message while work is under way: newest wins, at most every three seconds, straight to the surface.

use std::time::Duration;

use tokio::sync::watch;

use super::{Context, surfaces::Surfaces};
use crate::{
    domain::{
        effect::Slot,
        message::{Message, Progress},
        task::Task,
    },
    links,
    store::{Store, leases::Ticket, posts::Post, runs::RunTicket},
    surface::{Attempt, SurfaceError, Words},
    words,
};

/// The shortest time between two edits.
pub(super) const EDIT_EVERY: Duration = Duration::from_secs(3);
/// How long an edit under way is waited for at the end.
pub(super) const FINISH_WITHIN: Duration = Duration::from_secs(3);

/// What the work is done by: who has lost it says nothing of it any more.
pub(super) enum Right {
    /// A run that is watched.
    Run(RunTicket),
    /// An effect in hand.
    Effect(Ticket),
}

impl Right {
    /// Whether it is held still; what cannot be asked is not known to be.
    async fn holds(&self, store: &Store) -> bool {
        let holds = match self {
            Self::Run(run) => store.run_is_ours(run).await,
            Self::Effect(effect) => store.holds(effect).await,
        };
        matches!(holds, Ok(true))
    }
}

/// Says the newest status until nobody hands one out any more. The only lossy road: an edit that fails is not tried again, the
/// next one follows, and there is one in [`EDIT_EVERY`] at the most. Where the surface says when another one may come, it is the
/// newest of then that is said.
pub(super) async fn say(
    context: Context,
    (task, right): (Task, Right),
    mut newest: watch::Receiver<Option<Progress>>,
) {
    let slot = Slot::Progress(task.progress).to_string();
    let key = format!("{}:{slot}", task.id);
    let mut pause: Option<Duration> = None;
    let mut said = None;
    loop {
        match pause.take() {
            None => {
                if newest.changed().await.is_err() {
                    return;
                }
            }
            Some(pause) => tokio::select! {
                _ = newest.wait_for(|_| false) => return,
                () = tokio::time::sleep(pause) => {}
            },
        }
        let Some(progress) = newest.borrow_and_update().clone() else {
            continue;
        };
        if said.as_ref() == Some(&progress) {
            continue;
        }
        let Ok(words) = words_of(&context, &task, &progress) else {
            continue;
        };
        // The work may be over, or another process's by now, which says what there is to say.
        if !right.holds(&context.store).await {
            continue;
        }
        // The task may have been brought into another conversation meanwhile.
        let Ok(Some(stored)) = context.store.task(&task.id).await else {
            continue;
        };
        if stored.task.state.is_over() {
            return;
        }
        let mut held = None;
        for conversation in stored.task.reachable() {
            if Surfaces::is_anothers(conversation, &stored.task) {
                continue;
            }
            let post = Post {
                conversation: conversation.clone(),
                slot: slot.clone(),
                task: task.id.clone(),
            };
            let Ok(Some(standing)) = context.store.find_post(&post).await else {
                continue;
            };
            // It may be over by now; what the task says then must not be overwritten.
            if newest.has_changed().is_err() {
                return;
            }
            let said =
                context
                    .surfaces
                    .say(conversation, &key, Some(&standing), &words, Attempt::First);
            if let Err(error) = said.await {
                tracing::debug!(task = %task.id, %error, "a status was not shown");
                if let SurfaceError::Transient { retry_after, .. } = error {
                    held = retry_after.max(held);
                }
            }
        }
        // What a surface held back is said after its pause, also where nothing is new.
        said = held.is_none().then_some(progress);
        pause = held.max(Some(EDIT_EVERY));
    }
}

fn words_of(context: &Context, task: &Task, progress: &Progress) -> Result<Words, askama::Error> {
    let links = words::Links {
        task_url: links::task_url(&context.config, &task.id),
        card_url: None,
        reactions: words::Reactions::Unheard,
        issues: words::Issues::NotMade,
    };
    words::render(&Message::Progress(progress.clone()), &links)
}
