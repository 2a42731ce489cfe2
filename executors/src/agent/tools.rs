//! Follows the uses of tools, and finds the command, its exit status and its output where each agent puts them.

use std::collections::BTreeMap;

use agent_client_protocol_schema::v1::{
    ContentBlock, ToolCall, ToolCallContent, ToolCallStatus, ToolCallUpdate, ToolCallUpdateFields,
    ToolKind,
};
use serde_json::{Map, Value};

use super::event::{AgentEvent, ToolEnded, ToolOutcome, ToolStarted, ToolUse, ToolUseId};

/// Longest title of a tool's use, in characters.
pub const TITLE_LIMIT: usize = 200;

/// Longest command line that is kept, in characters.
pub const COMMAND_LIMIT: usize = 2_000;

/// How much of the end of a tool's output is kept, in bytes.
pub const OUTPUT_TAIL_BYTES: usize = 4 * 1024;

/// Most uses of tools that are followed at once. The oldest are forgotten first.
const OPEN_LIMIT: usize = 512;

/// What agents call their tools that run a command, where they do not say that it is one.
const SHELLS: [&str; 4] = ["shell", "bash", "exec_command", "run_shell_command"];

#[derive(Debug)]
struct Use {
    title: String,
    tool: Option<String>,
    kind: ToolKind,
    command: Option<String>,
    output: String,
    exit_status: Option<i64>,
    /// Claude Code tells a command's status only where it is not 0.
    tells_failures_only: bool,
    stage: Stage,
    /// Its place in the order of beginning.
    order: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Told of, and its input may not be there yet.
    Announced,
    /// [`AgentEvent::ToolStarted`] has been given out.
    Started,
}

/// The uses of tools that have not ended.
#[derive(Debug, Default)]
pub(super) struct OpenTools {
    uses: BTreeMap<String, Use>,
    begun: u64,
}

impl OpenTools {
    /// Takes the first word about a use.
    pub(super) fn announce(&mut self, call: ToolCall) -> Vec<AgentEvent> {
        let fields = ToolCallUpdateFields::new()
            .title(call.title)
            .name(call.name)
            .kind(call.kind)
            .status(call.status)
            .content(call.content)
            .raw_input(call.raw_input)
            .raw_output(call.raw_output);
        let update = ToolCallUpdate::new(call.tool_call_id, fields).meta(call.meta);
        self.update(update)
    }

    /// Takes a later word about a use; some agents tell of a use by an update first.
    pub(super) fn update(&mut self, update: ToolCallUpdate) -> Vec<AgentEvent> {
        let id = update.tool_call_id.0.to_string();
        let status = update.fields.status;
        self.note(&id, update.fields, update.meta.as_ref());
        let mut events = Vec::new();
        let ended = match status {
            Some(ToolCallStatus::Completed) => Some(ToolOutcome::Completed),
            Some(ToolCallStatus::Failed) => Some(ToolOutcome::Failed),
            _ => None,
        };
        let Some(found) = self.uses.get_mut(&id) else {
            return events;
        };
        // A command that has not been told yet comes with the next update.
        let complete = found.kind_of_use() != ToolUse::Command || found.command.is_some();
        if found.stage == Stage::Announced && (complete || ended.is_some()) {
            found.stage = Stage::Started;
            events.push(AgentEvent::ToolStarted(ToolStarted {
                id: ToolUseId(id.clone()),
                title: found.title.clone(),
                kind: found.kind_of_use(),
                command: found.command.clone(),
            }));
        }
        if let Some(outcome) = ended
            && let Some(done) = self.uses.remove(&id)
        {
            events.push(AgentEvent::ToolEnded(done.end(ToolUseId(id), outcome)));
        }
        events
    }

    /// Ends what the end of a turn left open.
    pub(super) fn end_all(&mut self) -> Vec<AgentEvent> {
        std::mem::take(&mut self.uses)
            .into_iter()
            .filter(|(_, open)| open.stage == Stage::Started)
            .map(|(id, open)| AgentEvent::ToolEnded(open.end(ToolUseId(id), ToolOutcome::Failed)))
            .collect()
    }

    fn note(&mut self, id: &str, fields: ToolCallUpdateFields, meta: Option<&Map<String, Value>>) {
        if !self.uses.contains_key(id) && self.uses.len() >= OPEN_LIMIT {
            let oldest = self.uses.iter().min_by_key(|(_, open)| open.order);
            if let Some(oldest) = oldest.map(|(id, _)| id.clone()) {
                self.uses.remove(&oldest);
            }
        }
        self.begun += 1;
        let order = self.begun;
        let open = self.uses.entry(id.to_owned()).or_insert_with(|| Use {
            title: String::new(),
            tool: None,
            kind: ToolKind::Other,
            command: None,
            output: String::new(),
            exit_status: None,
            tells_failures_only: false,
            stage: Stage::Announced,
            order,
        });
        open.take(fields, meta);
    }
}

