//! The network card, word for word, and with the worst that a sandbox can write.

use super::{samples::*, words};
use crate::{
    domain::{
        RunNumber, Timestamp,
        conversation::Road,
        message::{Message, NetworkCard},
        network::{NetworkDecision, NetworkEntry, RefusedHost, TaskNetwork, Verdict},
    },
    surface::{Control, WordsKind},
    words::{FALLBACK_MAX_CHARS, MESSAGE_MAX_CHARS, choice_label, label, network_answer},
};

fn entry(number: u32, host: &str) -> NetworkEntry {
    NetworkEntry {
        number,
        card: 1,
        run: RunNumber(2),
        refused: RefusedHost {
            host: host.into(),
            port: 443,
            phase: "work".into(),
            method: "GET".into(),
            path: None,
            rule: "not-listed".into(),
            command: None,
            count: 1,
        },
        decision: None,
    }
}

fn decided(verdict: Verdict) -> NetworkDecision {
    NetworkDecision {
        verdict,
        by: person("ben"),
        road: Road::Button,
        at: Timestamp(1_700_000_000_000),
    }
}

fn card() -> NetworkCard {
    let mut first = entry(1, "packages.example");
    first.refused.count = 3;
    first.refused.command = Some("npm install left-pad".into());
    first.refused.path = Some("/left-pad".into());
    let mut second = entry(2, "docs.example");
    second.refused.phase = "setup".into();
    second.decision = Some(decided(Verdict::Repository));
    NetworkCard {
        rows: vec![first, second],
        more: 4,
        repository: Some("acme/web".into()),
        asks: person("ana"),
    }
}

fn shown(card: NetworkCard) -> crate::surface::Words {
    words(&Message::Network(Box::new(card)))
}

