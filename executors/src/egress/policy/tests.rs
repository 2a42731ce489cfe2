//! Policies as they are written, merged and decided.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]
#![expect(clippy::too_many_lines, reason = "a table is as long as its cases")]

use hyper::Method;
use serde_json::{Value, json};

use super::{
    Denial, EgressPolicy, Grant, GrantVerdict, PolicyDocument, Question, Reach, Seen, Tls,
    rule::Phase,
};

fn document(value: &Value) -> PolicyDocument {
    PolicyDocument::read(&value.to_string()).unwrap()
}

/// A policy with these rules and no preset.
fn policy(rules: &Value) -> EgressPolicy {
    document(&json!({"version": 1, "default": {"rules": rules}})).for_repository("a/b", &[])
}

fn ask<'a>(host: &'a str, port: u16, method: &'a Method, path: &'a str) -> Question<'a> {
    let (path, query) = path
        .split_once('?')
        .map_or((path, None), |(path, query)| (path, Some(query)));
    Question {
        phase: Phase::Work,
        host,
        port,
        method,
        path,
        query,
        seen: Seen::Inspected,
    }
}

fn grant(host: &str, verdict: GrantVerdict) -> Grant {
    Grant {
        host: host.to_owned(),
        port: 443,
        verdict,
    }
}

#[test]
fn a_connection_is_allowed_by_name_label_port_and_phase() {
    let policy = policy(&json!([
        {"hosts": ["packages.example", "*.cdn.example"], "tls": "tunnel"},
        {"hosts": ["house.example"], "ports": [8443], "tls": "tunnel", "addresses": "house"},
        {"hosts": ["early.example"], "phases": ["setup"]},
        {"hosts": ["plain.example"], "ports": [80]},
        {"hosts": ["checks.example"], "phases": ["proof"]},
    ]));
    let table = [
        ("packages.example", 443, Ok("listed packages.example")),
        ("PACKAGES.example.", 443, Ok("listed packages.example")),
        ("a.cdn.example", 443, Ok("listed *.cdn.example")),
        ("a.b.cdn.example", 443, Ok("listed *.cdn.example")),
        ("house.example", 8443, Ok("listed house.example:8443")),
        ("cdn.example", 443, Err(Denial::NotListed)),
        ("evilcdn.example", 443, Err(Denial::NotListed)),
        (".cdn.example", 443, Err(Denial::NoName)),
        ("packages.example.evil.test", 443, Err(Denial::NotListed)),
        ("xpackages.example", 443, Err(Denial::NotListed)),
        ("packages.example..", 443, Err(Denial::NoName)),
        ("", 443, Err(Denial::NoName)),
        ("packages.example/", 443, Err(Denial::NoName)),
        ("packages.example\u{0}.evil", 443, Err(Denial::NoName)),
        ("packages.example", 22, Err(Denial::Port)),
        ("house.example", 443, Err(Denial::Port)),
        ("plain.example", 80, Err(Denial::Form)),
        ("plain.example", 443, Err(Denial::Port)),
        ("early.example", 443, Err(Denial::Phase)),
        ("checks.example", 443, Err(Denial::Phase)),
        ("1.1.1.1", 443, Err(Denial::AddressLiteral)),
        ("[::1]", 443, Err(Denial::AddressLiteral)),
        ("::ffff:1.2.3.4", 443, Err(Denial::AddressLiteral)),
        ("127.1", 443, Err(Denial::AddressLiteral)),
        ("2130706433", 443, Err(Denial::AddressLiteral)),
        ("0x7f000001", 443, Err(Denial::AddressLiteral)),
        ("0177.0.0.1", 443, Err(Denial::AddressLiteral)),
        ("1.1.1.1.", 443, Err(Denial::AddressLiteral)),
    ];
    for (host, port, expected) in table {
        let found = policy
            .connect(Phase::Work, host, port)
            .map(|passage| passage.rule.to_string());
        assert_eq!(found, expected.map(str::to_owned), "{host}:{port}");
    }
    assert!(policy.reaches(Phase::Proof) && !EgressPolicy::default().reaches(Phase::Setup));
    let checks = policy.connect(Phase::Proof, "checks.example", 443);
    assert_eq!(checks.unwrap().tls, Tls::Inspect);
    let proof = policy.connect(Phase::Proof, "packages.example", 443);
    assert_eq!(proof, Err(Denial::Phase));
}

