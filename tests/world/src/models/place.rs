//! Where in a script a conversation stands: everything is read from the conversation itself,
//! so that retries, resumed sessions and parallel tasks need no memory here.

use super::{
    script::{Phase, Scene},
    wire::{Dialogue, Entry},
};

/// How the line begins that opens each of Deckhand's prompts.
const PHASE_LINE: &str = "Deckhand phase:";

/// How a request names its script.
const SCRIPT_MARK: &str = "#script:";

/// Calls that only look for tools; they are no step of a script.
const SEARCHES: [&str; 2] = ["ToolSearch", "tool_search"];

/// The tools that Deckhand offers to every session.
const SESSION_TOOLS: [&str; 4] = [
    "submit_specification",
    "submit_plan",
    "ask_person",
    "report_requirements",
];

/// Where a conversation stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub phase: Phase,
    /// Calls of tools since the phase began.
    pub step: usize,
    /// What stands behind `#script:`, in the newest prompt that names one.
    pub script: Option<String>,
    pub scene: Scene,
    /// All messages with a phase line, oldest first.
    pub prompts: Vec<String>,
}

/// Where this conversation stands, or nothing where it is no task of Deckhand's
/// (titles, summaries and probes that agents ask for beside their work).
pub(super) fn locate(dialogue: &Dialogue) -> Option<Place> {
    if dialogue.tools.is_empty() || dialogue.output_schema.is_some() {
        return None;
    }
    let is_session = offers_session_tools(dialogue);
    let mut prompts = Vec::new();
    let mut newest = None;
    for (index, entry) in dialogue.entries.iter().enumerate() {
        if let Entry::Person(text) = entry
            && let Some(phase) = phase_in(text)
            && (is_session || text.trim_start().starts_with(PHASE_LINE))
        {
            prompts.push(whole_message(&dialogue.entries[index..]));
            newest = Some((phase, index));
        }
    }
    let (phase, index) = newest?;
    let since = &dialogue.entries[index + 1..];
    let is_step =
        |entry: &&Entry| matches!(entry, Entry::Call(name) if !SEARCHES.contains(&name.as_str()));
    Some(Place {
        phase,
        step: since.iter().filter(is_step).count(),
        script: prompts.iter().rev().find_map(|prompt| script_in(prompt)),
        scene: Scene {
            prompt: prompts.last().cloned().unwrap_or_default(),
            opening: prompts.first().cloned().unwrap_or_default(),
            results: since
                .iter()
                .filter_map(Entry::result)
                .map(str::to_owned)
                .collect(),
            everything: Vec::new(),
        },
        prompts,
    })
}

/// Some agents make a title in a whole session of its own, with tools of their own and with the prompt
/// quoted in the middle of an instruction; what only a session of Deckhand has tells the two apart.
fn offers_session_tools(dialogue: &Dialogue) -> bool {
    let is_of_session = |name: &str| {
        SESSION_TOOLS.iter().any(|tool| name.ends_with(tool)) || SEARCHES.contains(&name)
    };
    dialogue.tools.iter().any(|tool| is_of_session(&tool.name))
}

/// The phase that a message's last phase line names: agents join messages that follow each other.
fn phase_in(text: &str) -> Option<Phase> {
    text.lines()
        .filter_map(|line| line.trim().strip_prefix(PHASE_LINE))
        .filter_map(|word| word.trim().parse().ok())
        .next_back()
}

/// A message may come in several parts; the text that belongs to a phase line may be in the next one.
fn whole_message(entries: &[Entry]) -> String {
    let more = entries[1..].iter().map_while(|entry| match entry {
        Entry::Person(text) if phase_in(text).is_none() => Some(text.as_str()),
        Entry::Person(_) | Entry::Assistant(_) | Entry::Call(_) | Entry::Result(_) => None,
    });
    let first = entries.first().and_then(Entry::person).unwrap_or_default();
    std::iter::once(first)
        .chain(more)
        .collect::<Vec<_>>()
        .join("\n")
}

