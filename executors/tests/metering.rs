//! What a run spends, over real sockets: read in the answers of the stand-in providers, and held at the ceiling.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

mod way_out;

use std::{
    convert::Infallible,
    net::SocketAddr,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use deckhand_executors::{
    agent::{MicroDollars, PriceTable, Tokens},
    egress::{
        BaseAddress, EgressHandle, EgressProxy, EgressRecord, Metering, Opening, Phase, Provider,
        Spend, SpendCeiling, Way,
    },
};
use deckhand_world::models::{Models, ModelsOptions};
use futures::{StreamExt as _, stream};
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::{Response, body::Frame};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{io::AsyncWriteExt as _, sync::mpsc, time::timeout};
use way_out::{PATIENCE, connect, read_all, read_until, upstream};

const KEY: &str = "sk-ant-api03-the-real-key-0123456789-0123456789";
const SMALL: &str =
    r#"{"model":"claude-opus-5","max_tokens":100,"messages":[{"role":"user","content":"hello"}]}"#;

/// A run with its way out to the three providers, all of them at one address.
struct Run {
    handle: EgressHandle,
    records: mpsc::Receiver<EgressRecord>,
    folder: TempDir,
}

impl Run {
    fn open(address: SocketAddr, ceiling: SpendCeiling) -> Self {
        let proxy = EgressProxy::new(Way::Direct).unwrap();
        Self::beside(&proxy, address, ceiling, "the seed of a run")
    }

    fn beside(proxy: &EgressProxy, address: SocketAddr, ceiling: SpendCeiling, seed: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (log, records) = mpsc::channel(100);
        let bases = [
            (Provider::Anthropic, ""),
            (Provider::OpenAi, "/v1"),
            (Provider::Gemini, ""),
        ];
        let bases = bases.map(|(provider, path)| {
            let upstream = format!("http://{address}{path}");
            BaseAddress::of_provider(provider, &upstream, KEY.into()).unwrap()
        });
        let opening = Opening {
            bases: bases.into(),
            metering: Metering {
                ceiling,
                ..Metering::default()
            },
            seed: Some(seed.into()),
            ..Opening::new(Phase::Work, log)
        };
        let handle = proxy.open(&folder.path().join("run"), opening).unwrap();
        Self {
            handle,
            records,
            folder,
        }
    }

    fn socket_folder(&self) -> std::path::PathBuf {
        self.folder.path().to_path_buf()
    }

    async fn post(&self, path: &str, body: &str) -> String {
        post(&self.socket_folder(), path, "anything", body).await
    }

    async fn call(&self) -> String {
        self.post("/anthropic/v1/messages", SMALL).await
    }

    async fn record(&mut self) -> EgressRecord {
        let record = timeout(PATIENCE, self.records.recv()).await;
        record.expect("a record").unwrap()
    }
}

fn request(path: &str, key: &str, body: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nHost: 127.0.0.1:3128\r\nConnection: close\r\nx-api-key: {key}\r\nAccept-Encoding: gzip\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

async fn post(folder: &Path, path: &str, key: &str, body: &str) -> String {
    let mut stream = connect(folder).await;
    let request = request(path, key, body);
    stream.write_all(request.as_bytes()).await.unwrap();
    read_all(&mut stream).await
}

async fn providers() -> Models {
    Models::start(ModelsOptions::new(KEY)).await.unwrap()
}

/// A provider that counts its calls, and answers each with 1,000 tokens read and 100 written, after a while.
async fn counting(calls: &Arc<AtomicUsize>, after: Duration) -> SocketAddr {
    let calls = Arc::clone(calls);
    upstream(move |request| {
        let calls = Arc::clone(&calls);
        async move {
            calls.fetch_add(1, Ordering::SeqCst);
            request.into_body().collect().await.unwrap();
            tokio::time::sleep(after).await;
            let body = json!({"model": "claude-opus-5", "usage": {"input_tokens": 1_000, "output_tokens": 100}});
            Response::new(Full::from(body.to_string()).boxed())
        }
    })
    .await
}

/// What one call of [`counting`] costs.
const ONE: u64 = 5_000 + 2_500;

#[tokio::test]
async fn every_wire_is_counted_as_one_answer_and_as_a_stream() {
    let models = providers().await;
    let chat = json!({"model": "gpt-6-sol", "messages": [{"role": "user", "content": "hello"}]});
    let responses = json!({"model": "gpt-6-sol", "input": "hello"});
    let anthropic: Value = serde_json::from_str(SMALL).unwrap();
    let gemini = json!({"contents": [{"role": "user", "parts": [{"text": "hello"}]}]});
    let address = |action: &str| format!("/gemini/v1beta/models/gemini-3.1-pro:{action}");
    let streamed = |body: &Value| {
        let mut body = body.clone();
        body["stream"] = json!(true);
        body
    };
    let table = [
        (
            "/anthropic/v1/messages".to_owned(),
            anthropic.clone(),
            "claude-opus-5",
        ),
        (
            "/anthropic/v1/messages?beta=true".to_owned(),
            streamed(&anthropic),
            "claude-opus-5",
        ),
        (
            "/openai/v1/chat/completions".to_owned(),
            chat.clone(),
            "gpt-6-sol",
        ),
        (
            "/openai/v1/chat/completions".to_owned(),
            streamed(&chat),
            "gpt-6-sol",
        ),
        (
            "/openai/v1/responses".to_owned(),
            responses.clone(),
            "gpt-6-sol",
        ),
        (
            "/openai/v1/responses".to_owned(),
            streamed(&responses),
            "gpt-6-sol",
        ),
        (address("generateContent"), gemini.clone(), "gemini-3.1-pro"),
        (
            address("streamGenerateContent?alt=sse"),
            gemini,
            "gemini-3.1-pro",
        ),
    ];
    for (path, body, model) in table {
        let run = Run::open(models.address(), SpendCeiling::None);
        let answer = run.post(&path, &body.to_string()).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{path}: {answer}");
        let spend = run.handle.settled().await;
        // What the stand-in reports for a first request and a few words.
        assert_eq!(
            (spend.tokens.input, spend.tokens.output),
            (9_000, 40),
            "{path}: {spend:?}"
        );
        let price = PriceTable::built_in().of(model).unwrap();
        assert_eq!(spend.cost, price.of(&spend.tokens), "{path}");
        assert_eq!(spend.estimated, MicroDollars(0), "{path}");
        assert_eq!((spend.calls, spend.unlisted), (1, 0), "{path}");
    }
    assert_eq!(models.violations(), Vec::<String>::new());
}

#[tokio::test]
async fn the_call_after_the_ceiling_never_reaches_the_provider() {
    let calls = Arc::default();
    let address = counting(&calls, Duration::ZERO).await;
    let mut run = Run::open(address, SpendCeiling::At(MicroDollars(2 * ONE - 1)));
    let mut told = run.handle.spending();
    for _ in 0..2 {
        let answer = run.call().await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        assert_eq!(
            run.record().await.rule.to_string(),
            "base-address anthropic"
        );
    }
    assert!(told.has_changed().unwrap());
    assert_eq!(told.borrow_and_update().cost, MicroDollars(2 * ONE));
    let answer = run.call().await;
    assert!(answer.starts_with("HTTP/1.1 402"), "{answer}");
    assert!(
        answer.contains("x-deckhand-egress: denied; rule=ceiling"),
        "{answer}"
    );
    assert!(answer.contains("has spent what it may"), "{answer}");
    assert_eq!(run.record().await.rule.to_string(), "ceiling");
    assert_eq!(
        (calls.load(Ordering::SeqCst), run.handle.spend().refused),
        (2, 1)
    );
    // What costs nothing goes on.
    let counted = run.post("/anthropic/v1/messages/count_tokens", SMALL).await;
    assert!(counted.starts_with("HTTP/1.1 200"), "{counted}");
    assert_eq!(run.handle.spend().cost, MicroDollars(2 * ONE));
}

#[tokio::test]
async fn ten_calls_at_once_do_not_all_pass_at_the_edge() {
    let calls = Arc::default();
    let address = counting(&calls, Duration::from_millis(20)).await;
    let run = Run::open(address, SpendCeiling::At(MicroDollars(2 * ONE + 1)));
    let answers = stream::iter(0..10)
        .map(|_| run.call())
        .buffer_unordered(10)
        .collect::<Vec<_>>()
        .await;
    let passed = answers
        .iter()
        .filter(|answer| answer.starts_with("HTTP/1.1 200"))
        .count();
    let refused = answers
        .iter()
        .filter(|answer| answer.starts_with("HTTP/1.1 402"))
        .count();
    // Each call sets aside 2,500 and some more; so a few begin at once, and not ten.
    let spend = run.handle.settled().await;
    assert_eq!(passed + refused, 10, "{answers:?}");
    assert_eq!(calls.load(Ordering::SeqCst), passed);
    assert_eq!(spend.cost, MicroDollars(passed as u64 * ONE));
    assert!((3..=7).contains(&passed), "{passed}");
}

/// A provider that begins a stream and never ends it.
async fn endless() -> SocketAddr {
    upstream(|_| async {
        let begin = "data: {\"type\":\"message_start\",\"message\":{\"model\":\"claude-opus-5\",\"usage\":{\"input_tokens\":2000,\"output_tokens\":1}}}\n\n";
        let piece = "data: {\"type\":\"content_block_delta\",\"delta\":{\"type\":\"text_delta\",\"text\":\"thirty characters of the answer\"}}\n\n";
        let frames = [begin, piece, piece]
            .map(|text| Ok::<_, Infallible>(Frame::data(Bytes::from_static(text.as_bytes()))));
        let body = StreamBody::new(stream::iter(frames).chain(stream::pending()));
        let mut response = Response::new(BodyExt::boxed(body));
        let kind = "text/event-stream".parse().unwrap();
        response.headers_mut().insert("content-type", kind);
        response
    })
    .await
}

#[tokio::test]
async fn an_answer_that_is_cut_is_paid_for() {
    let address = endless().await;
    let by_the_client = Run::open(address, SpendCeiling::None);
    let by_the_end = Run::open(address, SpendCeiling::None);
    for run in [&by_the_client, &by_the_end] {
        let mut client = connect(&run.socket_folder()).await;
        let asked = request("/anthropic/v1/messages", "k", SMALL);
        client.write_all(asked.as_bytes()).await.unwrap();
        read_until(&mut client, "text_delta").await;
        assert!(run.handle.spend().under_way > MicroDollars(0));
        if std::ptr::eq(run, &raw const by_the_end) {
            run.handle.revoke();
        }
        drop(client);
        let spend = run.handle.settled().await;
        let read = Tokens {
            input: 2_000,
            ..Tokens::default()
        };
        assert_eq!(spend.tokens.input, read.input, "{spend:?}");
        assert!(spend.tokens.output >= 10, "{spend:?}");
        assert_eq!(
            (spend.estimated, spend.under_way),
            (spend.cost, MicroDollars(0))
        );
    }
}

#[tokio::test]
async fn a_provider_that_is_not_there_or_refuses_costs_nothing() {
    let nobody = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = nobody.local_addr().unwrap();
    drop(nobody);
    let run = Run::open(address, SpendCeiling::None);
    assert!(run.call().await.starts_with("HTTP/1.1 502"));
    assert_eq!(run.handle.settled().await, Spend::default());

    let models = Models::start(ModelsOptions::new("another key"))
        .await
        .unwrap();
    let run = Run::open(models.address(), SpendCeiling::None);
    assert!(run.call().await.starts_with("HTTP/1.1 401"));
    assert_eq!(run.handle.settled().await, Spend::default());
}

#[tokio::test]
async fn a_provider_is_asked_for_models_and_for_nothing_else() {
    let calls = Arc::default();
    let address = counting(&calls, Duration::ZERO).await;
    let run = Run::open(address, SpendCeiling::None);
    for (path, body, rule) in [
        ("/anthropic/v1/files", SMALL, "path"),
        ("/anthropic/v1/messages/batches", SMALL, "path"),
        ("/openai/v1/files", SMALL, "path"),
        ("/openai/v1/fine_tuning/jobs", SMALL, "path"),
        ("/gemini/upload/v1beta/files", SMALL, "path"),
        ("/anthropic/v1/messages", "not json", "malformed"),
        (
            "/anthropic/v1/messages",
            r#"{"tools":[{"type":"web_search_20250305"}]}"#,
            "server-tool",
        ),
        (
            "/openai/v1/responses",
            r#"{"tools":[{"type":"web_search"}]}"#,
            "server-tool",
        ),
        (
            "/openai/v1/responses",
            r#"{"background":true}"#,
            "server-tool",
        ),
        (
            "/openai/v1/chat/completions",
            r#"{"messages":[{"content":[{"type":"image_url","image_url":{"url":"https://out.example/?s"}}]}]}"#,
            "server-tool",
        ),
        (
            "/gemini/v1beta/models/g:generateContent",
            r#"{"tools":[{"urlContext":{}}]}"#,
            "server-tool",
        ),
    ] {
        let answer = run.post(path, body).await;
        let expected = format!("x-deckhand-egress: denied; rule={rule}");
        assert!(answer.contains(&expected), "{path} {body}: {answer}");
    }
    assert_eq!(calls.load(Ordering::SeqCst), 0);
    assert_eq!(run.handle.settled().await, Spend::default());
}

#[tokio::test]
async fn a_request_that_is_too_long_is_refused_and_one_in_pieces_is_put_together() {
    let calls = Arc::default();
    let address = counting(&calls, Duration::ZERO).await;
    let run = Run::open(address, SpendCeiling::None);
    let mut client = connect(&run.socket_folder()).await;
    let head = "POST /anthropic/v1/messages HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 33554433\r\n\r\n";
    client.write_all(head.as_bytes()).await.unwrap();
    assert!(
        read_until(&mut client, "32 MiB")
            .await
            .starts_with("HTTP/1.1 413")
    );
    assert_eq!(calls.load(Ordering::SeqCst), 0);

    let mut client = connect(&run.socket_folder()).await;
    let head = "POST /anthropic/v1/messages HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n";
    client.write_all(head.as_bytes()).await.unwrap();
    for piece in SMALL.as_bytes().chunks(7) {
        let size = format!("{:x}\r\n", piece.len());
        client
            .write_all(&[size.as_bytes(), piece, b"\r\n"].concat())
            .await
            .unwrap();
    }
    client.write_all(b"0\r\n\r\n").await.unwrap();
    assert!(read_all(&mut client).await.starts_with("HTTP/1.1 200"));
    assert_eq!(run.handle.settled().await.cost, MicroDollars(ONE));
}

#[tokio::test]
async fn the_provider_sees_a_plain_request_with_the_real_key_and_is_asked_for_its_count() {
    let run = Run::open(way_out::echo().await, SpendCeiling::None);
    let own = run
        .handle
        .placeholder(Provider::OpenAi)
        .unwrap()
        .expose_secret();
    let body = r#"{ "stream": true, "model":"gpt-6-sol","zeta":1,"alpha":2}"#;
    let seen = post(
        &run.socket_folder(),
        "/openai/v1/chat/completions",
        own,
        body,
    )
    .await;
    assert!(seen.contains("accept-encoding: identity"), "{seen}");
    assert!(
        seen.contains(&format!("authorization: Bearer {KEY}")),
        "{seen}"
    );
    assert!(!seen.contains(own), "{seen}");
    let with = r#"{"stream_options":{"include_usage":true}, "stream": true, "model":"gpt-6-sol","zeta":1,"alpha":2}"#;
    assert!(seen.contains(&format!("body: {with}")), "{seen}");
    // An answer that says nothing of its usage is not free.
    let spend = run.handle.settled().await;
    assert!(
        spend.cost > MicroDollars(0) && spend.cost == spend.estimated,
        "{spend:?}"
    );
}

#[tokio::test]
async fn the_placeholder_of_one_run_is_worth_nothing_in_another() {
    let address = way_out::echo().await;
    let proxy = EgressProxy::new(Way::Direct).unwrap();
    let one = Run::beside(&proxy, address, SpendCeiling::None, "one");
    let two = Run::beside(&proxy, address, SpendCeiling::None, "two");
    let path = "/anthropic/v1/messages";
    let [of_one, of_two] = [&one, &two].map(|run| {
        run.handle
            .placeholder(Provider::Anthropic)
            .unwrap()
            .expose_secret()
            .to_owned()
    });
    assert_ne!(of_one, of_two);
    assert!(of_one.starts_with("sk-ant-api03-") && of_one.len() == KEY.len());
    let own = post(&two.socket_folder(), path, &of_two, SMALL).await;
    assert!(own.contains(&format!("x-api-key: {KEY}")), "{own}");
    let carried = post(&two.socket_folder(), path, &of_one, SMALL).await;
    assert!(carried.starts_with("HTTP/1.1 403"), "{carried}");
    assert!(
        carried.contains("rule=placeholder") && !carried.contains(KEY),
        "{carried}"
    );
    // A key of the project's own tests is taken off, as ever.
    let test_key = post(&two.socket_folder(), path, "sk-ant-test", SMALL).await;
    assert!(
        test_key.contains(KEY) && !test_key.contains("sk-ant-test"),
        "{test_key}"
    );
    // With the run ends what its placeholder was good for, also elsewhere.
    one.handle.revoke();
    let ended = post(&one.socket_folder(), path, &of_one, SMALL).await;
    assert!(ended.contains("rule=revoked"), "{ended}");
    drop(one);
    let late = post(&two.socket_folder(), path, &of_one, SMALL).await;
    assert!(late.contains("rule=placeholder"), "{late}");
}
