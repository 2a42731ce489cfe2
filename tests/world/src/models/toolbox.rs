//! Which of the tools that an agent offers does what a script wants, and with which arguments.

use serde_json::{Map, Value, json};

use super::wire::{CallInput, Dialogue, OfferedTool, ToolCall, ToolForm};

/// How agents call the tool that runs a command, best first.
const SHELLS: [&str; 9] = [
    "Bash",
    "bash",
    "run_shell_command",
    "exec_command",
    "shell_command",
    "shell",
    "developer__shell",
    "execute_command",
    "exec",
];

/// The tool that runs programs, from which all other tools are called (Codex with the models that it knows).
const PROGRAM: &str = "exec";

/// The name under which the session's tools are offered to agents.
const SESSION_SERVER: &str = "deckhand";

/// Longest time that a command may take before an agent gives its output back half done, in milliseconds.
const COMMAND_WAIT_MS: u64 = 30_000;

/// A call of the agent's shell tool, or nothing where it offers none.
pub(super) fn shell(dialogue: &Dialogue, command: &str) -> Option<ToolCall> {
    let tool = SHELLS
        .iter()
        .find_map(|name| dialogue.tools.iter().find(|tool| tool.name == *name))?;
    let input = match tool.form {
        ToolForm::Freeform => CallInput::Freeform(format!(
            "const result = await tools.exec_command({{cmd: {}}}); text(result.output ?? JSON.stringify(result));",
            json!(command)
        )),
        ToolForm::Function => CallInput::Json(shell_arguments(&tool.schema, command)),
    };
    Some(ToolCall::new(tool, input))
}

/// A call of the session's tool of that name; by the agent's programs where tools are called from there, and by its
/// search for tools where it hides them.
pub(super) fn named(dialogue: &Dialogue, name: &str, arguments: &Value) -> Option<ToolCall> {
    let fits = |tool: &&OfferedTool| {
        tool.name
            .strip_suffix(name)
            .is_some_and(|before| before.is_empty() || before.ends_with(['_', ':', '.', '-', '/']))
    };
    let mut fitting = dialogue.tools.iter().filter(fits);
    let best = fitting
        .clone()
        .find(|tool| tool.qualified().contains("deckhand"))
        .or_else(|| fitting.next());
    if let Some(tool) = best {
        return Some(ToolCall::new(tool, CallInput::Json(arguments.clone())));
    }
    let mut all = dialogue.tools.iter();
    if let Some(program) = all.clone().find(|tool| tool.is_program()) {
        let script = format!(
            "const result = await tools.mcp__{SESSION_SERVER}__{name}({arguments}); text(JSON.stringify(result));"
        );
        return Some(ToolCall::new(program, CallInput::Freeform(script)));
    }
    let search = all.find(|tool| tool.name == "ToolSearch")?;
    let query = json!({"query": name, "max_results": 3});
    Some(ToolCall::new(search, CallInput::Json(query)))
}

/// Fills what the schema asks for: the command where it belongs, and every other required text.
fn shell_arguments(schema: &Value, command: &str) -> Value {
    let none = Map::new();
    let properties = schema["properties"].as_object().unwrap_or(&none);
    let mut arguments = Map::new();
    let field = if properties.contains_key("cmd") {
        "cmd"
    } else {
        "command"
    };
    let wants_list = properties
        .get(field)
        .is_some_and(|property| property["type"] == "array");
    let value = if wants_list {
        json!(["bash", "-lc", command])
    } else {
        json!(command)
    };
    arguments.insert(field.to_owned(), value);
    if properties.contains_key("yield_time_ms") {
        arguments.insert(String::from("yield_time_ms"), json!(COMMAND_WAIT_MS));
    }
    if properties.contains_key("description") {
        arguments.insert(
            String::from("description"),
            json!("Run a command of the script"),
        );
    }
    for required in schema["required"].as_array().into_iter().flatten() {
        let Some(required) = required.as_str() else {
            continue;
        };
        arguments.entry(required).or_insert_with(|| {
            let kind = properties
                .get(required)
                .map_or("", |property| property["type"].as_str().unwrap_or_default());
            match kind {
                "boolean" => json!(false),
                "integer" | "number" => json!(COMMAND_WAIT_MS),
                _ => json!("."),
            }
        });
    }
    Value::Object(arguments)
}