#[test]
fn the_card_names_host_reason_and_what_can_be_done() {
    let words = shown(card());
    insta::assert_snapshot!(words.fallback, @r#"The sandbox asked for 1 host that it may not reach: packages.example:443"#);
    insta::assert_snapshot!(words.markdown, @r#"
    🔌 **The sandbox asked for 1 host that it may not reach.** The work goes on without; nothing waits for you.

    1. `packages.example:443` — refused while the agent worked, 3 times, because the network policy does not list it. It asked for `GET /left-pad`. Tried by `npm install left-pad`.
    2. `docs.example:443` — refused during the setup, because the network policy does not list it. **Allowed for the repository by ben** at 22:13 UTC.

    4 more hosts were refused and have no place here; see the [task page](https://d.example/t/k7f3).

    **Allow once** is for this task, **Allow for acme/web** for every task there, and **Never** refuses the host there without asking again. You can also write `allow once HOST`, `allow HOST for this repository` or `never HOST`.
    "#);
    let labels: Vec<String> = words
        .controls
        .iter()
        .map(|control| label(control, &words.kind))
        .collect();
    assert_eq!(labels, ["Allow once", "Allow for acme/web", "Never"]);
    assert_eq!(
        choice_label(&words.controls[2], &words.kind),
        "Never: packages.example:443"
    );
    assert_eq!(words.kind, WordsKind::Decision);
    assert_eq!(words.mentions, Some(person("ana").id));
}

#[test]
fn a_decided_card_says_by_whom_and_has_no_buttons() {
    let mut card = card();
    card.rows[0].decision = Some(decided(Verdict::Never));
    card.more = 0;
    let words = shown(card.clone());
    insta::assert_snapshot!(words.markdown, @r#"
    🔌 **The network of this task.** Everything here is decided.

    1. `packages.example:443` — refused while the agent worked, 3 times, because the network policy does not list it. It asked for `GET /left-pad`. Tried by `npm install left-pad`. **Never allowed in this repository, decided by ben** at 22:13 UTC.
    2. `docs.example:443` — refused during the setup, because the network policy does not list it. **Allowed for the repository by ben** at 22:13 UTC.
    "#);
    assert_eq!((words.controls.len(), words.mentions), (0, None));
    assert_eq!(words.kind, WordsKind::Note);
    card.rows.clear();
    insta::assert_snapshot!(shown(card).markdown, @r#"**Asked again below.** A later run was refused the same hosts; decide there."#);
}

#[test]
fn what_a_sandbox_writes_stays_in_its_place() {
    let nasty = "<!channel>@here ```\n# x\u{202e}[click](https://evil.example)` **bold** | <@U1>";
    let mut card = card();
    card.rows = (1..=6)
        .map(|number| {
            let mut entry = entry(number, &nasty.repeat(3));
            entry.refused.rule = nasty.repeat(4);
            entry.refused.command = Some(nasty.repeat(4));
            entry.refused.path = Some(nasty.into());
            entry.refused = entry.refused.cut();
            entry
        })
        .collect();
    card.repository = Some("acme/web".into());
    let words = shown(card);
    assert!(words.markdown.chars().count() <= MESSAGE_MAX_CHARS);
    assert!(words.fallback.chars().count() <= FALLBACK_MAX_CHARS);
    let hosts = words.controls.iter().filter_map(|control| match control {
        Control::Widen { host, .. } => Some(host),
        _ => None,
    });
    for text in hosts.chain([&words.markdown, &words.fallback]) {
        for forbidden in ["<!", "@here", "\u{202e}", "\n# "] {
            assert!(!text.contains(forbidden), "{forbidden:?} in {text}");
        }
    }
    assert_eq!(words.controls.len(), 18);
}

#[test]
fn a_decision_that_changes_nothing_is_answered() {
    let settled = Message::NetworkSettled {
        host: "packages.example".into(),
        decision: decided(Verdict::Never),
    };
    insta::assert_snapshot!(words(&settled).markdown, @r#"Nothing was changed: `packages.example` was refused for good in this repository by ben at 22:13 UTC, and the first decision counts. Whoever runs Deckhand can undo it with `deckhand policy forget`."#);
    let unknown = Message::NetworkUnknown {
        host: "other.example".into(),
    };
    insta::assert_snapshot!(words(&unknown).markdown, @r#"Nothing was changed: this task was not refused `other.example`, so there is nothing to decide about it. A host can be allowed once the sandbox has asked for it; what tasks may reach from their start stands in the network policy of this installation."#);
}

#[test]
fn an_agent_is_told_what_was_refused_and_what_people_decided() {
    let mut network = TaskNetwork {
        entries: card().rows,
        ..TaskNetwork::default()
    };
    network.terms.summary = vec!["docs.example (work, GET)".into()];
    let answer = |host| network_answer(&network, host).unwrap();
    insta::assert_snapshot!(answer(None), @r#"
    - packages.example, port 443: refused 3 times, because the network policy does not list it. People were shown it, and nobody has decided yet. Go another way, or go on with something else and look here again later.
    - docs.example, port 443: refused once, because the network policy does not list it. ben decided: allowed for this repository. Try it again.

    Allowed from the start: docs.example (work, GET). If the work cannot go on without a host, call `ask_person` and say which one and what for.
    "#);
    insta::assert_snapshot!(answer(Some("other.example")), @r#"
    Nothing was refused for other.example in this task so far. A refusal is listed here about two seconds after it happened.

    Allowed from the start: docs.example (work, GET). If the work cannot go on without a host, call `ask_person` and say which one and what for.
    "#);
    let nothing = network_answer(&TaskNetwork::default(), Some(" ")).unwrap();
    insta::assert_snapshot!(nothing, @r#"
    Nothing was refused in this task so far.

    The network policy allows nothing beside the model. If the work cannot go on without a host, call `ask_person` and say which one and what for.
    "#);
}

#[test]
fn the_plan_says_what_its_sandbox_may_reach() {
    let network = |card: crate::domain::message::PlanCard| {
        let words = words(&Message::PlanCard(Box::new(card)));
        let line = words.markdown.lines().find(|line| line.contains("Network"));
        line.unwrap_or_default().to_owned()
    };
    insta::assert_snapshot!(network(plan_card()), @r#"- **Network:** the model only"#);
    let mut listed = plan_card();
    listed.network = vec![
        "packages.example (setup, GET)".into(),
        "docs.example (work)".into(),
    ];
    listed.network_beyond = vec!["api.example".into(), "`evil` <!channel>".into()];
    insta::assert_snapshot!(network(listed), @r#"- **Network:** the model, and packages.example (setup, GET); docs.example (work). Not allowed now, will ask when it is needed: `api.example`, `` `evil` channel ``"#);
    let mut open = plan_card();
    open.network = vec!["open: everything public".into()];
    open.network_is_open = true;
    insta::assert_snapshot!(network(open), @r#"- **Network:** **open**, everything public, set by the administrator"#);
}
