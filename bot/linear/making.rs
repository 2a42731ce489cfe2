//! Issues that are made for tasks that were asked for elsewhere.

use super::{
    Linear, ids,
    operations::{
        ATTACH, Attachment, CREATE_ISSUE, CreateIssue, Input, Nothing, TEAMS, TeamsAnswer,
    },
    talk::identifier,
};
use crate::{
    domain::{TaskId, clip, command::TeamKey, conversation::SubjectId},
    surface::{Attempt, SurfaceError},
    words::THREAD,
};

/// The longest title of an issue, in characters. Source: Linear's editor cuts longer ones.
const TITLE_MAX_CHARS: usize = 255;

/// What people write in the place of a team who mean none: "create a Linear issue", `issue=new`.
const NO_NAMES: [&str; 2] = ["LINEAR", "NEW"];

/// An issue to make.
#[derive(Debug, Clone, Copy)]
pub struct NewIssue<'a> {
    /// The task that it is made for: there is one issue a task.
    pub task: &'a TaskId,
    /// In which team.
    pub team: &'a Team,
    /// The title.
    pub title: &'a str,
    /// The description, in Markdown.
    pub description: &'a str,
    /// The page of the thread that it comes from, which is attached to it.
    pub thread: Option<&'a str>,
}

/// A team in reach.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Team {
    id: String,
    key: String,
}

/// Which team is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TeamChoice {
    /// This one.
    Chosen(Team),
    /// The one that is named is not in reach.
    NoSuchTeam {
        /// As it was written.
        team: String,
        /// The keys of those that are.
        known: Vec<String>,
    },
    /// Nothing says which of them.
    Unclear {
        /// Their keys.
        known: Vec<String>,
    },
}

/// An issue that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FiledIssue {
    /// What a task is about by it.
    pub about: SubjectId,
    /// Its name, as people know it.
    pub name: String,
    /// Its page.
    pub url: String,
}

impl Linear {
    /// The team that is named, or else the first one that settings name, or else the only one.
    pub async fn team(
        &self,
        named: Option<&TeamKey>,
        places: &[String],
    ) -> Result<TeamChoice, SurfaceError> {
        let answer: TeamsAnswer = self.client.run(&TEAMS, &Nothing {}).await?;
        let teams = answer.teams.nodes.into_iter();
        let teams: Vec<Team> = teams
            .map(|team| Team {
                id: team.id,
                key: team.key,
            })
            .collect();
        Ok(choose(named, places, teams))
    }

    /// Makes the issue of a task, or finds the one that was made for it before.
    pub async fn file_issue(
        &self,
        new: &NewIssue<'_>,
        attempt: Attempt,
    ) -> Result<FiledIssue, SurfaceError> {
        // The identifier is the task's own, so that a repeat after a crash is refused, and found.
        let id = identifier(&new.task.0, &[b"issue"]);
        let known = match attempt {
            Attempt::First => None,
            Attempt::Repeated => self.find_issue(&id).await?,
        };
        if known.is_none() {
            let input = CreateIssue {
                id: &id,
                team_id: &new.team.id,
                title: clip(new.title, TITLE_MAX_CHARS),
                description: new.description,
            };
            let made = self.client.change(&CREATE_ISSUE, &Input { input }).await;
            // A try that broke off behind its end has made it, and this one is refused for that.
            if let Err(error) = made
                && (matches!(error, SurfaceError::Transient { .. })
                    || self.find_issue(&id).await?.is_none())
            {
                return Err(error);
            }
        }
        let Some(issue) = self.find_issue(&id).await? else {
            return Err(gone());
        };
        if let Some(url) = new.thread {
            let input = Attachment {
                issue_id: &issue.id,
                title: THREAD,
                url,
            };
            match self.client.change(&ATTACH, &Input { input }).await {
                // The thread is named in the description all the same.
                Err(error @ SurfaceError::Permanent { .. }) => {
                    tracing::debug!(%error, "a thread is not attached to its issue");
                }
                other => other?,
            }
        }
        Ok(FiledIssue {
            about: ids::issue(&issue.identifier),
            name: issue.identifier,
            url: issue.url,
        })
    }
}

fn gone() -> SurfaceError {
    super::client::refused("making an issue in Linear", "it is not there")
}

fn choose(named: Option<&TeamKey>, places: &[String], mut teams: Vec<Team>) -> TeamChoice {
    let known = |teams: &[Team]| teams.iter().map(|team| team.key.clone()).collect();
    let of = |key: &str| {
        teams
            .iter()
            .position(|team| team.key.eq_ignore_ascii_case(key))
    };
    let is_no_name = |team: &TeamKey| NO_NAMES.contains(&team.0.as_str()) && of(&team.0).is_none();
    if let Some(TeamKey(team)) = named.filter(|team| !is_no_name(team)) {
        return match of(team) {
            Some(at) => TeamChoice::Chosen(teams.swap_remove(at)),
            None => TeamChoice::NoSuchTeam {
                team: team.clone(),
                known: known(&teams),
            },
        };
    }
    let of_settings = places.iter().find_map(|place| of(place));
    let only = (teams.len() == 1).then_some(0);
    match of_settings.or(only) {
        Some(at) => TeamChoice::Chosen(teams.swap_remove(at)),
        None => TeamChoice::Unclear {
            known: known(&teams),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_team_that_is_named_goes_before_the_settings_and_the_only_one_needs_no_name() {
        let team = |key: &str| Team {
            id: format!("id of {key}"),
            key: key.to_owned(),
        };
        let both = || vec![team("ENG"), team("OPS")];
        let named = |key: &str| TeamKey(key.to_owned());
        let places = ["C123".to_owned(), "ops".to_owned()];
        let chosen = |key: &str| TeamChoice::Chosen(team(key));
        assert_eq!(choose(Some(&named("ENG")), &places, both()), chosen("ENG"));
        for no_name in ["LINEAR", "NEW"] {
            let named = named(no_name);
            assert_eq!(choose(Some(&named), &places, both()), chosen("OPS"));
            let teams = vec![team(no_name), team("OPS")];
            assert_eq!(choose(Some(&named), &places, teams), chosen(no_name));
        }
        assert_eq!(choose(None, &places, both()), chosen("OPS"));
        assert_eq!(choose(None, &[], vec![team("ENG")]), chosen("ENG"));
        let known = || vec!["ENG".to_owned(), "OPS".to_owned()];
        assert_eq!(
            choose(None, &[], both()),
            TeamChoice::Unclear { known: known() }
        );
        assert_eq!(
            choose(Some(&named("QA")), &places, both()),
            TeamChoice::NoSuchTeam {
                team: "QA".to_owned(),
                known: known()
            }
        );
    }
}