impl Use {
    fn take(&mut self, fields: ToolCallUpdateFields, meta: Option<&Map<String, Value>>) {
        let goose = meta.and_then(|meta| meta.get("goose")?.get("toolCall")?.get("toolName"));
        let named = fields
            .name
            .or_else(|| goose.and_then(Value::as_str).map(str::to_owned));
        self.tool = named.or_else(|| self.tool.take());
        if let Some(kind) = fields.kind {
            self.kind = kind;
        }
        if let Some(title) = fields.title {
            self.title = head(&title, TITLE_LIMIT);
            // Gemini CLI tells its input by the title only.
            if self.kind == ToolKind::Execute
                && fields.raw_input.is_none()
                && self.tool.is_none()
                && self.command.is_none()
            {
                self.command = Some(head(&title, COMMAND_LIMIT));
            }
        }
        if self.kind_of_use() == ToolUse::Command
            && let Some(command) = fields.raw_input.as_ref().and_then(command_in)
        {
            self.command = Some(head(&command, COMMAND_LIMIT));
        }
        let delta = meta.and_then(|meta| meta.get("terminal_output_delta")?.get("data")?.as_str());
        if let Some(delta) = delta {
            self.output.push_str(delta);
        } else if let Some(text) = output_in(fields.content.as_deref(), fields.raw_output.as_ref())
        {
            self.output = text;
        } else if fields.content.is_some() {
            // What stood there before was a description, and there is no output.
            self.output.clear();
        }
        self.output = tail(&self.output, OUTPUT_TAIL_BYTES);
        self.tells_failures_only |= meta.is_some_and(|meta| meta.contains_key("claudeCode"));
        self.exit_status = exit_status_in(meta, fields.raw_output.as_ref()).or(self.exit_status);
    }

    fn kind_of_use(&self) -> ToolUse {
        match self.kind {
            ToolKind::Execute if self.is_of_a_server() => ToolUse::Other,
            ToolKind::Execute => ToolUse::Command,
            ToolKind::Read | ToolKind::Search => ToolUse::Read,
            ToolKind::Edit | ToolKind::Delete | ToolKind::Move => ToolUse::Edit,
            ToolKind::Fetch => ToolUse::Fetch,
            _ => match self
                .tool
                .as_deref()
                .map(|tool| tool.rsplit("__").next().unwrap_or(tool))
            {
                Some(tool) if SHELLS.contains(&tool) => ToolUse::Command,
                Some("edit" | "write" | "text_editor") => ToolUse::Edit,
                Some("read" | "tree") => ToolUse::Read,
                _ => ToolUse::Other,
            },
        }
    }

    /// Codex calls the tools of a server executions too; their titles begin so.
    fn is_of_a_server(&self) -> bool {
        self.title.starts_with("mcp.")
    }

    fn end(self, id: ToolUseId, outcome: ToolOutcome) -> ToolEnded {
        let exit_status = match self.kind_of_use() {
            ToolUse::Command => {
                let silent = self.tells_failures_only && outcome == ToolOutcome::Completed;
                let told = exit_status_said(&self.output).or(self.exit_status);
                told.or(silent.then_some(0))
            }
            ToolUse::Read | ToolUse::Edit | ToolUse::Fetch | ToolUse::Other => None,
        };
        ToolEnded {
            id,
            outcome,
            command: self.command,
            exit_status,
            output_tail: self.output,
        }
    }
}

fn command_in(input: &Value) -> Option<String> {
    let command = input.get("command").or_else(|| input.get("cmd"))?;
    match command {
        Value::String(text) => Some(text.clone()),
        Value::Array(words) => {
            // A shell's own words are no news: `bash -lc X` is X.
            let words: Vec<&str> = words.iter().filter_map(Value::as_str).collect();
            match words.as_slice() {
                [_, flag, script] if flag.starts_with('-') && flag.ends_with('c') => {
                    Some((*script).to_owned())
                }
                words => Some(words.join(" ")),
            }
        }
        _ => None,
    }
}

fn output_in(content: Option<&[ToolCallContent]>, raw: Option<&Value>) -> Option<String> {
    let texts = content.into_iter().flatten().filter_map(|part| match part {
        ToolCallContent::Content(content) => match &content.content {
            ContentBlock::Text(text) => Some(text.text.as_str()),
            _ => None,
        },
        _ => None,
    });
    let text = texts.collect::<Vec<_>>().join("\n");
    if !text.is_empty() {
        return Some(unfenced(&text).to_owned());
    }
    match raw? {
        Value::String(text) => Some(text.clone()),
        raw => raw.get("output").and_then(Value::as_str).map(str::to_owned),
    }
}

