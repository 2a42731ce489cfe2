//! An issue that is made for a task: once, whatever breaks on the way, with the thread on it and the task in it.

use tracing::info;

use super::Deliver;
use crate::{
    domain::{
        command::TeamKey,
        conversation::Person,
        event::{Event, FilingProblem},
        task::Task,
    },
    engine::Fault,
    linear::{self, NewIssue, TeamChoice},
    links,
    store::outbox::Claimed,
    surface::{Attempt, SurfaceError},
    words,
};

/// The most teams that are named to choose from; a menu of Slack's holds no more.
const KNOWN_MAX: usize = 100;

impl Deliver {
    /// Makes an issue for a task, unless it has one by now, and tells the task what came of it.
    pub(super) async fn file_issue(
        &self,
        claimed: &Claimed,
        (by, team, trigger): (&Person, Option<&TeamKey>, Option<&str>),
        attempt: Attempt,
    ) -> Result<(), Fault> {
        let Some(stored) = self.context.store.task(self.owner(claimed)?).await? else {
            return Ok(());
        };
        let task = stored.task;
        let is_ended = task.state.is_over() && task.state.name() != "failed";
        if is_ended || task.place_on(linear::SURFACE).is_some() {
            return Ok(());
        }
        let event = match self.filed(claimed, &task, team, attempt).await {
            Ok(event) => event,
            Err(Filing::Problem(problem)) => {
                let (by, trigger) = (by.clone(), trigger.map(str::to_owned));
                Event::IssueNotFiled {
                    by,
                    problem,
                    trigger,
                }
            }
            Err(Filing::Fault(fault)) => return Err(fault),
        };
        self.tell(claimed, &task, format!("filed:{}", claimed.id), event)
            .await
    }

    async fn filed(
        &self,
        claimed: &Claimed,
        task: &Task,
        team: Option<&TeamKey>,
        attempt: Attempt,
    ) -> Result<Event, Filing> {
        let Some(linear) = self.context.surfaces.linear() else {
            return Err(Filing::Problem(FilingProblem::NotSetUp));
        };
        let config = &self.context.config;
        let settings = task.repository().and_then(|name| config.repository(name));
        let places = settings.map_or(&[][..], |settings| settings.places.as_slice());
        let team = match linear.team(team, places).await? {
            TeamChoice::Chosen(team) => team,
            TeamChoice::NoSuchTeam { team, mut known } => {
                known.truncate(KNOWN_MAX);
                return Err(Filing::Problem(FilingProblem::NoSuchTeam { team, known }));
            }
            TeamChoice::Unclear { mut known } => {
                known.truncate(KNOWN_MAX);
                return Err(Filing::Problem(FilingProblem::WhichTeam { known }));
            }
        };
        let surfaces = &self.context.surfaces;
        let thread = surfaces
            .page_of_line(&task.conversation, &task.request.reference)
            .await;
        let text = words::issue_text(task, thread.as_deref()).map_err(Fault::of_words)?;
        let new = NewIssue {
            task: &task.id,
            team: &team,
            title: &surfaces.clean(&task.title()),
            description: &surfaces.clean(&text),
            thread: thread.as_deref(),
        };
        self.still_ours(claimed).await?;
        let issue = linear.file_issue(&new, attempt).await?;
        info!(task = %task.id, issue = issue.name, "an issue was made for a task");
        let task_url = links::task_url(config, &task.id);
        let opened = linear.open_beside(&issue.about, &task_url).await?;
        let Some((place, about)) = opened else {
            let reason = format!("{} is out of reach right after it was made", issue.name);
            return Err(Filing::Problem(FilingProblem::Refused { reason }));
        };
        Ok(Event::IssueFiled {
            place,
            about,
            name: issue.name,
            url: issue.url,
        })
    }
}

/// Why there is no issue.
enum Filing {
    /// A person has to do something about it.
    Problem(FilingProblem),
    /// It may work later.
    Fault(Fault),
}

impl From<Fault> for Filing {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl From<SurfaceError> for Filing {
    fn from(error: SurfaceError) -> Self {
        match error {
            SurfaceError::Permanent { code, .. } => {
                Self::Problem(FilingProblem::Refused { reason: code })
            }
            error @ (SurfaceError::Transient { .. } | SurfaceError::Closed { .. }) => {
                Self::Fault(error.into())
            }
        }
    }
}
