//! The code's own rules, as tests: floors, sizes, words in templates, documents that agree with the code.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a rule that cannot be read is broken"
)]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// The most lines of a file without its tests.
const FILE_LINES_MAX: usize = 500;
/// The most lines of ARCHITECTURE.md.
const ARCHITECTURE_LINES_MAX: usize = 250;
/// The most lines of `main.rs`.
const MAIN_LINES_MAX: usize = 60;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn rust_files(folder: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && !path.ends_with("target") {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}

fn name(path: &Path) -> String {
    path.strip_prefix(root()).unwrap().display().to_string()
}

/// A file's text up to its own tests.
fn production(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    text.split("#[cfg(test)]\nmod ").next().unwrap().to_owned()
}

fn is_test(path: &Path) -> bool {
    let name = name(path);
    name.contains("/tests/")
        || name.ends_with("/tests.rs")
        || name.ends_with("/walk.rs")
        || name.ends_with("/samples.rs")
}

#[test]
fn modules_use_only_lower_floors() {
    let floors: BTreeMap<&str, u8> = BTreeMap::from([
        ("domain", 0),
        ("clock", 1),
        ("config", 1),
        ("heartbeat", 1),
        ("redact", 1),
        ("surface", 1),
        ("wake", 1),
        ("words", 1),
        ("github", 2),
        ("linear", 2),
        ("links", 2),
        ("slack", 2),
        ("store", 2),
        ("engine", 3),
        ("web", 4),
        ("app", 5),
        ("cli", 5),
    ]);
    let strangers = ["github", "linear", "slack", "store"];
    let mut broken = Vec::new();
    for path in rust_files("bot").into_iter().filter(|path| !is_test(path)) {
        let file = name(&path);
        let own = file
            .trim_start_matches("bot/")
            .split(['/', '.'])
            .next()
            .unwrap()
            .to_owned();
        let Some(floor) = floors.get(own.as_str()) else {
            continue;
        };
        for used in floors.keys().filter(|used| **used != own) {
            let text = production(&path);
            let uses = text.lines().any(|line| {
                !line.trim_start().starts_with("//")
                    && (line.contains(&format!("crate::{used}::"))
                        || line.trim_start().starts_with(&format!("{used}::")))
            });
            let is_stranger = strangers.contains(&own.as_str()) && strangers.contains(used);
            if uses && (floors[used] > *floor || is_stranger || (own == "web" && *used == "engine"))
            {
                broken.push(format!("{file} uses {used}"));
            }
        }
    }
    assert_eq!(broken, Vec::<String>::new());
}

#[test]
fn the_domain_does_no_input_or_output_and_knows_no_platform() {
    let forbidden = [
        "tokio",
        "std::fs",
        "std::env",
        "std::net",
        "SystemTime",
        "Instant::now",
        "async fn",
        "reqwest",
        "sqlx",
        "slack",
        "linear",
        "uuid",
    ];
    let mut broken = Vec::new();
    for path in rust_files("bot/domain") {
        for line in production(&path)
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"))
        {
            for word in forbidden
                .iter()
                .filter(|word| line.to_lowercase().contains(&word.to_lowercase()))
            {
                broken.push(format!("{}: {word}: {}", name(&path), line.trim()));
            }
        }
    }
    assert_eq!(broken, Vec::<String>::new());
}

#[test]
fn only_the_store_has_sql_and_only_the_settings_read_the_environment() {
    let mut broken = Vec::new();
    for path in rust_files("bot").into_iter().filter(|path| !is_test(path)) {
        let file = name(&path);
        let text = production(&path);
        if !file.starts_with("bot/store/") && text.contains("sqlx::query") {
            broken.push(format!("{file} has SQL"));
        }
        if !file.starts_with("bot/config/") && file != "bot/cli.rs" && text.contains("env::var") {
            broken.push(format!("{file} reads the environment"));
        }
    }
    assert_eq!(broken, Vec::<String>::new());
}

#[test]
fn files_are_small_and_say_what_they_are_for() {
    let mut broken = Vec::new();
    for path in ["bot", "executors", "tests/world/src"]
        .iter()
        .flat_map(|folder| rust_files(folder))
    {
        let text = fs::read_to_string(&path).unwrap();
        if !text.starts_with("//!") {
            broken.push(format!("{} does not say what it is for", name(&path)));
        }
        let lines = production(&path).lines().count();
        if lines > FILE_LINES_MAX && !is_test(&path) {
            broken.push(format!("{} has {lines} lines", name(&path)));
        }
        let banned = ["utils", "helpers", "common", "misc", "util", "helper"];
        if banned.contains(&path.file_stem().unwrap().to_str().unwrap()) {
            broken.push(format!("{} has a name that says nothing", name(&path)));
        }
    }
    let main = production(&root().join("bot/main.rs")).lines().count();
    assert!(main <= MAIN_LINES_MAX, "bot/main.rs has {main} lines");
    assert_eq!(broken, Vec::<String>::new());
}

#[test]
fn production_code_has_no_test_switch_and_no_gaps() {
    let mut broken = Vec::new();
    for path in rust_files("bot")
        .into_iter()
        .chain(rust_files("executors"))
        .filter(|path| !is_test(path))
    {
        for word in [
            "todo!(",
            "unimplemented!(",
            "cfg(not(test))",
            "cfg!(test)",
            "dbg!(",
        ] {
            if production(&path).contains(word) {
                broken.push(format!("{}: {word}", name(&path)));
            }
        }
    }
    assert_eq!(broken, Vec::<String>::new());
}

#[test]
fn every_template_is_used() {
    let mut templates = BTreeMap::new();
    let mut folders = ["messages", "prompts", "pages"]
        .map(|folder| root().join("templates").join(folder))
        .to_vec();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path
                    .strip_prefix(root().join("templates"))
                    .unwrap()
                    .display()
                    .to_string();
                templates.insert(name, fs::read_to_string(&path).unwrap());
            }
        }
    }
    let code: String = rust_files("bot")
        .iter()
        .map(|path| fs::read_to_string(path).unwrap())
        .collect();
    let is_used = |name: &String| {
        code.contains(name.as_str()) || templates.values().any(|text| text.contains(name.as_str()))
    };
    let unused: Vec<&String> = templates.keys().filter(|name| !is_used(name)).collect();
    assert_eq!(unused, Vec::<&String>::new());
}

