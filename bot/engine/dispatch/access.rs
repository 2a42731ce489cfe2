//! Access that a surface takes away: nothing is tried there any more, its tasks end, and those that are at home elsewhere go
//! on there.

use tracing::{info, warn};

use super::{Dispatch, Later, nothing, work_delivery};
use crate::{
    domain::{
        Timestamp,
        conversation::{ConversationId, Person, PersonId, Standing},
        event::Event,
        incoming::{AccessLost, Incoming},
        task::Task,
    },
    linear,
    store::{inbox::Delivery, tasks::Transition},
    surface::SurfaceError,
};

/// The surface that tells of it.
const SURFACE: &str = "linear";
/// Its name, for people.
const NAME: &str = "Linear";

impl Dispatch {
    /// Ends what cannot go on. Each task hears of it by a delivery of its own, whose key makes a repeat a no-op.
    pub(super) async fn access_lost(
        &self,
        delivery: &Delivery,
        lost: AccessLost,
        now: Timestamp,
    ) -> Result<Transition, Later> {
        let Some(linear) = self.surfaces.linear() else {
            return Ok(nothing(delivery));
        };
        match lost {
            AccessLost::Everything => {
                warn!("Linear has taken the application's access away");
                let at = linear::sent_at(&delivery.body).unwrap_or(now);
                self.store.withdraw(SURFACE, at).await?;
                linear.sign_out().await;
            }
            AccessLost::Something => {
                info!("Linear has taken the application's access to some teams away");
            }
        }
        for stored in self.store.tasks_on(SURFACE).await? {
            let task = stored.task;
            let places = self.out_of_reach(&task, lost).await?;
            if places.is_empty() {
                continue;
            }
            let event = Event::PlacesLost {
                by: surface(),
                places,
            };
            let key = format!("lost:{}:{}", delivery.id, task.id);
            let news = work_delivery(&task, key, event);
            self.store.accept(&news, now).await?;
        }
        self.wake.inbox();
        Ok(nothing(delivery))
    }

    /// Which conversations of a task cannot be reached any more. Linear says which teams were taken away, and not which
    /// issues are in them, so it is asked.
    async fn out_of_reach(
        &self,
        task: &Task,
        lost: AccessLost,
    ) -> Result<Vec<ConversationId>, Later> {
        let mut places = Vec::new();
        for place in task.conversations().filter(|one| one.surface() == SURFACE) {
            let is_lost = match lost {
                AccessLost::Everything => true,
                AccessLost::Something => match self.surfaces.subject(place).await {
                    Ok(_) => false,
                    Err(SurfaceError::Permanent { .. }) => true,
                    Err(error @ (SurfaceError::Transient { .. } | SurfaceError::Closed { .. })) => {
                        return Err(error.into());
                    }
                },
            };
            if is_lost {
                places.push(place.clone());
            }
        }
        Ok(places)
    }

    /// A session that is opened or spoken in shows that access is given again.
    pub(super) async fn heard_of_linear(
        &self,
        delivery: &Delivery,
        incoming: &Incoming,
    ) -> Result<(), Later> {
        let is_of_session = matches!(
            incoming,
            Incoming::Said { .. }
                | Incoming::Delegated { .. }
                | Incoming::Pressed { .. }
                | Incoming::StopSignal { .. }
        );
        let at = linear::sent_at(&delivery.body).filter(|_| is_of_session);
        if let Some(at) = at
            && self.store.given_again(SURFACE, at).await?
        {
            info!("Linear gives access again");
        }
        Ok(())
    }
}

/// Who took it away: nobody that could be asked about it.
fn surface() -> Person {
    Person {
        id: PersonId(format!("{SURFACE}:access")),
        name: NAME.to_owned(),
        standing: Standing::Bot,
    }
}
