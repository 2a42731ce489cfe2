//! Usage as every provider writes it, in pieces of every size, cut and broken.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use super::*;

const EVENTS: &str = "text/event-stream; charset=utf-8";
const JSON: &str = "application/json";

fn read_in(wire: Wire, kind: &str, pieces: &[&[u8]]) -> Reading {
    let mut reader = AnswerReader::new(wire, kind, "");
    for piece in pieces {
        reader.read(piece);
    }
    reader.reading()
}

fn counted(input: u64, cached: u64, write: u64, output: u64) -> Tokens {
    Tokens {
        input,
        cached_input: cached,
        cache_write: write,
        output,
    }
}

/// Answers as providers write them, with what they say.
fn answers() -> Vec<(Wire, &'static str, &'static str, &'static str, Tokens)> {
    vec![
        (
            Wire::Anthropic,
            JSON,
            r#"{"id":"msg_1","type":"message","role":"assistant","model":"claude-x-1","content":[{"type":"tool_use","id":"t","name":"n","input":{"usage":{"output_tokens":1,"input_tokens":99999},"model":"gpt"}}],"stop_reason":"tool_use","usage":{"input_tokens":12,"cache_creation_input_tokens":30,"cache_read_input_tokens":400,"cache_creation":{"ephemeral_5m_input_tokens":10,"ephemeral_1h_input_tokens":20},"output_tokens":57,"service_tier":"standard"}}"#,
            "claude-x-1",
            counted(12, 400, 30, 57),
        ),
        (
            Wire::Anthropic,
            EVENTS,
            "event: message_start\r\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"m\",\"model\":\"claude-x-1\",\"content\":[],\"usage\":{\"input_tokens\":12,\"cache_creation_input_tokens\":0,\"cache_read_input_tokens\":400,\"output_tokens\":1}}}\r\n\r\nevent: ping\r\ndata: {\"type\": \"ping\"}\r\n\r\nevent: content_block_delta\r\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"data: {\\\"usage\\\":{\\\"output_tokens\\\":5}}\\n\\n\"}}\r\n\r\nevent: message_delta\r\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"output_tokens\":57}}\r\n\r\nevent: message_stop\r\ndata: {\"type\":\"message_stop\"}\r\n\r\n",
            "claude-x-1",
            counted(12, 400, 0, 57),
        ),
        (
            Wire::Responses,
            EVENTS,
            ": a comment\nevent: response.created\ndata: {\"type\":\"response.created\",\"response\":{\"id\":\"r\",\"model\":\"gpt-x\",\"status\":\"in_progress\",\"usage\":null}}\n\nevent: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"delta\":\"Grüße\"}\n\nid: 3\nevent: response.incomplete\ndata: {\"type\":\"response.incomplete\",\"response\":{\"model\":\"gpt-x\",\"status\":\"incomplete\",\"usage\":{\"input_tokens\":500,\"input_tokens_details\":{\"cached_tokens\":300},\"output_tokens\":70,\"output_tokens_details\":{\"reasoning_tokens\":64},\"total_tokens\":570}}}\n\n",
            "gpt-x",
            counted(200, 300, 0, 70),
        ),
        (
            Wire::Responses,
            JSON,
            r#"{"id":"r","model":"gpt-x","output":[{"type":"function_call","arguments":"{\"usage\":{\"input_tokens\":1}}"}],"usage":{"input_tokens":500,"input_tokens_details":{"cached_tokens":0},"output_tokens":70}}"#,
            "gpt-x",
            counted(500, 0, 0, 70),
        ),
        (
            Wire::Chat,
            EVENTS,
            "data: {\"id\":\"c\",\"model\":\"gpt-x\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hi\"}}],\"usage\":null}\n\ndata: {\"id\":\"c\",\"model\":\"gpt-x\",\"choices\":[],\"usage\":{\"prompt_tokens\":100,\"completion_tokens\":9,\"prompt_tokens_details\":{\"cached_tokens\":40}}}\n\ndata: [DONE]\n\n",
            "gpt-x",
            counted(60, 40, 0, 9),
        ),
        (
            Wire::Chat,
            JSON,
            r#"{"model":"gpt-x","choices":[{"message":{"role":"assistant","content":"Hi"}}],"usage":{"prompt_tokens":100,"completion_tokens":9,"total_tokens":109}}"#,
            "gpt-x",
            counted(100, 0, 0, 9),
        ),
        (
            Wire::Gemini,
            EVENTS,
            "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"a\"}]}}],\"usageMetadata\":{\"promptTokenCount\":50,\"candidatesTokenCount\":2,\"totalTokenCount\":52},\"modelVersion\":\"gemini-x\"}\n\ndata: {\"candidates\":[{\"content\":{\"parts\":[{\"functionCall\":{\"name\":\"f\",\"args\":{\"usageMetadata\":{\"promptTokenCount\":1}}}}]},\"finishReason\":\"STOP\"}],\"usageMetadata\":{\"promptTokenCount\":50,\"cachedContentTokenCount\":20,\"candidatesTokenCount\":8,\"thoughtsTokenCount\":30,\"toolUsePromptTokenCount\":5},\"modelVersion\":\"gemini-x\"}\n\n",
            "gemini-x",
            counted(35, 20, 0, 38),
        ),
        (
            Wire::Gemini,
            JSON,
            "[{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"a\"}]}}],\"usageMetadata\":{\"promptTokenCount\":50},\"modelVersion\":\"gemini-x\"}\n,\r\n{\"candidates\":[],\"usageMetadata\":{\"promptTokenCount\":50,\"candidatesTokenCount\":8},\"modelVersion\":\"gemini-x\"}]",
            "gemini-x",
            counted(50, 0, 0, 8),
        ),
    ]
}

#[test]
fn every_wire_says_its_tokens_and_its_model() {
    for (wire, kind, text, model, tokens) in answers() {
        let reading = read_in(wire, kind, &[text.as_bytes()]);
        assert_eq!(reading.counted, Some(tokens), "{text}");
        assert_eq!(reading.model.as_deref(), Some(model), "{text}");
        assert_eq!(reading.is_final, wire != Wire::Gemini, "{text}");
    }
}

/// Numbers that look random and are the same each time.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % sides as u64).unwrap()
    }
}