/// Claude Code's adapter wraps output as Markdown.
fn unfenced(text: &str) -> &str {
    let inner = text
        .strip_prefix("```")
        .and_then(|rest| rest.strip_suffix("```"));
    let body = inner.and_then(|inner| inner.split_once('\n'));
    body.map_or(text, |(_, body)| body)
}

fn exit_status_in(meta: Option<&Map<String, Value>>, raw: Option<&Value>) -> Option<i64> {
    let codex = meta.and_then(|meta| meta.get("terminal_exit")?.get("exit_code")?.as_i64());
    let raw = || {
        let raw = raw?;
        let opencode = raw
            .get("metadata")
            .and_then(|metadata| metadata.get("exit"));
        let other = || raw.get("exit_code").or_else(|| raw.get("exitCode"));
        opencode.or_else(other)?.as_i64()
    };
    codex.or_else(raw)
}

/// Agents that have no field for it put it in the first or the last line: "Exit code 1".
fn exit_status_said(output: &str) -> Option<i64> {
    let mut lines = output.lines().filter(|line| !line.trim().is_empty());
    let ends = [lines.next(), lines.next_back()];
    ends.into_iter().flatten().find_map(|line| {
        let low = line.trim().to_lowercase();
        let rest = low
            .strip_prefix("exit code")
            .or_else(|| low.strip_prefix("command exited with code"))?;
        rest.trim_matches(|c: char| c == ':' || c == '.' || c.is_whitespace())
            .parse()
            .ok()
    })
}

fn head(text: &str, limit: usize) -> String {
    match text.char_indices().nth(limit) {
        Some((index, _)) => format!("{}…", &text[..index]),
        None => text.to_owned(),
    }
}

