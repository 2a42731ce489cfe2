//! What is seen of a run when its story is told: the record that is judged.

use std::{
    fs,
    time::{Duration, Instant, SystemTime},
};

use deckhand_world::slack::{Audience, Message, Presence, Thread};
use sqlx::{AssertSqlSafe, Connection as _, query_scalar};

use crate::{
    agent, containers, engine,
    fate::{Fate, Story, Then},
    judge::{self, Act, Deed, Ending, Record, Shown},
    machines,
    play::{Stage, again},
};

/// How long it is watched whether anything comes after the end, and after the last delivery that was still on its way.
const QUIET: Duration = Duration::from_millis(700);
/// How long what is left may take to be cleared up: a sandbox that did not go is looked for again after a while.
const CLEARED_WITHIN: Duration = Duration::from_secs(90);

/// The moment that all times of a record are counted from, by both clocks.
#[derive(Clone, Copy)]
pub struct Begun {
    pub instant: Instant,
    pub system: SystemTime,
}

impl Begun {
    pub fn now() -> Self {
        Self {
            instant: Instant::now(),
            system: SystemTime::now(),
        }
    }

    fn until(self, moment: Instant) -> Duration {
        moment.saturating_duration_since(self.instant)
    }

    fn until_system(self, moment: SystemTime) -> Duration {
        moment.duration_since(self.system).unwrap_or_default()
    }
}

/// How the task stood and which sandboxes there were when somebody looked into them last.
#[derive(Default)]
pub struct Glance {
    state: &'static str,
    sandboxes: Vec<String>,
    at: Option<Instant>,
}

impl Glance {
    /// Whether the sandboxes are to be listed again: at once where the task stands otherwise, else after a pause.
    fn is_due(&self, state: &'static str, pause: Duration) -> bool {
        state != self.state || self.at.is_none_or(|at| at.elapsed() >= pause)
    }

    /// Takes note of what there is, and says whether that is something else.
    fn is_news(&mut self, state: &'static str, sandboxes: Vec<String>) -> bool {
        self.at = Some(Instant::now());
        let is_news = state != self.state || sandboxes != self.sandboxes;
        (self.state, self.sandboxes) = (state, sandboxes);
        is_news
    }
}

impl Stage {
    /// Waits until nothing is left to do, then writes down what was seen.
    pub async fn record(
        &self,
        thread: &Thread,
        ending: Ending,
        fate: &Fate,
    ) -> anyhow::Result<Record> {
        let left = self.cleared().await;
        let task = again(|| self.find(thread)).await?;
        let shown = self.slack.threads("eng");
        let shown = shown.iter().flat_map(Thread::bot_messages);
        let shown = shown.filter(|message| {
            message.audience == Audience::Everyone && message.presence == Presence::Live
        });
        let mut rules_broken = self.slack.violations();
        rules_broken.extend(self.github.violations());
        if let Some(containers) = &self.containers {
            rules_broken.extend(containers.models.violations());
        }
        let mut given_up = self.given_up("inbox", "body").await?;
        given_up.extend(self.given_up("outbox", "effect").await?);
        Ok(Record {
            ending,
            change_waited: fate.makes_a_change_wait(),
            went_on: matches!(
                fate.story,
                Story::Cancel(_, Then::StopAgain | Then::Approve)
            ),
            state: task.map_or("gone", |task| task.state.name()).to_owned(),
            pull_requests: self.github.repository("acme/web")?.pull_requests().len(),
            shown: shown.map(|message| self::shown(&message)).collect(),
            acts: self.acts(),
            unheard: self.unheard(ending, fate.story).await?,
            given_up,
            left,
            rules_broken,
            kept: self.kept().await?,
        })
    }

    fn acts(&self) -> Vec<Act> {
        let begun = self.begun;
        let mut acts = Vec::new();
        for thread in self.slack.threads("eng") {
            for message in thread.bot_messages() {
                acts.extend(said(begun, &message));
            }
        }
        for request in self.github.requests() {
            let deed = match (&*request.method, &*request.path) {
                ("POST", path) if path.ends_with("/git-receive-pack") => Deed::Pushed,
                ("POST", path) if path.ends_with("/pulls") => Deed::Opened,
                _ => continue,
            };
            acts.push(Act {
                at: begun.until_system(SystemTime::from(request.at)),
                deed,
                words: format!("{} {}", request.path, request.status),
            });
        }
        if let Some(containers) = &self.containers {
            // They count from their own start, which is after the run's.
            let started = containers.models.started();
            for request in containers.models.requests() {
                acts.push(Act {
                    at: begun.until(started + request.at),
                    deed: Deed::AskedAModel,
                    words: request.path,
                });
            }
        }
        acts
    }

