//! Cuts a test file into its tests.

use super::languages::{Language, has_any, squeeze};

/// Lines that close something and tell nothing about a test.
const CLOSERS: [&str; 10] = ["}", "})", "});", ")", ");", "},", "end", "]", "];", "pass"];

/// One line of a file that is code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    /// Its number, from 1.
    pub(super) number: usize,
    /// As it stands.
    pub(super) text: String,
    /// Without idle spaces.
    pub(super) squeezed: String,
}

/// One test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Case {
    /// Its name; empty where the file has assertions and no test that is understood.
    pub(super) name: String,
    /// The number of its first line.
    pub(super) line: usize,
    /// Its lines that tell something, without its name.
    pub(super) body: Vec<String>,
    /// Those of them that assert something, as they stand.
    pub(super) assertions: Vec<Line>,
}

/// The lines of a text that are neither empty nor comments. Turning a test into a comment takes it away.
pub(super) fn code_lines(language: Language, text: &str) -> Vec<Line> {
    let has_blocks = !matches!(language, Language::Python | Language::Ruby);
    let mut in_block = false;
    let mut lines = Vec::new();
    for (index, text) in text.lines().enumerate() {
        let trimmed = text.trim();
        if in_block {
            in_block = !trimmed.contains("*/");
            continue;
        }
        if has_blocks && trimmed.starts_with("/*") {
            in_block = !trimmed.contains("*/");
            continue;
        }
        let comments = language.marks().comments;
        if trimmed.is_empty() || comments.iter().any(|mark| trimmed.starts_with(mark)) {
            continue;
        }
        lines.push(Line {
            number: index + 1,
            text: trimmed.to_owned(),
            squeezed: squeeze(trimmed),
        });
    }
    lines
}

/// The tests of a file, in order. What stands before the first belongs to none.
pub(super) fn cases(language: Language, lines: &[Line]) -> Vec<Case> {
    let starts = starts(language, lines);
    let ends = starts
        .iter()
        .skip(1)
        .map(|start| start.from)
        .chain([lines.len()]);
    let mut cases: Vec<Case> = starts
        .iter()
        .zip(ends)
        .map(|(start, end)| case(language, start, &lines[start.at..end]))
        .collect();
    if cases.is_empty() && language != Language::Rust {
        let whole = Start {
            name: String::new(),
            from: 0,
            at: 0,
        };
        cases
            .extend(Some(case(language, &whole, lines)).filter(|case| !case.assertions.is_empty()));
    }
    cases
}

/// Where a test begins.
struct Start {
    name: String,
    /// The index of its first line, attributes included.
    from: usize,
    /// The index of the line with its name.
    at: usize,
}

fn case(language: Language, start: &Start, lines: &[Line]) -> Case {
    let asserts = |line: &&Line| has_any(&line.squeezed, language.marks().assertions);
    let body = lines.iter().enumerate().filter_map(|(index, line)| {
        let text = line.squeezed.as_str();
        let opens = index == 0 && text.ends_with(['{', ':', '(', '|', ',']) || text.ends_with("do");
        (!opens && !CLOSERS.contains(&text)).then(|| {
            if index == 0 && !start.name.is_empty() {
                text.replacen(&start.name, "", 1)
            } else {
                text.to_owned()
            }
        })
    });
    Case {
        name: start.name.clone(),
        line: lines.first().map_or(1, |line| line.number),
        body: body.collect(),
        assertions: lines.iter().filter(asserts).cloned().collect(),
    }
}

fn starts(language: Language, lines: &[Line]) -> Vec<Start> {
    let mut starts = Vec::new();
    // The index of the first line of attributes that make the function below them a test.
    let mut marked: Option<usize> = None;
    for (at, line) in lines.iter().enumerate() {
        let text = line.squeezed.as_str();
        let name = match language {
            Language::JavaScript => {
                let next = lines.get(at + 1).map_or("", |line| line.text.as_str());
                javascript_name(&line.text, next)
            }
            Language::Ruby => ruby_name(&line.text),
            Language::Python => after_any(text, &["def ", "async def "]).and_then(|rest| {
                let name = word(rest);
                name.starts_with("test").then(|| name.to_owned())
            }),
            Language::Go => after_any(text, &["func "]).and_then(|rest| {
                let name = word(rest);
                let kinds = ["Test", "Fuzz", "Example", "Benchmark"];
                kinds
                    .iter()
                    .any(|kind| name.starts_with(kind))
                    .then(|| name.to_owned())
            }),
            Language::Rust | Language::Java => {
                if is_test_attribute(language, text) {
                    marked = marked.or(Some(at));
                }
                marked.and_then(|_| function_name(language, text))
            }
        };
        if let Some(name) = name {
            let from = marked.take().unwrap_or(at);
            starts.push(Start { name, from, at });
        }
    }
    starts
}

