//! A person's page of a surface, in words.

use super::{amounts::count, labels::OPEN_TASK, tame::plain_to};
use crate::{
    domain::{
        home::{Home, HomeSettings},
        message::TaskLine,
        preferences::Preferences,
    },
    surface::{Control, HomeEntry, HomePage, HomeSection},
};

/// The longest title and the longest standing of a task that is shown, in characters.
const TASK_MAX_CHARS: usize = 120;
/// The most repositories that are named.
const REPOSITORIES_MAX: usize = 10;

/// Puts a person's page into words: what waits for them first, then their other tasks, then the settings.
#[must_use]
pub fn home_page(home: &Home) -> HomePage {
    let (waiting, others): (Vec<&TaskLine>, Vec<&TaskLine>) =
        home.tasks.iter().partition(|task| task.needs.is_some());
    let waiting = HomeSection {
        title: "Waiting for you".to_owned(),
        entries: tasks(&waiting, "Nothing waits for you."),
    };
    let others = HomeSection {
        title: "Your other tasks".to_owned(),
        entries: tasks(
            &others,
            "There are none. Mention Deckhand in a channel with what should be done, or use the shortcut \"Turn into a task\" on a message.",
        ),
    };
    let settings = HomeSection {
        title: "Settings".to_owned(),
        entries: settings(&home.settings).into_iter().map(plain).collect(),
    };
    let mine = home.mine.as_ref().map(|mine| HomeSection {
        title: "Your own settings".to_owned(),
        entries: own(mine).into_iter().map(plain).collect(),
    });
    let controls = home
        .mine
        .iter()
        .map(|_| Control::Settings { place: None })
        .collect();
    HomePage {
        sections: [waiting, others, settings]
            .into_iter()
            .chain(mine)
            .collect(),
        controls,
    }
}

fn tasks(tasks: &[&TaskLine], none: &str) -> Vec<HomeEntry> {
    if tasks.is_empty() {
        return vec![plain(none.to_owned())];
    }
    let entry = |task: &&TaskLine| {
        let title = plain_to(&task.title, TASK_MAX_CHARS);
        let stands = plain_to(&task.stands, TASK_MAX_CHARS);
        let text = match &task.needs {
            Some(needs) => format!("{title}\nIt {stands}: {needs}."),
            None => format!("{title}\nIt {stands}."),
        };
        HomeEntry {
            text,
            page: Some((OPEN_TASK.to_owned(), task.url.clone())),
        }
    };
    tasks.iter().map(entry).collect()
}

fn settings(settings: &HomeSettings) -> Vec<String> {
    let HomeSettings {
        agent,
        model,
        budget,
        parallel_tasks,
        repositories,
        people,
        second_person_approves,
    } = settings;
    let model = model.as_deref().unwrap_or("its default model");
    let parallel = usize::try_from(*parallel_tasks).unwrap_or(usize::MAX);
    let who = match *people {
        0 => "Every full member of the workspace may ask for tasks and approve plans".to_owned(),
        some => format!(
            "{} may ask for tasks and approve plans",
            count(some, "person", "people")
        ),
    };
    let second = if *second_person_approves {
        ", but nobody approves their own task"
    } else {
        ""
    };
    let mut lines = vec![
        format!("Agent: {agent} with {model}, where a request names no other"),
        format!("Ceiling: a task never spends more than {budget} without asking"),
        format!("At once: {}", count(parallel, "task", "tasks")),
        format!("{who}{second}"),
    ];
    if !repositories.is_empty() {
        let names: Vec<&str> = repositories
            .iter()
            .take(REPOSITORIES_MAX)
            .map(|name| name.0.as_str())
            .collect();
        let more = repositories.len() - names.len();
        let more = if more > 0 {
            format!(" and {more} more")
        } else {
            String::new()
        };
        lines.push(format!("Repositories: {}{more}", names.join(", ")));
    }
    lines.push("These are set by whoever runs this Deckhand.".to_owned());
    lines
}

fn own(mine: &Preferences) -> Vec<String> {
    let repository = mine.repository.as_ref().map_or_else(
        || "none is set".to_owned(),
        |name| plain_to(&name.0, TASK_MAX_CHARS),
    );
    let agent = mine.agent.as_ref().map_or_else(
        || "none is set".to_owned(),
        |name| plain_to(name, TASK_MAX_CHARS),
    );
    vec![
        format!("Repository, where a request of yours names none: {repository}"),
        format!("Agent, where a request of yours names none: {agent}"),
    ]
}

const fn plain(text: String) -> HomeEntry {
    HomeEntry { text, page: None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{budget::MicroDollars, specification::RepositoryName};

    fn task(title: &str, needs: Option<&str>) -> TaskLine {
        TaskLine {
            id: "abc".into(),
            title: title.into(),
            stands: "waits for its approval".into(),
            url: "https://deckhand.example/tasks/abc".into(),
            needs: needs.map(str::to_owned),
        }
    }

    fn home(tasks: Vec<TaskLine>) -> Home {
        Home {
            tasks,
            settings: HomeSettings {
                agent: "goose".into(),
                model: None,
                budget: MicroDollars::from_dollars(5.0),
                parallel_tasks: 1,
                repositories: (0..12)
                    .map(|n| RepositoryName(format!("acme/r{n}")))
                    .collect(),
                people: 0,
                second_person_approves: true,
            },
            mine: Some(Preferences::default()),
        }
    }

    #[test]
    fn what_waits_comes_first_and_the_settings_are_sentences() {
        let page = home_page(&home(vec![
            task("Fix the offset", None),
            task("Fix <!channel>\nthe limit", Some("approve its plan")),
        ]));
        let entries = |index: usize| -> Vec<&str> {
            page.sections[index]
                .entries
                .iter()
                .map(|entry| entry.text.as_str())
                .collect()
        };
        let waiting = entries(0);
        assert_eq!(waiting.len(), 1);
        assert!(waiting[0].ends_with("It waits for its approval: approve its plan."));
        assert!(!waiting[0].contains("<!channel>"), "{}", waiting[0]);
        assert_eq!(entries(1), ["Fix the offset\nIt waits for its approval."]);
        assert_eq!(
            entries(2),
            [
                "Agent: goose with its default model, where a request names no other",
                "Ceiling: a task never spends more than $5.00 without asking",
                "At once: 1 task",
                "Every full member of the workspace may ask for tasks and approve plans, but nobody approves their own task",
                "Repositories: acme/r0, acme/r1, acme/r2, acme/r3, acme/r4, acme/r5, acme/r6, acme/r7, acme/r8, acme/r9 and 2 more",
                "These are set by whoever runs this Deckhand.",
            ]
        );
    }

    #[test]
    fn only_who_may_set_something_is_offered_to() {
        let mut home = home(Vec::new());
        home.mine = Some(Preferences {
            repository: Some(RepositoryName("acme/web".into())),
            ..Preferences::default()
        });
        let page = home_page(&home);
        assert!(
            page.sections[3].entries[0]
                .text
                .ends_with("names none: acme/web")
        );
        assert_eq!(page.controls, [Control::Settings { place: None }]);
        home.mine = None;
        let page = home_page(&home);
        assert_eq!((page.sections.len(), page.controls.len()), (3, 0));
    }

    #[test]
    fn an_empty_page_says_how_to_begin() {
        let page = home_page(&home(Vec::new()));
        assert_eq!(page.sections[0].entries[0].text, "Nothing waits for you.");
        assert!(
            page.sections[1].entries[0]
                .text
                .contains("Mention Deckhand")
        );
    }
}
