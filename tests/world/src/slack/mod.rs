//! Slack as an app meets it: Web API, events, interactivity, slash commands and files, with a workspace behind them.
//!
//! The stand-in fakes the platform, never the client. It checks the arguments of each call against published
//! descriptions and Slack's limits, signs and retries its deliveries, and tells the bot of its own deeds as Slack
//! does. People act in it through [`Slack`] and [`Thread`], or through the page at [`Slack::web_url`].

mod api;
mod arguments;
mod blocks;
mod catalogue;
mod core;
mod delivery;
mod directory;
mod emoji;
mod events;
mod fault;
mod file;
mod ids;
mod journal;
mod known_methods;
mod leaving;
pub mod limits;
mod lobby;
mod message;
mod methods;
mod page;
mod people;
mod socket;
mod thread;
mod transcript;
mod transfer;
mod typed;
mod views;
mod workspace;

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use bytes::Bytes;
use secrecy::SecretString;
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};

pub use self::catalogue::CatalogueSource;
pub use self::core::{DeliveryHabit, Road};
pub use self::delivery::{Attempt, Delivery, Door, Outcome, signature};
pub use self::directory::{
    APP_ID, BOT_ID, BOT_NAME, BOT_USER, Channel, ChannelKind, Closed, Home, Membership,
    OTHER_TEAM_ID, Reach, Standing, TEAM_DOMAIN, TEAM_ID, User,
};
pub use self::fault::{Fault, PostLimit, TierLimit, TokenStanding};
pub use self::file::File;
pub use self::ids::{ChannelId, FileId, Ts, UserId, ViewId};
pub use self::journal::{Call, CallEnding, Timing};
pub use self::lobby::{ExchangeFault, Lobby, Rotation};
pub use self::message::{Audience, Control, EditMark, Message, Presence, Reaction, Version};
pub use self::methods::played_methods;
pub use self::page::still_document;
pub use self::people::{Attachment, SlashAnswer, ViewAnswer};
pub use self::socket::{APP_TOKEN, Farewell, SocketFrame};
pub use self::thread::{On, Thread, USUAL_PATIENCE};
pub use self::workspace::{ThreadStatus, View, ViewState, Workspace};

use self::catalogue::Catalogue;
use self::core::{Core, Settings};
use self::delivery::{AppUrls, Courier, Parcel};
use self::people::Speech;

/// The slash command of the app.
pub const COMMAND: &str = "/deckhand";

/// The bot scopes that an installation grants where nothing else is said.
pub const USUAL_SCOPES: &[&str] = &[
    "app_mentions:read",
    "assistant:write",
    "channels:history",
    "channels:read",
    "chat:write",
    "commands",
    "files:read",
    "files:write",
    "groups:history",
    "groups:read",
    "im:history",
    "im:read",
    "im:write",
    "reactions:read",
    "reactions:write",
    "team:read",
    "users:read",
    "users:read.email",
];

/// What the stand-in needs to know.
pub struct SlackOptions {
    /// The secret that deliveries are signed with.
    pub signing_secret: SecretString,
    /// The token that the app calls with.
    pub bot_token: SecretString,
    /// The port on 127.0.0.1; 0 takes a free one.
    pub port: u16,
    /// A folder of method descriptions; by default the one that `CONFORMANCE_DIR` names.
    pub methods_dir: Option<PathBuf>,
}

/// A running stand-in; it ends when the last clone is dropped.
#[derive(Clone)]
pub struct Slack {
    core: Arc<Core>,
    address: String,
    _server: Arc<DropGuard>,
}

