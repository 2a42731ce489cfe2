//! How a policy is written and read, and what is said of one with an error.

use super::*;

#[test]
fn a_fingerprint_tells_policies_apart_and_nothing_else() {
    let text = json!({"version": 1, "default": {"rules": [{"hosts": ["a.example", "b.example"]}]}});
    let same = json!({"default": {"rules": [{"ports": [443], "tls": "inspect", "hosts": ["B.example", "a.example."]}]}, "version": 1});
    let (one, two) = (document(&text), document(&same));
    let print = |document: &PolicyDocument| document.for_repository("a/b", &[]).fingerprint();
    assert_eq!(print(&one), print(&two));
    assert_eq!(print(&one).len(), 64);
    let policy = one.for_repository("a/b", &[]);
    let mut prints = vec![
        policy.fingerprint(),
        EgressPolicy::default().fingerprint(),
        policy
            .clone()
            .with(&[grant("c.example", GrantVerdict::Allow)])
            .fingerprint(),
        policy
            .with(&[grant("c.example", GrantVerdict::Never)])
            .fingerprint(),
        document(&json!({"version": 1, "default": {"preset": "open"}}))
            .for_repository("a/b", &[])
            .fingerprint(),
        document(&json!({"version": 1, "default": {"preset": "trusted"}}))
            .for_repository("a/b", &[])
            .fingerprint(),
    ];
    prints.sort();
    prints.dedup();
    assert_eq!(prints.len(), 6);
}

#[test]
fn a_person_can_read_what_a_policy_says() {
    let document = document(&json!({"version": 1,
        "default": {"preset": "trusted", "rules": [
            {"hosts": ["packages.example"], "methods": ["GET"], "phases": ["setup"]},
            {"hosts": ["git.example"], "git": "read", "paths": ["/acme/"], "credential": "git"},
            {"hosts": ["evil.example"], "action": "deny"}]},
        "repositories": {"a/open": {"preset": "open"}}}));
    let document = document
        .with_setup_hosts(&["house.example:8443".to_owned()])
        .unwrap();
    let policy = document
        .for_repository("a/b", &["registry.example".to_owned()])
        .with(&[
            grant("new.example", GrantVerdict::Allow),
            grant("old.example", GrantVerdict::Never),
        ]);
    assert_eq!(
        policy.summary(),
        [
            "packages.example (setup, GET)",
            "git.example (setup and work, git clone and fetch, below /acme/, with the credential git)",
            "never evil.example",
            "house.example (port 8443, setup, unseen in a tunnel, may stand in the house)",
            "trusted: package registries (1 host, setup and work, GET and HEAD)",
            "trusted: documentation (34 hosts, work, GET and HEAD)",
            "new.example (allowed by a person)",
            "never old.example (refused by a person)",
        ]
    );
    assert_eq!(
        document.for_repository("a/open", &[]).summary()[0],
        "open: everything public"
    );
    assert!(EgressPolicy::default().summary().is_empty());
}

