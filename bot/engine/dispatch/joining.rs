//! Brings a task into another conversation: where somebody speaks of what a task is about already, there is one task.

use super::{Dispatch, Later, nothing};
use crate::{
    domain::{
        Timestamp, command,
        conversation::{ConversationId, Line, Person, Place, Road, Standing, SubjectId},
        effect::Effect,
        event::Event,
        incoming::Author,
    },
    linear, slack,
    store::{
        inbox::{Delivery, Source},
        tasks::{Stored, Transition},
    },
    surface::SurfaceError,
};

/// What a session is about, which the task that is brought into it is about from then on.
fn brought_about(delivery: &Delivery) -> Option<SubjectId> {
    (delivery.source == Source::Linear)
        .then(|| linear::about(&delivery.body))
        .flatten()
}

impl Dispatch {
    /// The task that is under way about what a delivery is about, or about what the words of a mention name.
    pub(super) async fn live_about(
        &self,
        delivery: &Delivery,
        text: &str,
    ) -> Result<Option<Stored>, Later> {
        let named = match delivery.source {
            Source::Linear => linear::about(&delivery.body).into_iter().collect(),
            Source::Slack if self.surfaces.linear().is_some() => linear::named_in(text),
            Source::Slack | Source::Github | Source::Work | Source::CommandLine | Source::Api => {
                Vec::new()
            }
        };
        for about in named {
            if let Some(stored) = self.store.task_about(&about).await? {
                return Ok(Some(stored));
            }
        }
        self.live_in_thread_of(delivery).await
    }

    /// The task of the Slack thread that an issue was made from: Linear's own integration hangs the thread on the issue.
    async fn live_in_thread_of(&self, delivery: &Delivery) -> Result<Option<Stored>, Later> {
        let linear = self.surfaces.linear();
        let Some(linear) = linear.filter(|_| delivery.source == Source::Linear) else {
            return Ok(None);
        };
        // Nobody in Linear waits for Slack.
        let Some(workspaces) = self.surfaces.workspaces() else {
            return Ok(None);
        };
        let Ok(homes) = workspaces.homes().await else {
            return Ok(None);
        };
        let session = ConversationId(delivery.conversation.clone());
        let pages = match linear.attached(&session).await {
            Ok(pages) => pages,
            Err(SurfaceError::Permanent { .. }) => return Ok(None),
            Err(error @ (SurfaceError::Transient { .. } | SurfaceError::Closed { .. })) => {
                return Err(error.into());
            }
        };
        // A page does not name the workspace as conversations do; a channel's name is of one workspace alone.
        let threads = pages.iter().flat_map(|page| {
            let thread = |home: &String| slack::ids::thread_of_page(home, page);
            homes.iter().filter_map(thread)
        });
        for thread in threads {
            let stored = self.store.task_of(&thread).await?;
            let is_live =
                |stored: &Stored| !stored.task.state.is_over() && stored.task.about.is_none();
            if let Some(stored) = stored.filter(is_live) {
                return Ok(Some(stored));
            }
        }
        Ok(None)
    }

    /// Brings a task into a conversation. What was said there beside the name of the matter is said to the task.
    pub(super) async fn join(
        &self,
        delivery: &Delivery,
        here: Place,
        stored: Stored,
        by: Person,
        line: Option<Line>,
        now: Timestamp,
    ) -> Result<Transition, Later> {
        let conversation = here.conversation.clone();
        let event = Event::Joined {
            by: Some(by),
            place: here,
            about: brought_about(delivery),
        };
        let mut transition = self
            .handled_in(delivery, conversation.clone(), stored, event, now)
            .await?;
        let is_in = |stored: &Stored| {
            let mut conversations = stored.task.conversations();
            conversations.any(|one| *one == conversation)
        };
        let Some(line) = line.filter(|line| !linear::only_names(&line.text)) else {
            return Ok(transition);
        };
        let Some(stored) = transition.task.take_if(|stored| is_in(stored)) else {
            return Ok(transition);
        };
        let (command, options) = command::parse(&line.text);
        let event = Event::Said {
            line,
            command,
            options,
            mentioned: true,
        };
        let said = self
            .handled_in(delivery, conversation.clone(), stored, event, now)
            .await?;
        transition.task = said.task;
        transition.effects.extend(said.effects);
        transition.audit.extend(said.audit);
        Ok(transition)
    }

    /// Somebody gave the bot what is written elsewhere: it opens a task, or brings the one there that is about it already.
    pub(super) async fn given(
        &self,
        delivery: &Delivery,
        here: Place,
        by: &Author,
        place: &str,
        now: Timestamp,
    ) -> Result<Transition, Later> {
        let known = self.store.knows_conversation(&here.conversation).await?;
        if known || self.is_own(&here.conversation, by).await? {
            return Ok(nothing(delivery));
        }
        let by = self.surfaces.person(by).await?;
        if let Some(stored) = self.live_about(delivery, "").await? {
            return Box::pin(self.join(delivery, here, stored, by, None, now)).await;
        }
        let Place {
            conversation,
            opening,
        } = here;
        let said = self.delegated(&conversation, opening, by).await?;
        Box::pin(self.said(delivery, conversation, said, place, now)).await
    }

    /// The surface's own stop signal.
    pub(super) async fn stopped(
        &self,
        delivery: &Delivery,
        conversation: ConversationId,
        by: &Author,
        now: Timestamp,
    ) -> Result<Transition, Later> {
        let Some(stored) = self.store.task_of(&conversation).await? else {
            return Ok(nothing(delivery));
        };
        let (by, road) = (self.surfaces.person(by).await?, Road::Signal);
        let asked = self.store.open_inquiries(&conversation).await?;
        let stored = self
            .stopped_first(delivery, (stored, asked), (&by, road), now)
            .await?;
        let event = Event::CancelAsked { by, road };
        let mut transition = self
            .handled_in(delivery, conversation, stored, event, now)
            .await?;
        let stops = |effect: &Effect| matches!(effect, Effect::StopAll);
        if !transition.effects.iter().any(stops)
            && let Some(stored) = &transition.task
        {
            // The surface took it for stopped when it was pressed; it is told how the work stands.
            let mark = stored.task.mark_now();
            transition.effects.push(Effect::Mark { mark });
        }
        Ok(transition)
    }

    /// Ends the task about something that somebody took away from the bot, as a stop in its conversation would.
    pub(super) async fn taken_away(
        &self,
        delivery: &Delivery,
        about: &SubjectId,
        by: &Author,
        now: Timestamp,
    ) -> Result<Transition, Later> {
        let Some(stored) = self.store.task_about(about).await? else {
            return Ok(nothing(delivery));
        };
        let there = stored.task.place_on(about.surface());
        let there = there.unwrap_or(&stored.task.conversation).clone();
        let (by, road) = (self.surfaces.person(by).await?, Road::Signal);
        let event = Event::CancelAsked { by, road };
        self.handled_in(delivery, there, stored, event, now).await
    }

    /// Whether the bot itself has opened a conversation that nobody seems to have opened. What a platform says of that for
    /// good does not make it somebody's.
    pub(super) async fn is_own(
        &self,
        conversation: &ConversationId,
        by: &Author,
    ) -> Result<bool, Later> {
        if by.standing != Some(Standing::Bot) {
            return Ok(false);
        }
        let own = self
            .surfaces
            .is_own(conversation, &self.config.public_url)
            .await;
        match own {
            Ok(own) => Ok(own),
            Err(SurfaceError::Permanent { .. } | SurfaceError::Closed { .. }) => Ok(false),
            Err(error @ SurfaceError::Transient { .. }) => Err(error.into()),
        }
    }
}
