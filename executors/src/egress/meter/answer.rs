//! What a provider's answer says of its usage, read while it passes to the sandbox.
//!
//! | wire | where the tokens stand | what is special |
//! | --- | --- | --- |
//! | Anthropic messages | `usage`; in a stream in `message_start` and `message_delta` | cached input stands apart from `input_tokens` |
//! | `OpenAI` responses | `usage`; in a stream in the `response` of the last event | cached input is part of `input_tokens` |
//! | `OpenAI` chat | `usage`; in a stream in the last piece | only where `include_usage` was asked for |
//! | Gemini | `usageMetadata`, in each piece, growing | thoughts stand apart from `candidatesTokenCount` |
//!
//! Counts only grow: of two the greater one holds, so that a piece that comes twice counts once.

use memchr::memchr2;

use super::{
    scan::{Scalar, Scanner},
    shape::Shape,
};
use crate::agent::Tokens;

/// More than this is no count of tokens of one call.
const MAX_COUNT: u64 = 100_000_000;
/// The longest name of a model, in bytes.
const MAX_MODEL_BYTES: usize = 128;
/// Bytes of written text that are taken for one token where the provider did not count: few, so that the estimate is high.
const BYTES_PER_TOKEN: u64 = 3;
/// Members in which the model's words stand.
const WRITTEN: [&str; 10] = [
    "args",
    "text",
    "partial_json",
    "thinking",
    "content",
    "arguments",
    "delta",
    "reasoning_content",
    "refusal",
    "input",
];

/// The form of a provider's answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wire {
    /// Anthropic messages.
    Anthropic,
    /// `OpenAI` responses.
    Responses,
    /// `OpenAI` chat completions.
    Chat,
    /// Gemini's `generateContent`.
    Gemini,
}

/// How an answer travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// One JSON value, or a list of them.
    Json,
    /// Server-sent events, with a JSON value in the data of each.
    Events,
    /// Compressed, or nothing that is known.
    Unreadable,
}

/// Counts of an answer so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Counts {
    input: Option<u64>,
    cached: Option<u64>,
    cache_write: Option<u64>,
    /// The part of `cache_write` that is kept for an hour.
    hour_write: Option<u64>,
    output: Option<u64>,
    thoughts: Option<u64>,
    tool_input: Option<u64>,
    /// Whether the count of the output is the last word.
    is_final: bool,
}

/// What an answer said of its usage.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reading {
    /// The model that answered, where it says so.
    pub model: Option<String>,
    /// Tokens that the provider counted.
    pub counted: Option<Tokens>,
    /// The part of the cache's writing that is kept for an hour and costs more.
    pub hour_write: u64,
    /// Whether the count is for the whole answer.
    pub is_final: bool,
    /// What was written, by its length, at least.
    pub written: u64,
}

/// Where a line of server-sent events is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Line {
    /// So many bytes of `data:` have come.
    Field(usize),
    Data,
    /// A field that is not looked at.
    Other,
}

/// What is noted of an event while it is read, so that one like it need not be.
#[derive(Debug, Clone, Copy, Default)]
struct Notes {
    /// Where it begins in the present piece; none where it began in an earlier one.
    begin: Option<usize>,
    /// Where its last text that the model wrote begins and ends in the present piece.
    words: Option<(usize, usize)>,
    /// Bytes of text that the model wrote.
    written: u64,
    /// Lines of data.
    lines: u64,
}

/// Reads an answer in pieces of any size.
#[derive(Debug, Clone)]
pub struct AnswerReader {
    wire: Wire,
    form: Form,
    scanner: Scanner,
    line: Line,
    was_return: bool,
    /// Whether nothing of an event has been read yet.
    is_between: bool,
    notes: Notes,
    shape: Shape,
    model: Option<String>,
    counts: Counts,
    events: u64,
    written_bytes: u64,
    bytes: u64,
}