fn script_in(prompt: &str) -> Option<String> {
    let (_, after) = prompt.split_once(SCRIPT_MARK)?;
    let in_name = |c: &char| c.is_ascii_alphanumeric() || *c == '_' || *c == '-';
    let name: String = after.chars().take_while(in_name).collect();
    (!name.is_empty()).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::wire::OfferedTool;

    fn person(text: &str) -> Entry {
        Entry::Person(text.into())
    }

    fn call(name: &str) -> Entry {
        Entry::Call(name.into())
    }

    fn result(text: &str) -> Entry {
        Entry::Result(text.into())
    }

    fn dialogue(entries: Vec<Entry>) -> Dialogue {
        Dialogue {
            entries,
            tools: vec![OfferedTool::function("bash", serde_json::Value::Null)],
            ..Dialogue::default()
        }
    }

    #[test]
    fn the_step_is_the_number_of_calls_since_the_newest_phase_line() {
        let plan = "Deckhand phase: plan\nMend it. #script:lying";
        let work = "Deckhand phase: work\nGo.";
        let table = [
            (vec![person(plan)], Phase::Plan, 0),
            (
                vec![person(plan), call("bash"), result("x")],
                Phase::Plan,
                1,
            ),
            (
                vec![
                    person(plan),
                    call("bash"),
                    result("x"),
                    call("a"),
                    call("b"),
                    result("y"),
                    result("z"),
                ],
                Phase::Plan,
                3,
            ),
            (
                vec![
                    person(plan),
                    call("bash"),
                    result("x"),
                    Entry::Assistant("done".into()),
                    person(work),
                ],
                Phase::Work,
                0,
            ),
            (
                vec![
                    person(plan),
                    call("bash"),
                    result("x"),
                    person(work),
                    call("bash"),
                    result("y"),
                ],
                Phase::Work,
                1,
            ),
            (
                vec![
                    person(work),
                    call("ToolSearch"),
                    result("found"),
                    call("bash"),
                    result("y"),
                ],
                Phase::Work,
                1,
            ),
        ];
        for (entries, phase, step) in table {
            let place = locate(&dialogue(entries.clone())).unwrap();
            assert_eq!((place.phase, place.step), (phase, step), "{entries:?}");
        }
    }

    #[test]
    fn the_script_is_named_by_the_newest_prompt_that_names_one() {
        let place = locate(&dialogue(vec![
            person("Deckhand phase: plan\n#script:nothing"),
            person("Deckhand phase: plan\nMend it. #script:lying_then_honest, please"),
            call("bash"),
            result("#script:weakening"),
            person("Deckhand phase: rework\nNot met."),
        ]));
        assert_eq!(place.unwrap().script.as_deref(), Some("lying_then_honest"));
    }

    #[test]
    fn the_parts_of_one_message_belong_together() {
        let place = locate(&dialogue(vec![
            person("<reminder>Be kind.</reminder>"),
            person("Deckhand phase: work"),
            person("Mend it. #script:nothing"),
        ]))
        .unwrap();
        assert_eq!(place.script.as_deref(), Some("nothing"));
        assert_eq!(
            place.scene.prompt,
            "Deckhand phase: work\nMend it. #script:nothing"
        );
    }

    #[test]
    fn a_quoted_phase_line_counts_only_in_a_session() {
        let quoted = "Make a title for this:\nDeckhand phase: plan\nMend it.";
        let mut asked = dialogue(vec![person(quoted)]);
        assert_eq!(locate(&asked), None);
        let plan = OfferedTool::function("deckhand_submit_plan", serde_json::Value::Null);
        asked.tools.push(plan);
        assert!(locate(&asked).is_some());
        asked.output_schema = Some(serde_json::json!({"type": "object"}));
        assert_eq!(locate(&asked), None);
    }

    #[test]
    fn a_scene_holds_only_what_this_phase_saw() {
        let scene = locate(&dialogue(vec![
            person("Deckhand phase: plan"),
            call("bash"),
            result("old"),
            person("Deckhand phase: work"),
            call("bash"),
            result("new"),
        ]))
        .unwrap()
        .scene;
        assert_eq!(scene.results, ["new"]);
        assert!(scene.opening.ends_with("plan") && scene.prompt.ends_with("work"));
    }

    #[test]
    fn a_conversation_without_a_phase_line_or_without_tools_is_a_side_call() {
        assert_eq!(locate(&dialogue(vec![person("quota")])), None);
        assert_eq!(
            locate(&dialogue(vec![person("Deckhand phase: dance")])),
            None
        );
        let mut title = dialogue(vec![person("Deckhand phase: plan")]);
        title.tools.clear();
        assert_eq!(locate(&title), None);
    }
}
