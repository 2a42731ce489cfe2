//! What a sentence asks for.
//!
//! ```text
//! message   = [options] verb            a verb is a verb only when it is the whole message
//!           | "ask" words | "new" words | "now:" words | "!aside" words | "(aside)" words
//!           | words
//!           | "create an issue" ["in" team] | "create an ENG issue"                      only as the whole message
//!           | "allow once" host | "allow" host "for this repository" | "never" host    only as the whole message
//! verb      = list | status | stop | retry | settings | help | why | limits | experts | mute | unmute | yes
//! options   = key "=" value …           anywhere, with or without brackets; the last value wins
//! ```
//!
//! What stands in code or in a quote is none of these: it is part of the words.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::{network::Verdict, specification::RepositoryName};

/// Keys that a request may set, as people write them.
pub const OPTION_KEYS: [&str; 10] = [
    "repo", "branch", "model", "agent", "expert", "attempts", "budget", "plan", "pr", "issue",
];

/// Backticks from which on they are a fence, which may go over several lines.
const FENCE_BACKTICKS: usize = 3;

/// The longest key of a team, in characters. Source: Linear's settings of a team.
const TEAM_KEY_MAX_CHARS: usize = 7;

/// What a request sets for itself.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Options {
    /// The repository.
    pub repository: Option<RepositoryName>,
    /// The base branch.
    pub branch: Option<String>,
    /// The model.
    pub model: Option<String>,
    /// The agent.
    pub agent: Option<String>,
    /// The ceiling of spend, in dollars.
    pub budget_dollars: Option<f64>,
    /// Whether the pull request is a draft.
    pub draft: bool,
    /// The team in which an issue is to be made for the task, by its key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issue_in: Option<TeamKey>,
    /// Words that look like options and are none, with a hint.
    pub unknown: Vec<UnknownOption>,
}

/// A team of people as they name it: the part of `ENG-123` before the dash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TeamKey(pub String);

impl TeamKey {
    /// Reads a key: a letter, and up to six letters or digits.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let text = text.trim_matches(['`', '"', '\'']);
        let mut letters = text.chars();
        let fine = letters.next().is_some_and(|c| c.is_ascii_alphabetic())
            && text.len() <= TEAM_KEY_MAX_CHARS
            && letters.all(|c| c.is_ascii_alphanumeric());
        fine.then(|| Self(text.to_ascii_uppercase()))
    }
}

/// An option that does not exist, or not with this value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnknownOption {
    /// As it was written.
    pub written: String,
    /// What would work.
    pub hint: String,
}

/// What a sentence asks for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "verb", content = "words", rename_all = "snake_case")]
pub enum Command {
    /// Nothing at all was written.
    Empty,
    /// An approval: "looks good".
    Approve,
    /// Ends the task.
    Stop,
    /// Tries a failed task again.
    Retry,
    /// The person's tasks.
    List,
    /// How this task stands.
    Status,
    /// How to talk to the bot.
    Help,
    /// What the person and the channel have set.
    Settings,
    /// What applies to whoever asks, and what says so.
    Why,
    /// The ceilings that apply, and what of them is used.
    Limits,
    /// The experts that there are.
    Experts,
    /// A second task in the same thread.
    New(String),
    /// A question that is only answered, and changes nothing.
    Ask(String),
    /// Steers the run at once.
    Now(String),
    /// A decision about a host that was refused.
    Network {
        /// The host.
        host: String,
        /// Its port, where one is named.
        port: Option<u16>,
        /// What.
        verdict: Verdict,
    },
    /// Makes an issue for the task.
    FileIssue {
        /// In which team, where one is named.
        team: Option<TeamKey>,
    },
    /// Not for the bot.
    Aside,
    /// The bot stops answering replies without a mention, or starts again.
    Mute(bool),
    /// Everything else.
    Words(String),
}

/// Reads a message. It never fails: what is no verb is words.
#[must_use]
pub fn parse(text: &str) -> (Command, Options) {
    let (options, rest) = split_options(text);
    (parse_words(rest.trim()), options)
}

