//! What a request asks of a model: which one, how much it may write, and nothing that the provider would fetch or run.
//!
//! A provider's own tools search the web, fetch pages, run code and speak to other servers, with what the sandbox wrote
//! as arguments: a way out that passes every rule of the network. So only tools that the agent runs itself are let
//! through, known ones by name and everything else not. The same holds for pictures and files that are named by
//! address, for answers that are made in the background, where nobody counts them, and for tiers that cost more than the
//! price table knows.
//!
//! No policy changes that: what a provider fetches is in no log here and passes no rule, and what a search costs is in no
//! count of tokens. Where a page is needed, people allow its host, and the sandbox reads it itself.

use serde_json::Value;

use super::{answer::Wire, json};

/// Bytes of a request that are taken for one token: few, so that the estimate is high.
const BYTES_PER_TOKEN: u64 = 3;
/// A text without a space in its beginning that is longer than this is a picture or a file, in bytes.
const MAX_WORD_BYTES: usize = 4_096;
/// What such a picture is taken for, in tokens.
const TOKENS_PER_PICTURE: u64 = 2_500;
/// The most that is taken for one request, in tokens.
const MAX_TOKENS: u64 = 2_000_000;
/// What a request that sets no limit may write, in tokens; and the most that is set aside for one that does.
const DEFAULT_OUTPUT: u64 = 16_000;
const MAX_OUTPUT: u64 = 64_000;
/// Most answers to one request that are counted.
const MAX_ANSWERS: u64 = 128;
/// Where the request for a count stands in the body of a streamed chat.
const COUNT_PLEASE: &str = r#""stream_options":{"include_usage":true},"#;

/// Tools of Anthropic's that the client runs, by the beginnings of their types.
const ANTHROPIC_TOOLS: [&str; 6] = [
    "custom",
    "bash_",
    "text_editor_",
    "computer_",
    "memory_",
    // Searches only among the tools of the request.
    "tool_search_tool_",
];
/// Tools of `OpenAI`'s that the client runs.
const OPENAI_TOOLS: [&str; 8] = [
    "function",
    "custom",
    "local_shell",
    "shell",
    "apply_patch",
    "namespace",
    "computer",
    "computer_use_preview",
];
/// Tiers that the price table's prices hold for, or cost less.
const TIERS: [&str; 6] = [
    "auto",
    "default",
    "flex",
    "standard",
    "standard_only",
    "batch",
];

/// What a request asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Asked {
    /// The model, as the request names it.
    pub model: String,
    /// What the model reads, by the request's length, in tokens; high rather than low.
    pub input: u64,
    /// What it may write, in tokens.
    pub output: u64,
    /// What to write behind the opening brace of the body, so that the answer holds a count.
    pub addition: &'static str,
}

/// Why a request for a model is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unfit {
    /// It cannot be read. The sentence holds nothing of it.
    Unreadable(String),
    /// It has the provider reach or run something, or costs what nobody counts.
    Reaches(String),
}

/// Reads a request. `named` is the model's name where the address has it.
pub fn read(wire: Wire, named: Option<&str>, body: &[u8]) -> Result<Asked, Unfit> {
    let value = json::read(body).map_err(Unfit::Unreadable)?;
    if !value.is_object() {
        let sentence = "The body has to be a JSON object.".to_owned();
        return Err(Unfit::Unreadable(sentence));
    }
    let model = named
        .or_else(|| value["model"].as_str())
        .unwrap_or_default();
    refuse_reach(wire, model, &value).map_err(Unfit::Reaches)?;
    refuse_uncounted(&value).map_err(Unfit::Reaches)?;
    let answers = ["n", "best_of"].map(|name| value[name].as_u64().unwrap_or(1));
    let candidates = first(
        &value["generationConfig"],
        &["candidateCount", "candidate_count"],
    );
    let answers = answers
        .into_iter()
        .chain(candidates.as_u64())
        .fold(1, u64::max)
        .min(MAX_ANSWERS);
    let output = most_output(&value).unwrap_or(DEFAULT_OUTPUT);
    // Where the agent says itself how it wants its stream, that stays: the answer is estimated then.
    let asks_nothing =
        wire == Wire::Chat && value["stream"] == true && value.get("stream_options").is_none();
    Ok(Asked {
        model: model.to_owned(),
        input: size(&value).min(MAX_TOKENS),
        output: output.min(MAX_OUTPUT).saturating_mul(answers),
        addition: if asks_nothing { COUNT_PLEASE } else { "" },
    })
}

fn most_output(value: &Value) -> Option<u64> {
    let of_gemini = &value["generationConfig"];
    let own = ["max_tokens", "max_completion_tokens", "max_output_tokens"]
        .map(|name| value[name].as_u64());
    let gemini = ["maxOutputTokens", "max_output_tokens"].map(|name| of_gemini[name].as_u64());
    own.into_iter().chain(gemini).flatten().max()
}

/// Tokens of everything in a request, by its length.
fn size(value: &Value) -> u64 {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 1,
        Value::String(text) => size_of_text(text),
        Value::Array(values) => values.iter().map(size).sum(),
        Value::Object(members) => members
            .iter()
            .map(|(name, value)| size_of_text(name) + size(value))
            .sum(),
    }
}

fn size_of_text(text: &str) -> u64 {
    let begin = text.as_bytes().get(..MAX_WORD_BYTES);
    if begin.is_some_and(|begin| !begin.iter().any(u8::is_ascii_whitespace)) {
        return TOKENS_PER_PICTURE;
    }
    (text.len() as u64).div_ceil(BYTES_PER_TOKEN)
}

