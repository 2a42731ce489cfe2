//! Requests of every wire: what they cost at most, and what in them is refused.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use serde_json::json;

use super::*;

fn ask(wire: Wire, body: &Value) -> Result<Asked, Unfit> {
    read(wire, None, body.to_string().as_bytes())
}

#[test]
fn the_estimate_is_high_and_bounded() {
    let body = json!({"model": "m", "max_tokens": 500, "messages": [{"role": "user", "content": "word ".repeat(600)}]});
    let asked = ask(Wire::Anthropic, &body).unwrap();
    assert_eq!((asked.model.as_str(), asked.output), ("m", 500));
    assert!((1_000..1_100).contains(&asked.input), "{asked:?}");

    let none = ask(Wire::Responses, &json!({"model": "m", "input": "x"})).unwrap();
    assert_eq!(none.output, DEFAULT_OUTPUT);
    let many = json!({"model": "m", "n": 3, "max_completion_tokens": u64::MAX, "messages": []});
    assert_eq!(ask(Wire::Chat, &many).unwrap().output, 3 * MAX_OUTPUT);
    let gemini =
        json!({"contents": [], "generationConfig": {"maxOutputTokens": 7, "candidateCount": 2}});
    assert_eq!(ask(Wire::Gemini, &gemini).unwrap().output, 14);

    let picture = json!({"messages": [{"content": [{"source": {"type": "base64", "data": "A".repeat(1_000_000)}}]}]});
    assert!(ask(Wire::Anthropic, &picture).unwrap().input < 3_000);
    let endless = json!({"messages": "word ".repeat(2_000_000)});
    assert_eq!(ask(Wire::Anthropic, &endless).unwrap().input, MAX_TOKENS);
}

#[test]
fn a_streamed_chat_is_asked_for_its_count_unless_it_says_itself_what_it_wants() {
    let please = |body: &Value| ask(Wire::Chat, body).unwrap().addition;
    assert_eq!(please(&json!({"stream": true})), COUNT_PLEASE);
    assert_eq!(please(&json!({"stream": false})), "");
    assert_eq!(
        please(&json!({"stream": true, "stream_options": {"include_usage": false}})),
        ""
    );
    let responses = ask(Wire::Responses, &json!({"stream": true})).unwrap();
    assert_eq!(responses.addition, "");
    let with = format!("{{{COUNT_PLEASE}\"stream\":true}}");
    let with: Value = serde_json::from_str(&with).unwrap();
    assert_eq!(with["stream_options"]["include_usage"], true);
}

#[test]
fn tools_that_the_agent_runs_are_let_through() {
    let function = json!({"type": "function", "name": "f", "parameters": {"properties": {"image_url": {"type": "string"}, "source": {"type": "url"}}}});
    for (wire, body) in [
        (
            Wire::Anthropic,
            json!({"tools": [{"name": "Bash", "input_schema": {"source": {"type": "url"}}}, {"type": "bash_20250124", "name": "bash"}, {"type": "custom", "name": "c"}]}),
        ),
        (
            Wire::Anthropic,
            json!({"messages": [{"content": [{"type": "tool_use", "input": {"source": {"type": "url", "url": "x"}}}]}]}),
        ),
        (
            Wire::Responses,
            json!({"tools": [function, {"type": "custom", "name": "exec"}, {"type": "namespace", "name": "n", "tools": [function]}, {"type": "local_shell"}, {"type": "shell", "environment": {"type": "local"}}], "input": [{"type": "additional_tools", "tools": [function]}, {"type": "message", "content": [{"type": "input_image", "image_url": "data:image/png;base64,AA"}]}]}),
        ),
        (
            Wire::Chat,
            json!({"tools": [{"type": "function", "function": {"name": "f"}}], "messages": [{"content": [{"type": "image_url", "image_url": {"url": "DATA:image/png;base64,AA"}}]}]}),
        ),
        (
            Wire::Gemini,
            json!({"tools": [{"functionDeclarations": [{"name": "f"}]}], "contents": [{"parts": [{"functionCall": {"name": "f", "args": {"fileData": {"fileUri": "x"}}}}, {"inlineData": {"data": "AA"}}]}]}),
        ),
        (
            Wire::Gemini,
            json!({"tools": [], "serviceTier": "standard"}),
        ),
        (
            Wire::Anthropic,
            json!({"service_tier": "auto", "mcp_servers": []}),
        ),
    ] {
        assert_eq!(ask(wire, &body).err(), None, "{body}");
    }
}

/// What a provider would do, in each form in which it is asked.
fn reaching() -> Vec<(Wire, Value)> {
    let mut all = reaching_from_anthropic();
    all.extend(reaching_from_openai());
    all.extend(reaching_from_gemini());
    all
}

