//! A thread as a scenario holds it: what people do in it, what stands in it, and waiting for what should come.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};

use super::core::Core;
use super::delivery::Delivery;
use super::directory::BOT_USER;
use super::ids::{ChannelId, Ts};
use super::journal::Timing;
use super::message::{Control, Message};
use super::people::{self, Attachment, Emoji, Speech, ViewAnswer};
use super::workspace::{ThreadStatus, View};
use super::{events, transcript};

/// How long a wait lasts where nothing else is said.
pub const USUAL_PATIENCE: Duration = Duration::from_secs(30);
/// Deliveries that a failed wait tells of.
const TOLD_DELIVERIES: usize = 8;

/// Which message of a thread something is done to.
#[derive(Clone, Debug)]
pub enum On<'a> {
    /// The thread's first message.
    Root,
    /// The bot's newest message.
    LastFromBot,
    /// The newest message that says this.
    Saying(&'a str),
    /// The message with this time stamp.
    Message(&'a Ts),
}

/// A thread in a channel.
#[derive(Clone)]
pub struct Thread {
    core: Arc<Core>,
    channel: ChannelId,
    root: Ts,
    patience: Duration,
}

impl Thread {
    pub(crate) fn new(core: Arc<Core>, channel: ChannelId, root: Ts) -> Self {
        Self {
            core,
            channel,
            root,
            patience: USUAL_PATIENCE,
        }
    }

    /// The same thread, with another patience for its waits.
    #[must_use]
    pub fn with_patience(&self, patience: Duration) -> Self {
        Self {
            patience,
            ..self.clone()
        }
    }

    /// The channel that it stands in.
    #[must_use]
    pub fn channel(&self) -> &ChannelId {
        &self.channel
    }

    /// The time stamp of its first message.
    #[must_use]
    pub fn root(&self) -> &Ts {
        &self.root
    }

    /// Replies, and waits until the app has the events or Slack has given up.
    pub async fn say(&self, user: &str, text: &str) -> anyhow::Result<Message> {
        self.say_with_files(user, text, Vec::new()).await
    }

    /// Replies with the bot mentioned at the beginning.
    pub async fn mention(&self, user: &str, text: &str) -> anyhow::Result<Message> {
        self.say(user, &format!("<@{BOT_USER}> {text}")).await
    }

    /// Replies with files attached.
    pub async fn say_with_files(
        &self,
        user: &str,
        text: &str,
        files: Vec<Attachment>,
    ) -> anyhow::Result<Message> {
        let files = files
            .into_iter()
            .map(|file| self.core.attach(user, file))
            .collect::<Result<_, _>>()?;
        let channel = self.channel.as_str();
        let (message, parcels) = self.core.speak(Speech {
            user,
            channel,
            thread: Some(&self.root),
            text,
            files,
        })?;
        self.core.deliver(parcels).await;
        Ok(message)
    }

    /// Puts an emoji (by name or picture) on a message.
    pub async fn react(&self, user: &str, emoji: &str, on: On<'_>) -> anyhow::Result<()> {
        self.set_reaction(user, emoji, on, Emoji::Add).await
    }

    /// Takes an emoji away again.
    pub async fn unreact(&self, user: &str, emoji: &str, on: On<'_>) -> anyhow::Result<()> {
        self.set_reaction(user, emoji, on, Emoji::Remove).await
    }

    async fn set_reaction(
        &self,
        user: &str,
        emoji: &str,
        on: On<'_>,
        what: Emoji,
    ) -> anyhow::Result<()> {
        let ts = self.find(&on)?.ts;
        let parcels = self
            .core
            .set_reaction(user, (&self.channel, &ts), emoji, what)?;
        self.core.deliver(parcels).await;
        Ok(())
    }

    /// Presses the newest button with this label or `action_id`.
    pub async fn press(&self, user: &str, label_or_action: &str) -> anyhow::Result<Delivery> {
        self.press_control(user, &self.control(label_or_action)?)
            .await
    }

    /// Presses a button that was seen earlier, even where it has gone or says something else now.
    pub async fn press_control(&self, user: &str, control: &Control) -> anyhow::Result<Delivery> {
        self.core.press(user, &self.channel, control, None).await
    }

    /// Chooses an option (by label or value) from the newest menu with this placeholder or `action_id`.
    pub async fn choose(&self, user: &str, menu: &str, option: &str) -> anyhow::Result<Delivery> {
        self.core
            .press(user, &self.channel, &self.control(menu)?, Some(option))
            .await
    }

    /// The newest button or menu with this label or `action_id`.
    pub fn control(&self, label_or_action: &str) -> anyhow::Result<Control> {
        let controls = self.core.look(|workspace| {
            let messages = workspace.thread(&self.channel, &self.root);
            messages
                .flat_map(|message| message.controls(workspace))
                .collect::<Vec<_>>()
        });
        let found = controls.into_iter().rev();
        let found = found
            .into_iter()
            .find(|it| it.label == label_or_action || it.action_id == label_or_action);
        found.with_context(|| {
            format!(
                "there is nothing to press called {label_or_action:?} in\n{}",
                self.render()
            )
        })
    }

    /// Waits until the app has opened a view for a person.
    pub async fn wait_for_view(&self, user: &str) -> anyhow::Result<View> {
        let user = self
            .core
            .look(|workspace| people::person(workspace, user))?;
        self.wait("a view", || {
            self.core
                .look(|workspace| workspace.open_view(&user).cloned())
        })
        .await
    }

    /// Fills in and submits the view that a person has in front of them. A field is named by its block's identifier,
    /// its label or its `action_id`; a field that is not named keeps its initial value.
    pub async fn submit_view(
        &self,
        user: &str,
        fields: &[(&str, &str)],
    ) -> anyhow::Result<ViewAnswer> {
        self.core.submit(user, fields).await
    }

    /// Chooses a shortcut from a message's menu.
    pub async fn shortcut(
        &self,
        user: &str,
        callback_id: &str,
        on: On<'_>,
    ) -> anyhow::Result<Delivery> {
        let message = self.find(&on)?;
        let parcel = self.core.change(|workspace| {
            let user = people::person(workspace, user)?;
            anyhow::Ok(events::of_message_shortcut(
                workspace,
                &message,
                &user,
                callback_id,
            ))
        })?;
        self.core.deliver_one(parcel).await
    }

    /// Presses the native stop button of the thread's agent session.
    pub async fn stop_session(&self, user: &str) -> anyhow::Result<()> {
        let parcel = self.core.change(|workspace| {
            let user = people::person(workspace, user)?;
            let ts = workspace.next_ts();
            anyhow::Ok(events::of_stopped_session(
                workspace,
                &self.channel,
                &self.root,
                &user,
                &ts,
            ))
        })?;
        self.core.deliver(parcel.into_iter().collect()).await;
        Ok(())
    }

    /// Changes a person's own message.
    pub async fn edit(&self, user: &str, ts: &Ts, text: &str) -> anyhow::Result<()> {
        let parcels = self.core.edit(user, (&self.channel, ts), text)?;
        self.core.deliver(parcels).await;
        Ok(())
    }

    /// Deletes a person's own message.
    pub async fn delete(&self, user: &str, ts: &Ts) -> anyhow::Result<()> {
        let parcels = self.core.delete(user, (&self.channel, ts))?;
        self.core.deliver(parcels).await;
        Ok(())
    }

    /// The thread's messages, its root first; ephemeral ones too.
    #[must_use]
    pub fn messages(&self) -> Vec<Message> {
        self.core.look(|workspace| {
            workspace
                .thread(&self.channel, &self.root)
                .cloned()
                .collect()
        })
    }

    /// The bot's messages in the thread.
    #[must_use]
    pub fn bot_messages(&self) -> Vec<Message> {
        self.messages()
            .into_iter()
            .filter(Message::from_bot)
            .collect()
    }

    /// The bot's emojis on the thread's first message, by name.
    #[must_use]
    pub fn bot_marks(&self) -> Vec<String> {
        let bot = BOT_USER.into();
        let root = self
            .core
            .look(|workspace| workspace.message(&self.channel, &self.root).cloned());
        let reactions = root.into_iter().flat_map(|root| root.reactions);
        reactions
            .filter(|reaction| reaction.users.contains(&bot))
            .map(|reaction| reaction.name)
            .collect()
    }

    /// The content of the files in the thread: title, name, bytes.
    #[must_use]
    pub fn files(&self) -> Vec<super::file::File> {
        self.core.look(|workspace| {
            let messages = workspace.thread(&self.channel, &self.root);
            let ids = messages.flat_map(|message| &message.files);
            ids.filter_map(|id| workspace.file(id)).cloned().collect()
        })
    }

    /// What the thread shows about the app's work.
    #[must_use]
    pub fn status(&self) -> ThreadStatus {
        let place = (self.channel.clone(), self.root.clone());
        self.core
            .look(|workspace| workspace.statuses.get(&place).cloned())
            .unwrap_or_default()
    }

    /// The thread as plain text, with buttons, edits, reactions and files.
    #[must_use]
    pub fn render(&self) -> String {
        self.core
            .look(|workspace| transcript::thread(workspace, &self.channel, &self.root))
    }

    /// How long the bot took for its first reaction and its first words, from the thread's first message.
    #[must_use]
    pub fn timing(&self) -> Timing {
        let bot = BOT_USER.into();
        let messages = self.messages();
        let Some(root) = messages.first() else {
            return Timing::default();
        };
        let marks = root
            .reactions
            .iter()
            .filter(|reaction| reaction.users.first() == Some(&bot));
        Timing {
            first_reaction: marks
                .map(|mark| mark.at.duration_since(root.posted_at))
                .min(),
            first_words: self.time_to(Message::from_bot),
        }
    }

    /// How long after the thread's first message one came that is as wanted.
    #[must_use]
    pub fn time_to(&self, wanted: impl Fn(&Message) -> bool) -> Option<Duration> {
        let messages = self.messages();
        let begun = messages.first()?.posted_at;
        let found = messages.iter().find(|message| wanted(message))?;
        Some(found.posted_at.duration_since(begun))
    }

    /// Waits for a message that is as wanted, and gives the newest such; where none comes in time, the error has the
    /// whole thread in it. `what` names it there.
    pub async fn wait_for(
        &self,
        what: &str,
        wanted: impl Fn(&Message) -> bool,
    ) -> anyhow::Result<Message> {
        self.wait(what, || {
            self.messages().into_iter().rfind(|message| wanted(message))
        })
        .await
    }

    /// Waits for a message of the bot that says this.
    pub async fn wait_for_words(&self, fragment: &str) -> anyhow::Result<Message> {
        let wanted = |message: &Message| message.from_bot() && message.says(fragment);
        self.wait_for(&format!("the words {fragment:?}"), wanted)
            .await
    }

    /// Waits until the bot's mark on the thread's first message is this emoji.
    pub async fn wait_for_mark(&self, emoji: &str) -> anyhow::Result<()> {
        let name = super::emoji::name_of(emoji).to_owned();
        let has_mark = || self.bot_marks().contains(&name).then_some(());
        self.wait(&format!("the mark {emoji}"), has_mark).await
    }

    /// Waits until `look` gives something; it is asked again at each change of the workspace.
    pub async fn wait<T>(&self, what: &str, look: impl Fn() -> Option<T>) -> anyhow::Result<T> {
        let mut changes = self.core.watch();
        let deadline = Instant::now() + self.patience;
        loop {
            changes.mark_unchanged();
            if let Some(found) = look() {
                return Ok(found);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if tokio::time::timeout(left, changes.changed()).await.is_err() {
                bail!(
                    "{what} did not come within {:?}\n{}{}",
                    self.patience,
                    self.render(),
                    self.told_deliveries()
                );
            }
        }
    }

    /// The newest deliveries, for the error of a failed wait.
    fn told_deliveries(&self) -> String {
        let journal = self.core.journal();
        let newest = journal.deliveries.iter().rev().take(TOLD_DELIVERIES);
        let told = newest.map(|delivery| format!("{} {:?}", delivery.what, delivery.attempts));
        let violations = journal
            .violations
            .iter()
            .map(|violation| format!("violation: {violation}"));
        let lines: Vec<String> = told.chain(violations).collect();
        format!("newest deliveries first:\n{}\n", lines.join("\n"))
    }

    fn find(&self, on: &On<'_>) -> anyhow::Result<Message> {
        let messages = self.messages();
        let found = match on {
            On::Root => messages.into_iter().next(),
            On::LastFromBot => messages.into_iter().rfind(Message::from_bot),
            On::Saying(fragment) => messages.into_iter().rfind(|message| message.says(fragment)),
            On::Message(ts) => messages.into_iter().find(|message| message.ts == **ts),
        };
        found.with_context(|| format!("no message {on:?} in\n{}", self.render()))
    }
}