fn parse_words(text: &str) -> Command {
    let plain = text.trim_end_matches(['.', '!', ' ']).to_lowercase();
    let lower = text.to_lowercase();
    let after = |prefix: &str| {
        text.get(prefix.len()..)
            .unwrap_or_default()
            .trim()
            .to_owned()
    };
    if lower.starts_with("!aside") || lower.starts_with("(aside)") {
        return Command::Aside;
    }
    if lower.starts_with("now:") {
        return Command::Now(after("now:"));
    }
    if lower.starts_with("new ") {
        return Command::New(after("new "));
    }
    if let Some(question) = parse_question(text, &lower) {
        return Command::Ask(question);
    }
    if let Some((host, port, verdict)) = parse_network(&plain) {
        return Command::Network {
            host,
            port,
            verdict,
        };
    }
    if let Some(filing) = parse_filing(&plain) {
        return filing;
    }
    match plain.as_str() {
        "" => Command::Empty,
        "stop" | "cancel" | "abort" | "stop it" | "please stop" => Command::Stop,
        "retry" | "try again" => Command::Retry,
        "list" => Command::List,
        "status" => Command::Status,
        "help" => Command::Help,
        "mute" => Command::Mute(true),
        "unmute" => Command::Mute(false),
        "settings" => Command::Settings,
        "why" => Command::Why,
        "limits" => Command::Limits,
        "experts" => Command::Experts,
        _ if is_approval(&plain) => Command::Approve,
        _ => Command::Words(text.to_owned()),
    }
}

/// Reads "ask" with the question behind it, also behind a colon or on the next line. Nothing behind it is a question without words.
fn parse_question(text: &str, lower: &str) -> Option<String> {
    let behind = lower.strip_prefix("ask")?;
    let is_word = behind.is_empty()
        || behind.starts_with([':', '.', '?'])
        || behind.starts_with(char::is_whitespace);
    let question = text.get("ask".len()..).unwrap_or_default();
    is_word.then(|| {
        question
            .trim_start_matches([':', '.', '?', ' ', '\n', '\t'])
            .trim()
            .to_owned()
    })
}

/// Reads "create an issue", "create an issue in ENG" and "create an ENG issue", each only as the whole message. Whoever has
/// the issues knows which teams there are.
fn parse_filing(plain: &str) -> Option<Command> {
    let words: Vec<&str> = plain
        .split_whitespace()
        .filter(|word| *word != "please")
        .collect();
    let (what, place) = match words.as_slice() {
        [
            "create" | "make" | "file",
            "a" | "an",
            what @ ..,
            "in" | "for",
            place,
        ] => (what, Some(*place)),
        ["create" | "make" | "file", "a" | "an", what @ ..] => (what, None),
        _ => return None,
    };
    let named = match what {
        ["issue" | "ticket"] => place,
        [named, "issue" | "ticket"] => place.or(Some(*named)),
        _ => return None,
    };
    let team = match named {
        Some(named) => Some(TeamKey::read(named)?),
        None => None,
    };
    Some(Command::FileIssue { team })
}

/// Reads "allow once HOST", "allow HOST for this repository" and "never HOST", each only as the whole message.
fn parse_network(plain: &str) -> Option<(String, Option<u16>, Verdict)> {
    let words: Vec<&str> = plain.split_whitespace().collect();
    let (host, verdict) = match words.as_slice() {
        ["allow", "once", host] | ["allow", host, "once"] => (host, Verdict::Once),
        ["allow", host, "for", "this", "repository" | "repo"] => (host, Verdict::Repository),
        ["never", host] | ["never", "allow", host] => (host, Verdict::Never),
        _ => return None,
    };
    let host = host.trim_matches('`');
    let (name, port) = match host.split_once(':') {
        Some((name, port)) => (name, Some(port.parse().ok()?)),
        None => (host, None),
    };
    let is_name = name.contains('.')
        && name.split('.').all(|label| {
            !label.is_empty()
                && label
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
        });
    is_name.then(|| (name.to_owned(), port, verdict))
}

/// Whether the whole sentence is an approval. "Looks good but rename it" is not.
#[must_use]
pub fn is_approval(plain: &str) -> bool {
    const SENTENCES: [&str; 20] = [
        "approve",
        "approved",
        "i approve",
        "looks good",
        "looks good to me",
        "lgtm",
        "go ahead",
        "go",
        "ship it",
        "do it",
        "yes",
        "yes please",
        "ok",
        "okay",
        "sounds good",
        "please go ahead",
        "perfect",
        "great",
        "👍",
        "✅",
    ];
    let plain = plain.trim().trim_end_matches(['.', '!']);
    let plain = plain
        .strip_suffix(", thanks")
        .or_else(|| plain.strip_suffix(" thanks"))
        .unwrap_or(plain);
    SENTENCES.contains(&plain)
        || SENTENCES.iter().any(|a| {
            plain
                .strip_prefix(a)
                .and_then(|rest| rest.strip_prefix(", "))
                .is_some_and(|rest| SENTENCES.contains(&rest))
        })
}