fn tail(text: &str, limit: usize) -> String {
    if text.len() <= limit {
        return text.to_owned();
    }
    let start = text.ceil_char_boundary(text.len() - limit);
    text[start..].to_owned()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;
    use agent_client_protocol_schema::v1::SessionUpdate;
    use serde_json::json;

    fn play(updates: &[Value]) -> Vec<AgentEvent> {
        let mut tools = OpenTools::default();
        let mut events = Vec::new();
        for update in updates {
            match serde_json::from_value(update.clone()).unwrap() {
                SessionUpdate::ToolCall(call) => events.extend(tools.announce(call)),
                SessionUpdate::ToolCallUpdate(update) => events.extend(tools.update(update)),
                other => panic!("{other:?}"),
            }
        }
        events
    }

    fn started(event: &AgentEvent) -> &ToolStarted {
        match event {
            AgentEvent::ToolStarted(started) => started,
            other => panic!("{other:?}"),
        }
    }

    fn ended(event: &AgentEvent) -> &ToolEnded {
        match event {
            AgentEvent::ToolEnded(ended) => ended,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn claudes_command_comes_after_its_announcement_and_its_status_in_the_output() {
        let events = play(&[
            json!({"sessionUpdate": "tool_call", "toolCallId": "t1", "name": "Bash", "rawInput": {}, "status": "pending", "title": "Terminal", "kind": "execute", "content": []}),
            json!({"sessionUpdate": "tool_call_update", "toolCallId": "t1", "rawInput": {"command": "npm test", "description": "d"}, "title": "npm test"}),
            json!({"sessionUpdate": "tool_call_update", "toolCallId": "t1", "status": "failed", "rawOutput": "Exit code 3\nno", "content": [{"type": "content", "content": {"type": "text", "text": "```\nExit code 3\nno\n```"}}]}),
        ]);
        assert_eq!(events.len(), 2);
        assert_eq!(started(&events[0]).command.as_deref(), Some("npm test"));
        assert_eq!(started(&events[0]).kind, ToolUse::Command);
        let end = ended(&events[1]);
        assert_eq!(
            (end.outcome, end.exit_status),
            (ToolOutcome::Failed, Some(3))
        );
        assert_eq!(end.output_tail, "Exit code 3\nno\n");
    }

    #[test]
    fn codexs_output_comes_in_pieces_and_its_status_in_a_field() {
        let events = play(&[
            json!({"sessionUpdate": "tool_call", "toolCallId": "c", "name": "exec_command", "kind": "execute", "title": "ls", "status": "in_progress", "rawInput": {"command": "ls", "cwd": "/work/repo"}}),
            json!({"sessionUpdate": "tool_call_update", "toolCallId": "c", "_meta": {"terminal_output_delta": {"data": "a\n"}}}),
            json!({"sessionUpdate": "tool_call_update", "toolCallId": "c", "status": "completed", "_meta": {"terminal_output_delta": {"data": "b\n"}, "terminal_exit": {"exit_code": 0}}}),
        ]);
        assert_eq!(started(&events[0]).command.as_deref(), Some("ls"));
        assert_eq!(
            (
                ended(&events[1]).exit_status,
                ended(&events[1]).output_tail.as_str()
            ),
            (Some(0), "a\nb\n")
        );
    }

    #[test]
    fn codexs_calls_of_a_server_are_no_commands() {
        let events = play(&[
            json!({"sessionUpdate": "tool_call", "toolCallId": "c", "kind": "execute", "title": "mcp.deckhand.submit_plan", "status": "in_progress", "rawInput": {"server": "deckhand", "tool": "submit_plan", "arguments": {}}}),
        ]);
        assert_eq!(
            (
                started(&events[0]).kind,
                started(&events[0]).command.as_deref()
            ),
            (ToolUse::Other, None)
        );
    }

    #[test]
    fn geminis_command_is_its_title_and_an_update_may_come_first() {
        let events = play(&[
            json!({"sessionUpdate": "tool_call", "toolCallId": "g", "status": "in_progress", "title": "cat a", "content": [{"type": "content", "content": {"type": "text", "text": "[current working directory /work/repo]"}}], "locations": [], "kind": "execute"}),
            json!({"sessionUpdate": "tool_call_update", "toolCallId": "g", "status": "completed", "title": "cat a", "content": [], "kind": "execute"}),
            json!({"sessionUpdate": "tool_call_update", "toolCallId": "h", "status": "completed", "title": "ask_person (deckhand MCP Server)", "kind": "other"}),
        ]);
        assert_eq!(events.len(), 4);
        assert_eq!(started(&events[0]).command.as_deref(), Some("cat a"));
        assert_eq!(ended(&events[1]).command.as_deref(), Some("cat a"));
        assert_eq!(started(&events[2]).kind, ToolUse::Other);
    }

    #[test]
    fn gooses_tools_have_no_kind_but_a_name() {
        let meta = |name: &str| json!({"goose": {"toolCall": {"toolName": name, "extensionName": "developer"}}});
        let events = play(&[
            json!({"sessionUpdate": "tool_call", "toolCallId": "1", "title": "shell · make", "rawInput": {"command": "make"}, "_meta": meta("shell")}),
            json!({"sessionUpdate": "tool_call", "toolCallId": "2", "title": "write · a", "rawInput": {"path": "a"}, "_meta": meta("write")}),
            json!({"sessionUpdate": "tool_call_update", "toolCallId": "1", "status": "completed", "content": [{"type": "content", "content": {"type": "text", "text": "made"}}]}),
        ]);
        assert_eq!(
            (
                started(&events[0]).kind,
                started(&events[0]).command.as_deref()
            ),
            (ToolUse::Command, Some("make"))
        );
        assert_eq!(started(&events[1]).kind, ToolUse::Edit);
        assert_eq!(ended(&events[2]).output_tail, "made");
    }

    #[test]
    fn opencodes_status_is_in_its_metadata() {
        let events = play(&[
            json!({"sessionUpdate": "tool_call", "toolCallId": "o", "title": "bash", "kind": "execute", "status": "pending", "rawInput": {"cwd": "/work/repo"}}),
            json!({"sessionUpdate": "tool_call_update", "toolCallId": "o", "status": "in_progress", "kind": "execute", "title": "false", "rawInput": {"command": "false"}}),
            json!({"sessionUpdate": "tool_call_update", "toolCallId": "o", "status": "completed", "title": "false", "rawOutput": {"output": "", "metadata": {"exit": 1}}}),
        ]);
        assert_eq!(started(&events[0]).command.as_deref(), Some("false"));
        assert_eq!(ended(&events[1]).exit_status, Some(1));
    }

    #[test]
    fn what_a_turn_leaves_open_is_ended_with_it() {
        let mut tools = OpenTools::default();
        let call = json!({"toolCallId": "x", "title": "sleep 99", "kind": "execute", "rawInput": {"command": "sleep 99"}});
        assert_eq!(
            tools.announce(serde_json::from_value(call).unwrap()).len(),
            1
        );
        assert_eq!(ended(&tools.end_all()[0]).outcome, ToolOutcome::Failed);
        assert!(tools.end_all().is_empty());
    }

    #[test]
    fn only_the_end_of_a_long_output_is_kept_and_only_so_many_uses_are_followed() {
        let text = "é".repeat(OUTPUT_TAIL_BYTES);
        assert!(tail(&text, OUTPUT_TAIL_BYTES).len() <= OUTPUT_TAIL_BYTES);
        let mut tools = OpenTools::default();
        for index in 0..2 * OPEN_LIMIT {
            let call = json!({"toolCallId": index.to_string(), "title": "t"});
            tools.announce(serde_json::from_value(call).unwrap());
        }
        assert_eq!(tools.uses.len(), OPEN_LIMIT);
        assert!(tools.uses.contains_key(&(2 * OPEN_LIMIT - 1).to_string()));
    }
}