#[test]
fn the_reference_of_settings_is_the_codes_own() {
    let written = fs::read_to_string(root().join("docs/settings.md")).unwrap();
    assert_eq!(
        written.trim(),
        deckhand::config::reference().trim(),
        "write it again: deckhand config --reference > docs/settings.md"
    );
}

#[test]
fn the_documents_keep_their_size() {
    let lines = fs::read_to_string(root().join("ARCHITECTURE.md"))
        .unwrap()
        .lines()
        .count();
    assert!(
        lines <= ARCHITECTURE_LINES_MAX,
        "ARCHITECTURE.md has {lines} lines"
    );
}

/// What the rows of the attack suite begin with, one start for each family.
const ATTACKS: [&str; 4] = ["net-", "host-", "repo-", "words-"];

/// The names of attacks between two of these marks: a start of a family, and then small letters, figures and hyphens.
fn attacks(text: &str, mark: char) -> BTreeSet<String> {
    let is_name = |word: &&str| {
        let rest = ATTACKS.iter().find_map(|start| word.strip_prefix(start));
        let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        rest.is_some_and(|rest| !rest.is_empty() && rest.bytes().all(fits))
    };
    text.split(mark)
        .filter(is_name)
        .map(str::to_owned)
        .collect()
}

#[test]
fn the_threat_model_names_every_attack_of_the_suite_and_no_other() {
    let document = fs::read_to_string(root().join("docs/SECURITY.md")).unwrap();
    let named = attacks(&document, '`');
    let mut made = BTreeSet::new();
    for file in rust_files("tests/attack") {
        made.append(&mut attacks(&fs::read_to_string(file).unwrap(), '"'));
    }
    for start in &ATTACKS[..3] {
        let of_family = made.iter().filter(|id| id.starts_with(start)).count();
        assert!(of_family >= 20, "{of_family} attacks begin with {start}");
    }
    let unnamed: Vec<_> = made.difference(&named).collect();
    assert!(unnamed.is_empty(), "not in docs/SECURITY.md: {unnamed:?}");
    let unmade: Vec<_> = named.difference(&made).collect();
    assert!(unmade.is_empty(), "no row of the suite: {unmade:?}");
}

/// The words of a text that lie between such a start and such an end.
fn between<'a>(text: &'a str, start: &str, end: char) -> BTreeSet<&'a str> {
    let pieces = text.split(start).skip(1);
    pieces.filter_map(|piece| piece.split(end).next()).collect()
}