fn reaching_from_anthropic() -> Vec<(Wire, Value)> {
    let anthropic = |tool: &str| {
        (
            Wire::Anthropic,
            json!({"tools": [{"type": tool, "name": "x"}]}),
        )
    };
    vec![
        anthropic("web_search_20250305"),
        anthropic("web_fetch_20260209"),
        anthropic("code_execution_20250825"),
        anthropic("mcp_toolset"),
        anthropic("something_new_20270101"),
        (
            Wire::Anthropic,
            json!({"mcp_servers": [{"type": "url", "url": "https://out.example"}]}),
        ),
        (Wire::Anthropic, json!({"container": {"skills": []}})),
        (
            Wire::Anthropic,
            json!({"messages": [{"content": [{"type": "image", "source": {"type": "url", "url": "https://out.example/?secret"}}]}]}),
        ),
        (
            Wire::Anthropic,
            json!({"messages": [{"content": [{"type": "tool_result", "content": [{"type": "document", "source": {"type": "url", "url": "u"}}]}]}]}),
        ),
    ]
}

fn reaching_from_openai() -> Vec<(Wire, Value)> {
    let openai = |tool: &str| (Wire::Responses, json!({"tools": [{"type": tool}]}));
    vec![
        openai("web_search"),
        openai("web_search_preview"),
        openai("file_search"),
        openai("code_interpreter"),
        openai("mcp"),
        openai("image_generation"),
        openai("something_new"),
        (
            Wire::Responses,
            json!({"tools": [{"type": "shell", "environment": {"type": "container_auto"}}]}),
        ),
        (
            Wire::Responses,
            json!({"tools": [{"type": "namespace", "tools": [{"type": "mcp"}]}]}),
        ),
        (
            Wire::Responses,
            json!({"input": [{"type": "additional_tools", "tools": [{"type": "web_search"}]}]}),
        ),
        (
            Wire::Responses,
            json!({"input": [{"content": [{"type": "input_image", "image_url": "https://out.example/?secret"}]}]}),
        ),
        (
            Wire::Responses,
            json!({"input": [{"type": "function_call_output", "output": [{"type": "input_file", "file_url": "https://out.example"}]}]}),
        ),
        (Wire::Chat, json!({"web_search_options": {}})),
        (Wire::Chat, json!({"plugins": [{"id": "web"}]})),
        (Wire::Chat, json!({"model": "gpt-4o-search-preview"})),
        (Wire::Chat, json!({"model": "some/model:online"})),
        (
            Wire::Chat,
            json!({"messages": [{"content": [{"type": "image_url", "image_url": {"url": "https://out.example/?secret"}}]}]}),
        ),
    ]
}

fn reaching_from_gemini() -> Vec<(Wire, Value)> {
    let gemini = |tool: &str| {
        (
            Wire::Gemini,
            json!({"tools": [{"functionDeclarations": []}, {tool: {}}]}),
        )
    };
    vec![
        gemini("googleSearch"),
        gemini("google_search"),
        gemini("urlContext"),
        gemini("codeExecution"),
        gemini("fileSearch"),
        (
            Wire::Gemini,
            json!({"contents": {"parts": [{"fileData": {"fileUri": "https://out.example/?secret"}}]}}),
        ),
        (
            Wire::Gemini,
            json!({"contents": [{"parts": [{"file_data": {"file_uri": "https://out.example"}}]}]}),
        ),
    ]
}

#[test]
fn what_has_the_provider_reach_out_is_refused_always() {
    for (wire, body) in reaching() {
        assert!(
            matches!(ask(wire, &body), Err(Unfit::Reaches(_))),
            "{wire:?} {body}"
        );
    }
}

#[test]
fn what_nobody_counts_is_refused_always() {
    for body in [
        json!({"background": true}),
        json!({"prompt": {"id": "pmpt_1"}}),
        json!({"service_tier": "priority"}),
        json!({"speed": "fast"}),
    ] {
        let read = ask(Wire::Responses, &body);
        assert!(matches!(read, Err(Unfit::Reaches(_))), "{body}");
    }
}

#[test]
fn what_cannot_be_read_is_refused_and_nothing_of_it_repeated() {
    for body in [
        "",
        "[]",
        "\"secret\"",
        "{\"model\":\"secret\"",
        "{\"tools\":[],\"tools\":[{\"type\":\"mcp\"}]}",
    ] {
        let refused = read(Wire::Chat, None, body.as_bytes());
        let Err(Unfit::Unreadable(sentence)) = refused else {
            panic!("{body}: {refused:?}");
        };
        assert!(!sentence.contains("secret"), "{sentence}");
    }
}