impl AnswerReader {
    /// A reader of an answer with these headers.
    pub fn new(wire: Wire, content_type: &str, content_encoding: &str) -> Self {
        let kind = content_type.split(';').next().unwrap_or_default().trim();
        let form = match kind.to_ascii_lowercase().as_str() {
            _ if !matches!(content_encoding, "" | "identity") => Form::Unreadable,
            "text/event-stream" => Form::Events,
            // Gateways name their JSON in several ways, and a scan of something else finds nothing.
            _ => Form::Json,
        };
        Self {
            wire,
            form,
            scanner: Scanner::default(),
            line: Line::Field(0),
            was_return: false,
            is_between: true,
            notes: Notes::default(),
            shape: Shape::default(),
            model: None,
            counts: Counts::default(),
            events: 0,
            written_bytes: 0,
            bytes: 0,
        }
    }

    /// Takes the next piece.
    pub fn read(&mut self, piece: &[u8]) {
        self.bytes = self.bytes.saturating_add(piece.len() as u64);
        match self.form {
            Form::Json => self.scan(piece, 0),
            Form::Events => self.read_events(piece),
            Form::Unreadable => {}
        }
    }

    /// Whether the answer comes as one piece, so that nothing is seen of it before its end.
    pub fn is_whole(&self) -> bool {
        self.form != Form::Events
    }

    /// What has been said so far.
    pub fn reading(&self) -> Reading {
        let written = match self.form {
            Form::Unreadable => self.bytes,
            // A piece of a stream is a token at least.
            Form::Json | Form::Events => self.events.max(self.written_bytes / BYTES_PER_TOKEN),
        };
        Reading {
            model: self.model.clone(),
            counted: self.counts.tokens(self.wire),
            hour_write: self.counts.hour_write.unwrap_or_default(),
            is_final: self.counts.is_final,
            written,
        }
    }

    fn read_events(&mut self, piece: &[u8]) {
        const DATA: &[u8] = b"data:";
        self.notes.begin = None;
        let mut rest = piece;
        while let Some(&byte) = rest.first() {
            let is_second_half = byte == b'\n' && self.was_return;
            if self.is_between && !is_second_half {
                rest = self.pass_alike(rest);
                if rest.is_empty() {
                    break;
                }
                self.is_between = false;
                self.notes = Notes {
                    begin: Some(piece.len() - rest.len()),
                    ..Notes::default()
                };
                continue;
            }
            if matches!(byte, b'\n' | b'\r') {
                self.was_return = byte == b'\r';
                rest = &rest[1..];
                if !is_second_half {
                    self.end_line(&piece[..piece.len() - rest.len()]);
                }
                continue;
            }
            self.was_return = false;
            match self.line {
                Line::Field(count) => {
                    rest = &rest[1..];
                    self.line = match DATA.get(count) {
                        Some(expected) if *expected == byte && count + 1 == DATA.len() => {
                            self.events = self.events.saturating_add(1);
                            self.notes.lines += 1;
                            Line::Data
                        }
                        Some(expected) if *expected == byte => Line::Field(count + 1),
                        Some(_) | None => Line::Other,
                    };
                }
                Line::Data | Line::Other => {
                    let end = memchr2(b'\n', b'\r', rest);
                    let (line, after) = rest.split_at(end.unwrap_or(rest.len()));
                    if self.line == Line::Data {
                        self.scan(line, piece.len() - rest.len());
                    }
                    rest = after;
                }
            }
        }
    }

