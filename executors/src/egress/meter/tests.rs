//! The sums of a run: what adds up, what is set aside, and what is refused.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use super::*;

/// Ten dollars a million tokens that are read, fifty that are written.
const MODEL: &str = "gpt-6-astra";

fn meter(ceiling: SpendCeiling) -> Arc<Meter> {
    Arc::new(Meter::new(Metering {
        ceiling,
        ..Metering::default()
    }))
}

fn asked(model: &str) -> Asked {
    Asked {
        model: model.to_owned(),
        input: 1_000,
        output: 1_000,
        addition: "",
    }
}

async fn begin(meter: &Arc<Meter>, model: &str) -> Result<Call, Overspent> {
    meter
        .admit(Provider::OpenAi, Wire::Chat, asked(model))
        .await
}

/// A call that is answered with so many tokens.
fn answer(mut call: Call, input: u64, output: u64) {
    call.send();
    call.answered(Success::Yes, "application/json", "");
    let body = format!(r#"{{"usage":{{"prompt_tokens":{input},"completion_tokens":{output}}}}}"#);
    call.read(body.as_bytes());
    call.complete();
}

#[tokio::test]
async fn calls_add_up_and_an_unknown_model_is_not_free() {
    let meter = meter(SpendCeiling::None);
    answer(begin(&meter, MODEL).await.unwrap(), 1_000, 100);
    assert_eq!(meter.spend().cost, MicroDollars(15_000));
    answer(begin(&meter, "never-heard-of").await.unwrap(), 1_000, 100);
    let spend = meter.spend();
    assert_eq!(
        (spend.cost, spend.calls, spend.unlisted),
        (MicroDollars(30_000), 2, 1)
    );
    assert_eq!(
        (spend.tokens.total(), spend.estimated),
        (2_200, MicroDollars(0))
    );
}

#[tokio::test]
async fn the_call_after_the_ceiling_is_not_made() {
    let meter = meter(SpendCeiling::At(MicroDollars(15_000)));
    answer(begin(&meter, MODEL).await.unwrap(), 1_000, 100);
    let refused = begin(&meter, MODEL).await.map(drop);
    assert_eq!(refused, Err(Overspent::Reached(MicroDollars(15_000))));
    assert_eq!((meter.spend().calls, meter.spend().refused), (1, 1));
}

#[tokio::test]
async fn nothing_left_lets_not_even_one_call_through() {
    let meter = meter(SpendCeiling::At(MicroDollars(0)));
    assert!(matches!(
        begin(&meter, MODEL).await,
        Err(Overspent::Reached(_))
    ));
}

#[tokio::test(start_paused = true)]
async fn of_ten_calls_at_the_edge_one_goes_through_at_a_time() {
    // One call sets aside 60,000; one costs 15,000.
    let meter = meter(SpendCeiling::At(MicroDollars(40_000)));
    let calls = (0..10).map(|_| {
        let meter = Arc::clone(&meter);
        tokio::spawn(async move {
            let call = begin(&meter, MODEL).await?;
            tokio::time::sleep(Duration::from_secs(1)).await;
            answer(call, 1_000, 100);
            Ok::<_, Overspent>(())
        })
    });
    let calls: Vec<_> = calls.collect();
    let mut made = 0;
    for call in calls {
        made += u32::from(call.await.unwrap().is_ok());
    }
    // 15,000, 30,000, 45,000: the fourth finds the ceiling reached.
    assert_eq!((made, meter.spend().refused), (3, 7));
    assert_eq!(meter.spend().cost, MicroDollars(45_000));
}

#[tokio::test(start_paused = true)]
async fn a_call_does_not_wait_for_ever_for_what_others_set_aside() {
    let meter = meter(SpendCeiling::At(MicroDollars(40_000)));
    let _open = begin(&meter, MODEL).await.unwrap();
    assert_eq!(
        begin(&meter, MODEL).await.map(drop),
        Err(Overspent::SetAside)
    );
    assert_eq!(meter.spend().refused, 0);
}

#[tokio::test]
async fn what_a_call_sets_aside_is_free_again_whatever_becomes_of_it() {
    let meter = meter(SpendCeiling::At(MicroDollars(61_000)));
    for _ in 0..100 {
        let mut call = begin(&meter, MODEL).await.unwrap();
        call.send();
        call.unsent();
    }
    assert_eq!(meter.settled().await, Spend::default());
}

#[tokio::test]
async fn a_refusal_costs_only_what_it_says() {
    let meter = meter(SpendCeiling::None);
    for (body, cost) in [
        ("{\"error\":{\"message\":\"overloaded\"}}", 0),
        (
            "{\"error\":{},\"usage\":{\"prompt_tokens\":100,\"completion_tokens\":0}}",
            1_000,
        ),
    ] {
        let before = meter.spend().cost;
        let mut call = begin(&meter, MODEL).await.unwrap();
        call.send();
        call.answered(Success::No, "application/json", "");
        call.read(body.as_bytes());
        drop(call);
        assert_eq!(
            meter.spend().cost.saturating_sub(before),
            MicroDollars(cost)
        );
    }
}

#[tokio::test]
async fn an_answer_that_is_cut_costs_what_was_sent_and_what_was_seen() {
    let meter = meter(SpendCeiling::None);
    let mut call = begin(&meter, MODEL).await.unwrap();
    call.send();
    call.answered(Success::Yes, "text/event-stream", "");
    call.read(
        "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n"
            .repeat(40)
            .as_bytes(),
    );
    assert_eq!(meter.spend().under_way, MicroDollars(10_000));
    drop(call);
    let spend = meter.spend();
    assert_eq!(
        (spend.cost, spend.estimated),
        (MicroDollars(12_000), MicroDollars(12_000))
    );
    assert_eq!((spend.tokens.input, spend.tokens.output), (1_000, 40));
    assert_eq!(spend.under_way, MicroDollars(0));
}

#[tokio::test]
async fn an_answer_without_a_count_is_an_estimate_and_one_cut_after_its_count_is_not() {
    let meter = meter(SpendCeiling::None);
    let mut silent = begin(&meter, MODEL).await.unwrap();
    silent.send();
    silent.answered(Success::Yes, "application/json", "");
    silent.read(br#"{"choices":[{"message":{"content":"hello"}}]}"#);
    silent.complete();
    drop(silent);
    assert_eq!(meter.spend().estimated, meter.spend().cost);
    let before = meter.spend().estimated;

    let mut counted = begin(&meter, MODEL).await.unwrap();
    counted.send();
    counted.answered(Success::Yes, "text/event-stream", "");
    counted.read(b"data: {\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":1}}\n\n");
    drop(counted);
    assert_eq!(meter.spend().estimated, before);
    assert!(meter.spend().cost > before);
}

#[tokio::test]
async fn what_is_kept_for_an_hour_costs_more() {
    let meter = meter(SpendCeiling::None);
    let mut call = meter
        .admit(Provider::Anthropic, Wire::Anthropic, asked("claude-opus-5"))
        .await
        .unwrap();
    call.send();
    call.answered(Success::Yes, "application/json", "");
    call.read(br#"{"model":"claude-opus-5","usage":{"input_tokens":0,"cache_creation_input_tokens":2000,"cache_creation":{"ephemeral_1h_input_tokens":1000},"output_tokens":0}}"#);
    call.complete();
    drop(call);
    assert_eq!(meter.spend().cost, MicroDollars(6_250 + 10_000));
}

#[tokio::test]
async fn the_model_that_answered_is_the_one_that_costs() {
    let meter = meter(SpendCeiling::None);
    let mut call = begin(&meter, "my-alias").await.unwrap();
    call.send();
    call.answered(Success::Yes, "application/json", "");
    call.read(br#"{"model":"gpt-6-luna","usage":{"prompt_tokens":1000000,"completion_tokens":0}}"#);
    call.complete();
    drop(call);
    assert_eq!(
        (meter.spend().cost, meter.spend().unlisted),
        (MicroDollars(100_000), 0)
    );
}

#[tokio::test]
async fn another_owner_begins_with_what_the_first_one_had_and_what_it_had_under_way() {
    let first = meter(SpendCeiling::None);
    answer(begin(&first, MODEL).await.unwrap(), 1_000, 100);
    let mut cut = begin(&first, MODEL).await.unwrap();
    cut.send();
    let stored = serde_json::to_string(&first.spend()).unwrap();
    let second = Arc::new(Meter::new(Metering {
        ceiling: SpendCeiling::At(MicroDollars(25_000)),
        before: serde_json::from_str(&stored).unwrap(),
        ..Metering::default()
    }));
    assert_eq!(second.spend().cost, MicroDollars(25_000));
    assert!(matches!(
        begin(&second, MODEL).await,
        Err(Overspent::Reached(_))
    ));
}
