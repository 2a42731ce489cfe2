//! Who may read what was said in a channel: in one workspace, and among the workspaces of an organisation.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{api::permanent, ids::Place, methods, outbound::Slack};
use crate::{
    domain::{attachment::WhyUnread, conversation::PersonId},
    surface::SurfaceError,
};

/// Whose members may read a channel that is open to them.
#[derive(Debug, PartialEq, Eq)]
enum Readers {
    /// Everybody in the organisation.
    Organisation,
    /// Those of these workspaces; of none where Slack does not say.
    Of(BTreeSet<String>),
}

impl Readers {
    /// Source: the conversation object of `conversations.info`. A channel that several workspaces share without all of them
    /// has `is_org_shared` too, so that this alone says nothing of who reads it.
    fn of(channel: &Value, organisation: &str) -> Self {
        let teams = channel["shared_team_ids"]
            .as_array()
            .map_or(&[] as &[Value], Vec::as_slice);
        let mut teams: BTreeSet<String> = teams
            .iter()
            .filter_map(|team| team.as_str().map(str::to_owned))
            .collect();
        if channel["is_global_shared"] == true || teams.contains(organisation) {
            return Self::Organisation;
        }
        if teams.is_empty() {
            teams.extend(channel["context_team_id"].as_str().map(str::to_owned));
        }
        Self::Of(teams)
    }

    /// Whether all who read something else may read this.
    fn hold(&self, others: &Self) -> bool {
        match (self, others) {
            (Self::Organisation, _) => true,
            (Self::Of(_), Self::Organisation) => false,
            (Self::Of(own), Self::Of(others)) => !others.is_empty() && others.is_subset(own),
        }
    }

    /// Whether somebody who belongs to these workspaces may.
    fn hold_member(&self, of: &[String]) -> bool {
        match self {
            Self::Organisation => true,
            Self::Of(own) => of.iter().any(|team| own.contains(team)),
        }
    }
}

impl Slack {
    /// Why words of another channel are not for everybody who reads this conversation; none where they are. They are not
    /// where that channel is private, where this one is shared with another organisation, and in an organisation where
    /// somebody here belongs to none of its workspaces. That the bot was invited there does not mean that the people here were.
    pub(super) async fn may_be_shown(
        &self,
        here: &Place,
        by: &PersonId,
        channel: &str,
    ) -> Result<Option<WhyUnread>, SurfaceError> {
        let there = self.channel(channel).await?;
        if !is(&there, "is_channel") || is(&there, "is_private") || is(&there, "is_mpim") {
            return Ok(Some(WhyUnread::NotForAll));
        }
        let organisation = self.me().await?.organisation.as_deref();
        let there = organisation.map(|organisation| Readers::of(&there, organisation));
        // A direct message has nobody else in it.
        if here.channel.starts_with('D') {
            let Some(there) = there else { return Ok(None) };
            let may = there == Readers::Organisation || there.hold_member(&self.teams(by).await?);
            return Ok((!may).then_some(WhyUnread::NotForAll));
        }
        let here = self.channel(&here.channel).await?;
        if is(&here, "is_ext_shared") || is(&here, "is_pending_ext_shared") {
            return Ok(Some(WhyUnread::SharedHere));
        }
        let may = match (there, organisation) {
            (Some(there), Some(organisation)) => there.hold(&Readers::of(&here, organisation)),
            (None, _) | (_, None) => true,
        };
        Ok((!may).then_some(WhyUnread::NotForAll))
    }

    async fn channel(&self, id: &str) -> Result<Value, SurfaceError> {
        let mut answer = self.api.get(methods::CHANNEL, &[("channel", id)]).await?;
        match answer["channel"].take() {
            channel @ Value::Object(_) => Ok(channel),
            _ => Err(permanent(methods::CHANNEL.name(), "no_channel")),
        }
    }
}

fn is(channel: &Value, field: &str) -> bool {
    channel[field] == true
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_channel_is_for_the_workspaces_that_share_it_and_what_is_not_said_is_for_nobody() {
        let readers = |channel: Value| Readers::of(&channel, "E1");
        let of = |teams: &[&str]| {
            readers(
                json!({ "context_team_id": "T9", "is_org_shared": true, "shared_team_ids": teams }),
            )
        };
        let all = readers(json!({ "is_global_shared": true, "shared_team_ids": ["T1"] }));
        let own = readers(json!({ "context_team_id": "T1" }));
        assert_eq!(all, of(&["E1"]));
        assert_eq!(own, of(&["T1"]));
        let nobody = readers(json!({ "is_org_shared": true }));
        for (there, here, may) in [
            (&all, &own, true),
            (&all, &all, true),
            (&own, &own, true),
            (&of(&["T1", "T2"]), &own, true),
            (&own, &of(&["T1", "T2"]), false),
            (&of(&["T2"]), &own, false),
            (&own, &all, false),
            (&nobody, &own, false),
            (&own, &nobody, false),
            (&nobody, &nobody, false),
        ] {
            assert_eq!(there.hold(here), may, "{there:?} for {here:?}");
        }
        let teams = ["T2".to_owned(), "T3".to_owned()];
        assert!(all.hold_member(&[]) && of(&["T3"]).hold_member(&teams));
        assert!(!own.hold_member(&teams) && !own.hold_member(&[]));
    }
}