    /// Waits until nothing has been left for a while; else says what is.
    async fn cleared(&self) -> Vec<String> {
        let begun = Instant::now();
        let sent = async {
            self.slack.settled().await;
            self.github.settle().await;
        };
        if tokio::time::timeout(CLEARED_WITHIN, sent).await.is_err() {
            return vec!["a platform that still tries to deliver something".to_owned()];
        }
        let mut quiet = Instant::now();
        loop {
            let left = self.left().await;
            if !left.is_empty() {
                quiet = Instant::now();
            } else if quiet.elapsed() > QUIET {
                return left;
            }
            if begun.elapsed() > CLEARED_WITHIN {
                return left;
            }
            tokio::time::sleep(self.look_every()).await;
        }
    }

    /// What people asked for that the work does not have, where it was merged.
    async fn unheard(&self, ending: Ending, story: Story) -> anyhow::Result<Vec<String>> {
        if ending != Ending::Merged || !story.asks_for_more() {
            return Ok(Vec::new());
        }
        let (path, words) = match self.containers {
            Some(_) => containers::MORE,
            None => agent::SECOND_LINE,
        };
        let repository = self.github.repository("acme/web")?;
        let file = repository.file_at("main", path).await?;
        let is_heard = file.is_some_and(|file| file.contains(words));
        Ok((!is_heard)
            .then(|| format!("{words:?} in {path}"))
            .into_iter()
            .collect())
    }

    /// Whether no delivery and no effect waits. A database that does not answer says nothing of that.
    pub async fn has_nothing_to_do(&self) -> bool {
        self.waiting().await == Some((0, 0))
    }

    /// How many deliveries and effects wait; nothing is known of a database that does not answer.
    async fn waiting(&self) -> Option<(i64, i64)> {
        let (inbox, _) = self.store.inbox_depth().await.ok()?;
        let (outbox, _) = self.store.outbox_depth().await.ok()?;
        Some((inbox, outbox))
    }

    /// What is not done or not cleared up.
    async fn left(&self) -> Vec<String> {
        let Some((inbox, outbox)) = self.waiting().await else {
            return vec!["a database that does not answer".to_owned()];
        };
        let mut left = Vec::new();
        let on_the_road = i64::try_from(self.traffic.outstanding()).unwrap_or(i64::MAX);
        for (count, what) in [
            (inbox, "deliveries"),
            (outbox, "effects"),
            (on_the_road, "deliveries on the road"),
        ] {
            if count != 0 {
                left.push(format!("{count} {what}"));
            }
        }
        let volumes = match &self.containers {
            Some(containers) => containers.volumes(),
            None => engine::volumes(&machines::engine_folder(&self.folder)),
        };
        let sandboxes = self.sandboxes();
        left.extend(sandboxes.iter().map(|name| format!("the sandbox {name}")));
        left.extend(volumes.iter().map(|name| format!("the volume {name}")));
        left
    }

    /// What was given up in a table, with the column that tells what it was.
    async fn given_up(&self, table: &str, what: &str) -> anyhow::Result<Vec<String>> {
        self.ask(&format!(
            "SELECT substr({what}, 1, 200) || ' ' || coalesce(error, '') FROM {table} WHERE state = 'dead'"
        ))
        .await
    }

    /// One column of text. The names in the question are this program's own words.
    async fn ask(&self, question: &str) -> anyhow::Result<Vec<String>> {
        again(|| self.ask_once(question)).await
    }

    async fn ask_once(&self, question: &str) -> anyhow::Result<Vec<String>> {
        let question = question.to_owned();
        let rows = if self.database.starts_with("sqlite") {
            let mut database = sqlx::SqliteConnection::connect(&self.database).await?;
            query_scalar(AssertSqlSafe(question))
                .fetch_all(&mut database)
                .await?
        } else {
            let mut database = sqlx::PgConnection::connect(&self.database).await?;
            query_scalar(AssertSqlSafe(question))
                .fetch_all(&mut database)
                .await?
        };
        Ok(rows)
    }

