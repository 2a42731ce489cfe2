//! What the agent hands over, and how: the tools of a session, and what each call leaves in the run's ending.

use deckhand_executors::agent::ToolDescription;
use schemars::{JsonSchema, schema_for};
use serde::Deserialize;
use serde_json::Value;

use crate::domain::{
    event::{AgentQuestion, Ending},
    inquiry::{Answer, AnswerDraft, Purpose},
    plan::Plan,
    proof::Report,
    specification::SpecificationDraft,
};

/// What the agent is told after a question: it ends its turn, the answer begins the next one.
const POSTED: &str = "Posted. End your turn now; the answer will be your next message.";

/// The tool that tells of the network; it hands nothing over.
pub const NETWORK_ACCESS: &str = "network_access";
/// The tool that hands over the answer to a question.
pub const SUBMIT_ANSWER: &str = "submit_answer";

/// What the agent asks about the network.
#[derive(Debug, Default, Deserialize, JsonSchema)]
pub struct NetworkAccess {
    /// One host that it is about; without it, everything that was refused in this task is told.
    #[serde(default)]
    pub host: Option<String>,
}

/// The tools that the sessions of a task are offered. Who only answers a question can hand over nothing else.
#[must_use]
pub fn offered(purpose: Purpose) -> Vec<ToolDescription> {
    let mut tools = match purpose {
        Purpose::Change => of_change(),
        Purpose::Inquiry => vec![tool::<AnswerDraft>(
            SUBMIT_ANSWER,
            "Hand over the answer: the answer itself, and the places in the repository that it rests on, each with file and lines.",
        )],
    };
    tools.extend([
        tool::<AgentQuestion>(
            "ask_person",
            "Ask the person one question when something essential is unclear. After calling it, end your turn; the answer will be your next message.",
        ),
        tool::<NetworkAccess>(
            NETWORK_ACCESS,
            "Says which hosts the network refused in this task and why, and what people have decided about them since. Call it after a refusal, and again later: people may allow a host while you work.",
        ),
    ]);
    tools
}

fn of_change() -> Vec<ToolDescription> {
    vec![
        tool::<SpecificationDraft>(
            "submit_specification",
            "Hand over the specification of the task: title, goal, requirements that can each be checked by a command where possible, checks, what is out of scope, pages whose look changes. Call it before submit_plan.",
        ),
        tool::<Plan>(
            "submit_plan",
            "Hand over the plan: steps, files (everything that may change, as files, folders or globs), checks, risks, cost range in US dollars, network hosts. When it revises an earlier plan, say why in `reason`.",
        ),
        tool::<Report>(
            "report_requirements",
            "At the end of the work, report each requirement with its status and evidence, and a shell command as `check` where one can decide it. The host runs the checks again itself.",
        ),
    ]
}

fn tool<T: JsonSchema>(name: &str, description: &str) -> ToolDescription {
    ToolDescription {
        name: name.to_owned(),
        description: description.to_owned(),
        schema: schema_for!(T).to_value(),
    }
}

/// Reads an answer that was handed over.
pub fn answer(arguments: Value) -> Result<Answer, String> {
    read::<AnswerDraft>(arguments)?.accept()
}

/// Takes a call into the ending. The error is a sentence that tells the agent what to mend.
pub fn take(ending: &mut Ending, tool: &str, arguments: Value) -> Result<String, String> {
    match tool {
        "submit_specification" => {
            ending.specification = Some(read::<SpecificationDraft>(arguments)?.accept()?);
            Ok("Taken. Now call submit_plan.".to_owned())
        }
        "submit_plan" => {
            ending.plan = Some(read::<Plan>(arguments)?.accept()?);
            Ok("Taken. End your turn now; people will decide on the plan.".to_owned())
        }
        "ask_person" => {
            let question: AgentQuestion = read(arguments)?;
            if question.question.trim().is_empty()
                || question.question.chars().count() > 2_000
                || question.choices.len() > 10
            {
                return Err(
                    "a question has between 1 and 2000 characters and at most 10 choices"
                        .to_owned(),
                );
            }
            ending.question = Some(question);
            Ok(POSTED.to_owned())
        }
        "report_requirements" => {
            let report: Report = read(arguments)?;
            if report.summary.chars().count() > 4_000
                || report.requirements.len() > 50
                || report.not_done.len() > 50
            {
                return Err(
                    "keep the summary under 4000 characters and the lists under 50 entries"
                        .to_owned(),
                );
            }
            ending.report = Some(report);
            Ok("Taken. The host checks it now. End your turn.".to_owned())
        }
        _ => Err(format!("there is no tool {tool}")),
    }
}

fn read<T: serde::de::DeserializeOwned>(arguments: Value) -> Result<T, String> {
    serde_json::from_value(arguments)
        .map_err(|error| format!("the arguments do not fit the schema: {error}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_does_not_fit_tells_the_agent_what_to_mend() {
        let mut ending = Ending::default();
        let error =
            take(&mut ending, "submit_plan", json!({"steps": []})).expect_err("a plan needs steps");
        assert_eq!(error, "a plan has at least one step");
        let error = take(&mut ending, "submit_plan", json!({})).expect_err("steps are missing");
        assert!(error.contains("steps"), "{error}");
        assert_eq!(ending, Ending::default());
    }

    #[test]
    fn every_tool_that_is_offered_is_taken() {
        let handed_over = [Purpose::Change, Purpose::Inquiry]
            .into_iter()
            .flat_map(offered)
            .filter(|tool| tool.name != NETWORK_ACCESS && tool.name != SUBMIT_ANSWER);
        for tool in handed_over {
            let error = take(&mut Ending::default(), &tool.name, json!({}));
            assert!(
                !matches!(error, Err(reason) if reason.starts_with("there is no tool")),
                "{}",
                tool.name
            );
        }
    }

    #[test]
    fn who_answers_a_question_can_hand_over_no_plan() {
        let names = |purpose| {
            let tools = offered(purpose).into_iter();
            tools.map(|tool| tool.name).collect::<Vec<_>>()
        };
        assert_eq!(
            names(Purpose::Inquiry),
            [SUBMIT_ANSWER, "ask_person", NETWORK_ACCESS]
        );
        assert!(!names(Purpose::Change).contains(&SUBMIT_ANSWER.to_owned()));
        assert!(answer(json!({"answer": " "})).is_err());
        let taken =
            answer(json!({"answer": "Here.", "sources": [{"path": "a.js", "first_line": 2}]}));
        assert_eq!(taken.map(|answer| answer.sources.len()), Ok(1));
    }
}
