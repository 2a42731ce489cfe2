//! Runs that outlive the bot: whatever ends, and whenever, a run goes on where it was or ends in a sentence.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use deckhand::{
    domain::effect::Assignment,
    engine::{
        Context,
        deliver::Deliver,
        dispatch::{Dispatch, Step},
    },
    heartbeat::Worker,
    store::Store,
};
use deckhand_executors::{
    Executor, ExecutorError, SandboxName, SandboxSpec,
    sandbox::{Attachment, Condition, Exec, ExecOutput, Listed, VolumeName},
};
use deckhand_world::{
    models::{Phase, Turn},
    slack::Thread,
};
use tokio_util::sync::CancellationToken;

use crate::harness::{
    Bot, PATIENCE, Props, REQUEST, Stage,
    asking::{CANCEL_WITHIN, no_message_twice, says},
    engine::{Gate, Tag, docker},
    fixture,
    remote::plain_repository,
    scripts,
};

/// What the agent of most stories does until somebody makes `/tmp/go` in its sandbox.
const WAIT: &str = "touch /tmp/halfway; until [ -e /tmp/go ]; do sleep 0.1; done";

async fn program_with(settings: Vec<(&'static str, String)>) -> Stage {
    let stage = Stage::open_with(Props {
        bot: Bot::Program,
        settings,
        ..Props::default()
    })
    .await;
    stage.models.otherwise(scripts::without_pages());
    stage
}

/// The agent is at work and waits. The name of its sandbox.
async fn at_work(stage: &Stage) -> (Thread, String) {
    let script = scripts::without_pages().first(Phase::Work, [Turn::shell(WAIT)]);
    stage.models.otherwise(script);
    let thread = stage.planned(REQUEST).await;
    thread.say("ana", "approve").await.unwrap();
    stage.wait_for_file(&thread, "/tmp/halfway").await;
    let sandbox = stage.sandboxes().await.remove(0);
    (thread, sandbox)
}

/// The task has ended as if nothing had happened.
async fn ends_as_always(stage: Stage, thread: &Thread) {
    let task = stage.wait_for_state(thread, "in_review").await;
    stage.settle().await;
    assert!(task.last_result().unwrap().whole, "{}", thread.render());
    assert_eq!(stage.pull_requests().len(), 1, "{}", thread.render());
    no_message_twice(thread);
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_it_ends_it_is_not_ready_and_the_next_one_does_what_is_asked_meanwhile() {
    let mut stage = Stage::open().await;
    stage.models.otherwise(scripts::endless_check());
    let thread = stage.planned(REQUEST).await;
    thread.say("ana", "approve").await.unwrap();
    stage.wait_for_state(&thread, "verifying").await;
    stage.wait_for_sandbox("proof").await;
    stage
        .ends(async |stage| {
            let says_so = async || {
                let (status, text) = stage.get("/readyz").await;
                status == 503 && text.starts_with("shutting down")
            };
            stage.eventually("not ready", says_so).await;
            let thread = stage.slack.thread(thread.channel(), thread.root());
            thread.say("ana", "stop").await.unwrap();
        })
        .await;
    thread.wait_for_words("Cancelled by").await.unwrap();
    assert_eq!(stage.get("/readyz").await.0, 200);
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_while_it_plans() {
    let mut stage = program_with(Vec::new()).await;
    let thread = stage.being_planned(REQUEST).await;
    stage.crash(async |_| {}).await;
    stage.models.resume();
    stage.wait_for_state(&thread, "awaiting_approval").await;
    thread.say("ana", "approve").await.unwrap();
    ends_as_always(stage, &thread).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_while_it_prepares() {
    let mut stage = program_with(Vec::new()).await;
    stage.models.otherwise(scripts::with_setup("sleep 2"));
    let thread = stage.planned(REQUEST).await;
    thread.say("ana", "approve").await.unwrap();
    stage.wait_for_state(&thread, "preparing").await;
    stage.wait_for_sandbox("prepare").await;
    stage.crash(async |_| {}).await;
    ends_as_always(stage, &thread).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_while_it_checks() {
    let mut stage = program_with(Vec::new()).await;
    stage.models.otherwise(scripts::slow_check());
    let thread = stage.planned(REQUEST).await;
    thread.say("ana", "approve").await.unwrap();
    stage.wait_for_state(&thread, "verifying").await;
    stage.wait_for_sandbox("proof").await;
    stage.crash(async |_| {}).await;
    ends_as_always(stage, &thread).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_in_half_a_cancel_it_ends_the_rest() {
    let gate = Gate::open();
    let mut stage = program_with(vec![("DECKHAND_DOCKER_HOST", gate.address())]).await;
    let (thread, _) = at_work(&stage).await;
    // The engine hangs, so that the cancel hangs in its middle.
    gate.close();
    thread.say("ana", "stop").await.unwrap();
    stage.wait_for_state(&thread, "canceled").await;
    stage.crash(async |_| gate.reopen()).await;
    thread.wait_for_words("Cancelled by").await.unwrap();
    stage.wait_for_no_sandbox().await;
    stage.nothing_more(&thread, async || {}).await;
    no_message_twice(&thread);
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_that_is_away_at_the_start_takes_no_run_with_it() {
    let gate = Gate::open();
    let mut stage = program_with(vec![("DECKHAND_DOCKER_HOST", gate.address())]).await;
    let (thread, sandbox) = at_work(&stage).await;
    stage.crash(async |_| gate.close()).await;
    says(&thread, "The container engine does not answer").await;
    docker(&["exec", &sandbox, "touch", "/tmp/go"]);
    gate.reopen();
    ends_as_always(stage, &thread).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_that_ended_while_nobody_was_there_is_told_with_a_retry() {
    let mut stage = program_with(Vec::new()).await;
    let (thread, sandbox) = at_work(&stage).await;
    stage
        .crash(async |_| {
            docker(&["kill", &sandbox]);
        })
        .await;
    stage.wait_for_state(&thread, "failed").await;
    says(&thread, "It stopped while working").await;
    stage.models.otherwise(scripts::without_pages());
    thread.say("ana", "retry").await.unwrap();
    ends_as_always(stage, &thread).await;
}

/// Begins only when somebody lets it, so that its container lives and nothing was heard of it yet.
const LATE: &str = "#!/bin/sh\nuntil [ -e /tmp/begin ]; do sleep 0.1; done\nexec /opt/agents/goose/honest \"$@\"\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_container_of_which_nothing_was_heard_yet_is_begun_anew() {
    const NAME: &str = "deckhand-story-late";
    let image = format!("{NAME}:goose");
    let _tag = Tag::with_agent("deckhand-sandbox:goose", &image, "goose", LATE);
    let mut stage = program_with(vec![("DECKHAND_IMAGE_PREFIX", format!("{NAME}:"))]).await;
    let thread = stage.mention(REQUEST).await;
    let begin = async |stage: &Stage, part: &str| {
        let sandbox = stage.wait_for_sandbox(part).await;
        let told = [
            "exec",
            &sandbox,
            "sh",
            "-c",
            "touch /tmp/begin && echo told",
        ];
        // A container is there before its process is.
        stage
            .eventually("the agent may begin", async || {
                docker(&told).contains("told")
            })
            .await;
    };
    begin(&stage, "run-1").await;
    stage.wait_for_state(&thread, "awaiting_approval").await;
    thread.say("ana", "approve").await.unwrap();
    let sandbox = stage.wait_for_sandbox("run-2").await;
    let number = || docker(&["inspect", "--format", "{{.Id}}", &sandbox]);
    let first = number();
    stage.crash(async |_| {}).await;
    stage
        .eventually("another container is there", async || {
            let now = number();
            !now.trim().is_empty() && now != first
        })
        .await;
    begin(&stage, "run-2").await;
    ends_as_always(stage, &thread).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_whose_row_is_damaged_ends_in_a_sentence_and_the_others_go_on() {
    let mut stage = program_with(Vec::new()).await;
    let (thread, _) = at_work(&stage).await;
    let (other, sandbox) = {
        let other = stage
            .slack
            .mention("ana", "eng", REQUEST)
            .await
            .unwrap()
            .with_patience(PATIENCE);
        stage.wait_for_state(&other, "awaiting_approval").await;
        let script = scripts::without_pages().first(Phase::Work, [Turn::shell(WAIT)]);
        stage.models.otherwise(script);
        other.say("ana", "approve").await.unwrap();
        stage.wait_for_state(&other, "running").await;
        let task = stage.task(&other).await.id;
        (other, stage.wait_for_sandbox(&format!("{task}-run")).await)
    };
    let task = stage.task(&thread).await.id;
    let damage = format!("UPDATE runs SET resume = '{{\"point\":7}}' WHERE task = '{task}'");
    stage.crash(async |stage| stage.damage(&damage).await).await;
    stage.wait_for_state(&thread, "failed").await;
    stage.inside(&sandbox, "touch /tmp/go").await;
    ends_as_always(stage, &other).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancel_in_the_middle_of_a_push_is_confirmed_and_the_push_does_not_arrive() {
    let folder = tempfile::tempdir().unwrap();
    let copy = format!("cp -r '{}/.' .", fixture("web").display());
    let url = plain_repository(folder.path(), &copy).await;
    // The remote takes the push and does not answer, for as long as it is there.
    let (hook, begun) = (
        folder.path().join("plain.git/hooks/pre-receive"),
        folder.path().join("begun"),
    );
    let waits = format!(
        "#!/bin/sh\ntouch '{}'\nwhile [ -e \"$0\" ]; do sleep 0.1; done\nexit 1\n",
        begun.display()
    );
    std::fs::create_dir_all(hook.parent().unwrap()).unwrap();
    std::fs::write(&hook, waits).unwrap();
    let rights = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&hook, rights).unwrap();
    let stage = Stage::open_with(Props {
        file: format!("[[repository]]\nname = \"acme/web\"\nurl = \"{url}\"\n"),
        ..Props::default()
    })
    .await;
    stage.models.otherwise(scripts::without_pages());
    let thread = stage.planned(REQUEST).await;
    thread.say("ana", "approve").await.unwrap();
    stage
        .eventually("the push is under way", async || begun.exists())
        .await;
    let asked = Instant::now();
    thread.say("ana", "stop").await.unwrap();
    thread.wait_for_words("Cancelled by").await.unwrap();
    assert!(asked.elapsed() < CANCEL_WITHIN, "{:?}", asked.elapsed());
    stage
        .nothing_more(&thread, async || std::fs::remove_file(&hook).unwrap())
        .await;
    let branches = std::process::Command::new("git")
        .arg("-C")
        .arg(folder.path().join("plain.git"))
        .args(["branch", "--format", "%(refname:short)"])
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&branches.stdout).trim(), "main");
    stage.close().await;
}

/// The engine, with a client that breaks in itself once, where it is asked how a sandbox is doing.
struct BreaksOnce {
    engine: Arc<dyn Executor>,
    broke: AtomicBool,
}

#[async_trait::async_trait]
impl Executor for BreaksOnce {
    async fn start(&self, spec: &SandboxSpec) -> Result<(), ExecutorError> {
        self.engine.start(spec).await
    }
    async fn attach(&self, name: &SandboxName) -> Result<Attachment, ExecutorError> {
        self.engine.attach(name).await
    }
    async fn exec(&self, name: &SandboxName, exec: Exec) -> Result<ExecOutput, ExecutorError> {
        self.engine.exec(name, exec).await
    }
    async fn condition(&self, name: &SandboxName) -> Result<Condition, ExecutorError> {
        assert!(
            self.broke.swap(true, Ordering::Relaxed),
            "it breaks, as the story wants it"
        );
        self.engine.condition(name).await
    }
    async fn wait(&self, name: &SandboxName) -> Result<Condition, ExecutorError> {
        self.engine.wait(name).await
    }
    async fn stop(&self, name: &SandboxName) -> Result<(), ExecutorError> {
        self.engine.stop(name).await
    }
    async fn remove_volume(&self, name: &VolumeName) -> Result<(), ExecutorError> {
        self.engine.remove_volume(name).await
    }
    async fn list(&self) -> Result<Vec<Listed>, ExecutorError> {
        self.engine.list().await
    }
    async fn volumes(&self) -> Result<Vec<VolumeName>, ExecutorError> {
        self.engine.volumes().await
    }
    async fn labelled_volumes(
        &self,
    ) -> Result<Vec<(VolumeName, BTreeMap<String, String>)>, ExecutorError> {
        self.engine.labelled_volumes().await
    }
    async fn has_image(&self, image: &str) -> Result<bool, ExecutorError> {
        self.engine.has_image(image).await
    }
    async fn image_label(&self, image: &str, label: &str) -> Result<Option<String>, ExecutorError> {
        self.engine.image_label(image, label).await
    }
    async fn describe(&self) -> Result<String, ExecutorError> {
        self.engine.describe().await
    }
}

/// The workers of a bot, without its doors.
async fn work(context: Context, stop: CancellationToken) {
    let delivering = tokio::spawn(Deliver::new(context.clone()).run(stop.clone()));
    let dispatch = Dispatch::new(
        Arc::clone(&context.config),
        context.store.clone(),
        context.surfaces.clone(),
        context.agents.clone(),
        context.way_out.book.clone(),
        context.clock.clone(),
        context.wake.clone(),
    );
    let beat = context.heartbeats.of(Worker::Dispatch);
    while !stop.is_cancelled() {
        if dispatch.step(&beat).await.unwrap() == Step::Idle {
            context.wake.wait_inbox().await;
        }
    }
    delivering.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_that_breaks_in_itself_is_begun_again() {
    let mut stage = program_with(Vec::new()).await;
    let (thread, sandbox) = at_work(&stage).await;
    stage.kill().await;
    let engine = Arc::new(BreaksOnce {
        engine: Arc::clone(&stage.context.executor),
        broke: AtomicBool::new(false),
    });
    let context = Context {
        store: Store::open(&stage.context.config.database_url)
            .await
            .unwrap(),
        executor: engine.clone(),
        ..stage.context.clone()
    };
    context.runs.take_up(&context).await.unwrap();
    let stop = CancellationToken::new();
    let working = tokio::spawn(work(context.clone(), stop.clone()));
    stage.inside(&sandbox, "touch /tmp/go").await;
    let task = stage.wait_for_state(&thread, "in_review").await;
    stage.settle().await;
    assert!(engine.broke.load(Ordering::Relaxed));
    assert!(task.last_result().unwrap().whole, "{}", thread.render());
    assert_eq!(stage.pull_requests().len(), 1, "{}", thread.render());
    no_message_twice(&thread);
    stop.cancel();
    working.await.unwrap();
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_over_is_not_started_again_by_an_effect_that_was_cut_off() {
    let stage = Stage::open().await;
    let thread = stage.planned(REQUEST).await;
    stage.settle().await;
    stage.wait_for_no_sandbox().await;
    let (context, task) = (&stage.context, stage.task(&thread).await);
    // A process that was killed had started it, and another one took it up before its effect came again.
    let again = context
        .runs
        .start(context, &task, task.last_run, &Assignment::Plan);
    again.await.unwrap();
    stage.settle().await;
    assert_eq!(stage.sandboxes().await, Vec::<String>::new());
    assert_eq!(stage.task(&thread).await.state.name(), "awaiting_approval");
    stage.close().await;
}
