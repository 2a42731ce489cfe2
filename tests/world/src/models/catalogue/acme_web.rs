//! What a model knows about the demo's repository, acme/web: its fault, how to mend it and how to check it.

use serde_json::{Value, json};

/// Fails as long as the offset is ignored.
pub const OFFSET_CHECK: &str = "node -e \"const { listUsers } = require('./lib/users'); \
const first = listUsers({ limit: 150, offset: 150 })[0]; \
if (!first || first.id !== 151) { console.error('the first user is', first && first.id); process.exit(1); }\"";

/// Passes when there is a test for the fault.
pub const TEST_CHECK: &str = "grep -q 'limit over 100' test/users.test.js && node --test";

/// The page that looks different when the fault is mended.
pub const PAGE: &str = "/users?limit=150&offset=150";

/// The arguments of `submit_specification`.
#[must_use]
pub fn specification() -> Value {
    json!({
        "title": "Apply the offset to pages with a limit over 100",
        "goal": "A request for more than 100 users with an offset answers the users after that offset.",
        "requirements": [
            {"id": "R1", "text": "With a limit over 100 the first user is the one after the offset.", "check": OFFSET_CHECK},
            {"id": "R2", "text": "Pages with a limit of 100 or less stay as they are.", "check": "node --test"},
            {"id": "R3", "text": "A test covers a limit over 100 together with an offset.", "check": TEST_CHECK},
        ],
        "checks": ["npm test"],
        "out_of_scope": ["The largest limit, which stays 200.", "The shape of the answer."],
        "pages": [{"path": PAGE, "title": "Users after the first 150"}],
        "start": {"command": "node server.js", "port": 3000},
        "setup": null,
    })
}

/// The arguments of `submit_plan`.
#[must_use]
pub fn plan() -> Value {
    json!({
        "steps": [
            "Add the offset to both ends of each slice in listUsers.",
            "Add a test with a limit of 150 and an offset of 150.",
            "Run the tests.",
        ],
        "files": ["lib/users.js", "test/users.test.js", "README.md"],
        "checks": ["npm test"],
        "risks": ["Somebody may count on the first rows of long pages."],
        "cost_usd": {"low": 0.10, "high": 0.50},
        "network": [],
        "reason": null,
    })
}

/// The arguments of `report_requirements`, with everything met.
#[must_use]
pub fn report() -> Value {
    json!({
        "summary": "Long pages now begin after the offset; a test covers it.",
        "requirements": [
            {"id": "R1", "status": "met", "evidence": "lib/users.js adds the offset to each slice.", "check": OFFSET_CHECK},
            {"id": "R2", "status": "met", "evidence": "The tests from before pass.", "check": "node --test"},
            {"id": "R3", "status": "met", "evidence": "test/users.test.js has the new test.", "check": TEST_CHECK},
        ],
        "not_done": [],
    })
}

/// Mends the fault; in another repository it adds a line to a file of changes.
#[must_use]
pub fn mend_command() -> String {
    String::from(
        r"if [ -f lib/users.js ]; then
  sed -i 's/users\.slice(start, end)/users.slice(offset + start, offset + end)/' lib/users.js
else
  grep -qs 'asked for' CHANGES.md || echo '- What the thread asked for.' >> CHANGES.md
fi
git diff",
    )
}

/// What a correction says that wants a second test, and the step that the plan gets for it.
const ODD_OFFSET: &str = "no multiple of the limit";
const ODD_OFFSET_STEP: &str = "Add a test with an offset that is no multiple of the limit.";

/// The plan after a correction.
#[must_use]
pub fn revised_plan(correction: &str) -> Value {
    let (step, reason) = if correction.contains(ODD_OFFSET) {
        (
            ODD_OFFSET_STEP,
            "A second test was asked for, with an offset that is no multiple of the limit.",
        )
    } else {
        (
            "Follow the correction from the thread.",
            "A correction in the thread asked for it.",
        )
    };
    let mut plan = plan();
    if let Some(steps) = plan["steps"].as_array_mut() {
        steps.insert(steps.len().saturating_sub(1), step.into());
    }
    plan["reason"] = reason.into();
    plan
}

/// Adds the test that failed before, and a second one where the plan has it.
#[must_use]
pub fn test_command(prompt: &str) -> String {
    let odd = if prompt.contains(ODD_OFFSET_STEP) {
        r"
test('an offset that is no multiple of the limit counts on a long page', () => {
  const page = ids(listUsers({ limit: 150, offset: 75 }));
  assert.strictEqual(page[0], 76);
  assert.strictEqual(page[149], 225);
});
"
    } else {
        ""
    };
    format!(
        r"if [ -f test/users.test.js ] && ! grep -q 'limit over 100' test/users.test.js; then
cat >> test/users.test.js <<'EOF'

test('a page with a limit over 100 starts after the offset', () => {{
  const page = ids(listUsers({{ limit: 150, offset: 150 }}));
  assert.strictEqual(page[0], 151);
  assert.strictEqual(page.length, 150);
  assert.strictEqual(page[149], 300);
}});
{odd}EOF
fi
git diff --stat"
    )
}

/// A small change after the result.
#[must_use]
pub fn follow_up_command() -> String {
    String::from(
        r"cat >> README.md <<'EOF'

The offset counts the users that are left out at the beginning, with every limit.
EOF
git diff --stat",
    )
}

/// Where the offset is applied.
#[must_use]
pub fn answer() -> Value {
    json!({
        "answer": "The offset is applied in `listUsers`, and only to short pages.\n\n- Up to a limit of 100, `users.slice(offset, offset + limit)` takes it.\n- Above that, the loop begins at 0, so the offset is lost.\n\n```js\nfor (let start = 0; start < limit; start += STORE_PAGE) {\n```",
        "sources": [
            { "path": "lib/users.js", "first_line": 28, "last_line": 40 },
            { "path": "README.md" },
        ],
    })
}