#[test]
fn an_error_says_its_line_and_what_to_write_instead() {
    let rule =
        |rule: &str| format!("{{\"version\": 1,\n\"default\": {{\"rules\": [\n{rule}\n]}}}}");
    let table = [
        (
            rule("{\"hosts\": [\"*.com\"]}"),
            3,
            "`*.com` would allow far more than it says; a suffix needs two labels",
        ),
        (rule("{\"hosts\":\n[\"*\"]}"), 4, "the preset `open`"),
        (rule("{\"hosts\": [\"10.0.0.1\"]}"), 3, "address in figures"),
        (rule("{\"hosts\": [\"a.b:443\"]}"), 3, "address in figures"),
        (rule("{\"hosts\": []}"), 3, "`hosts` is empty"),
        (rule("{\"hosts\": [\"a.b\", \"A.b\"]}"), 3, "twice"),
        (
            rule("{\"hosts\": [\"a.b\"], \"ports\": [0]}"),
            3,
            "from 1 to 65535",
        ),
        (
            rule("{\"hosts\": [\"a.b\"], \"ports\": [70000]}"),
            3,
            "from 1 to 65535",
        ),
        (
            rule("{\"hosts\": [\"a.b\"], \"methods\": [\"get\"]}"),
            3,
            "capital letters",
        ),
        (
            rule("{\"hosts\": [\"a.b\"], \"methods\": [\"CONNECT\"]}"),
            3,
            "cannot be allowed",
        ),
        (
            rule("{\"hosts\": [\"a.b\"], \"paths\": [\"/a/../b\"]}"),
            3,
            "write the path that is meant",
        ),
        (
            rule("{\"hosts\": [\"a.b\"], \"paths\": [\"/a%2fb\"]}"),
            3,
            "without escapes",
        ),
        (
            rule("{\"hosts\": [\"a.b\"],\n\"tls\": \"tunnel\",\n\"credential\": \"npm\"\n}"),
            5,
            "`credential` cannot be kept in a tunnel",
        ),
        (
            rule("{\"hosts\": [\"a.b\"],\n\"methods\": [\"GET\"],\n\"tls\": \"tunnel\"\n}"),
            4,
            "`methods` cannot be kept",
        ),
        (
            rule("{\"hosts\": [\"a.b\"],\n\"git\": \"read\",\n\"methods\": [\"GET\"]\n}"),
            5,
            "do not go together",
        ),
        (
            rule("{\"hosts\": [\"a.b\"],\n\"action\": \"deny\",\n\"credential\": \"x\"}"),
            5,
            "says nothing in a rule that denies",
        ),
        (
            rule("{\"hosts\": [\"a.b\"],\n\"credential\": \"npm\",\n\"variable\": \"PATH\"}"),
            5,
            "`PATH` is used by the sandbox itself",
        ),
        (
            rule("{\"hosts\": [\"a.b\"],\n\"credential\": \"npm\",\n\"variable\": \"NPM TOKEN\"}"),
            5,
            "is no name of a variable",
        ),
        (
            rule("{\"hosts\": [\"a.b\"],\n\"variable\": \"NPM_TOKEN\"}"),
            4,
            "`variable` stands for a credential",
        ),
        (
            rule("{\"hosts\": [\"a.b\"],\n\"tls\": \"tunnel\",\n\"variable\": \"NPM_TOKEN\"}"),
            5,
            "`variable` cannot be kept in a tunnel",
        ),
        (
            rule(
                "{\"hosts\": [\"a.b\"], \"credential\": \"one\", \"variable\": \"T\"},\n\
                 {\"hosts\": [\"c.d\"], \"credential\": \"two\", \"variable\": \"T\"}",
            ),
            4,
            "`variable` T stands for `one` and for `two`",
        ),
        (
            rule("{\"hosts\": [\"a.b\"], \"credential\": \"N PM\"}"),
            3,
            "small letters",
        ),
        (
            rule("{\"hosts\": [\"a.b\"], \"port\": [443]}"),
            3,
            "unknown field `port`, expected one of `hosts`, `ports`",
        ),
        (
            rule("{\"hosts\": [\"a.b\"], \"hosts\": [\"a.c\"]}"),
            3,
            "duplicate field",
        ),
        (rule("{\"ports\": [443]}"), 3, "missing field `hosts`"),
        (
            rule("{\"hosts\": [\"a.b\"]},\n{\"hosts\": [\"a.b\"]}"),
            2,
            "rule 2 twice",
        ),
        ("{\"version\": 2}".to_owned(), 1, "write `\"version\": 1`"),
        ("{}".to_owned(), 1, "missing field `version`"),
        ("{\"version\": 1,\n\n}".to_owned(), 3, "trailing comma"),
        (
            "{\"version\": 1,\n\"default\": {\"preset\": \"trustd\"}}".to_owned(),
            2,
            "expected one of `none`, `trusted`, `open`",
        ),
        (
            "{\"version\": 1,\n\"repositories\": {\"web\": {}}}".to_owned(),
            2,
            "write `owner/name`",
        ),
        (
            "{\"version\": 1,\n\"repositories\": {\"a/b\": {},\n\"A/B\": {}}}".to_owned(),
            3,
            "there twice",
        ),
        (
            "{\"version\": 1,\n\"default\": {\"runtime\": \"--privileged\"}}".to_owned(),
            2,
            "such as `runc`",
        ),
        (String::new(), 1, "EOF"),
        (" ".repeat(300_000), 1, "are the limit"),
    ];
    for (text, line, part) in table {
        let error = PolicyDocument::read(&text).expect_err(&text);
        assert!(error.reason.contains(part), "{text}\n{error}");
        assert_eq!(error.line, line, "{text}\n{error}");
        assert!(!error.reason.contains(" at line "), "{error}");
    }
}