#[test]
fn a_request_is_decided_by_method_and_path() {
    let policy = policy(&json!([
        {"hosts": ["packages.example"], "ports": [443, 80], "paths": ["/simple/"], "credential": "npm"},
        {"hosts": ["packages.example"], "methods": ["POST"], "paths": ["/audit"]},
        {"hosts": ["git.example"], "paths": ["/acme/"], "git": "read"},
        {"hosts": ["tunnel.example"], "tls": "tunnel"},
        {"hosts": ["packages.example", "tunnel.example"], "ports": [443, 80], "action": "deny", "paths": ["/simple/secret"]},
        {"hosts": ["bad.example"], "action": "deny"},
        {"hosts": ["bad.example"]},
    ]));
    let (get, post, put) = (Method::GET, Method::POST, Method::PUT);
    let table = [
        ("packages.example", &get, "/simple/x", Ok(Some("npm"))),
        ("packages.example", &post, "/audit/x", Ok(None)),
        ("packages.example", &post, "/simple/x", Err(Denial::Method)),
        ("packages.example", &get, "/other", Err(Denial::Path)),
        (
            "packages.example",
            &get,
            "/simple/../x",
            Err(Denial::Forbidden("packages.example".into())),
        ),
        ("packages.example", &get, "/audit", Err(Denial::Method)),
        (
            "packages.example",
            &get,
            "/simple/Secret/x",
            Err(Denial::Forbidden("packages.example".into())),
        ),
        (
            "packages.example",
            &get,
            "/simple/%73ecret",
            Err(Denial::Forbidden("packages.example".into())),
        ),
        (
            "git.example",
            &get,
            "/acme/web/info/refs?service=git-upload-pack",
            Ok(None),
        ),
        ("git.example", &post, "/acme/web/git-upload-pack", Ok(None)),
        (
            "git.example",
            &get,
            "/acme/web/info/refs?service=git-receive-pack",
            Err(Denial::GitReadOnly),
        ),
        (
            "git.example",
            &get,
            "/acme/web/info/refs?service=git-upload-pack&service=git-receive-pack",
            Err(Denial::GitReadOnly),
        ),
        (
            "git.example",
            &get,
            "/acme/web/info/refs",
            Err(Denial::GitReadOnly),
        ),
        (
            "git.example",
            &post,
            "/acme/web/git-receive-pack",
            Err(Denial::GitReadOnly),
        ),
        (
            "git.example",
            &get,
            "/acme/web/archive.zip",
            Err(Denial::GitReadOnly),
        ),
        (
            "git.example",
            &post,
            "/other/web/git-upload-pack",
            Err(Denial::Path),
        ),
        ("tunnel.example", &put, "/x", Ok(None)),
        (
            "bad.example",
            &get,
            "/",
            Err(Denial::Forbidden("bad.example".into())),
        ),
        ("other.test", &get, "/", Err(Denial::NotListed)),
    ];
    for (host, method, path, expected) in table {
        let found = policy
            .request(&ask(host, 443, method, path))
            .map(|permit| permit.credential);
        let expected = expected.map(|name| name.map(str::to_owned));
        assert_eq!(found, expected, "{method} {host}{path}");
    }
    // A rule that forbids a path can only be kept where paths are seen.
    let passage = policy.connect(Phase::Work, "tunnel.example", 443).unwrap();
    assert_eq!(passage.tls, Tls::Inspect);
}

