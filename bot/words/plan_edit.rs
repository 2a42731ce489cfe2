//! A plan as text that a person can edit and that can be read back: headings, and below each one entry a line.

use crate::domain::plan_edit::PlanEdit;

/// The headings, in order. What stands below each is one list.
const HEADINGS: [&str; 5] = ["Steps", "Files", "Checks", "Risks", "Network"];
/// In front of the further lines of an entry.
const FURTHER: &str = "   ";
/// The longest line that an error quotes, in characters.
const QUOTED_MAX_CHARS: usize = 60;

/// The plan as text. It reads back as it is.
#[must_use]
pub fn plan_to_edit(edit: &PlanEdit) -> String {
    let lists = [
        &edit.steps,
        &edit.files,
        &edit.checks,
        &edit.risks,
        &edit.network,
    ];
    let parts = HEADINGS.iter().zip(lists).map(|(heading, list)| {
        let entries = list.iter().enumerate().map(|(index, entry)| {
            let mark = if *heading == HEADINGS[0] {
                format!("{}.", index + 1)
            } else {
                "-".to_owned()
            };
            let text = entry.lines().collect::<Vec<_>>();
            format!("{mark} {}", text.join(&format!("\n{FURTHER}")))
        });
        let lines = std::iter::once((*heading).to_owned()).chain(entries);
        lines.collect::<Vec<_>>().join("\n")
    });
    parts.collect::<Vec<_>>().join("\n\n")
}

/// Reads what a person made of it. The error is a sentence for them, which says what to mend.
pub fn read_plan(text: &str) -> Result<PlanEdit, String> {
    let mut lists: [Vec<String>; 5] = std::array::from_fn(|_| Vec::new());
    let mut at: Option<usize> = None;
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        if let Some(heading) = heading(line) {
            at = Some(heading);
            continue;
        }
        let Some(below) = at.map(|at| &mut lists[at]) else {
            let quoted = super::tame::plain_to(line, QUOTED_MAX_CHARS);
            return Err(format!(
                "\"{quoted}\" stands below no heading. The headings are {}.",
                HEADINGS.join(", ")
            ));
        };
        let entry = entry(line);
        match below.last_mut() {
            Some(last) if line.starts_with("  ") || line.starts_with('\t') => {
                last.push('\n');
                last.push_str(line.trim());
            }
            _ => below.push(entry.to_owned()),
        }
    }
    let [steps, files, checks, risks, network] = lists;
    let read = PlanEdit {
        steps,
        files,
        checks,
        risks,
        network,
    };
    read.accept().map_err(|wrong| sentence(&wrong))
}

/// What the agent is told where somebody edited a plan's text and said something beside.
#[must_use]
pub fn edited_plan(said: Option<&str>, text: &str) -> String {
    let said = said.unwrap_or_default();
    format!("{said}\n\nThe plan should read:\n{text}")
        .trim()
        .to_owned()
}

/// Which heading a line is: the bare word, with what people like to put around it.
fn heading(line: &str) -> Option<usize> {
    let word = line.trim_start_matches('#').trim().trim_end_matches(':');
    let word = word.trim_matches('*').trim_end_matches(':');
    HEADINGS
        .iter()
        .position(|heading| heading.eq_ignore_ascii_case(word))
}

/// An entry without its one mark.
fn entry(line: &str) -> &str {
    let line = line.trim();
    let digits = line.bytes().take_while(u8::is_ascii_digit).count();
    let rest = line.get(digits..).unwrap_or_default();
    let numbered = (digits > 0)
        .then(|| rest.strip_prefix('.').or_else(|| rest.strip_prefix(')')))
        .flatten();
    let marked = line
        .strip_prefix('-')
        .or_else(|| line.strip_prefix('*'))
        .or_else(|| line.strip_prefix('•'))
        .or(numbered);
    marked
        .filter(|rest| rest.is_empty() || rest.starts_with(char::is_whitespace))
        .map_or(line, str::trim)
}

fn sentence(text: &str) -> String {
    let mut characters = text.chars();
    let first = characters.next().map(char::to_uppercase);
    let text: String = first.into_iter().flatten().chain(characters).collect();
    if text.ends_with('.') {
        text
    } else {
        format!("{text}.")
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    fn edit() -> PlanEdit {
        let list = |entries: &[&str]| entries.iter().map(|one| (*one).to_owned()).collect();
        PlanEdit {
            steps: list(&[
                "Mend the offset",
                "2. is no number\nbut a second line",
                "Files",
            ]),
            files: list(&["lib/users.js", "test/**/*.js"]),
            checks: list(&["npm test", "- odd"]),
            risks: list(&[]),
            network: list(&["packages.example"]),
        }
    }

    #[test]
    fn what_is_shown_reads_back_as_it_is() {
        let text = plan_to_edit(&edit());
        insta::assert_snapshot!(text, @r"
        Steps
        1. Mend the offset
        2. 2. is no number
           but a second line
        3. Files

        Files
        - lib/users.js
        - test/**/*.js

        Checks
        - npm test
        - - odd

        Risks

        Network
        - packages.example
        ");
        assert_eq!(read_plan(&text).unwrap(), edit());
    }

    #[test]
    fn what_people_do_to_it_is_understood() {
        let text = "## STEPS:\r\n\n* Mend it\n3) Test it\nSay so\n**Files**\nlib/users.js\n  \nchecks\n-   npm test  \n";
        let read = read_plan(text).unwrap();
        assert_eq!(read.steps, ["Mend it", "Test it", "Say so"]);
        assert_eq!(read.files, ["lib/users.js"]);
        assert_eq!(read.checks, ["npm test"]);
        assert_eq!(
            read_plan("Steps\n-x\n3.5 times\nFiles\na").unwrap().steps,
            ["-x", "3.5 times"]
        );
    }

    #[test]
    fn what_cannot_be_a_plan_is_said_in_a_sentence() {
        for (text, expected) in [
            ("", "A plan has at least one step."),
            ("Mend it\nFiles\na", "\"Mend it\" stands below no heading."),
            (
                "Steps\n1. Mend it",
                "A plan names in `files` what it will change",
            ),
            ("Steps\n1. a\nFiles\n- **", "would let every file change"),
            ("Steps\n1. a\nFiles\n- ../x", "climbs out"),
        ] {
            let told = read_plan(text).unwrap_err();
            assert!(told.contains(expected) && told.ends_with('.'), "{told}");
        }
        let many = format!("Steps\n{}\nFiles\na", "- x\n".repeat(31));
        assert!(read_plan(&many).unwrap_err().contains("30 entries"));
        let long = format!("Steps\n- {}\nFiles\na", "x".repeat(700));
        assert!(read_plan(&long).unwrap_err().contains("600 characters"));
        let many: Vec<String> = (0..21).map(|n| format!("- x{n}")).collect();
        let many = many.join("\n");
        let checks = format!("Steps\n- a\nFiles\na\nChecks\n{many}");
        assert!(read_plan(&checks).unwrap_err().contains("20 checks"));
    }
}