    /// Passes over the events that are like the last one; answers with the rest.
    fn pass_alike<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let mut rest = bytes;
        while let Some(alike) = self.shape.recognise(rest) {
            self.was_return = false;
            self.events = self.events.saturating_add(alike.lines);
            self.written_bytes = self.written_bytes.saturating_add(alike.written);
            rest = rest.get(alike.length..).unwrap_or_default();
        }
        rest
    }

    /// A line has ended, and with it what was read of the present piece.
    fn end_line(&mut self, read: &[u8]) {
        match self.line {
            // An empty line ends an event.
            Line::Field(0) => {
                self.scanner.reset();
                self.is_between = true;
                let Notes {
                    begin,
                    words,
                    written,
                    lines,
                } = self.notes;
                match (begin, words) {
                    (Some(begin), Some((from, to))) => {
                        let event = read.get(begin..).unwrap_or_default();
                        self.shape
                            .learn(event, (from - begin, to - begin), written, lines);
                    }
                    _ => self.shape.forget(),
                }
            }
            Line::Field(_) | Line::Data | Line::Other => self.line = Line::Field(0),
        }
    }

    /// Reads JSON; `place` is where it begins in the present piece.
    fn scan(&mut self, bytes: &[u8], place: usize) {
        let (wire, counts, model) = (self.wire, &mut self.counts, &mut self.model);
        let (all_written, notes) = (&mut self.written_bytes, &mut self.notes);
        self.scanner.feed(bytes, |way, scalar, end| match scalar {
            Scalar::Number(count) if count <= MAX_COUNT => counts.take(wire, way, count),
            Scalar::Number(_) => {}
            Scalar::Text(text, length) => {
                let names_model = way == "model" || way == model_of(wire);
                if way.split('.').any(|name| WRITTEN.contains(&name)) {
                    *all_written = all_written.saturating_add(length);
                    notes.written = notes.written.saturating_add(length);
                    let begin = usize::try_from(length)
                        .ok()
                        .and_then(|length| end.checked_sub(length));
                    // One that began in an earlier piece is in no place of this one.
                    notes.words = begin
                        .filter(|_| !names_model)
                        .map(|begin| (place + begin, place + end));
                }
                if let Some(name) = text.filter(|name| names_model && !name.is_empty())
                    && name.len() <= MAX_MODEL_BYTES
                {
                    *model = Some(name.to_owned());
                }
            }
        });
    }
}

/// Where the model's name stands, beside `model`.
fn model_of(wire: Wire) -> &'static str {
    match wire {
        Wire::Anthropic => "message.model",
        Wire::Responses => "response.model",
        Wire::Chat => "model",
        Wire::Gemini => "modelVersion",
    }
}

impl Counts {
    fn take(&mut self, wire: Wire, way: &str, count: u64) {
        let field = match wire {
            Wire::Anthropic => {
                let own = way.strip_prefix("message.").unwrap_or(way);
                // `message_start` counts what was read; the output in it is only begun.
                self.is_final |= way == "usage.output_tokens";
                match own {
                    "usage.input_tokens" => &mut self.input,
                    "usage.cache_read_input_tokens" => &mut self.cached,
                    "usage.cache_creation_input_tokens" => &mut self.cache_write,
                    "usage.cache_creation.ephemeral_1h_input_tokens" => &mut self.hour_write,
                    "usage.output_tokens" => &mut self.output,
                    _ => return,
                }
            }
            Wire::Responses => match way.strip_prefix("response.").unwrap_or(way) {
                "usage.input_tokens" => &mut self.input,
                "usage.input_tokens_details.cached_tokens" => &mut self.cached,
                "usage.output_tokens" => {
                    self.is_final = true;
                    &mut self.output
                }
                _ => return,
            },
            Wire::Chat => match way {
                "usage.prompt_tokens" => &mut self.input,
                "usage.prompt_tokens_details.cached_tokens" => &mut self.cached,
                "usage.completion_tokens" => {
                    self.is_final = true;
                    &mut self.output
                }
                _ => return,
            },
            Wire::Gemini => match way {
                "usageMetadata.promptTokenCount" => &mut self.input,
                "usageMetadata.cachedContentTokenCount" => &mut self.cached,
                "usageMetadata.candidatesTokenCount" => &mut self.output,
                "usageMetadata.thoughtsTokenCount" => &mut self.thoughts,
                "usageMetadata.toolUsePromptTokenCount" => &mut self.tool_input,
                _ => return,
            },
        };
        *field = Some(field.unwrap_or_default().max(count));
    }

    fn tokens(&self, wire: Wire) -> Option<Tokens> {
        if self.input.is_none() && self.output.is_none() {
            return None;
        }
        let all = self.input.unwrap_or_default();
        let cached = self.cached.unwrap_or_default();
        let output = self.output.unwrap_or_default();
        Some(match wire {
            Wire::Anthropic => Tokens {
                input: all,
                cached_input: cached,
                cache_write: self.cache_write.unwrap_or_default(),
                output,
            },
            Wire::Responses | Wire::Chat | Wire::Gemini => Tokens {
                input: all.saturating_sub(cached) + self.tool_input.unwrap_or_default(),
                cached_input: cached.min(all),
                cache_write: 0,
                output: output + self.thoughts.unwrap_or_default(),
            },
        })
    }
}

#[cfg(test)]
#[path = "answer_tests.rs"]
mod tests;
