//! Turns what an agent says into events and answers. Pure: what was said so far decides, so a later owner that reads the
//! whole output again arrives at the same state.

use agent_client_protocol_schema::v1::{
    ContentBlock, ContentChunk, Error, PermissionOptionKind, Plan, PlanEntryStatus, PromptResponse,
    RequestPermissionOutcome, RequestPermissionRequest, RequestPermissionResponse,
    SelectedPermissionOutcome, SessionUpdate,
};
use serde::Deserialize;
use serde_json::{Value, value::RawValue};

use super::{
    event::{AgentEvent, PlanStep, StepProgress, Stop, TurnEnded},
    failure::{AgentFailure, ReportedFailure, shown},
    message::{self, Incoming},
    profile::FailureMarks,
    tools::OpenTools,
    usage::{Usage, UsageMeter},
};

/// The number of a prompt's request is this and the prompt's own number, counted from 1.
pub(super) const PROMPT_REQUESTS: i64 = 1_000;

/// How much of the beginning of a message is kept to look for marks of a failure, in bytes.
const MARK_WINDOW_BYTES: usize = 2 * 1024;

/// Most steps that an agent's own list may have.
const PLAN_STEP_LIMIT: usize = 100;

/// How an agent's requests for permission are answered.
///
/// No answer is a wall: an agent does its work in the sandbox whatever it is told. What holds it is the sandbox, and in
/// planning the read-only mount.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum PermissionAnswer {
    /// Yes to everything.
    Allow,
    /// No to everything.
    Reject,
}

/// What the session is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Requests of the opening are under way; what is told of an earlier conversation is no news.
    Opening,
    /// Output that an earlier owner has heard already.
    Replaying,
    /// News.
    Live,
}

/// What follows from a message.
#[derive(Debug, Default)]
pub(super) struct Heard {
    pub(super) events: Vec<AgentEvent>,
    /// A line to send.
    pub(super) reply: Option<Vec<u8>>,
    /// The answer to a request of the opening.
    pub(super) answered: Option<(i64, Result<Box<RawValue>, Error>)>,
}

/// The state of a session, as its output tells it.
pub(super) struct Interpreter {
    pub(super) stage: Stage,
    permissions: PermissionAnswer,
    marks: FailureMarks,
    tools: OpenTools,
    meter: UsageMeter,
    /// Prompts that have been answered.
    answered: u32,
    /// Whether the agent has done anything since the last answer.
    active: bool,
    /// The beginning of the message under way.
    message: String,
    /// A failure that the agent told beside the protocol in this turn.
    reported: Option<AgentFailure>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Update<'a> {
    #[serde(borrow)]
    update: &'a RawValue,
}

#[derive(Deserialize)]
struct UpdateMeta {
    #[serde(rename = "_meta")]
    meta: Option<serde_json::Map<String, Value>>,
}

impl Interpreter {
    pub(super) fn new(
        permissions: PermissionAnswer,
        marks: FailureMarks,
        meter: UsageMeter,
    ) -> Self {
        Self {
            stage: Stage::Opening,
            permissions,
            marks,
            tools: OpenTools::default(),
            meter,
            answered: 0,
            active: false,
            message: String::new(),
            reported: None,
        }
    }

    /// Prompts that have been answered.
    pub(super) fn answered(&self) -> u32 {
        self.answered
    }

    /// Whether the agent has done anything since it answered last.
    pub(super) fn is_active(&self) -> bool {
        self.active
    }

    /// What came so far belongs to turns that another owner knows of.
    pub(super) fn forget_activity(&mut self) {
        self.active = false;
    }

    pub(super) fn usage(&self) -> Usage {
        self.meter.usage()
    }

    pub(super) fn meter(&self) -> &UsageMeter {
        &self.meter
    }

    /// Takes a message.
    pub(super) fn hear(&mut self, incoming: Incoming) -> Heard {
        match incoming {
            Incoming::Request { id, method, params } => Heard {
                reply: Some(self.reply(&id, &method, &params)),
                ..Heard::default()
            },
            Incoming::Notification { method, params } => {
                let events = match method.as_str() {
                    "session/update" => self.updated(&params),
                    _ => Vec::new(),
                };
                let events = if self.stage == Stage::Live {
                    events
                } else {
                    Vec::new()
                };
                Heard {
                    events,
                    ..Heard::default()
                }
            }
            Incoming::Response { id, result } => self.answer(&id, result),
        }
    }