#[test]
fn the_document_lists_every_metric_and_no_other() {
    let document = fs::read_to_string(root().join("docs/operating.md")).unwrap();
    let listed = between(&document, "\n| `deckhand_", '`');
    let listed: BTreeSet<String> = listed
        .iter()
        .map(|name| format!("deckhand_{name}"))
        .collect();
    let made: BTreeSet<String> = deckhand::web::metrics::METRICS
        .iter()
        .map(|metric| match metric.labels {
            [] => metric.name.to_owned(),
            labels => format!("{}{{{}}}", metric.name, labels.join(",")),
        })
        .collect();
    assert_eq!(listed, made);
    // What is counted anywhere is described, and what is described is counted.
    let code: String = rust_files("bot")
        .iter()
        .filter(|path| !is_test(path))
        .map(|path| fs::read_to_string(path).unwrap().replace(['\n', ' '], ""))
        .collect();
    let counted = between(&code, "counter!(\"", '"');
    let described: BTreeSet<&str> = deckhand::web::metrics::METRICS
        .iter()
        .filter(|metric| metric.kind == deckhand::web::metrics::Kind::Counter)
        .map(|metric| metric.name)
        .collect();
    assert_eq!(counted, described);
    let units = [
        "_total",
        "_seconds",
        "_depth",
        "_given_up",
        "_connections",
        "_tasks",
        "_runs",
    ];
    for metric in deckhand::web::metrics::METRICS {
        assert!(
            units.iter().any(|unit| metric.name.ends_with(unit)),
            "{} does not say what it counts in",
            metric.name
        );
        assert!(metric.help.ends_with('.'), "{}", metric.name);
    }
}

/// The rows of the table under a heading of a page, each as its cells.
fn table<'a>(page: &'a str, heading: &str) -> Vec<Vec<&'a str>> {
    let section = page
        .split_once(&format!("\n{heading}\n"))
        .unwrap_or_else(|| panic!("there is no {heading}"))
        .1;
    let rows = section
        .lines()
        .skip_while(|line| !line.starts_with('|'))
        .take_while(|line| line.starts_with('|'))
        .skip(2);
    rows.map(|row| row.trim_matches('|').split(" | ").map(str::trim).collect())
        .collect()
}

/// What stands between backticks.
fn quoted(text: &str) -> BTreeSet<String> {
    text.split('`')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect()
}

#[test]
fn the_page_of_coverage_names_what_is_used_of_linear_with_tests_that_exist() {
    let page = fs::read_to_string(root().join("docs/coverage.md")).unwrap();
    let names_of = |heading: &str| -> BTreeSet<String> {
        let rows = table(&page, heading);
        rows.iter().flat_map(|row| quoted(row[0])).collect()
    };
    let file = |name: &str| fs::read_to_string(root().join(name)).unwrap();

    let operations = file("bot/linear/operations.rs");
    let declared = operations
        .split_once("operations! {")
        .and_then(|(_, rest)| rest.split_once("\n}"))
        .unwrap()
        .0;
    let declared: BTreeSet<String> = declared
        .lines()
        .filter_map(|line| line.split('"').nth(1).map(str::to_owned))
        .collect();
    assert!(declared.len() > 10, "{declared:?}");
    assert_eq!(names_of("### What is asked of Linear"), declared);

    let content = operations
        .split_once("enum Content {")
        .and_then(|(_, rest)| rest.split_once("\n}"))
        .unwrap()
        .0;
    let kinds: BTreeSet<String> = content
        .lines()
        .filter_map(|line| {
            let name = line.strip_prefix("    ")?.strip_suffix(" {")?;
            let is_variant = name.starts_with(char::is_uppercase) && !name.contains(' ');
            is_variant.then(|| name.to_lowercase())
        })
        .chain(content.lines().filter_map(|line| {
            let (name, _) = line.strip_prefix("    ")?.split_once(" { ")?;
            name.starts_with(char::is_uppercase)
                .then(|| name.to_lowercase())
        }))
        .collect();
    assert_eq!(names_of("### What is said"), kinds);

    let named = names_of("### What comes in");
    let manifest = file("manifest/linear.json");
    let kinds: BTreeSet<String> = named
        .iter()
        // Linear sends what happens to the application itself without being asked.
        .filter(|name| name.starts_with(char::is_uppercase) && *name != "OAuthApp")
        .cloned()
        .collect();
    let asked_for = manifest.split_once("\"resourceTypes\": [").unwrap().1;
    let asked_for = asked_for.split_once(']').unwrap().0;
    let asked_for: BTreeSet<String> = asked_for
        .split('"')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect();
    assert_eq!(kinds, asked_for);
    let inbound = ["inbound", "changes", "access", "reactions"]
        .map(|name| production(&root().join(format!("bot/linear/{name}.rs"))))
        .concat();
    for name in &named {
        assert!(
            inbound.contains(&format!("\"{name}\"")),
            "{name} is not read"
        );
    }
}