fn refuse_uncounted(value: &Value) -> Result<(), String> {
    if value["background"] == true {
        return Err(
            "An answer in the background is counted by nobody; ask without `background`."
                .to_owned(),
        );
    }
    if is_given(&value["prompt"]) && value["prompt"].is_object() {
        return Err(
            "A prompt that is stored at the provider cannot be looked at; send its text."
                .to_owned(),
        );
    }
    let tier = first(value, &["service_tier", "serviceTier", "speed"]);
    if is_given(tier) && !tier.as_str().is_some_and(|tier| TIERS.contains(&tier)) {
        return Err(
            "This tier costs more than the price table knows; ask for the standard one.".to_owned(),
        );
    }
    Ok(())
}

fn refuse_reach(wire: Wire, model: &str, value: &Value) -> Result<(), String> {
    let servers = [
        "mcp_servers",
        "container",
        "web_search_options",
        "plugins",
        "search_parameters",
    ];
    for name in servers {
        if is_given(&value[name]) {
            return Err(own_tool(name));
        }
    }
    if model.contains("-search") || model.contains("deep-research") || model.ends_with(":online") {
        return Err(own_tool(model));
    }
    match wire {
        Wire::Anthropic => {
            for tool in list(&value["tools"]) {
                let kind = tool["type"].as_str().unwrap_or("custom");
                if !ANTHROPIC_TOOLS.iter().any(|known| kind.starts_with(known)) {
                    return Err(own_tool(kind));
                }
            }
            by_address(value, &|name, member| {
                name == "source" && (member["type"] == "url" || is_given(&member["url"]))
            })
        }
        Wire::Responses | Wire::Chat => {
            openai_tools(&value["tools"])?;
            for item in list(&value["input"]) {
                openai_tools(&item["tools"])?;
            }
            by_address(value, &|name, member| match name {
                "image_url" => is_web(member) || is_web(&member["url"]),
                "file_url" | "video_url" | "audio_url" => is_given(member),
                _ => false,
            })
        }
        Wire::Gemini => {
            for tool in list(&value["tools"]) {
                let kinds = tool.as_object().into_iter().flat_map(|kinds| kinds.keys());
                for kind in kinds {
                    if !matches!(
                        kind.as_str(),
                        "functionDeclarations" | "function_declarations"
                    ) {
                        return Err(own_tool(kind));
                    }
                }
            }
            by_address(value, &|name, member| {
                matches!(name, "fileData" | "file_data") && is_given(member)
            })
        }
    }
}

fn openai_tools(tools: &Value) -> Result<(), String> {
    for tool in list(tools) {
        let kind = tool["type"].as_str().unwrap_or("function");
        // A shell in a container of the provider's is not the agent's.
        let is_remote = kind == "shell"
            && is_given(&tool["environment"])
            && tool["environment"]["type"] != "local";
        // Searches only among the tools of the request.
        let is_known = OPENAI_TOOLS.contains(&kind) || kind == "tool_search";
        if is_remote || !is_known {
            return Err(own_tool(kind));
        }
        openai_tools(&tool["tools"])?;
    }
    Ok(())
}

fn own_tool(name: &str) -> String {
    let name: String = name.chars().filter(|c| !c.is_control()).take(60).collect();
    format!(
        "`{name}` has the model's provider search, fetch, run or call something: a way out of this sandbox that no rule \
         of its network sees. Ask without it; tools that the agent runs itself are fine."
    )
}

/// Refuses what the provider would fetch. What tools were called with, and what their schemas say, is no request.
fn by_address(value: &Value, fetches: &dyn Fn(&str, &Value) -> bool) -> Result<(), String> {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Ok(()),
        Value::Array(values) => values
            .iter()
            .try_for_each(|value| by_address(value, fetches)),
        Value::Object(members) => {
            let is_call = members.get("type").is_some_and(|kind| kind == "tool_use");
            for (name, member) in members {
                let is_free = matches!(
                    name.as_str(),
                    "input_schema" | "parameters" | "parametersJsonSchema" | "args" | "response"
                ) || (is_call && name == "input");
                if is_free {
                    continue;
                }
                if fetches(name, member) {
                    return Err(
                        "The provider would fetch a file by its address: a way out of this sandbox that no rule of \
                         its network sees. Send the file's bytes."
                            .to_owned(),
                    );
                }
                by_address(member, fetches)?;
            }
            Ok(())
        }
    }
}

fn is_web(value: &Value) -> bool {
    value.as_str().is_some_and(|text| {
        // Only bytes in the address itself are none that anybody fetches.
        !text
            .get(..5)
            .is_some_and(|begin| begin.eq_ignore_ascii_case("data:"))
    })
}

fn is_given(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(given) => *given,
        Value::Number(_) | Value::Object(_) => true,
        Value::String(text) => !text.is_empty(),
        Value::Array(values) => !values.is_empty(),
    }
}

/// The members of a list; a single one stands for a list of one, as some providers take it.
fn list(value: &Value) -> &[Value] {
    match value {
        Value::Array(values) => values,
        Value::Object(_) => std::slice::from_ref(value),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => &[],
    }
}

fn first<'a>(value: &'a Value, names: &[&str]) -> &'a Value {
    const NOTHING: &Value = &Value::Null;
    let given = names.iter().map(|name| &value[*name]);
    given
        .into_iter()
        .find(|value| !value.is_null())
        .unwrap_or(NOTHING)
}

#[cfg(test)]
#[path = "asked_tests.rs"]
mod tests;
