//! Block Kit within its limits, and back.

use serde_json::{Value, json};

use crate::{
    domain::{
        TaskId,
        conversation::{ConversationId, PersonId},
        incoming::Press,
        network::Verdict,
    },
    slack::{
        blocks::{Action, Audience, message},
        forms::{self, Sent},
        limits::{
            BUTTON_MAX_CHARS, MARKDOWN_MAX_CHARS, OPTION_MAX_CHARS, OPTION_VALUE_MAX_CHARS,
            SECTION_MAX_CHARS, TEXT_MAX_CHARS, VALUE_MAX_CHARS,
        },
    },
    surface::{Control, Form, Words, WordsKind},
    words,
};

fn words_with(controls: Vec<Control>) -> Words {
    Words {
        markdown: "**Plan**".into(),
        fallback: "A plan & more".into(),
        mentions: Some(PersonId("slack:T1:U1".into())),
        controls,
        kind: WordsKind::Decision,
    }
}

fn answers(number: usize, length: usize) -> Vec<Control> {
    (0..number)
        .map(|n| Control::Answer {
            question: 7,
            choice: format!("{n}{}", "x".repeat(length)),
        })
        .collect()
}

fn characters(value: &Value) -> usize {
    value.as_str().unwrap_or_default().chars().count()
}

#[test]
fn a_plan_has_its_mention_its_words_and_its_buttons() {
    let controls = vec![
        Control::Approve { revision: 2 },
        Control::Open {
            label: "Task page".into(),
            url: "https://d.example/t".into(),
        },
    ];
    let expected = json!({
        "text": "A plan &amp; more",
        "blocks": [
            { "type": "section", "text": { "type": "mrkdwn", "text": "<@U1>" } },
            { "type": "markdown", "text": "**Plan**" },
            { "type": "actions", "elements": [
                { "type": "button", "action_id": "deckhand:approve:0", "text": { "type": "plain_text", "text": "Approve" }, "style": "primary", "value": "{\"do\":\"approve\",\"revision\":2}" },
                { "type": "button", "action_id": "deckhand:open:1", "text": { "type": "plain_text", "text": "Task page" }, "url": "https://d.example/t" },
            ] },
        ],
    });
    assert_eq!(
        message(&words_with(controls), Audience::Everybody),
        expected
    );
}

#[test]
fn nothing_can_be_decided_in_a_whisper() {
    let whispered = message(&words_with(vec![Control::Cancel]), Audience::OnePerson);
    assert!(
        whispered["blocks"]
            .as_array()
            .is_some_and(|blocks| blocks.iter().all(|block| block["type"] != "actions"))
    );
}

