//! The bot was taken out of a workspace: its tasks there end, and nothing is tried there any more.

use tracing::{error, info};

use super::{Dispatch, Later, nothing, work_delivery};
use crate::{
    domain::{
        Timestamp,
        conversation::{Person, Road, Standing},
        event::Event,
    },
    slack::{self, Leaving, Left},
    store::{
        inbox::Delivery,
        tasks::{AuditEntry, Transition},
    },
    surface::SurfaceError,
};

/// How often a token is tried that is said to be worth nothing and is: the news may be faster than what it tells of.
const LOOKS: i64 = 4;

impl Dispatch {
    /// Such news is believed where the token does not work: it may be a late repeat, from before the app was put back.
    ///
    /// Everything here may be done twice: a process that dies in the middle leaves the delivery to the next one.
    pub(super) async fn left(
        &self,
        delivery: &Delivery,
        left: &Left,
        now: Timestamp,
    ) -> Result<Transition, Later> {
        let Some(workspaces) = self.surfaces.workspaces() else {
            return Ok(nothing(delivery));
        };
        let home = workspaces.installed_as(&left.home, left.enterprise.as_deref());
        let home = &home.await?;
        if let Leaving::Workspaces(teams) = &left.how {
            return self.left_teams(delivery, home, teams, now).await;
        }
        if workspaces.lets_in(home).await? {
            if delivery.attempts < LOOKS {
                return Err(Later::Surface(SurfaceError::Transient {
                    what: "Slack still takes the token that is said to be gone".to_owned(),
                    retry_after: None,
                }));
            }
            info!(workspace = %home, "the app is said to be gone from a Slack workspace whose token works; that is old news");
            return Ok(nothing(delivery));
        }
        let name = workspaces.name(home).await;
        let why = why(&left.how, &name);
        workspaces.close(home, &why, now).await?;
        error!(workspace = %home, "{why}. Nothing is tried there any more; its tasks are cancelled");
        // With the settings' token alone, every workspace is that one's.
        let under = slack::ids::under(&left.home);
        self.cancel_under(delivery, (&under, &name), now).await?;
        Ok(noted(delivery, format!("{home}: {why}")))
    }

    /// Some workspaces of an organisation have the app no more. Whatever is still tried there Slack refuses for good.
    async fn left_teams(
        &self,
        delivery: &Delivery,
        home: &str,
        teams: &[String],
        now: Timestamp,
    ) -> Result<Transition, Later> {
        for team in teams {
            for channel in self.store.slack_channels_in(home, team).await? {
                let under = format!("{}{channel}:", slack::ids::under(home));
                self.cancel_under(delivery, (&under, team), now).await?;
            }
        }
        let teams = teams.join(", ");
        info!(organisation = %home, teams, "the app was taken out of workspaces of an organisation; its tasks there are cancelled");
        Ok(noted(delivery, format!("{home}: {teams}")))
    }

    async fn cancel_under(
        &self,
        delivery: &Delivery,
        (under, name): (&str, &str),
        now: Timestamp,
    ) -> Result<(), Later> {
        for stored in self.store.live_tasks_under(under).await? {
            let by = Person {
                // Nobody in particular did it, and whoever asked may cancel.
                id: stored.task.request.author.id.clone(),
                name: format!("the Slack workspace {name}"),
                standing: Standing::Member,
            };
            let road = Road::Withdrawn;
            let key = format!("left:{}:{}", delivery.id, stored.task.id);
            let cancel = work_delivery(&stored.task, key, Event::CancelAsked { by, road });
            self.store.accept(&cancel, now).await?;
        }
        self.store.hurry_effects_under(under, now).await?;
        self.wake.inbox();
        Ok(())
    }
}

/// What the audit log has of it.
fn noted(delivery: &Delivery, detail: String) -> Transition {
    Transition {
        audit: vec![AuditEntry {
            person: String::new(),
            act: "leave workspace".to_owned(),
            detail,
        }],
        ..nothing(delivery)
    }
}

fn why(how: &Leaving, name: &str) -> String {
    match how {
        // Told of elsewhere; the app stays in the organisation.
        Leaving::Workspaces(teams) => teams.join(", "),
        Leaving::Uninstalled => format!("the app was removed from the Slack workspace {name}"),
        Leaving::TokenRevoked => {
            format!("the bot's token for the Slack workspace {name} was revoked")
        }
    }
}