    fn reply(
        &mut self,
        id: &agent_client_protocol_schema::v1::RequestId,
        method: &str,
        params: &RawValue,
    ) -> Vec<u8> {
        if method != "session/request_permission" {
            return message::refusal(id, &Error::method_not_found());
        }
        match serde_json::from_str::<RequestPermissionRequest>(params.get()) {
            Ok(request) => {
                let outcome = decide(self.permissions, &request);
                message::answer(id, &RequestPermissionResponse::new(outcome))
            }
            Err(_) => message::refusal(id, &Error::invalid_params()),
        }
    }

    fn answer(
        &mut self,
        id: &agent_client_protocol_schema::v1::RequestId,
        result: Result<Box<RawValue>, Error>,
    ) -> Heard {
        let agent_client_protocol_schema::v1::RequestId::Number(id) = *id else {
            return Heard::default();
        };
        if id < PROMPT_REQUESTS {
            return Heard {
                answered: Some((id, result)),
                ..Heard::default()
            };
        }
        let prompt = u32::try_from(id - PROMPT_REQUESTS).unwrap_or(u32::MAX);
        if prompt <= self.answered {
            return Heard::default();
        }
        self.answered = prompt;
        let events = self.end_turn(result);
        let events = if self.stage == Stage::Live {
            events
        } else {
            Vec::new()
        };
        Heard {
            events,
            ..Heard::default()
        }
    }

    fn end_turn(&mut self, result: Result<Box<RawValue>, Error>) -> Vec<AgentEvent> {
        let mut events = self.tools.end_all();
        let message = std::mem::take(&mut self.message);
        let reported = self.reported.take();
        self.active = false;
        let (stop, failure) = match result {
            Ok(body) => self.read_response(&body, reported, &message),
            Err(error) => {
                self.meter.fail_turn();
                // What the agent told before says more than an error that says nothing.
                let failure = AgentFailure::from_error(&error)
                    .or_if_other(|detail| reported.unwrap_or(AgentFailure::Other(detail)));
                (Stop::Failed, Some(failure))
            }
        };
        let usage = self.meter.usage();
        events.push(AgentEvent::TurnEnded(TurnEnded {
            stop,
            failure,
            usage,
        }));
        events
    }

    fn read_response(
        &mut self,
        body: &RawValue,
        reported: Option<AgentFailure>,
        message: &str,
    ) -> (Stop, Option<AgentFailure>) {
        let mut value: Value = serde_json::from_str(body.get()).unwrap_or_default();
        let reason = value["stopReason"].as_str().unwrap_or("none").to_owned();
        let stop = match reason.as_str() {
            "end_turn" => Stop::EndTurn,
            "max_tokens" => Stop::OutputLimit,
            "max_turn_requests" => Stop::RequestLimit,
            "refusal" => Stop::Refusal,
            "cancelled" => Stop::Cancelled,
            _ => Stop::Unknown(reason),
        };
        let has_usage = value.get("usage").is_some_and(|usage| !usage.is_null());
        if value.is_object() {
            // The type knows no other reasons, and the rest is to be read all the same.
            value["stopReason"] = Value::from("end_turn");
        }
        let response: Option<PromptResponse> = serde_json::from_value(value).ok();
        match &response {
            Some(response) => self.meter.end_turn(response),
            None => self.meter.fail_turn(),
        }
        let meta = response.and_then(|response| response.meta);
        let failure = match AgentFailure::from_meta(meta.as_ref()) {
            Some(ReportedFailure::Fatal(failure)) => Some(failure),
            Some(ReportedFailure::Warning(_)) | None => reported
                .or_else(|| self.marks.in_text(message).map(AgentFailure::from_text))
                .or_else(|| {
                    let lacks_usage =
                        self.marks.missing_usage && !has_usage && stop == Stop::EndTurn;
                    lacks_usage.then(|| {
                        AgentFailure::Other(String::from(
                            "the turn ended without any use of the model",
                        ))
                    })
                }),
        };
        let failure = failure.filter(|_| stop != Stop::Cancelled);
        (stop, failure)
    }