#[test]
fn messages_stay_within_slacks_limits() {
    let mut controls = answers(5, 5_000);
    controls.extend((0..40).map(|n| Control::Approve { revision: n }));
    let mut long = words_with(controls);
    long.markdown = "é".repeat(20_000);
    long.fallback = "<".repeat(20_000);
    let message = message(&long, Audience::Everybody);
    assert!(characters(&message["text"]) <= TEXT_MAX_CHARS);
    assert!(characters(&message["blocks"][1]["text"]) <= MARKDOWN_MAX_CHARS);
    let elements = message["blocks"][2]["elements"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    assert_eq!(elements.len(), 25);
    for element in &elements {
        assert!(
            characters(&element["text"]["text"]) <= BUTTON_MAX_CHARS
                && characters(&element["value"]) <= VALUE_MAX_CHARS,
            "{element}"
        );
    }
}

#[test]
fn many_answers_become_a_menu_and_come_back() {
    let message = message(&words_with(answers(6, 100)), Audience::Everybody);
    let menu = &message["blocks"][2]["elements"][0];
    assert_eq!(
        (
            menu["type"].as_str(),
            menu["options"].as_array().map(Vec::len)
        ),
        (Some("static_select"), Some(6))
    );
    let option = &menu["options"][0];
    assert!(
        characters(&option["text"]["text"]) <= OPTION_MAX_CHARS
            && characters(&option["value"]) <= OPTION_VALUE_MAX_CHARS
    );
    let chosen = json!({ "action_id": menu["action_id"], "selected_option": option });
    assert_eq!(
        Action::of(&chosen),
        Some(Action::Answer {
            question: 7,
            choice: format!("0{}", "x".repeat(100))
        })
    );
    assert_eq!(
        message_elements(&words_with(answers(6, 200))),
        6,
        "long answers stay buttons, so that none comes back cut"
    );
}

fn message_elements(words: &Words) -> usize {
    message(words, Audience::Everybody)["blocks"][2]["elements"]
        .as_array()
        .map_or(0, Vec::len)
}

#[test]
fn a_correction_comes_back_with_its_revision_and_place() {
    let conversation = ConversationId("slack:T1:C1:2.1".into());
    let form = Form::Correction {
        revision: 3,
        plan: "é".repeat(5_000),
        editable: None,
    };
    let mut view = forms::view(&form, &conversation, &TaskId("k3f9qx".into()));
    assert!(characters(&view["blocks"][0]["text"]["text"]) <= SECTION_MAX_CHARS);
    assert!(characters(&view["title"]["text"]) <= 24 && characters(&view["submit"]["text"]) <= 24);
    view["state"] = json!({ "values": { "said": { "said": { "type": "plain_text_input", "value": " test first " } } } });
    assert_eq!(
        forms::sent(&view),
        Some(Sent {
            conversation: conversation.clone(),
            task: Some(TaskId("k3f9qx".into())),
            press: Press::Correct {
                revision: 3,
                text: "test first".into()
            }
        })
    );
    // A form that was opened before forms named their task still comes back.
    view["private_metadata"] =
        json!(json!({ "conversation": conversation.0, "revision": 3 }).to_string());
    assert_eq!(forms::sent(&view).unwrap().task, None);
}

#[test]
fn a_repository_is_chosen_from_the_known_or_written() {
    let conversation = ConversationId("slack:T1:C1:2.1".into());
    let mut picked = forms::view(
        &Form::Repository {
            known: vec!["acme/web".into()],
        },
        &conversation,
        &TaskId("k3f9qx".into()),
    );
    assert_eq!(picked["blocks"][0]["element"]["type"], "static_select");
    picked["state"] =
        json!({ "values": { "said": { "said": { "selected_option": { "value": "acme/web" } } } } });
    assert_eq!(
        forms::sent(&picked),
        Some(Sent {
            conversation: conversation.clone(),
            task: Some(TaskId("k3f9qx".into())),
            press: Press::ChooseRepository {
                text: "acme/web".into()
            }
        })
    );
    // More than a menu holds: Slack asks for what fits while somebody writes.
    let many = forms::view(
        &Form::Repository {
            known: (0..101).map(|n| format!("acme/r{n}")).collect(),
        },
        &conversation,
        &TaskId("k3f9qx".into()),
    );
    assert_eq!(many["blocks"][0]["element"]["type"], "external_select");
    let written = forms::view(
        &Form::Repository { known: vec![] },
        &conversation,
        &TaskId("k3f9qx".into()),
    );
    assert_eq!(written["blocks"][0]["element"]["type"], "plain_text_input");
}

#[test]
fn labels_of_forms_fit() {
    for form in [
        Form::Correction {
            revision: 1,
            plan: String::new(),
            editable: None,
        },
        Form::Repository { known: vec![] },
    ] {
        let labels = words::form_labels(&form);
        assert!(
            [labels.title, labels.send, labels.leave]
                .iter()
                .all(|label| label.chars().count() <= 24)
        );
    }
}

#[test]
fn each_refused_host_has_its_name_and_buttons_of_its_own() {
    let about = |entry: u32, host: &str| {
        [Verdict::Once, Verdict::Repository, Verdict::Never].map(|verdict| Control::Widen {
            entry,
            host: host.to_owned(),
            verdict,
            repository: "acme/web".to_owned(),
        })
    };
    let mut controls = about(3, "packages.example:443").to_vec();
    controls.extend(about(4, "<!channel> *x* & y"));
    let shown = message(&words_with(controls.clone()), Audience::Everybody);
    let blocks = shown["blocks"].as_array().cloned().unwrap_or_default();
    let kinds: Vec<&str> = blocks
        .iter()
        .filter_map(|block| block["type"].as_str())
        .collect();
    assert_eq!(
        kinds,
        [
            "section", "markdown", "section", "actions", "section", "actions"
        ]
    );
    assert_eq!(blocks[2]["text"]["text"], "*packages.example:443*");
    assert_eq!(blocks[4]["text"]["text"], "*&lt;!channel&gt; x &amp; y*");
    let button = &blocks[3]["elements"][1];
    assert_eq!(button["text"]["text"], "Allow for acme/web");
    let pressed = Action::of(button);
    let expected = Action::Network {
        entry: 3,
        verdict: Verdict::Repository,
    };
    assert_eq!(pressed, Some(expected));
    // Nothing is decided in a message that one person sees.
    let whispered = message(&words_with(controls), Audience::OnePerson);
    assert_eq!(whispered["blocks"].as_array().map(Vec::len), Some(2));
}

/// The form that holds a plan's own text, filled in.
fn plan_form(editable: &str, text: &str, said: Option<&str>) -> Value {
    let form = Form::Correction {
        revision: 3,
        plan: "Steps\n1. Mend it".into(),
        editable: Some(editable.to_owned()),
    };
    let conversation = ConversationId("slack:T1:C1:2.1".into());
    let mut view = forms::view(&form, &conversation, &TaskId("k3f9qx".into()));
    view["state"] = json!({ "values": {
        "plan": { "plan": { "value": text } },
        "said": { "said": { "value": said } },
    } });
    view
}

#[test]
fn a_plan_is_edited_as_text_and_words_go_to_the_agent() {
    const PLAN: &str = "Steps\n1. Mend it\n\nFiles\n- lib/";
    const EDITED: &str = "Steps\n1. Mend it\n2. Say so\n\nFiles\n- lib/";
    let press = |text, said| forms::sent(&plan_form(PLAN, text, said)).map(|sent| sent.press);
    let shown = plan_form(PLAN, "", None);
    assert_eq!(shown["blocks"][1]["element"]["initial_value"], PLAN);
    assert_eq!(shown["blocks"][2]["optional"], true);
    let Some(Press::EditPlan { revision: 3, edit }) = press(EDITED, None) else {
        panic!("the plan was not read")
    };
    assert_eq!(edit.steps, ["Mend it", "Say so"]);
    let words = |text: &str| {
        let text = text.to_owned();
        Some(Press::Correct { revision: 3, text })
    };
    assert_eq!(press(PLAN, Some(" test first ")), words("test first"));
    // Both are for the agent, and so is what a form of an earlier version let through.
    let both = format!("test first\n\nThe plan should read:\n{EDITED}");
    assert_eq!(press(EDITED, Some("test first")), words(&both));
    assert_eq!(
        press("nonsense", None),
        words("The plan should read:\nnonsense")
    );
}

#[test]
fn what_cannot_be_read_is_said_at_its_field() {
    let sent = |view: Value| json!({ "type": "view_submission", "view": view });
    let told = forms::wrong(&sent(plan_form("Steps", "Mend it", None))).unwrap_or_default();
    assert_eq!(told["response_action"], "errors");
    let sentence = told["errors"]["plan"].as_str().unwrap_or_default();
    assert!(sentence.contains("stands below no heading"), "{told}");
    let empty = sent(plan_form("Steps", "", None));
    assert!(forms::wrong(&empty).is_some());
    for fine in [
        plan_form("Steps", "Steps\n- a\nFiles\n- b", None),
        plan_form("Steps", "Mend it", Some("in words")),
    ] {
        assert_eq!(forms::wrong(&sent(fine)), None);
    }
    let mut other = sent(plan_form("Steps", "Mend it", None));
    other["view"]["callback_id"] = json!("other");
    assert_eq!(forms::wrong(&other), None);
}

#[test]
fn a_plan_that_no_field_holds_is_corrected_in_words() {
    let view = plan_form(&"é".repeat(3_001), "", None);
    assert_eq!(view["blocks"][0]["text"]["text"], words::PLAN_TOO_LONG);
    assert_eq!(view["blocks"][2]["block_id"], "said");
    assert_eq!(view["blocks"][2]["optional"], false);
}

#[test]
fn people_are_asked_below_a_result_what_they_think_and_each_side_comes_back() {
    let shown = message(&words_with(vec![Control::Rate]), Audience::Everybody);
    let rating = &shown["blocks"][2]["elements"][0];
    assert_eq!(shown["blocks"][2]["type"], "context_actions");
    assert_eq!(rating["type"], "feedback_buttons");
    for (side, opinion) in [
        ("positive_button", crate::domain::feedback::Opinion::Good),
        ("negative_button", crate::domain::feedback::Opinion::Bad),
    ] {
        // As Slack's reference shows it: the pair's identifier, and the side's value.
        let pressed = json!({ "type": "feedback_buttons", "action_id": rating["action_id"], "value": rating[side]["value"] });
        assert_eq!(Action::of(&pressed), Some(Action::Rate { opinion }));
    }
    let whispered = message(&words_with(vec![Control::Rate]), Audience::OnePerson);
    assert_eq!(whispered["blocks"].as_array().map(Vec::len), Some(2));
}