/// Takes the options out of a text. What stands in code or in a quote is somebody's material, no option, and keeps its blanks.
fn split_options(text: &str) -> (Options, String) {
    let material = material(text);
    let mut options = Options::default();
    let mut kept = Vec::new();
    let mut in_brackets = false;
    for line in text.lines() {
        let mut words = Vec::new();
        let mut is_whole = true;
        for word in line.split_whitespace() {
            if is_within(text, word, &material) {
                words.push(word);
                continue;
            }
            let opens = word.starts_with('[') && word.contains('=');
            in_brackets |= opens;
            let bare = if in_brackets {
                word.trim_start_matches('[').trim_end_matches([']', ','])
            } else {
                word.trim_end_matches([',', ';'])
            };
            let taken = take_option(&mut options, bare, in_brackets);
            if in_brackets && word.trim_end_matches(',').ends_with(']') {
                in_brackets = false;
            }
            if taken {
                is_whole = false;
            } else {
                words.push(word);
            }
        }
        kept.push(if is_whole {
            line.to_owned()
        } else {
            words.join(" ")
        });
    }
    (options, kept.join("\n"))
}

/// Where in a text code and quotes stand, in bytes. Code is between two equal runs of backticks: a single one ends with its
/// line, a fence that nobody closes with the text.
fn material(text: &str) -> Vec<Range<usize>> {
    let start_of = |part: &str| part.as_ptr().addr() - text.as_ptr().addr();
    let quotes = text
        .lines()
        .filter(|line| line.trim_start().starts_with('>'));
    let mut found: Vec<Range<usize>> = quotes
        .map(|line| start_of(line)..start_of(line) + line.len())
        .collect();
    let mut from = 0;
    while let Some(at) = text[from..].find('`') {
        let start = from + at;
        let run = backticks(&text[start..]);
        from = start + run;
        let rest = &text[from..];
        let (within, unclosed) = if run < FENCE_BACKTICKS {
            (rest.lines().next().unwrap_or_default(), None)
        } else {
            (rest, Some(text.len()))
        };
        let closed = end_of_run(within, run).map(|end| from + end);
        if let Some(end) = closed.or(unclosed) {
            found.push(start..end);
            from = end;
        }
    }
    found
}

/// How many backticks a text begins with.
fn backticks(text: &str) -> usize {
    text.bytes().take_while(|byte| *byte == b'`').count()
}

/// Where the first run of exactly so many backticks ends.
fn end_of_run(text: &str, run: usize) -> Option<usize> {
    let mut from = 0;
    while let Some(at) = text[from..].find('`') {
        let length = backticks(&text[from + at..]);
        from += at + length;
        if length == run {
            return Some(from);
        }
    }
    None
}

/// Whether a word of the text touches one of these places.
fn is_within(text: &str, word: &str, places: &[Range<usize>]) -> bool {
    let start = word.as_ptr().addr() - text.as_ptr().addr();
    let end = start + word.len();
    places
        .iter()
        .any(|place| place.start < end && start < place.end)
}

/// Takes `word` as an option where it is one. Words such as `offset=150` are the person's own and stay.
fn take_option(options: &mut Options, word: &str, in_brackets: bool) -> bool {
    let Some((key, value)) = word.split_once('=') else {
        return false;
    };
    let value = value.trim_matches(['"', '\'', '`']);
    let key = key.to_lowercase();
    let unknown = |options: &mut Options, hint: String| {
        options.unknown.push(UnknownOption {
            written: word.to_owned(),
            hint,
        });
    };
    match key.as_str() {
        "repo" | "repository" => match parse_repository(value) {
            Some(name) => options.repository = Some(name),
            None => unknown(
                options,
                "a repository is written `repo=owner/name`".to_owned(),
            ),
        },
        "branch" | "base" => options.branch = Some(value.to_owned()),
        "model" => options.model = Some(value.to_owned()),
        "agent" => options.agent = Some(value.to_lowercase()),
        "budget" => match value.trim_start_matches('$').parse::<f64>() {
            Ok(dollars) if dollars > 0.0 && dollars.is_finite() => {
                options.budget_dollars = Some(dollars);
            }
            Ok(_) | Err(_) => unknown(
                options,
                "a budget is written in dollars: `budget=5`".to_owned(),
            ),
        },
        "issue" => match TeamKey::read(value) {
            Some(team) => options.issue_in = Some(team),
            None => unknown(
                options,
                "a team is written by its key, as in `issue=ENG`".to_owned(),
            ),
        },
        "pr" if value == "draft" => options.draft = true,
        "pr" | "plan" | "expert" | "attempts" => unknown(
            options,
            format!("`{key}` does not take `{value}` here; the task goes on without it"),
        ),
        _ if in_brackets => unknown(
            options,
            format!(
                "known options are {}",
                OPTION_KEYS.map(|known| format!("`{known}=`")).join(", ")
            ),
        ),
        _ => match OPTION_KEYS.iter().find(|known| is_near(known, &key)) {
            Some(near) => unknown(options, format!("did you mean `{near}=`?")),
            None => return false,
        },
    }
    true
}

