//! What it costs to acknowledge Slack's events: Deckhand, which stores each one first, beside the two Bolt frameworks, whose
//! apps verify, acknowledge and keep nothing.
//!
//! Everybody gets the same signed events over connections that are kept, in turns. Whoever is not measured is stopped, so that
//! work that is left over falls into its owner's time. Deckhand is there twice: as one process, and with doors of their own beside
//! the bot. Its dispatcher works all the while. At the end it is killed and started again over the same data, and every event that it acknowledged is sent once more: it has to know each of them.

mod apps;
mod disk;
mod events;
mod load;
mod report;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::ensure;
use clap::Args;

use self::apps::{App, Running};
use self::events::Events;
use self::load::Answers;
use self::report::{Figures, Report, Stored};
use super::place::Place;
use crate::demo::unless_interrupted;

/// How many connections are kept at once, in turns.
pub const CONNECTIONS: [usize; 3] = [1, 16, 64];
/// The connections of everything that is not measured by their number.
const SOME_CONNECTIONS: usize = 16;
/// How long each app is warmed up.
const WARM_UP: Duration = Duration::from_secs(1);
/// Ten times the rate at which Slack stops sending events of a workspace: 30,000 an hour. Source: Slack's guide of the Events API.
pub const PACE_PER_SECOND: u32 = 83;

/// What is measured of the doors, and how often.
#[derive(Args)]
#[group(id = "intake")]
pub struct Options {
    /// intake: how many rounds of every app with every number of connections.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    intake_rounds: u32,
    /// intake: how many seconds each of them takes.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    seconds: u32,
    /// intake: where `script/bench` has installed the two Bolt apps.
    #[arg(long, default_value = ".deckhand/bolt")]
    bolt: PathBuf,
    /// intake: Deckhand without the two beside it.
    #[arg(long)]
    alone: bool,
}

impl Options {
    fn each(&self) -> Duration {
        Duration::from_secs(self.seconds.into())
    }
}

/// Where Deckhand runs.
struct Places {
    /// As one process.
    one: Place,
    /// With doors of their own.
    two: Place,
}

/// Measures, and prints what came of it. An acknowledged event that is not there afterwards is an error.
pub async fn run(options: &Options) -> anyhow::Result<()> {
    let load = super::report::load()?;
    let mut places = Places {
        one: Place::open(&[]).await?,
        two: Place::open(&[]).await?,
    };
    let measured = unless_interrupted(measure(&mut places, options, load)).await;
    let measured = places.two.close(measured).await;
    let report = places.one.close(measured).await?;
    report.print()?;
    let missing: u64 = report.stored.values().map(|stored| stored.missing).sum();
    ensure!(
        missing == 0,
        "{missing} acknowledged events were not stored"
    );
    Ok(())
}

async fn measure(places: &mut Places, options: &Options, load: f64) -> anyhow::Result<Report> {
    let sync = disk::sync(places.one.deckhand.data_folder())?;
    let mut apps = vec![
        Running::deckhand(&places.one.deckhand)?,
        Running::doors(&places.two.deckhand)?,
    ];
    if !options.alone {
        apps.push(Running::bolt(App::BoltJs, &options.bolt)?);
        apps.push(Running::bolt(App::BoltPython, &options.bolt)?);
    }
    let events = Arc::new(Events::new());
    let mut acknowledged = BTreeMap::new();
    for app in &apps {
        app.until_it_answers(&events).await?;
        let answers = load::press(app.address, &events, SOME_CONNECTIONS, WARM_UP).await?;
        keep(app, &answers, &mut acknowledged);
        app.stop().await?;
    }
    let mut figures: BTreeMap<(usize, App), Figures> = BTreeMap::new();
    for round in 0..options.intake_rounds as usize {
        for connections in CONNECTIONS {
            for turn in 0..apps.len() {
                // Nobody always follows the same one.
                let app = &apps[(turn + round) % apps.len()];
                app.go_on().await?;
                let before = app.usage()?;
                let answers =
                    load::press(app.address, &events, connections, options.each()).await?;
                keep(app, &answers, &mut acknowledged);
                let after = app.usage()?;
                app.stop().await?;
                figures
                    .entry((connections, app.app))
                    .or_default()
                    .add(answers, (before, after));
            }
        }
    }
    let mut paced = BTreeMap::new();
    for ours in apps.iter().filter(|app| app.app.stores()) {
        ours.go_on().await?;
        let answers = load::pace(ours.address, &events, PACE_PER_SECOND, options.each()).await?;
        keep(ours, &answers, &mut acknowledged);
        paced.insert(ours.app, answers);
    }
    // The doors are killed with this.
    drop(apps);
    let stored = what_was_stored(places, &events, acknowledged).await?;
    Ok(Report {
        load,
        rounds: options.intake_rounds,
        each: options.each(),
        sync,
        figures,
        paced,
        stored,
    })
}

/// What became of the events that Deckhand's two acknowledged.
async fn what_was_stored(
    places: &mut Places,
    events: &Arc<Events>,
    mut acknowledged: BTreeMap<App, Vec<u64>>,
) -> anyhow::Result<BTreeMap<App, Stored>> {
    let mut stored = BTreeMap::new();
    for (app, place) in [
        (App::Deckhand, &mut places.one),
        (App::Doors, &mut places.two),
    ] {
        let handled = place.deckhand.counted(&["slack", "done"]).await?;
        let of_app = acknowledged.remove(&app).unwrap_or_default();
        let of_app = Stored {
            acknowledged: of_app.len(),
            handled,
            missing: missing(place, events, of_app).await?,
        };
        stored.insert(app, of_app);
    }
    Ok(stored)
}

/// Remembers what Deckhand acknowledged.
fn keep(app: &Running, answers: &Answers, acknowledged: &mut BTreeMap<App, Vec<u64>>) {
    if app.app.stores() {
        let of_app = acknowledged.entry(app.app).or_default();
        of_app.extend(&answers.acknowledged);
    }
}

/// Kills Deckhand, starts it again, and sends everything once more: how many of the events it does not know.
async fn missing(
    place: &mut Place,
    events: &Arc<Events>,
    acknowledged: Vec<u64>,
) -> anyhow::Result<u64> {
    place.deckhand.kill_and_start().await?;
    let address = Running::deckhand(&place.deckhand)?.address;
    let count = acknowledged.len() as u64;
    let again = load::again(address, events, acknowledged, SOME_CONNECTIONS).await?;
    ensure!(
        again.refused == 0,
        "{} of {count} events were not acknowledged when they came again",
        again.refused
    );
    let known = place.deckhand.counted(&["slack", "repeated"]).await?;
    Ok(count.saturating_sub(known))
}