    /// Everything that was kept or shown: the thread, the files of bot and engine, the log, and each row of a server's
    /// database.
    async fn kept(&self) -> anyhow::Result<Vec<(String, Vec<u8>)>> {
        let mut kept = self.seen_secrets.lock().unwrap().clone();
        for thread in self.slack.threads("eng") {
            kept.push(("the thread".to_owned(), thread.render().into_bytes()));
        }
        let mut files = vec![self.folder.join("log")];
        for part in ["d", "e"] {
            machines::files(&self.folder.join(part), &mut files);
        }
        for file in files {
            let bytes = fs::read(&file).unwrap_or_default();
            kept.push((file.display().to_string(), bytes));
        }
        if !self.database.starts_with("sqlite") {
            let tables = "SELECT tablename::text FROM pg_tables WHERE schemaname = 'public'";
            for table in self.ask(tables).await? {
                let rows = format!("SELECT CAST(t AS text) FROM {table} AS t");
                let rows = self.ask(&rows).await?;
                kept.push((format!("the table {table}"), rows.join("\n").into_bytes()));
            }
        }
        Ok(kept)
    }

    /// Looks into the sandboxes whenever the task stands otherwise, or one has come or gone: at the end there are none.
    pub fn look_around(&self, state: &'static str) {
        let pause = self.look_every();
        let is_news = {
            let mut last = self.last_glance.lock().unwrap();
            last.is_due(state, pause) && last.is_news(state, self.sandboxes())
        };
        if is_news {
            self.look_for_secrets();
        }
    }

    /// The sandboxes that there are, by name.
    fn sandboxes(&self) -> Vec<String> {
        match &self.containers {
            Some(containers) => containers.sandboxes(),
            None => engine::sandboxes(&machines::engine_folder(&self.folder)),
        }
    }

    fn look_for_secrets(&self) {
        let known = if let Some(containers) = &self.containers {
            containers.known()
        } else {
            let mut files = Vec::new();
            machines::files(&machines::engine_folder(&self.folder), &mut files);
            let files = files.into_iter();
            let read = |file: std::path::PathBuf| {
                (
                    file.display().to_string(),
                    fs::read(&file).unwrap_or_default(),
                )
            };
            files.map(read).collect()
        };
        let secret = known
            .into_iter()
            .filter(|(_, bytes)| judge::has_secret(bytes));
        self.seen_secrets.lock().unwrap().extend(secret);
    }
}

fn shown(message: &Message) -> Shown {
    let slot = message
        .metadata
        .as_ref()
        .and_then(|metadata| metadata["event_payload"]["slot"].as_str());
    let words = message.plain_text();
    Shown {
        // What has no name of its own is known by its words.
        slot: slot.map_or_else(|| words.clone(), str::to_owned),
        words,
    }
}

/// The moments at which a message said something new: when it was posted, and each time that it was changed.
fn said(begun: Begun, message: &Message) -> Vec<Act> {
    let versions = message.versions.iter();
    let words = versions
        .clone()
        .map(|version| words(&version.text, &version.blocks))
        .chain([words(&message.text, &message.blocks)]);
    let moments = std::iter::once(message.posted_at).chain(versions.map(|version| version.until));
    let first = match message.audience {
        Audience::Everyone => Deed::Said,
        Audience::Only(_) => Deed::Whispered,
    };
    let deeds = std::iter::once(first).chain(std::iter::repeat(Deed::Changed));
    moments
        .zip(deeds)
        .zip(words)
        .map(|((moment, deed), words)| Act {
            at: begun.until(moment),
            deed,
            words,
        })
        .collect()
}

fn words(text: &str, blocks: &[serde_json::Value]) -> String {
    let blocks = serde_json::Value::from(blocks.to_vec());
    format!("{text} {blocks}")
}

/// The tests of when somebody looks.
pub mod tests {
    use std::time::Duration;

    use super::Glance;

    pub fn sandboxes_are_looked_into_at_each_change() {
        let (long, none) = (Duration::from_mins(1), Duration::ZERO);
        let run = || vec!["deckhand-1-run-1".to_owned()];
        let mut last = Glance::default();
        assert!(last.is_due("planning", long) && last.is_news("planning", Vec::new()));
        assert!(!last.is_due("planning", long), "nothing has changed");
        assert!(last.is_due("planning", none) && !last.is_news("planning", Vec::new()));
        assert!(last.is_news("planning", run()), "a sandbox has come");
        assert!(!last.is_news("planning", run()));
        assert!(last.is_due("running", long) && last.is_news("running", run()));
        assert!(last.is_news("running", Vec::new()), "it has gone");
    }
}