/// Reads `owner/name`, also out of a web address.
#[must_use]
pub fn parse_repository(text: &str) -> Option<RepositoryName> {
    let text = text.trim().trim_matches(['<', '>', '`', '.', ',']);
    let text = text.split('|').next().unwrap_or(text);
    let path = text.split_once("://").map_or(text, |(_, rest)| {
        rest.split_once('/').map_or("", |(_, path)| path)
    });
    let mut parts = path
        .trim_end_matches('/')
        .trim_end_matches(".git")
        .split('/');
    let (owner, name) = (parts.next()?, parts.next()?);
    let fine = |part: &str| {
        !part.is_empty()
            && part.len() <= 100
            && !part.starts_with(['.', '-'])
            && part
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
    };
    (fine(owner) && fine(name) && parts.next().is_none())
        .then(|| RepositoryName(format!("{owner}/{name}")))
}

/// Whether two words differ by one letter dropped, added, changed or two swapped.
fn is_near(known: &str, written: &str) -> bool {
    let (a, b): (Vec<char>, Vec<char>) = (known.chars().collect(), written.chars().collect());
    if a.len() < 4 || a == b || a.len().abs_diff(b.len()) > 1 {
        return false;
    }
    let front = a.iter().zip(&b).take_while(|(x, y)| x == y).count();
    let back = a
        .iter()
        .rev()
        .zip(b.iter().rev())
        .take_while(|(x, y)| x == y)
        .count();
    let swapped = a.len() == b.len()
        && front + 2 + back >= a.len()
        && front + 1 < a.len()
        && a[front] == b[front + 1]
        && a[front + 1] == b[front];
    front + back + 1 >= a.len().max(b.len()) || swapped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(text: &str) -> Command {
        parse(text).0
    }

    #[test]
    fn a_verb_is_a_verb_only_when_it_is_the_whole_message() {
        assert_eq!(command("stop"), Command::Stop);
        assert_eq!(command("Stop!"), Command::Stop);
        assert_eq!(
            command("stop the flaky test"),
            Command::Words("stop the flaky test".into())
        );
        assert_eq!(command("looks good"), Command::Approve);
        assert_eq!(command("LGTM, thanks"), Command::Approve);
        assert_eq!(
            command("looks good but rename it"),
            Command::Words("looks good but rename it".into())
        );
        assert_eq!(
            command("now: use the other file"),
            Command::Now("use the other file".into())
        );
        assert_eq!(command("(aside) lunch?"), Command::Aside);
        assert_eq!(
            command("Ask where is the token's age checked?"),
            Command::Ask("where is the token's age checked?".into())
        );
        assert_eq!(command("ask: where?"), Command::Ask("where?".into()));
        assert_eq!(command("ask"), Command::Ask(String::new()));
        assert_eq!(command("ask\n> quoted"), Command::Ask("> quoted".into()));
        for words in ["asking for a friend", "task", "`ask` me", "> ask me"] {
            assert_eq!(command(words), Command::Words(words.into()));
        }
        assert_eq!(command("  "), Command::Empty);
        assert_eq!(command("why"), Command::Why);
        assert_eq!(command("Limits"), Command::Limits);
        assert_eq!(command("experts."), Command::Experts);
        // To a plan or a question, this is what somebody says to the agent.
        for words in ["Why?", "why does this fail?", "limits are too low"] {
            assert_eq!(command(words), Command::Words(words.into()));
        }
    }

    #[test]
    fn a_decision_about_a_host_is_one_only_as_the_whole_message() {
        let network = |text: &str| match parse(text).0 {
            Command::Network {
                host,
                port,
                verdict,
            } => Some((host, port, verdict)),
            _ => None,
        };
        let host = || "packages.example".to_owned();
        for (text, expected) in [
            ("allow once packages.example", (host(), None, Verdict::Once)),
            (
                "Allow `Packages.example:8443` once.",
                (host(), Some(8443), Verdict::Once),
            ),
            (
                "allow packages.example for this repository",
                (host(), None, Verdict::Repository),
            ),
            ("never packages.example!", (host(), None, Verdict::Never)),
        ] {
            assert_eq!(network(text), Some(expected), "{text}");
        }
        for words in [
            "allow once",
            "allow packages.example",
            "never mind",
            "please allow once packages.example",
            "allow once packages.example and rename it",
            "never packages.example:http",
            "allow once *.example",
            "never ever.",
        ] {
            assert_eq!(network(words), None, "{words}");
        }
    }

    #[test]
    fn an_issue_is_made_by_a_sentence_of_its_own_or_by_an_option() {
        let team = |key: &str| Some(TeamKey(key.to_owned()));
        for (text, expected) in [
            ("create an issue", None),
            ("Please create an issue.", None),
            ("Create an issue in eng!", team("ENG")),
            ("file a ticket for OPS2", team("OPS2")),
            ("create an ENG issue", team("ENG")),
            ("make a Linear issue", team("LINEAR")),
            ("make a Linear issue in ENG", team("ENG")),
        ] {
            let expected = Command::FileIssue { team: expected };
            assert_eq!(command(text), expected, "{text}");
        }
        for words in [
            "create an issue and fix it",
            "create an issue in the other team",
            "do not create an issue",
            "create issues",
            "create a long-standing issue",
        ] {
            assert_eq!(command(words), Command::Words(words.to_owned()));
        }
        let (rest, options) = parse("fix it issue=eng");
        assert_eq!(
            (rest, options.issue_in),
            (Command::Words("fix it".into()), team("ENG"))
        );
        let (_, options) = parse("fix it issue=the-team");
        assert_eq!((options.issue_in, options.unknown.len()), (None, 1));
    }

    #[test]
    fn options_are_taken_from_anywhere_and_other_words_stay() {
        let (command, options) =
            parse("the offset=150 parameter is ignored [repo=acme/web, branch=dev] budget=2.5");
        assert_eq!(
            command,
            Command::Words("the offset=150 parameter is ignored".into())
        );
        assert_eq!(options.repository, Some(RepositoryName("acme/web".into())));
        assert_eq!(options.branch.as_deref(), Some("dev"));
        assert_eq!(options.budget_dollars, Some(2.5));
        assert!(options.unknown.is_empty());
    }

    #[test]
    fn nothing_in_code_or_in_a_quote_is_a_command() {
        for material in [
            "```stop```",
            "`approve`",
            "> approve",
            "> stop\n> retry",
            "```\nnow: drop it\n```",
            "`now: drop it`",
            "> allow once evil.example",
            "`never` evil.example",
        ] {
            assert_eq!(command(material), Command::Words(material.into()));
        }
    }

    #[test]
    fn options_in_code_or_in_a_quote_stay_as_they_are_written() {
        let pasted = "Why does this fail?\n```\nexport agent=x budget=9000\n    if a:\n        b  =  1\n```\n> branch=release [pr=draft]\nThe `repo=` flag and `model=big` are fine.";
        let (command, options) = parse(&format!("repo=acme/web {pasted}"));
        assert_eq!(command, Command::Words(pasted.into()));
        assert_eq!(options.repository, Some(RepositoryName("acme/web".into())));
        let others = Options {
            repository: None,
            ..options
        };
        assert_eq!(others, Options::default());

        // Code ends where it ends: with its line, or with its fence.
        let (_, options) = parse("it`s branch=dev, and ```x=1``` budget=2");
        assert_eq!(options.branch.as_deref(), Some("dev"));
        assert_eq!(options.budget_dollars, Some(2.0));
        let (_, unclosed) = parse("look:\n```\nbudget=2");
        assert_eq!(unclosed, Options::default());
    }

    #[test]
    fn letters_of_every_script_are_words() {
        for words in [
            "אשר את זה",
            "يوقف العمل",
            "🛑🛑 x",
            "\u{202e}pots",
            "👩\u{200d}💻 stop",
        ] {
            assert_eq!(command(words), Command::Words(words.into()));
        }
    }

    #[test]
    fn an_option_that_does_not_exist_gets_a_hint() {
        let (_, options) = parse("fix it [colour=red] brnach=x repo=nonsense");
        let written: Vec<&str> = options
            .unknown
            .iter()
            .map(|unknown| unknown.written.as_str())
            .collect();
        assert_eq!(written, ["colour=red", "brnach=x", "repo=nonsense"]);
    }

    #[test]
    fn repositories_are_read_out_of_addresses() {
        let check = |text: &str, expected: Option<&str>| {
            assert_eq!(
                parse_repository(text).map(|name| name.0).as_deref(),
                expected,
                "{text}"
            );
        };
        check("acme/web", Some("acme/web"));
        check("<https://git.example.com/acme/web.git>", Some("acme/web"));
        check("acme", None);
        check("acme/../web", None);
        check("../etc/passwd", None);
    }
}
