//! What passes: by rules, by presets, and by what people decided.

use super::*;

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
                    let is_it =
                        crate::egress::policy::normal(&one.host) == name && one.port == port;
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