#[test]
fn plain_requests_read_only_and_carry_no_credential() {
    let policy = policy(&json!([
        {"hosts": ["a.example"], "ports": [80, 8080], "credential": "npm"},
        {"hosts": ["b.example"], "ports": [80, 443], "tls": "tunnel"},
    ]));
    let plain = |host, port, method| {
        let question = Question {
            seen: Seen::Plain,
            ..ask(host, port, method, "/x")
        };
        policy.request(&question).map(|permit| permit.credential)
    };
    assert_eq!(plain("a.example", 80, &Method::GET), Ok(None));
    assert_eq!(plain("a.example", 8080, &Method::GET), Ok(None));
    assert_eq!(plain("b.example", 80, &Method::GET), Ok(None));
    assert_eq!(plain("b.example", 443, &Method::GET), Err(Denial::Form));
    assert_eq!(plain("b.example", 80, &Method::POST), Err(Denial::Method));
}

#[test]
fn a_repositorys_rules_come_on_top_and_its_preset_takes_the_defaults_place() {
    let document = document(&json!({
        "version": 1,
        "default": {"preset": "trusted", "runtime": "runc", "rules": [{"hosts": ["packages.example"]}]},
        "repositories": {
            "Acme/Web": {"preset": "none", "runtime": "runsc",
                "rules": [{"hosts": ["packages.example"], "credential": "npm"}, {"hosts": ["web.example"]}]},
            "acme/open": {"preset": "open"},
        },
    }));
    let registries = ["registry.example".to_owned(), "not a name".to_owned()];
    let reach = |name: &str, host: &str, phase| {
        document
            .for_repository(name, &registries)
            .connect(phase, host, 443)
            .map(|passage| passage.rule.to_string())
    };
    let work = |name, host| reach(name, host, Phase::Work);
    let yes = |rule: &str| Ok(rule.to_owned());
    assert_eq!(
        work("x/y", "registry.example"),
        yes("preset trusted registry.example")
    );
    assert_eq!(
        work("x/y", "docs.python.org"),
        yes("preset trusted docs.python.org")
    );
    assert_eq!(
        reach("x/y", "docs.python.org", Phase::Setup),
        Err(Denial::Phase)
    );
    assert_eq!(work("x/y", "web.example"), Err(Denial::NotListed));
    assert_eq!(work("acme/web", "web.example"), yes("listed web.example"));
    assert_eq!(work("ACME/web", "registry.example"), Err(Denial::NotListed));
    assert_eq!(work("acme/open", "anything.test"), yes("preset open"));
    assert_eq!(
        work("acme/open", "169.254.169.254"),
        Err(Denial::AddressLiteral)
    );
    assert_eq!(
        reach("acme/open", "anything.test", Phase::Proof),
        Err(Denial::NotListed)
    );
    let web = document.for_repository("acme/web", &[]);
    let permit = web
        .request(&ask("packages.example", 443, &Method::GET, "/"))
        .unwrap();
    assert_eq!(
        permit.credential.as_deref(),
        Some("npm"),
        "the repository's rule is first"
    );
    let trusted = document.for_repository("x/y", &registries);
    let audit = trusted.request(&ask("registry.example", 443, &Method::POST, "/audit"));
    assert_eq!(
        audit,
        Err(Denial::ReadOnly),
        "nobody is asked about each audit"
    );
    let allowed = trusted.with(&[grant("registry.example", GrantVerdict::Allow)]);
    let audit = allowed.request(&ask("registry.example", 443, &Method::POST, "/audit"));
    assert_eq!(audit.unwrap().rule.to_string(), "granted registry.example");
    assert_eq!(document.runtime("acme/web"), Some("runsc"));
    assert_eq!(document.runtime("acme/open"), Some("runc"));
    assert_eq!(document.runtimes(), ["runc", "runsc"]);
    assert_eq!(document.credentials(), ["npm"]);
    let open = document.for_repository("acme/open", &[]);
    assert!(open.is_open() && open.reaches(Phase::Work) && !open.reaches(Phase::Proof));
    assert_eq!(
        open.connect(Phase::Work, "anything.test", 25),
        Err(Denial::Port)
    );
    let passage = open.connect(Phase::Work, "anything.test", 443).unwrap();
    assert_eq!(
        (passage.addresses, passage.tls),
        (Reach::Public, Tls::Tunnel)
    );
}