    fn updated(&mut self, params: &RawValue) -> Vec<AgentEvent> {
        let Ok(Update { update: raw }) = serde_json::from_str(params.get()) else {
            return Vec::new();
        };
        let mut events = self.told_beside(raw);
        let Ok(update) = serde_json::from_str::<SessionUpdate>(raw.get()) else {
            return events;
        };
        match update {
            SessionUpdate::AgentMessageChunk(chunk) => events.extend(self.said(chunk)),
            SessionUpdate::AgentThoughtChunk(chunk) => {
                self.active = self.stage != Stage::Opening;
                events.extend(text_of(chunk).map(AgentEvent::Thought));
            }
            SessionUpdate::ToolCall(call) => {
                self.tool_used();
                events.extend(self.tools.announce(call));
            }
            SessionUpdate::ToolCallUpdate(update) => {
                self.tool_used();
                events.extend(self.tools.update(update));
            }
            SessionUpdate::Plan(plan) => events.push(AgentEvent::PlanUpdated(steps_of(plan))),
            SessionUpdate::UsageUpdate(update) => {
                if self.stage == Stage::Opening {
                    self.meter.begin_with(&update);
                } else if self.meter.update(&update) {
                    events.push(AgentEvent::Usage(self.meter.usage()));
                }
            }
            SessionUpdate::Notice(notice) => events.push(AgentEvent::Notice(shown(&notice.title))),
            // What a person said is known; the rest is about what a client could offer in a menu.
            _ => {}
        }
        events
    }

    fn tool_used(&mut self) {
        self.active = self.stage != Stage::Opening;
        self.message.clear();
    }

    fn said(&mut self, chunk: ContentChunk) -> Option<AgentEvent> {
        self.active = self.stage != Stage::Opening;
        let text = text_of(chunk)?;
        if self.message.len() < MARK_WINDOW_BYTES {
            self.message.push_str(&text);
        }
        Some(AgentEvent::Text(text))
    }

    /// Reads the fields that two adapters add to updates of any kind.
    fn told_beside(&mut self, raw: &RawValue) -> Vec<AgentEvent> {
        if !raw.get().contains("sessionFailure") && !raw.get().contains("threadStatus") {
            return Vec::new();
        }
        let Ok(UpdateMeta { meta: Some(meta) }) = serde_json::from_str(raw.get()) else {
            return Vec::new();
        };
        let status = meta
            .get("codex")
            .and_then(|codex| codex.get("threadStatus")?.get("type")?.as_str());
        if status == Some("systemError") && self.reported.is_none() {
            self.reported = Some(AgentFailure::from_text(if self.message.is_empty() {
                "the agent reports an error of its system"
            } else {
                &self.message
            }));
        }
        match AgentFailure::from_meta(Some(&meta)) {
            Some(ReportedFailure::Fatal(failure)) => {
                self.reported = Some(failure);
                Vec::new()
            }
            Some(ReportedFailure::Warning(title)) => vec![AgentEvent::Notice(title)],
            None => Vec::new(),
        }
    }
}

/// Answers by an option's kind; its identifier and place differ from agent to agent.
fn decide(
    answer: PermissionAnswer,
    request: &RequestPermissionRequest,
) -> RequestPermissionOutcome {
    let wanted = match answer {
        PermissionAnswer::Allow => [
            PermissionOptionKind::AllowOnce,
            PermissionOptionKind::AllowAlways,
        ],
        PermissionAnswer::Reject => [
            PermissionOptionKind::RejectOnce,
            PermissionOptionKind::RejectAlways,
        ],
    };
    let option = wanted
        .iter()
        .find_map(|kind| request.options.iter().find(|option| option.kind == *kind));
    option.map_or(RequestPermissionOutcome::Cancelled, |option| {
        RequestPermissionOutcome::Selected(SelectedPermissionOutcome::new(option.option_id.clone()))
    })
}

fn text_of(chunk: ContentChunk) -> Option<String> {
    match chunk.content {
        ContentBlock::Text(text) if !text.text.is_empty() => Some(text.text),
        _ => None,
    }
}

fn steps_of(plan: Plan) -> Vec<PlanStep> {
    let step = |entry: agent_client_protocol_schema::v1::PlanEntry| PlanStep {
        text: shown(&entry.content),
        progress: match entry.status {
            PlanEntryStatus::InProgress => StepProgress::Active,
            PlanEntryStatus::Completed => StepProgress::Done,
            _ => StepProgress::Pending,
        },
    };
    plan.entries
        .into_iter()
        .take(PLAN_STEP_LIMIT)
        .map(step)
        .collect()
}