impl Slack {
    /// Starts it on 127.0.0.1.
    pub async fn start(options: SlackOptions) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", options.port))
            .await
            .with_context(|| format!("listening on 127.0.0.1:{} for Slack", options.port))?;
        let address = format!("http://{}", listener.local_addr()?);
        let catalogue = Catalogue::load(options.methods_dir.as_deref())?;
        let mut workspace = Workspace::new();
        workspace.address.clone_from(&address);
        let scopes = USUAL_SCOPES
            .iter()
            .map(|scope| (*scope).to_owned())
            .collect();
        let settings = Settings {
            scopes,
            ..Settings::default()
        };
        let courier = Courier::new(options.signing_secret)?;
        let core = Arc::new(Core::new(
            workspace,
            settings,
            catalogue,
            options.bot_token,
            courier,
        ));
        let ending = CancellationToken::new();
        let router = api::routes()
            .merge(transfer::routes())
            .merge(page::routes(ending.clone()))
            .with_state(Arc::clone(&core));
        socket::listen(Arc::clone(&core), ending.clone()).await?;
        let until = ending.clone().cancelled_owned();
        tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, router)
                .with_graceful_shutdown(until)
                .await
            {
                tracing::error!(%error, "the Slack stand-in stopped");
            }
        });
        Ok(Self {
            core,
            address,
            _server: Arc::new(ending.drop_guard()),
        })
    }

    /// The base of the Web API, for `SLACK_API_URL`.
    #[must_use]
    pub fn api_url(&self) -> String {
        format!("{}/api", self.address)
    }

    /// The page for people.
    #[must_use]
    pub fn web_url(&self) -> String {
        format!("{}/", self.address)
    }

    /// Where the arguments of calls are checked from.
    #[must_use]
    pub fn catalogue_source(&self) -> CatalogueSource {
        self.core.catalogue.source.clone()
    }

    /// Sets the addresses of the app's doors; that of menus is the one of interactions until it is set.
    pub fn set_app_urls(&self, events: &str, interactions: &str, commands: &str) {
        let url = |text: &str| Some(text.to_owned());
        self.core.settings().urls = AppUrls {
            events: url(events),
            interactions: url(interactions),
            commands: url(commands),
            options: url(interactions),
        };
    }

    /// Sets the address at which the app tells the entries of menus: `message_menu_options_url` of its manifest.
    pub fn set_options_url(&self, options: &str) {
        self.core.settings().urls.options = Some(options.to_owned());
    }

    /// Makes it another workspace than the usual one.
    pub fn set_home(&self, home: Home) {
        self.core.change(|workspace| workspace.home = home);
    }

    /// Sets the scopes that the bot was granted.
    pub fn set_scopes(&self, scopes: &[&str]) {
        self.core.settings().scopes = scopes.iter().map(|scope| (*scope).to_owned()).collect();
    }

    /// Sets how events reach the app from now on.
    pub fn set_delivery_habit(&self, habit: DeliveryHabit) {
        self.core.settings().habit = habit;
    }

    /// Sets which way Slack comes to the app from now on.
    pub fn set_road(&self, road: Road) {
        self.core.settings().road = road;
    }

    /// Switches the limits of calls in a minute.
    pub fn set_tier_limit(&self, limit: TierLimit) {
        self.core.settings().weather.tiers = limit;
    }

    /// Switches the limit of messages in one channel.
    pub fn set_post_limit(&self, limit: PostLimit) {
        self.core.settings().weather.limit = limit;
    }

    /// Lets the next call of `method` meet a fault; several wait in a row.
    pub fn fail_next(&self, method: &str, fault: Fault) {
        self.core.settings().weather.order(method, fault);
    }

    /// How many of those faults still wait for their call.
    #[must_use]
    pub fn faults_waiting(&self) -> usize {
        self.core.settings().weather.waiting()
    }

    /// Takes the bot's token back, or gives it back.
    pub fn set_token(&self, token: TokenStanding) {
        self.core.settings().weather.token = token;
    }

    /// A person chooses a shortcut that belongs to no message.
    pub async fn shortcut(&self, user: &str, callback_id: &str) -> anyhow::Result<Delivery> {
        let parcel = self.core.change(|workspace| {
            let user = people::person(workspace, user)?;
            Ok::<_, anyhow::Error>(events::of_shortcut(workspace, &user, callback_id))
        })?;
        self.core.deliver_one(parcel).await
    }

    /// Adds a person; the identifier is `U` and the name in capitals.
    #[expect(clippy::must_use_candidate, reason = "called for what it does")]
    pub fn add_user(&self, name: &str, standing: Standing) -> UserId {
        self.core
            .change(|workspace| workspace.add_user(name, standing))
    }

    /// Adds a channel; the identifier is `C` and the name's letters in capitals.
    #[expect(clippy::must_use_candidate, reason = "called for what it does")]
    pub fn add_channel(&self, name: &str, kind: ChannelKind, bot: Membership) -> ChannelId {
        self.core
            .change(|workspace| workspace.add_channel(name, kind, bot))
    }

    /// Sets which workspaces of the organisation share a channel (by name or identifier).
    pub fn set_reach(&self, channel: &str, reach: &Reach) -> anyhow::Result<()> {
        self.core.change(|workspace| {
            let id = people::channel(workspace, channel)?;
            let all = workspace.channels.iter_mut();
            all.filter(|channel| channel.id == id)
                .for_each(|channel| channel.reach = reach.clone());
            Ok(())
        })
    }

    /// Closes a channel (by name or identifier) to the bot, whatever it is a member of.
    pub fn close_channel(&self, channel: &str, closed: Closed) -> anyhow::Result<()> {
        self.core.change(|workspace| {
            let channel = people::channel(workspace, channel)?;
            workspace.closed.insert(channel, closed);
            Ok(())
        })
    }

    /// Mentions the bot in a channel: `app_mention` and `message` are delivered, with two identifiers. It returns
    /// when the app has taken them, or Slack has given up.
    pub async fn mention(&self, user: &str, channel: &str, text: &str) -> anyhow::Result<Thread> {
        self.say(user, channel, &format!("<@{BOT_USER}> {text}"))
            .await
    }

    /// Mentions the bot with files attached.
    pub async fn mention_with_files(
        &self,
        user: &str,
        channel: &str,
        text: &str,
        files: Vec<Attachment>,
    ) -> anyhow::Result<Thread> {
        self.begin(user, channel, &format!("<@{BOT_USER}> {text}"), files)
            .await
    }

    /// Writes a message in a channel; `@name` in the text mentions, as in a Slack client.
    pub async fn say(&self, user: &str, channel: &str, text: &str) -> anyhow::Result<Thread> {
        self.begin(user, channel, text, Vec::new()).await
    }

    /// Writes to the bot alone.
    pub async fn direct(&self, user: &str, text: &str) -> anyhow::Result<Thread> {
        let channel = self.core.change(|workspace| {
            let user = people::person(workspace, user)?;
            anyhow::Ok(workspace.direct_channel(&user))
        })?;
        self.begin(user, channel.as_str(), text, Vec::new()).await
    }

    async fn begin(
        &self,
        user: &str,
        channel: &str,
        text: &str,
        files: Vec<Attachment>,
    ) -> anyhow::Result<Thread> {
        let files = files
            .into_iter()
            .map(|file| self.core.attach(user, file))
            .collect::<Result<_, _>>()?;
        let (message, parcels) = self.core.speak(Speech {
            user,
            channel,
            thread: None,
            text,
            files,
        })?;
        self.core.deliver(parcels).await;
        Ok(self.thread(&message.channel, &message.ts))
    }

    /// Types the app's slash command.
    pub async fn slash(
        &self,
        user: &str,
        channel: &str,
        text: &str,
    ) -> anyhow::Result<SlashAnswer> {
        self.core.slash(user, channel, COMMAND, text).await
    }

    /// The thread under a message.
    #[must_use]
    pub fn thread(&self, channel: &ChannelId, root: &Ts) -> Thread {
        Thread::new(Arc::clone(&self.core), channel.clone(), root.clone())
    }

    /// All threads and single messages of a channel (by name or identifier), oldest first.
    #[must_use]
    pub fn threads(&self, channel: &str) -> Vec<Thread> {
        let roots = self.core.look(|workspace| {
            let id = workspace.channel(channel).map(|channel| channel.id.clone());
            let messages = workspace.messages.values();
            let roots = messages.filter(|message| {
                message.thread.is_none() && Some(&message.channel) == id.as_ref()
            });
            roots
                .map(|root| (root.channel.clone(), root.ts.clone()))
                .collect::<Vec<_>>()
        });
        roots
            .iter()
            .map(|(channel, ts)| self.thread(channel, ts))
            .collect()
    }

    /// Reads the whole workspace.
    pub fn look<T>(&self, read: impl FnOnce(&Workspace) -> T) -> T {
        self.core.look(read)
    }

    /// A receiver that wakes at each change of the workspace.
    #[must_use]
    pub fn changes(&self) -> tokio::sync::watch::Receiver<u64> {
        self.core.watch()
    }

    /// The bot's calls, oldest first: all whose outcome can be seen.
    #[must_use]
    pub fn calls(&self) -> Vec<Call> {
        let _turn = self.core.turn();
        self.core.journal().calls.iter().cloned().collect()
    }

    /// The ended deliveries to the app, oldest first.
    #[must_use]
    pub fn deliveries(&self) -> Vec<Delivery> {
        self.core.journal().deliveries.iter().cloned().collect()
    }

    /// What the bot did that Slack's documents forbid; a scenario ends by asserting that there is nothing.
    #[must_use]
    pub fn violations(&self) -> Vec<String> {
        self.core.journal().violations.iter().cloned().collect()
    }

    /// Waits until no delivery is on its way.
    pub async fn settled(&self) {
        self.core.settled().await;
    }

    /// Delivers the last event once more, with its identifier and Slack's retry headers.
    pub async fn redeliver_last(&self) -> Vec<Delivery> {
        let last = self.core.journal().events.back().cloned();
        self.core.deliver_again(last.into_iter().collect()).await
    }

    /// Delivers every event so far once more, in an order that depends on `seed` alone.
    pub async fn redeliver_shuffled(&self, seed: u64) -> Vec<Delivery> {
        let mut events: Vec<Parcel> = self.core.journal().events.iter().cloned().collect();
        shuffle(&mut events, seed);
        let mut deliveries = Vec::new();
        for event in events {
            deliveries.extend(self.core.deliver_again(vec![event]).await);
        }
        deliveries
    }

    /// Delivers the events that the app did not take, oldest first: Slack's later retries.
    pub async fn redeliver_lost(&self) -> Vec<Delivery> {
        let lost: Vec<Parcel> = {
            let journal = self.core.journal();
            let taken = |event: &Parcel| {
                journal
                    .deliveries
                    .iter()
                    .any(|delivery| delivery.accepted() && delivery.event_id == event.event_id)
            };
            journal
                .events
                .iter()
                .filter(|event| !taken(event))
                .cloned()
                .collect()
        };
        self.core.deliver_again(lost).await
    }

    /// Sends a body of the caller's own to a door, signed: recorded payloads, for example.
    pub async fn post_signed(
        &self,
        door: Door,
        content_type: &'static str,
        body: Bytes,
    ) -> anyhow::Result<Delivery> {
        let parcel = Parcel {
            door,
            what: "signed body".to_owned(),
            event_id: None,
            content_type,
            body,
        };
        self.core.deliver_one(parcel).await
    }
}

/// Fisher and Yates's shuffle over a small linear generator: repeatable, and good enough for disorder.
fn shuffle<T>(items: &mut [T], seed: u64) {
    let mut state = seed;
    for last in (1..items.len()).rev() {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let drawn = usize::try_from(state >> 33).unwrap_or_default() % (last + 1);
        items.swap(last, drawn);
    }
}
