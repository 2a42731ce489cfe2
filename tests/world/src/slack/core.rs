//! What the doors, the people and the page share: the workspace behind a lock, the record of what happened, and the
//! way to the app.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::future::join_all;
use secrecy::SecretString;
use tokio::sync::watch;

use super::catalogue::Catalogue;
use super::delivery::{AppUrls, Courier, Delivery, Door, FirstTry, Parcel};
use super::fault::Weather;
use super::journal::{Journal, keep};
use super::socket::Sockets;
use super::workspace::Workspace;

/// How events reach the app.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DeliveryHabit {
    /// Each once; those of one cause at the same time, in no sure order.
    #[default]
    AsUsual,
    /// Each twice with the same identifier, as after an answer that Slack did not see.
    Twice,
    /// One after the other, the newest first: `message` before its `app_mention`.
    Reversed,
}

/// Which way Slack comes to the app.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Road {
    /// By HTTP, to the app's doors.
    #[default]
    Http,
    /// Through the connections of Socket Mode.
    Socket,
}

/// What a scenario can set.
#[derive(Default)]
pub(crate) struct Settings {
    pub(crate) urls: AppUrls,
    pub(crate) scopes: BTreeSet<String>,
    pub(crate) habit: DeliveryHabit,
    pub(crate) road: Road,
    pub(crate) weather: Weather,
}

/// The shared inside of the stand-in.
pub(crate) struct Core {
    workspace: Mutex<Workspace>,
    journal: Mutex<Journal>,
    turn: Mutex<()>,
    settings: Mutex<Settings>,
    pub(crate) catalogue: Catalogue,
    pub(crate) token: SecretString,
    courier: Arc<Courier>,
    pub(crate) sockets: Sockets,
    version: watch::Sender<u64>,
    in_flight: watch::Sender<usize>,
}

impl Core {
    pub(crate) fn new(
        workspace: Workspace,
        settings: Settings,
        catalogue: Catalogue,
        token: SecretString,
        courier: Arc<Courier>,
    ) -> Self {
        Self {
            workspace: Mutex::new(workspace),
            journal: Mutex::default(),
            turn: Mutex::default(),
            settings: Mutex::new(settings),
            catalogue,
            token,
            courier,
            sockets: Sockets::new(),
            version: watch::Sender::new(0),
            in_flight: watch::Sender::new(0),
        }
    }

    /// Reads the workspace.
    pub(crate) fn look<T>(&self, read: impl FnOnce(&Workspace) -> T) -> T {
        read(&lock(&self.workspace))
    }

    /// Changes the workspace and tells those who watch it.
    pub(crate) fn change<T>(&self, write: impl FnOnce(&mut Workspace) -> T) -> T {
        let result = write(&mut lock(&self.workspace));
        self.version.send_modify(|version| *version += 1);
        result
    }

    pub(crate) fn journal(&self) -> MutexGuard<'_, Journal> {
        lock(&self.journal)
    }

    /// Held from the moment in which a call changes the workspace until it stands in the journal, so that nobody sees
    /// the one without the other.
    pub(crate) fn turn(&self) -> MutexGuard<'_, ()> {
        lock(&self.turn)
    }

    pub(crate) fn settings(&self) -> MutexGuard<'_, Settings> {
        lock(&self.settings)
    }

    /// A receiver that wakes at each change.
    pub(crate) fn watch(&self) -> watch::Receiver<u64> {
        self.version.subscribe()
    }

    /// Waits until no delivery is on its way.
    pub(crate) async fn settled(&self) {
        let mut in_flight = self.in_flight.subscribe();
        // The sender lives as long as this does, so the wait cannot fail.
        let _ = in_flight.wait_for(|count| *count == 0).await;
    }

    pub(crate) fn record_violation(&self, violation: String) {
        tracing::warn!(%violation, "Slack would refuse this");
        keep(&mut self.journal().violations, violation);
    }

    /// Delivers and waits for the end of it, by a task of its own: a caller who gives up stops nothing.
    pub(crate) async fn deliver(self: &Arc<Self>, parcels: Vec<Parcel>) -> Vec<Delivery> {
        self.start_delivery(parcels, FirstTry::Fresh)
            .await
            .unwrap_or_default()
    }

    /// Delivers events once more, as Slack does when it saw no answer.
    pub(crate) async fn deliver_again(self: &Arc<Self>, parcels: Vec<Parcel>) -> Vec<Delivery> {
        self.start_delivery(parcels, FirstTry::Repeat)
            .await
            .unwrap_or_default()
    }

    /// Delivers in the background.
    pub(crate) fn deliver_soon(self: &Arc<Self>, parcels: Vec<Parcel>) {
        if !parcels.is_empty() {
            drop(self.start_delivery(parcels, FirstTry::Fresh));
        }
    }

    fn start_delivery(
        self: &Arc<Self>,
        parcels: Vec<Parcel>,
        first: FirstTry,
    ) -> tokio::task::JoinHandle<Vec<Delivery>> {
        self.in_flight.send_modify(|count| *count += 1);
        let core = Arc::clone(self);
        tokio::spawn(async move {
            let deliveries = core.send(parcels, first).await;
            core.in_flight
                .send_modify(|count| *count = count.saturating_sub(1));
            deliveries
        })
    }

    async fn send(&self, mut parcels: Vec<Parcel>, first: FirstTry) -> Vec<Delivery> {
        let habit = self.settings().habit;
        if first == FirstTry::Fresh {
            let events = parcels
                .iter()
                .filter(|parcel| parcel.door == Door::Events)
                .cloned();
            let events: Vec<Parcel> = events.collect();
            let mut journal = self.journal();
            for event in events {
                keep(&mut journal.events, event);
            }
        }
        match habit {
            DeliveryHabit::AsUsual => {
                join_all(parcels.iter().map(|parcel| self.send_one(parcel, first))).await
            }
            DeliveryHabit::Twice => {
                let events = parcels.iter().filter(|parcel| parcel.door == Door::Events);
                let again = join_all(events.map(|parcel| self.send_one(parcel, FirstTry::Repeat)));
                let once = join_all(parcels.iter().map(|parcel| self.send_one(parcel, first)));
                futures::join!(once, again).0
            }
            DeliveryHabit::Reversed => {
                parcels.reverse();
                let mut deliveries = Vec::new();
                for parcel in &parcels {
                    deliveries.push(self.send_one(parcel, first).await);
                }
                deliveries
            }
        }
    }

    async fn send_one(&self, parcel: &Parcel, first: FirstTry) -> Delivery {
        let (road, url) = {
            let settings = self.settings();
            let url = match parcel.door {
                Door::Events => settings.urls.events.clone(),
                Door::Interactions => settings.urls.interactions.clone(),
                Door::Commands => settings.urls.commands.clone(),
                Door::Options => settings.urls.options.clone(),
            };
            (settings.road, url)
        };
        let delivery = match road {
            Road::Http => self.courier.deliver(url.as_deref(), parcel, first).await,
            Road::Socket => self.deliver_by_socket(parcel, first).await,
        };
        keep(&mut self.journal().deliveries, delivery.clone());
        delivery
    }
}

/// A poisoned lock only says that another test thread failed; the state is still worth reading.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