fn after_any<'a>(text: &'a str, marks: &[&str]) -> Option<&'a str> {
    marks.iter().find_map(|mark| text.strip_prefix(mark))
}

/// The letters, digits and underscores at the start of a text.
fn word(text: &str) -> &str {
    let end = text.find(|letter: char| !letter.is_alphanumeric() && letter != '_');
    &text[..end.unwrap_or(text.len())]
}

fn is_test_attribute(language: Language, text: &str) -> bool {
    match language {
        Language::Rust => after_any(text, &["#["]).is_some_and(|rest| {
            let path = rest.split(['(', ']', '=']).next().unwrap_or(rest);
            let last = path.rsplit(':').next().unwrap_or(path);
            matches!(
                last,
                "test" | "rstest" | "test_case" | "quickcheck" | "wasm_bindgen_test"
            )
        }),
        Language::Java => after_any(text, &["@"]).is_some_and(|rest| word(rest).ends_with("Test")),
        Language::JavaScript | Language::Python | Language::Go | Language::Ruby => false,
    }
}

/// The name of the function that a line declares.
fn function_name(language: Language, text: &str) -> Option<String> {
    let name = match language {
        Language::Rust => {
            let at = text
                .find("fn ")
                .filter(|at| *at == 0 || text[..*at].ends_with(' '))?;
            word(&text[at + 3..])
        }
        Language::Java => {
            // An annotation may stand in the same line.
            let text = if text.starts_with('@') {
                text.rsplit(") ").next()?
            } else {
                text
            };
            let head = text.split_once('(')?.0;
            if head.starts_with('@') {
                return None;
            }
            head.rsplit(' ').next()?.trim_matches('`')
        }
        Language::JavaScript | Language::Python | Language::Go | Language::Ruby => return None,
    };
    (!name.is_empty()).then(|| name.to_owned())
}

/// The text in the quotes with which a text begins.
fn quoted(text: &str) -> Option<String> {
    let quote = text
        .chars()
        .next()
        .filter(|letter| "'\"`".contains(*letter))?;
    let rest = &text[1..];
    let end = rest
        .char_indices()
        .find(|(at, letter)| *letter == quote && !rest[..*at].ends_with('\\'))?;
    Some(rest[..end.0].to_owned())
}

/// `test('name'`, `it.skip("name"`, `await t.test('name'`, `xit('name'`, `test.each(table)('name'`; the name may
/// stand in the next line.
fn javascript_name(text: &str, next: &str) -> Option<String> {
    let text = text.strip_prefix("await ").unwrap_or(text);
    let text = text.strip_prefix("t.").unwrap_or(text);
    let head = word(text);
    if !["test", "it", "specify", "xit", "xtest", "fit"].contains(&head) {
        return None;
    }
    let mut rest = &text[head.len()..];
    while let Some(modifier) = rest.strip_prefix('.') {
        let name = word(modifier);
        if ![
            "skip",
            "only",
            "todo",
            "each",
            "concurrent",
            "fails",
            "failing",
            "fixme",
            "sequential",
        ]
        .contains(&name)
        {
            return None;
        }
        rest = &modifier[name.len()..];
    }
    let inner = rest.strip_prefix('(')?.trim_start();
    if inner.is_empty() {
        return quoted(next);
    }
    quoted(inner).or_else(|| {
        let (_, rest) = inner.rsplit_once(")(")?;
        quoted(rest.trim_start())
    })
}

/// `it "name" do`, `xit 'name'`, `test("name")`, `def test_name`.
fn ruby_name(text: &str) -> Option<String> {
    if let Some(rest) = text.strip_prefix("def ") {
        let name = word(rest);
        return name.starts_with("test_").then(|| name.to_owned());
    }
    let head = word(text);
    if ![
        "it",
        "xit",
        "fit",
        "specify",
        "xspecify",
        "test",
        "scenario",
        "xscenario",
        "example",
    ]
    .contains(&head)
    {
        return None;
    }
    quoted(text[head.len()..].trim_start_matches(['(', ' ']))
}