impl OfferedTool {
    fn is_program(&self) -> bool {
        self.form == ToolForm::Freeform && self.name == PROGRAM
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offering(tools: Vec<OfferedTool>) -> Dialogue {
        Dialogue {
            tools,
            ..Dialogue::default()
        }
    }

    fn schema(required: &[&str], properties: &[(&str, &str)]) -> Value {
        let properties: Map<_, _> = properties
            .iter()
            .map(|(name, kind)| ((*name).to_owned(), json!({"type": kind})))
            .collect();
        json!({"type": "object", "required": required, "properties": properties})
    }

    #[test]
    fn each_agents_shell_gets_the_arguments_that_it_wants() {
        let table = [
            (
                "Bash",
                schema(&["command"], &[("command", "string")]),
                json!({"command": "ls"}),
            ),
            (
                "bash",
                schema(
                    &["command", "description"],
                    &[("command", "string"), ("description", "string")],
                ),
                json!({"command": "ls", "description": "Run a command of the script"}),
            ),
            (
                "exec_command",
                schema(&["cmd"], &[("cmd", "string"), ("yield_time_ms", "number")]),
                json!({"cmd": "ls", "yield_time_ms": 30_000}),
            ),
            (
                "shell",
                schema(&["command"], &[("command", "array")]),
                json!({"command": ["bash", "-lc", "ls"]}),
            ),
            (
                "run_shell_command",
                schema(
                    &["command", "is_background"],
                    &[("command", "string"), ("is_background", "boolean")],
                ),
                json!({"command": "ls", "is_background": false}),
            ),
        ];
        for (name, schema, expected) in table {
            let call = shell(&offering(vec![OfferedTool::function(name, schema)]), "ls").unwrap();
            assert_eq!(call.input, CallInput::Json(expected), "{name}");
        }
    }

    #[test]
    fn a_session_tool_is_found_under_every_prefix() {
        for name in [
            "submit_plan",
            "mcp__deckhand__submit_plan",
            "deckhand__submit_plan",
            "deckhand_submit_plan",
            "mcp_deckhand_submit_plan",
        ] {
            let tools = vec![
                OfferedTool::function("resubmit_planet", Value::Null),
                OfferedTool::function("other__submit_plan", Value::Null),
                OfferedTool::function(name, Value::Null),
            ];
            let call = named(&offering(tools), "submit_plan", &json!({})).unwrap();
            assert_eq!(
                call.name,
                if name == "submit_plan" {
                    "other__submit_plan"
                } else {
                    name
                }
            );
        }
    }

    #[test]
    fn a_session_tool_is_called_from_a_program_where_there_is_no_other_way() {
        let program = OfferedTool {
            form: ToolForm::Freeform,
            ..OfferedTool::function("exec", Value::Null)
        };
        let call = named(
            &offering(vec![program]),
            "submit_plan",
            &json!({"steps": []}),
        )
        .unwrap();
        let script = "const result = await tools.mcp__deckhand__submit_plan({\"steps\":[]}); text(JSON.stringify(result));";
        assert_eq!(call.input, CallInput::Freeform(script.to_owned()));
    }

    #[test]
    fn a_hidden_tool_is_searched_for_and_a_missing_one_is_told() {
        let hidden = offering(vec![OfferedTool::function("ToolSearch", Value::Null)]);
        assert_eq!(
            named(&hidden, "submit_plan", &json!({})).unwrap().name,
            "ToolSearch"
        );
        assert_eq!(named(&offering(vec![]), "submit_plan", &json!({})), None);
        assert_eq!(shell(&offering(vec![]), "ls"), None);
    }
}