#[test]
fn the_pieces_in_which_an_answer_comes_do_not_matter() {
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    for (wire, kind, text, ..) in answers() {
        let bytes = text.as_bytes();
        let whole = read_in(wire, kind, &[bytes]);
        for cut in 0..=bytes.len() {
            let (begin, end) = bytes.split_at(cut);
            assert_eq!(
                read_in(wire, kind, &[begin, end]),
                whole,
                "cut at {cut}: {text}"
            );
        }
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        assert_eq!(read_in(wire, kind, &single), whole, "{text}");
        for _ in 0..200 {
            let (mut pieces, mut rest) = (Vec::new(), bytes);
            while !rest.is_empty() {
                let (piece, after) = rest.split_at(dice.roll(rest.len().min(40)) + 1);
                pieces.push(piece);
                rest = after;
            }
            assert_eq!(read_in(wire, kind, &pieces), whole, "{text}");
        }
    }
}

/// What an event of a stream may look like, and what breaks it.
const EVENT_PARTS: [&str; 14] = [
    "event: content_block_delta\n",
    "data: {\"delta\":{\"text\":\"one\"}}\n\n",
    "data: {\"delta\":{\"text\":\"two \\\"2\\\" \"}}\n\n",
    "data: {\"delta\":{\"text\":\"\"}}\n\n",
    "data: {\"delta\":{\"text\":\"three\"},\"usage\":{\"input_tokens\":7,\"output_tokens\":9}}\n\n",
    "data: {\"delta\":{\"text\":\"four\"},\"usage\":{\"input_tokens\":8,\"output_tokens\":9}}\n\n",
    "data: {\"model\":\"a\",\"text\":\"five\"}\n\n",
    "data: {\"model\":\"b\",\"text\":\"five\"}\n\n",
    "data: {\"text\":\"six\ndata: seven\"}\n\n",
    "data: {\"text\":\"eight\"}\r\n\r\n",
    "data: {\"text\":\"nine\"}\r\r",
    "data: {\"input\":{\"model\":\"c\",\"text\":\"ten\"}}\n\n",
    "data: {\"text\":\"broken\n\n",
    "\n",
];

#[test]
fn what_is_read_at_a_glance_says_what_is_read_byte_by_byte() {
    let mut dice = Dice(0x2545_f491_4f6c_dd1d);
    for round in 0..3_000 {
        let mut text = String::new();
        for _ in 0..=dice.roll(12) {
            let part = EVENT_PARTS[dice.roll(EVENT_PARTS.len())];
            text.push_str(&part.repeat(1 + dice.roll(3)));
        }
        let wire = [Wire::Anthropic, Wire::Responses, Wire::Chat, Wire::Gemini][round % 4];
        let said = |pieces: &[&[u8]]| {
            let mut reader = AnswerReader::new(wire, EVENTS, "");
            for piece in pieces {
                reader.read(piece);
            }
            let sums = (reader.events, reader.written_bytes, reader.counts);
            (sums, reader.reading())
        };
        let single: Vec<&[u8]> = text.as_bytes().chunks(1).collect();
        let slowly = said(&single);
        assert_eq!(said(&[text.as_bytes()]), slowly, "{text:?}");
        let (begin, end) = text.as_bytes().split_at(dice.roll(text.len()));
        assert_eq!(said(&[begin, end]), slowly, "{text:?}");
    }
}

