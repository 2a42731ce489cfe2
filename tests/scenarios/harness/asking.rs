//! Questions that a story asks: of tasks, threads, pages and the database.

use std::{
    collections::BTreeSet,
    sync::Mutex,
    time::{Duration, Instant},
};

use deckhand::domain::{
    TaskId,
    task::{State, Task},
};
use deckhand_world::{
    github::PullRequest,
    slack::{Audience, Call, CallEnding, Message, Thread},
};
use sqlx::Connection as _;

use super::{LOOK_EVERY, PATIENCE, Stage};

/// How long what is left in the engine may take to go.
const GONE_WITHIN: Duration = Duration::from_secs(15);
/// A task that has been failed for this long while a story waits for something else stays so.
const FAILED_IS_FINAL: Duration = Duration::from_secs(15);
/// The promise: this long after somebody cancels, nothing of the task runs.
pub const CANCEL_WITHIN: Duration = Duration::from_secs(5);

/// What came out of the bot so far, by kinds of which none may come after a cancel is confirmed.
#[derive(Debug, PartialEq, Eq)]
struct Came {
    /// What was said in Slack.
    said: usize,
    /// What was said in Linear.
    activities: usize,
    /// Calls of models.
    model_calls: u64,
    pushes: usize,
}

/// Looks again and again until something is there, and hands it out. What is not there is told with the last reason.
pub async fn until<T, Look>(within: Duration, mut look: impl FnMut() -> Look) -> T
where
    Look: Future<Output = Result<T, String>>,
{
    let begun = Instant::now();
    loop {
        match look().await {
            Ok(found) => return found,
            Err(reason) => assert!(begun.elapsed() < within, "{reason}, after {within:?}"),
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

impl Stage {
    /// The task of a thread.
    pub async fn task(&self, thread: &Thread) -> Task {
        let conversation = deckhand::slack::ids::conversation(
            "T0ACME",
            thread.channel().as_str(),
            Some(thread.root().as_str()),
        );
        until(PATIENCE, || async {
            let stored = self.context.store.task_of(&conversation).await.unwrap();
            let task = stored.map(|stored| stored.task);
            task.ok_or_else(|| format!("the thread has no task\n{}", thread.render()))
        })
        .await
    }

    /// Waits until the task of a thread is as wanted; `what` names it in the error.
    pub async fn wait_until(
        &self,
        thread: &Thread,
        what: &str,
        wanted: impl Fn(&Task) -> bool,
    ) -> Task {
        let failed_since = Mutex::new(None::<Instant>);
        until(PATIENCE, || async {
            let task = self.task(thread).await;
            if wanted(&task) {
                return Ok(task);
            }
            let state = task.state;
            let reason = format!("the task is {state:?}, not {what}\n{}", thread.render());
            // Nobody in the story acts while it waits here, so a failure stays.
            let mut since = failed_since.lock().unwrap();
            *since =
                matches!(state, State::Failed { .. }).then(|| since.unwrap_or_else(Instant::now));
            assert!(
                since.is_none_or(|since| since.elapsed() < FAILED_IS_FINAL),
                "{reason}"
            );
            Err(reason)
        })
        .await
    }

    /// Waits for something that is true of no task alone.
    pub async fn eventually(&self, what: &str, is_true: impl AsyncFn() -> bool) {
        until(PATIENCE, || async {
            is_true().await.then_some(()).ok_or(format!("not {what}"))
        })
        .await;
    }

    /// The same for a task that need not be its thread's newest.
    pub async fn wait_for_task(
        &self,
        id: &TaskId,
        what: &str,
        wanted: impl Fn(&Task) -> bool,
    ) -> Task {
        until(PATIENCE, || async {
            let task = self.context.store.task(id).await.unwrap().unwrap().task;
            if wanted(&task) {
                return Ok(task);
            }
            Err(format!("the task {id} is {:?}, not {what}", task.state))
        })
        .await
    }

    /// Waits until the task of a thread stands so.
    pub async fn wait_for_state(&self, thread: &Thread, state: &str) -> Task {
        self.wait_until(thread, state, |task| task.state.name() == state)
            .await
    }

    /// Ana asks for something, and its plan waits.
    pub async fn planned(&self, request: &str) -> Thread {
        let thread = self.mention(request).await;
        self.wait_for_state(&thread, "awaiting_approval").await;
        thread
    }

    /// Asks for something. Its plan is being written, and the model lets the agent wait until `models.resume`.
    pub async fn being_planned(&self, request: &str) -> Thread {
        self.models.pause();
        let thread = self.mention(request).await;
        self.wait_for_state(&thread, "planning").await;
        self.models.until_waiting(1, PATIENCE).await.unwrap();
        thread
    }

    /// Ana approves the plan that waits, and the result is there.
    pub async fn approve(&self, thread: &Thread) -> Task {
        thread.say("ana", "approve").await.unwrap();
        self.wait_for_state(thread, "in_review").await
    }

    /// Ana stops the task, where the rest of it is no part of the story.
    pub async fn stop(&self, thread: &Thread) {
        thread.say("ana", "stop").await.unwrap();
        self.wait_for_state(thread, "canceled").await;
    }

    /// The pull requests of acme/web.
    pub fn pull_requests(&self) -> Vec<PullRequest> {
        self.github.repository("acme/web").unwrap().pull_requests()
    }

    /// The names of the sandboxes that the engine has of this stage.
    pub async fn sandboxes(&self) -> Vec<String> {
        self.context
            .executor
            .list()
            .await
            .unwrap()
            .into_iter()
            .map(|sandbox| sandbox.name.0)
            .collect()
    }

    /// Waits until the engine has no sandbox of this stage; a run's own goes within moments of its end.
    pub async fn wait_for_no_sandbox(&self) {
        self.has_no_sandbox_within(GONE_WITHIN).await;
    }

    async fn has_no_sandbox_within(&self, within: Duration) {
        until(within, || async {
            let left = self.sandboxes().await;
            if left.is_empty() {
                return Ok(());
            }
            Err(format!("these sandboxes are left: {left:?}"))
        })
        .await;
    }

    /// Waits until inbox and outbox are empty.
    pub async fn settle(&self) {
        until(PATIENCE, || async {
            let (inbox, _) = self.context.store.inbox_depth().await.unwrap();
            let (outbox, _) = self.context.store.outbox_depth().await.unwrap();
            if inbox == 0 && outbox == 0 {
                return Ok(());
            }
            Err(format!("{inbox} deliveries and {outbox} effects are left"))
        })
        .await;
    }

    /// Everything that the bot wrote into a task's log, as text.
    pub async fn log(&self, task: &TaskId) -> String {
        let lines = self.context.store.log_after(task, "", 5_000).await.unwrap();
        lines
            .iter()
            .map(|line| format!("{} {} {}", line.run, line.kind, line.body))
            .collect::<Vec<_>>()
            .join("\n")
    }

    /// What the bot's own web server answers: status and text.
    pub async fn get(&self, url: &str) -> (u16, String) {
        let url = if url.starts_with('/') {
            format!("{}{url}", self.context.config.public_url)
        } else {
            url.to_owned()
        };
        let answer = reqwest::get(url).await.unwrap();
        (
            answer.status().as_u16(),
            String::from_utf8_lossy(&answer.bytes().await.unwrap()).into_owned(),
        )
    }

    /// Waits until the bot says that it can work: the engine is asked for the first time while the doors are open already.
    pub async fn is_ready(&self) {
        until(PATIENCE, || async {
            match self.get("/readyz").await {
                (200, _) => Ok(()),
                answer => Err(format!("{answer:?}")),
            }
        })
        .await;
    }

    /// Waits until `/readyz` refuses with these words; what it says.
    pub async fn not_ready(&self, words: &str) -> String {
        until(PATIENCE, || async {
            match self.get("/readyz").await {
                (503, told) if told.contains(words) => Ok(told),
                answer => Err(format!("{answer:?}, without `{words}`")),
            }
        })
        .await
    }

    /// Waits until `/readyz` says these words beside that it can work; what it says.
    pub async fn notes(&self, words: &str) -> String {
        until(PATIENCE, || async {
            match self.get("/readyz").await {
                (200, told) if told.contains(words) => Ok(told),
                answer => Err(format!("{answer:?}, without `{words}`")),
            }
        })
        .await
    }

    /// The same as [`Stage::settle`] where ends could not be stored: what lies in nobody's hand is free with its lease.
    pub async fn settle_after_leases(&self) {
        self.clock.advance(deckhand::store::leases::LEASE);
        deckhand::engine::leases::renew(&self.context)
            .await
            .unwrap();
        self.settle().await;
    }

    /// Does to the database what a broken disk or another program would.
    pub async fn damage(&self, statement: &str) {
        // The statement is a word of the test itself.
        let statement = sqlx::AssertSqlSafe(statement.to_owned());
        let address = &self.context.config.database_url;
        if self.context.store.is_shared() {
            let mut database = sqlx::PgConnection::connect(address).await.unwrap();
            sqlx::query(statement).execute(&mut database).await.unwrap();
            database.close().await.unwrap();
        } else {
            let mut database = sqlx::SqliteConnection::connect(address).await.unwrap();
            sqlx::query(statement).execute(&mut database).await.unwrap();
            database.close().await.unwrap();
        }
    }

    /// How many rows a table of the database has.
    pub async fn rows(&self, table: &str) -> i64 {
        self.number(&format!("SELECT count(*) FROM {table}")).await
    }

    /// The number that a statement answers.
    pub async fn number(&self, statement: &str) -> i64 {
        // The statement is a word of the test itself.
        let statement = sqlx::AssertSqlSafe(statement.to_owned());
        let address = &self.context.config.database_url;
        if self.context.store.is_shared() {
            let mut database = sqlx::PgConnection::connect(address).await.unwrap();
            let found = sqlx::query_scalar(statement).fetch_one(&mut database);
            let found = found.await.unwrap();
            database.close().await.unwrap();
            found
        } else {
            let mut database = sqlx::SqliteConnection::connect(address).await.unwrap();
            let found = sqlx::query_scalar(statement).fetch_one(&mut database);
            let found = found.await.unwrap();
            database.close().await.unwrap();
            found
        }
    }

    /// A cancel was asked for at `asked`: it is confirmed in time, and then nothing comes any more.
    pub async fn ends_without_a_trace(&self, thread: &Thread, asked: Instant) {
        thread.wait_for_words("Cancelled by").await.unwrap();
        assert!(
            asked.elapsed() < CANCEL_WITHIN,
            "the confirmation took {:?}\n{}",
            asked.elapsed(),
            thread.render()
        );
        let before = self.came_with_the_confirmation(thread).await;
        let left = CANCEL_WITHIN.saturating_sub(asked.elapsed());
        self.has_no_sandbox_within(left).await;
        let left = GONE_WITHIN.saturating_sub(asked.elapsed());
        self.has_no_volume_within(left).await;
        self.adds_nothing(thread, before, async || self.models.resume())
            .await;
        assert_eq!(self.task(thread).await.state.name(), "canceled");
    }

    async fn has_no_volume_within(&self, within: Duration) {
        until(within, || async {
            let left = self.context.executor.volumes().await.unwrap();
            let is_gone = left.is_empty();
            is_gone
                .then_some(())
                .ok_or_else(|| format!("these volumes are left: {left:?}"))
        })
        .await;
    }

    /// Nothing is said, asked of a model or pushed any more, whatever `happens`.
    pub async fn nothing_more(&self, thread: &Thread, happens: impl AsyncFnOnce()) {
        let before = self.came(thread);
        self.adds_nothing(thread, before, happens).await;
    }

    async fn adds_nothing(&self, thread: &Thread, before: Came, happens: impl AsyncFnOnce()) {
        happens().await;
        self.settle().await;
        deckhand::engine::reaper::step(&self.context).await.unwrap();
        // What was under way in the bot comes out no later than the answer to somebody else.
        let asking = self
            .slack
            .mention("ben", super::CHANNEL, "list")
            .await
            .unwrap()
            .with_patience(PATIENCE);
        whispered(&asking, "no tasks of yours").await;
        self.settle().await;
        assert_eq!(
            self.came(thread),
            before,
            "something came after the confirmation\n{}",
            thread.render()
        );
    }

    fn came(&self, thread: &Thread) -> Came {
        let linear = self.linear.iter();
        let sessions = linear.flat_map(deckhand_world::linear::Linear::sessions);
        Came {
            said: self.sayings(thread).len(),
            activities: sessions.map(|session| session.activities().len()).sum(),
            model_calls: self.models.request_count(),
            pushes: self.pushes(),
        }
    }

    /// The same at the moment when the cancel was confirmed in the thread, which has just been seen there.
    async fn came_with_the_confirmation(&self, thread: &Thread) -> Came {
        let came = self.came(thread);
        let is_it = |call: &Call| {
            call.method == "chat.postMessage" && call.arguments.to_string().contains("Cancelled by")
        };
        // A message is seen before its call is written down.
        let said = until(PATIENCE, || async {
            let place = self.sayings(thread).iter().position(is_it);
            place.ok_or("no call has confirmed the cancel".to_owned())
        });
        Came {
            said: said.await + 1,
            ..came
        }
    }

    /// The calls that showed people something: messages that everybody sees, files, work that goes on, and answers in the
    /// thread that one person sees.
    fn sayings(&self, thread: &Thread) -> Vec<Call> {
        let mut calls = self.slack.calls();
        calls.retain(|call| {
            let arguments = &call.arguments;
            let shows = match call.method.as_str() {
                "chat.postMessage" | "chat.update" | "files.completeUploadExternal" => true,
                "chat.postEphemeral" => arguments["thread_ts"] == thread.root().as_str(),
                // That nothing goes on any more is no news.
                "agents.sessions.setStatus" => arguments["status"] != "active",
                _ => false,
            };
            shows && call.ending == CallEnding::Done
        });
        calls
    }

    /// How many pushes and pull requests were tried.
    pub fn pushes(&self) -> usize {
        let requests = self.github.requests();
        requests
            .iter()
            .filter(|request| {
                request.method == "POST"
                    && (request.path.ends_with("/git-receive-pack")
                        || request.path.ends_with("/pulls"))
            })
            .count()
    }
}

/// Waits for words in the thread, whoever sees them.
pub async fn says(thread: &Thread, words: &str) -> Message {
    thread
        .wait(&format!("the words {words:?}"), || {
            thread
                .messages()
                .into_iter()
                .find(|message| message.says(words))
        })
        .await
        .unwrap()
}

/// Waits for words that one person alone sees.
pub async fn whispered(thread: &Thread, words: &str) -> Message {
    let is_it =
        |message: &Message| matches!(message.audience, Audience::Only(_)) && message.says(words);
    thread
        .wait(&format!("the whisper {words:?}"), || {
            thread.messages().into_iter().find(is_it)
        })
        .await
        .unwrap()
}

/// Whether a task was cancelled, and everything of it has ended.
pub fn is_confirmed(task: &Task) -> bool {
    matches!(
        task.state,
        State::Canceled {
            confirmed: true,
            ..
        }
    )
}

/// Nothing that everybody sees was said twice.
pub fn no_message_twice(thread: &Thread) {
    let mut seen = BTreeSet::new();
    for message in thread
        .bot_messages()
        .into_iter()
        .filter(|message| message.audience == Audience::Everyone)
    {
        assert!(
            seen.insert(message.plain_text()),
            "this was said twice: {}\n{}",
            message.plain_text(),
            thread.render()
        );
    }
}
