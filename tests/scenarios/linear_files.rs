//! Files that people hang on what they write in a Linear session, and links there that are no files of Linear's.

use std::sync::{Arc, Mutex};

use axum::{Router, extract::Request, http::StatusCode};
use deckhand::domain::task::Task;
use deckhand_world::{
    linear::{Fault, Session},
    models::{Phase, Script, Turn},
};

use crate::{
    harness::{PATIENCE, Stage, scripts},
    linear::{DESCRIPTION, asked, ended, open, the_task},
};

/// What the agent does to see every file that it was given.
const LOOK: &str = "ls /home/agent/attachments; cat /home/agent/attachments/*";
/// More than an agent is given.
const TOO_LARGE: usize = (10 << 20) + 1;

/// An honest model that looks at the files whenever people said something more.
fn looking() -> Script {
    scripts::without_pages().first(Phase::FollowUp, [Turn::shell(LOOK)])
}

/// A host of a stranger, who writes down what is asked of it.
struct Stranger {
    host: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Stranger {
    async fn open() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let asked = Arc::<Mutex<Vec<String>>>::default();
        let heard = Arc::clone(&asked);
        let hear = async move |request: Request| {
            let headers = request.headers();
            let line = format!("{} {headers:?}", request.uri());
            heard.lock().unwrap().push(line);
            StatusCode::OK
        };
        let router = Router::new().fallback(hear);
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { host, asked }
    }

    /// Links to it, some of which look like Linear's.
    fn links(&self, uploads: &str) -> String {
        let Self { host, .. } = self;
        let each = [
            format!("http://{host}/a.txt"),
            format!("{uploads}@{host}/b.txt"),
            format!("http://{host}/{uploads}/c.txt"),
            format!("http://{host}/?{uploads}/d.txt"),
        ];
        let each = each.iter().map(|link| format!("![shot.png]({link})"));
        each.collect::<Vec<_>>().join("\n")
    }
}

async fn delegated(stage: &Stage) -> Session {
    let linear = stage.linear.as_ref().unwrap();
    let issue = linear.create_issue("ana", "Long pages begin at the first user", DESCRIPTION);
    let session = linear.delegate("ana", &issue.unwrap()).unwrap();
    asked(&session).await;
    session
}

async fn comes_to(stage: &Stage, wanted: &str, after: Option<&Task>) -> Task {
    let id = the_task(stage).await.id;
    let is_so = |task: &Task| {
        let is_later = after.is_none_or(|before| task.last_run > before.last_run);
        task.state.name() == wanted && is_later
    };
    stage.wait_for_task(&id, wanted, is_so).await
}

async fn reads(session: &Session, words: &str) {
    let is_there = |session: &Session| session.render().contains(words).then_some(());
    session.wait_for(words, PATIENCE, is_there).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_a_comment_reaches_the_agent_while_it_works_and_a_strangers_link_is_never_followed()
 {
    let stage = open().await;
    let linear = stage.linear.as_ref().unwrap();
    let stranger = Stranger::open().await;
    stage.models.otherwise(looking());
    let session = delegated(&stage).await;
    stage.models.pause();
    session.select("ana", "Approve").unwrap();
    let before = comes_to(&stage, "running", None).await;
    let links = stranger.links(&linear.uploads_url());
    let text = format!("Please add what the notes say.\n{links}");
    let notes: &[u8] = b"the canary of the notes";
    session
        .say_with_files("ana", &text, &[("notes.txt", notes)])
        .unwrap();
    // Linear sends it again; the token is worth nothing any more, and Linear stumbles.
    linear.redeliver_last_with_new_id().await.unwrap();
    linear.expire_tokens();
    for _ in 0..2 {
        linear.fail_next("file", Fault::Status(503));
    }
    stage.settle().await;
    stage.models.resume();
    let task = comes_to(&stage, "in_review", Some(&before)).await;
    stage.settle().await;
    let log = stage.log(&task.id).await;
    assert!(log.contains("the canary of the notes"), "{log}");
    assert_eq!(task.reply_files.len(), 1, "{:?}", task.reply_files);
    assert!(
        !session.render().contains("Not taken"),
        "{}",
        session.render()
    );
    let asked = stranger.asked.lock().unwrap().clone();
    assert_eq!(asked, Vec::<String>::new());
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_cannot_be_taken_are_named_in_the_session_and_the_work_goes_on() {
    let stage = open().await;
    let linear = stage.linear.as_ref().unwrap();
    stage.models.otherwise(looking());
    let session = delegated(&stage).await;
    session.select("ana", "Approve").unwrap();
    let first = comes_to(&stage, "in_review", None).await;
    stage.settle().await;
    let gone = format!("[trace.txt]({}/acme/gone/gone)", linear.uploads_url());
    let text = format!("Please mend the README, too. {gone}");
    let large = vec![b'x'; TOO_LARGE];
    let files: [(&str, &[u8]); 3] = [
        ("heap.txt", &large),
        ("film.mp4", b"film"),
        ("notes.txt", b"the canary of the notes"),
    ];
    session.say_with_files("ana", &text, &files).unwrap();
    for words in [
        "`film.mp4` — an agent cannot read programs, sound or video",
        "`heap.txt` — it has more than 10 MB",
        "`trace.txt` — it could not be read",
    ] {
        reads(&session, words).await;
    }
    let task = comes_to(&stage, "in_review", Some(&first)).await;
    stage.settle().await;
    let log = stage.log(&task.id).await;
    assert!(log.contains("the canary of the notes"), "{log}");
    let told = session.render().matches("`heap.txt` — it").count();
    assert_eq!(told, 1, "{}", session.render());
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_a_correction_is_there_when_the_plan_is_written_again() {
    let stage = open().await;
    let script = scripts::without_pages().first(Phase::Revise, [Turn::shell(LOOK)]);
    stage.models.otherwise(script);
    let session = delegated(&stage).await;
    let notes: &[u8] = b"the canary of the notes";
    session
        .say_with_files(
            "ana",
            "Please plan what the notes say.",
            &[("notes.txt", notes)],
        )
        .unwrap();
    reads(&session, "revision 2").await;
    stage.settle().await;
    let log = stage.log(&the_task(&stage).await.id).await;
    assert!(log.contains("the canary of the notes"), "{log}");
    session.stop("ana").unwrap();
    ended(&stage).await;
    stage.settle().await;
    stage.close().await;
}