#[test]
fn people_widen_one_host_and_one_port_and_nothing_else() {
    let before = policy(&json!([
        {"hosts": ["*.house.example"], "addresses": "house", "methods": ["GET"]},
        {"hosts": ["bad.example"], "action": "deny"},
        {"hosts": ["late.example"], "phases": ["proof"]},
    ]));
    let grants = [
        grant("New.example.", GrantVerdict::Allow),
        grant("bad.example", GrantVerdict::Allow),
        grant("a.house.example", GrantVerdict::Never),
        grant("twice.example", GrantVerdict::Allow),
        grant("twice.example", GrantVerdict::Never),
        grant("b.house.example", GrantVerdict::Allow),
    ];
    let after = before.clone().with(&grants);
    let hosts = [
        ("new.example", Ok("granted new.example")),
        ("bad.example", Err(Denial::Forbidden("bad.example".into()))),
        (
            "a.house.example",
            Err(Denial::Never("a.house.example".into())),
        ),
        ("twice.example", Err(Denial::Never("twice.example".into()))),
        ("b.house.example", Ok("listed *.house.example")),
    ];
    for (host, expected) in hosts {
        let found = after.connect(Phase::Work, host, 443);
        let found = found.map(|passage| passage.rule.to_string());
        assert_eq!(found, expected.map(str::to_owned), "{host}");
        assert!(
            after.connect(Phase::Proof, host, 443).is_err(),
            "{host} in proof"
        );
    }
    let post = after
        .request(&ask("b.house.example", 443, &Method::POST, "/x"))
        .unwrap();
    assert_eq!(post.rule.to_string(), "granted b.house.example");
    assert_eq!(post.addresses, Reach::House, "it goes where its rule goes");
    // Whatever is decided of one host changes nothing for another host, port or phase.
    let names = [
        "", "x", "new", "bad", "a.house", "b.house", "c.house", "late", "other", "xnew", "a.new",
    ];
    for name in names.map(|name| format!("{name}.example")) {
        for port in [22, 80, 443, 8443] {
            for phase in [Phase::Setup, Phase::Work, Phase::Proof] {
                for one in &grants {
                    let with = before.clone().with(std::slice::from_ref(one));
                    let is_it = super::normal(&one.host) == name && one.port == port;
                    let (was, is) = (
                        before.connect(phase, &name, port),
                        with.connect(phase, &name, port),
                    );
                    assert!(
                        is_it || was == is,
                        "{one:?} changed {name}:{port} in {phase}: {was:?} {is:?}"
                    );
                    if is_it && one.verdict == GrantVerdict::Never {
                        is.expect_err("a Never always wins");
                    }
                }
            }
        }
    }
}

#[test]
fn a_rule_that_denies_wins_whatever_else_there_is() {
    let allow =
        json!({"hosts": ["*.b.example", "a.b.example"], "ports": [443, 80, 8080], "tls": "tunnel"});
    let deny = json!({"hosts": ["a.b.example"], "ports": [443, 80, 8080], "action": "deny"});
    for rules in [json!([allow, deny]), json!([deny, allow])] {
        for preset in ["none", "trusted", "open"] {
            let document = document(&json!({"version": 1, "default": {"rules": rules},
                "repositories": {"a/b": {"preset": preset, "rules": [allow]}}}));
            let policy = document
                .for_repository("a/b", &["a.b.example".to_owned()])
                .with(&[grant("a.b.example", GrantVerdict::Allow)]);
            for port in [443, 8080] {
                for phase in [Phase::Setup, Phase::Work, Phase::Proof] {
                    let refused = policy.connect(phase, "a.b.example", port).unwrap_err();
                    assert_eq!(refused, Denial::Forbidden("a.b.example".into()));
                }
                assert!(policy.connect(Phase::Work, "c.b.example", port).is_ok());
            }
        }
    }
}

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