/// The texts between quotation marks in a piece of code that stands between these two.
fn literals(code: &str, start: &str, end: &str) -> BTreeSet<String> {
    let piece = code
        .split_once(start)
        .and_then(|(_, rest)| rest.split_once(end))
        .unwrap_or_else(|| panic!("there is no {start}"))
        .0;
    piece
        .split('"')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect()
}

#[test]
fn the_page_of_coverage_names_what_is_used_of_slack() {
    let page = fs::read_to_string(root().join("docs/coverage.md")).unwrap();
    let slack = page.split_once("\n## Slack\n").unwrap().1;
    let slack = slack.split_once("\n## Linear\n").unwrap().0;
    let names_of = |heading: &str| -> BTreeSet<String> {
        let rows = table(slack, heading);
        rows.iter().flat_map(|row| quoted(row[0])).collect()
    };
    let owned = |names: &[&str]| -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    };
    assert_eq!(
        names_of("### Events"),
        owned(deckhand::slack::manifest::EVENTS)
    );

    let methods: Vec<&str> = deckhand::slack::methods::ALL
        .iter()
        .map(|method| method.name())
        .collect();
    assert!(methods.is_sorted(), "{methods:?}");
    assert_eq!(names_of("### What is asked of Slack"), owned(&methods));
    let file = |name: &str| fs::read_to_string(root().join(name)).unwrap();
    let clients = ["calls.js", "app.js"]
        .map(|name| file(&format!("tests/world/fixtures/slack-clients/{name}")))
        .concat();
    let is_called = |method: &&&str| match **method {
        // The receiver of Bolt asks for its connection itself.
        "apps.connections.open" => clients.contains("new SocketModeReceiver("),
        // Another stand-in plays these: the one of many workspaces.
        "auth.revoke" | "oauth.v2.access" => true,
        method => clients.contains(&format!("client.{method}(")),
    };
    let silent: Vec<&&str> = methods.iter().filter(|method| !is_called(method)).collect();
    assert_eq!(silent, Vec::<&&str>::new(), "not called by Slack's client");

    // What the doors tell apart, and what is answered without being stored.
    let inbound = production(&root().join("bot/slack/inbound/mod.rs"));
    let mut payloads = literals(&inbound, "pub fn accept(", "\n}");
    let noise = [
        "type",
        "command",
        "command:{trigger}",
        "trigger_id",
        "",
        "event_callback",
    ];
    payloads.retain(|name| !noise.contains(&name.as_str()));
    let options = production(&root().join("bot/slack/options.rs"));
    payloads.extend(
        between(&options, "payload[\"type\"] == \"", '"')
            .into_iter()
            .map(str::to_owned),
    );
    payloads.insert(
        file("manifest/slack.yaml")
            .split_once("- command: ")
            .and_then(|(_, rest)| rest.lines().next().map(str::to_owned))
            .unwrap(),
    );
    assert_eq!(names_of("### Interactions"), payloads);

    let blocks = production(&root().join("bot/slack/blocks.rs"));
    let mut named = literals(&blocks, "const fn name(", "\n}");
    let forms = ["forms.rs", "settings.rs"]
        .map(|name| production(&root().join("bot/slack").join(name)))
        .concat();
    let callbacks = between(&forms, ": &str = \"deckhand:", '"');
    named.extend(callbacks.iter().map(|name| format!("deckhand:{name}")));
    named.extend(owned(deckhand::slack::manifest::SHORTCUTS));
    assert_eq!(names_of("### Buttons and forms"), named);
}

#[test]
fn every_test_that_the_page_of_coverage_names_exists() {
    let page = fs::read_to_string(root().join("docs/coverage.md")).unwrap();
    let tests: String = ["bot", "tests/scenarios", "tests/world"]
        .iter()
        .flat_map(|folder| rust_files(folder))
        .map(|file| fs::read_to_string(file).unwrap())
        .collect();
    let is_test = |word: &String| word.matches('_').count() >= 3;
    let named: Vec<String> = quoted(&page).into_iter().filter(is_test).collect();
    assert!(named.len() > 20, "{named:?}");
    let missing: Vec<&String> = named
        .iter()
        .filter(|name| !tests.contains(&format!("fn {name}(")))
        .collect();
    assert_eq!(missing, Vec::<&String>::new());
    for line in page.lines().filter(|line| line.starts_with("| `")) {
        let last = line.trim_matches('|').rsplit(" | ").next().unwrap();
        assert!(quoted(last).iter().any(is_test), "no test is named: {line}");
    }
}