#[test]
fn the_schema_that_is_handed_out_is_that_of_the_code() {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../docs/network-policy.schema.json"
    );
    let committed = std::fs::read_to_string(path).unwrap_or_default();
    let schema = PolicyDocument::schema();
    assert_eq!(
        serde_json::from_str(&committed).ok(),
        Some(schema.clone()),
        "docs/network-policy.schema.json is not current; it should be:\n{schema:#}"
    );
}

#[test]
fn the_examples_of_the_documentation_can_be_read() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/network-policy.md");
    let text = std::fs::read_to_string(path).unwrap();
    let examples: Vec<&str> = text
        .split("```json\n")
        .skip(1)
        .map(|rest| rest.split("```").next().unwrap())
        .collect();
    assert!(!examples.is_empty());
    for example in examples {
        PolicyDocument::read(example).expect(example);
    }
}

#[test]
fn every_list_of_a_policy_has_its_limit() {
    let hosts: Vec<String> = (0..101)
        .map(|number| format!("h{number}.example"))
        .collect();
    let rules: Vec<Value> = (0..201)
        .map(|number| json!({"hosts": [format!("h{number}.example")]}))
        .collect();
    let repositories: serde_json::Map<String, Value> = (0..501)
        .map(|number| (format!("a/r{number}"), json!({})))
        .collect();
    for value in [
        json!({"version": 1, "default": {"rules": [{"hosts": hosts}]}}),
        json!({"version": 1, "default": {"rules": rules}}),
        json!({"version": 1, "repositories": repositories}),
    ] {
        let error = PolicyDocument::read(&value.to_string()).unwrap_err();
        assert!(
            error.reason.contains("limit") || error.reason.contains("more than"),
            "{error}"
        );
    }
}

#[test]
fn a_variable_is_held_in_its_rules_phases_and_the_repositorys_own_is_first() {
    let text = json!({
        "version": 1,
        "default": {"rules": [
            {"hosts": ["a.example"], "credential": "npm", "variable": "NPM_TOKEN"},
            {"hosts": ["b.example"], "credential": "checks", "variable": "CHECK_TOKEN", "phases": ["proof"]},
            {"hosts": ["c.example"], "credential": "npm", "variable": "NPM_TOKEN"},
        ]},
        "repositories": {"acme/web": {"rules": [
            {"hosts": ["a.example"], "credential": "own", "variable": "NPM_TOKEN", "phases": ["work"]},
        ]}},
    });
    let document = PolicyDocument::read(&text.to_string()).unwrap();
    let own = document.for_repository("acme/web", &[]);
    let held = |phase| own.variables(phase).into_iter().collect::<Vec<_>>();
    assert_eq!(held(Phase::Setup), [("NPM_TOKEN", "npm")]);
    assert_eq!(held(Phase::Work), [("NPM_TOKEN", "own")]);
    assert_eq!(held(Phase::Proof), [("CHECK_TOKEN", "checks")]);
    assert!(
        own.summary()[0]
            .ends_with("with the credential own, in whose place the sandbox holds NPM_TOKEN)"),
        "{:?}",
        own.summary()
    );
    // What is held is part of what a plan's approval approves.
    let other = document.for_repository("acme/api", &[]);
    assert_ne!(own.fingerprint(), other.fingerprint());
}