#[test]
fn events_that_differ_in_their_words_are_read_at_a_glance() {
    let event = |words: &str| format!("data: {{\"delta\":{{\"text\":\"{words}\"}}}}\n\n");
    let mut reader = AnswerReader::new(Wire::Chat, EVENTS, "");
    reader.read(event("one").as_bytes());
    let next = [event("two"), event("three")].concat();
    assert_eq!(reader.pass_alike(next.as_bytes()), b"");
    let other = event("four\",\"usage\":{\"prompt_tokens\":1},\"b\":\"");
    assert_eq!(reader.pass_alike(other.as_bytes()), other.as_bytes());
}

#[test]
fn an_answer_that_breaks_off_never_says_more_than_the_whole_one() {
    for (wire, kind, text, ..) in answers() {
        let whole = read_in(wire, kind, &[text.as_bytes()]);
        let all = whole.counted.unwrap();
        for cut in 0..text.len() {
            let reading = read_in(wire, kind, &[&text.as_bytes()[..cut]]);
            let seen = reading.counted.unwrap_or_default();
            assert!(seen.output <= all.output, "cut at {cut}: {text}");
            assert!(
                !reading.is_final || seen.total() == all.total() || kind == JSON,
                "cut at {cut}: {text}"
            );
        }
    }
}

#[test]
fn what_is_no_answer_counts_nothing_and_a_broken_event_does_not_spoil_the_next() {
    for text in [
        "",
        "<html>",
        "{\"error\":{\"message\":\"no\"}}",
        "{\"usage\":{\"output_tokens\":-5,\"input_tokens\":1e3}}",
        "null",
        "\u{0}\u{1}",
    ] {
        for wire in [Wire::Anthropic, Wire::Responses, Wire::Chat, Wire::Gemini] {
            assert_eq!(
                read_in(wire, JSON, &[text.as_bytes()]).counted,
                None,
                "{text}"
            );
            assert_eq!(
                read_in(wire, EVENTS, &[text.as_bytes()]).counted,
                None,
                "{text}"
            );
        }
    }
    let text = "data: {\"a\":\"broken\n\ndata: {\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":4}}\n\n";
    assert_eq!(
        read_in(Wire::Chat, EVENTS, &[text.as_bytes()]).counted,
        Some(counted(3, 0, 0, 4))
    );
    let huge = r#"{"usage":{"prompt_tokens":18446744073709551615,"completion_tokens":4}}"#;
    assert_eq!(
        read_in(Wire::Chat, JSON, &[huge.as_bytes()]).counted,
        Some(counted(0, 0, 0, 4))
    );
}

#[test]
fn a_line_of_any_length_is_read_and_not_held() {
    let mut reader = AnswerReader::new(Wire::Responses, EVENTS, "");
    reader.read(b"data: {\"response\":{\"output\":[{\"text\":\"");
    for _ in 0..1_000 {
        reader.read(&[b'x'; 10_000]);
    }
    reader.read(b"\"}],\"usage\":{\"input_tokens\":5,\"output_tokens\":6}}}\n\n");
    assert_eq!(reader.reading().counted, Some(counted(5, 0, 0, 6)));
    assert!(reader.reading().written >= 3_000_000);
}

#[test]
fn what_was_written_is_estimated_by_its_length_and_by_its_pieces() {
    let pieces = "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n".repeat(20);
    assert_eq!(
        read_in(Wire::Chat, EVENTS, &[pieces.as_bytes()]).written,
        20
    );
    let long = format!("{{\"content\":[{{\"text\":\"{}\"}}]}}", "word ".repeat(60));
    assert_eq!(
        read_in(Wire::Anthropic, JSON, &[long.as_bytes()]).written,
        100
    );
    let mut packed = AnswerReader::new(Wire::Chat, JSON, "gzip");
    packed.read(&[0x1f; 500]);
    assert_eq!(
        (packed.reading().counted, packed.reading().written),
        (None, 500)
    );
}
