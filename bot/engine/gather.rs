//! Reads conversation and repository: what was said, which repository is meant, and at which commit its base branch is.

use deckhand_executors::mirror::{BranchName, Mirror, MirrorError, RepositoryUrl};

use super::{Context, Fault};
use crate::{
    config::RepositoryConfig,
    domain::{
        CommitId,
        conversation::Line,
        event::{Event, WorkplaceProblem},
        inquiry,
        policy::{RepositoryChoice, choose_repository},
        preferences::Origin,
        specification::{RepositoryName, Workplace},
        task::Task,
    },
    github::{ForgeError, PushCredential},
    surface::Filing,
};

/// The most repositories that are offered as near to a wrong name.
const NEAR_MAX: usize = 5;
/// How sure a surface has to be of a repository so that nobody is asked, from 0 to 1. Others who ask Linear take the same.
const SURE_ENOUGH: f64 = 0.7;

/// Reads what a task needs to know before anybody can plan it.
pub async fn gather(context: &Context, task: &Task) -> Result<Event, Fault> {
    let mut lines = Vec::new();
    // What a conversation of another surface is about comes first, as if it had been said before.
    for place in task
        .also
        .iter()
        .filter(|place| task.reaches(&place.conversation))
    {
        let read = context
            .surfaces
            .read_conversation(&place.conversation, &place.opening);
        let failed = |error| Fault::of_surface(error, &place.conversation.0);
        lines.extend(read.await.map_err(failed)?);
    }
    let failed = |error| Fault::of_surface(error, &task.conversation.0);
    let read = context
        .surfaces
        .read_conversation(&task.conversation, &task.request.reference);
    lines.extend(read.await.map_err(failed)?);
    let linked = context
        .surfaces
        .linked(
            &task.conversation,
            &task.request.author.id,
            &task.request.text,
        )
        .await
        .map_err(failed)?;
    lines.splice(0..0, linked.lines);
    lines.extend(earlier_answers(context, task).await?);
    let (workplace, found_by) = match workplace(context, task).await {
        Ok((workplace, found_by)) => (Ok(workplace), found_by),
        Err(Trouble::Problem(problem)) => (Err(problem), None),
        Err(Trouble::Fault(fault)) => return Err(fault),
    };
    // The request itself is no context of itself.
    let context = lines
        .into_iter()
        .filter(|line| line.reference != task.request.reference)
        .collect();
    Ok(Event::Gathered {
        context,
        workplace,
        found_by,
        unread: linked.unread,
    })
}

/// What agents have answered to earlier questions in the same conversation.
async fn earlier_answers(context: &Context, task: &Task) -> Result<Vec<Line>, Fault> {
    let answered = context
        .store
        .answered_before(
            &task.conversation,
            (&task.id, task.opened_at),
            inquiry::EARLIER_MAX,
        )
        .await?;
    Ok(answered
        .iter()
        .filter_map(Task::as_earlier_answer)
        .collect())
}

/// A repository with everything that is needed to work in it.
pub struct Ground {
    /// Its address.
    pub url: RepositoryUrl,
    /// The host's copy.
    pub mirror: Mirror,
}

/// Brings the host's copy of a repository up to date.
pub async fn ground(context: &Context, repository: &RepositoryName) -> Result<Ground, GroundError> {
    let (url, credential) = address(context, repository).await?;
    let refreshed = context.mirrors.refresh(&url, credential.as_ref()).await;
    let mirror = match refreshed {
        // A token that was taken back before its time is forgotten, and the next one is tried once.
        Err(MirrorError::AccessRefused | MirrorError::NotFound) if credential.is_some() => {
            context.github.forget_credential(repository).await;
            let (url, fresh) = address(context, repository).await?;
            context.mirrors.refresh(&url, fresh.as_ref()).await?
        }
        refreshed => refreshed?,
    };
    Ok(Ground { url, mirror })
}

/// The host's copy as it is, without asking the remote.
pub async fn known_ground(
    context: &Context,
    repository: &RepositoryName,
) -> Result<Mirror, GroundError> {
    let url = url_of(context, repository)?;
    Ok(context.mirrors.open(&url).await?)
}

/// Why there is no ground.
#[derive(Debug, thiserror::Error)]
pub enum GroundError {
    /// The forge said no, or did not answer.
    #[error(transparent)]
    Forge(#[from] ForgeError),
    /// The repository cannot be copied.
    #[error(transparent)]
    Mirror(#[from] MirrorError),
    /// Its address in the settings is none.
    #[error("the repository's address cannot be used: {0}")]
    Address(String),
}

impl GroundError {
    /// Whether this installation may not see the repository, or not any more.
    #[must_use]
    pub const fn is_refusal(&self) -> bool {
        match self {
            Self::Forge(ForgeError::NotFound { .. } | ForgeError::Refused { .. })
            | Self::Mirror(MirrorError::NotFound | MirrorError::AccessRefused) => true,
            Self::Forge(ForgeError::Transient { .. })
            | Self::Mirror(
                MirrorError::Unreachable(_)
                | MirrorError::TooSlow
                | MirrorError::Empty
                | MirrorError::NoSuchBranch { .. }
                | MirrorError::Other(_),
            )
            | Self::Address(_) => false,
        }
    }
}

impl From<GroundError> for Fault {
    fn from(error: GroundError) -> Self {
        match error {
            GroundError::Forge(error) => error.into(),
            GroundError::Mirror(MirrorError::Unreachable(_) | MirrorError::TooSlow) => {
                Self::transient(error)
            }
            GroundError::Mirror(_) | GroundError::Address(_) => Self::permanent(error),
        }
    }
}

fn url_of(context: &Context, repository: &RepositoryName) -> Result<RepositoryUrl, GroundError> {
    let own = context
        .config
        .repository(repository)
        .and_then(|settings| settings.url.as_ref().map(|url| url.to_string()));
    let url = own.unwrap_or_else(|| context.github.clone_url(repository));
    RepositoryUrl::parse(&url).map_err(|error| GroundError::Address(error.to_string()))
}

async fn address(
    context: &Context,
    repository: &RepositoryName,
) -> Result<
    (
        RepositoryUrl,
        Option<deckhand_executors::mirror::Credential>,
    ),
    GroundError,
> {
    let url = url_of(context, repository)?;
    let credential = if is_plain(context, repository) {
        None
    } else {
        context.github.credential(repository).await?
    };
    // A token of an installation is an hour old at most, so the redactor hears of each one here, before it is used.
    if let Some(credential) = &credential {
        context.redactor.add(&credential.secret);
    }
    Ok((url, credential))
}

/// What the address of a file's page begins with, at the commit that a task works from; none where the repository has no
/// pages that are known here.
#[must_use]
pub fn pages_of(context: &Context, workplace: &Workplace) -> Option<String> {
    let Workplace {
        repository,
        base_commit,
        ..
    } = workplace;
    if is_plain(context, repository) {
        return None;
    }
    let clone = context.github.clone_url(repository);
    let page = clone.strip_suffix(".git").unwrap_or(&clone);
    Some(format!("{page}/blob/{}/", base_commit.0))
}

/// The credential for one push, where there is one. A plain remote has none.
pub async fn push_credential(
    context: &Context,
    repository: &RepositoryName,
) -> Result<Option<PushCredential>, ForgeError> {
    if is_plain(context, repository) {
        return Ok(None);
    }
    let credential = context.github.push_credential(repository).await?;
    if let Some(credential) = &credential {
        context.redactor.add(&credential.credential().secret);
    }
    Ok(credential)
}

/// Whether the settings give the repository's address, so that no forge stands behind it.
fn is_plain(context: &Context, repository: &RepositoryName) -> bool {
    let settings = context.config.repository(repository);
    settings.is_some_and(|settings| settings.url.is_some())
}

/// The repositories in reach: those of the settings, then those of the forge. An outage of the forge only makes the list shorter.
pub async fn known(context: &Context) -> Vec<RepositoryName> {
    let mut known: Vec<RepositoryName> = context
        .config
        .repositories
        .iter()
        .map(|repository| repository.name.clone())
        .collect();
    for name in context.github.repositories().await.unwrap_or_default() {
        if !known.contains(&name) {
            known.push(name);
        }
    }
    known
}

/// The same, as words.
pub async fn known_names(context: &Context) -> Vec<String> {
    known(context)
        .await
        .into_iter()
        .map(|name| name.0)
        .collect()
}

enum Trouble {
    Problem(WorkplaceProblem),
    Fault(Fault),
}

/// Where a task works, and what says so where nobody named it.
async fn workplace(context: &Context, task: &Task) -> Result<(Workplace, Option<Origin>), Trouble> {
    if context.agents.find(&task.terms.agent).is_none() {
        return Err(Trouble::Problem(WorkplaceProblem::NoSuchAgent {
            agent: task.terms.agent.clone(),
            known: context.agents.usable(),
        }));
    }
    let (repository, found_by) = if let Some(named) = &task.options.repository {
        (named.clone(), None)
    } else {
        // Only where nothing names it is the forge asked for all that are in reach.
        let filed = filed_under(context, task).await?;
        match choose_repository(None, None, filed.as_ref(), &known(context).await) {
            RepositoryChoice::Chosen(repository) if filed.is_some() => {
                (repository, Some(Origin::Filed))
            }
            RepositoryChoice::Chosen(repository) => (repository, Some(Origin::Only)),
            RepositoryChoice::Ask(known) => {
                let repository = suggested(context, task, known).await?;
                (repository, Some(Origin::Suggested))
            }
        }
    };
    let ground = match ground(context, &repository).await {
        Ok(ground) => ground,
        Err(error) => return Err(trouble(context, error, &repository).await),
    };
    let base_branch = task
        .options
        .branch
        .clone()
        .unwrap_or_else(|| ground.mirror.default_branch().as_str().to_owned());
    let base_commit = match ground.mirror.resolve(&base_branch).await {
        Ok(commit) => commit,
        Err(error) => return Err(trouble(context, error.into(), &repository).await),
    };
    let setup = context
        .config
        .repository(&repository)
        .and_then(|settings| settings.setup.clone());
    let workplace = Workplace {
        repository,
        base_branch,
        base_commit: CommitId(base_commit.as_str().to_owned()),
        setup,
    };
    Ok((workplace, found_by))
}

/// The repository that the settings name for the labels or project, or else for its team. Where labels name two,
/// they decide nothing.
async fn filed_under(context: &Context, task: &Task) -> Result<Option<RepositoryName>, Trouble> {
    let settings = &context.config.repositories;
    if settings.iter().all(|one| one.labels.is_empty()) {
        return Ok(None);
    }
    let mut filed = None;
    for conversation in task.reachable() {
        let filing = context.surfaces.filing(conversation).await;
        let trouble = |error| Trouble::Fault(Fault::of_surface(error, &conversation.0));
        filed = filed.or(filing.map_err(trouble)?);
    }
    let Some(filing) = filed else {
        return Ok(None);
    };
    Ok(meant_by(settings, &filing).cloned())
}

fn meant_by<'a>(settings: &'a [RepositoryConfig], filing: &Filing) -> Option<&'a RepositoryName> {
    let is_labelled = |label: &String| {
        let mut names = filing.names.iter();
        names.any(|name| name.trim().eq_ignore_ascii_case(label.trim()))
    };
    let mut labelled = settings
        .iter()
        .filter(|one| one.labels.iter().any(is_labelled));
    let meant = match (labelled.next(), labelled.next()) {
        (Some(_), Some(_)) => None,
        (Some(one), None) => Some(one),
        (None, _) => settings
            .iter()
            .find(|one| one.places.contains(&filing.place)),
    };
    meant.map(|one| &one.name)
}

/// The one repository that the surface itself is sure of. Where it is sure of none or of two, people are asked, and the
/// likelier ones are offered first.
async fn suggested(
    context: &Context,
    task: &Task,
    known: Vec<RepositoryName>,
) -> Result<RepositoryName, Trouble> {
    let unclear = |known| Trouble::Problem(WorkplaceProblem::Unclear { known });
    let Some(host) = known.first().and_then(|name| host_of(context, name)) else {
        return Err(unclear(known));
    };
    let mut suggestions = Vec::new();
    for conversation in task.reachable() {
        let asked = context.surfaces.suggested(conversation, &host, &known);
        match asked.await {
            Ok(suggested) => suggestions.extend(suggested),
            Err(error) => {
                tracing::info!(task = %task.id, %error, "nothing was suggested about the repository");
            }
        }
    }
    sure_or_offered(suggestions, known).map_err(unclear)
}

/// The only repository that is sure enough, or all of them with the likelier ones first.
fn sure_or_offered(
    suggestions: Vec<(RepositoryName, f64)>,
    known: Vec<RepositoryName>,
) -> Result<RepositoryName, Vec<RepositoryName>> {
    let mut sure = suggestions
        .iter()
        .filter(|(_, confidence)| *confidence >= SURE_ENOUGH);
    if let (Some((only, _)), None) = (sure.next(), sure.next()) {
        return Ok(only.clone());
    }
    let likelier = suggestions.into_iter().map(|(name, _)| name);
    let mut offered: Vec<RepositoryName> = likelier.collect();
    for name in known {
        if !offered.contains(&name) {
            offered.push(name);
        }
    }
    Err(offered)
}

/// The host that a repository is on, as a forge's address names it.
fn host_of(context: &Context, repository: &RepositoryName) -> Option<String> {
    let url = context.github.clone_url(repository);
    let (_, rest) = url.split_once("://")?;
    let host = rest.split(['/', ':']).next()?;
    (!host.is_empty()).then(|| host.to_owned())
}

async fn trouble(context: &Context, error: GroundError, repository: &RepositoryName) -> Trouble {
    let repository = repository.clone();
    Trouble::Problem(match error {
        GroundError::Forge(ForgeError::NotFound { .. } | ForgeError::Refused { .. })
        | GroundError::Mirror(MirrorError::NotFound | MirrorError::AccessRefused)
        | GroundError::Address(_) => {
            let known = nearest(&repository, &known(context).await);
            WorkplaceProblem::NotFound { repository, known }
        }
        GroundError::Mirror(MirrorError::Empty) => WorkplaceProblem::Empty { repository },
        GroundError::Mirror(MirrorError::NoSuchBranch { branch, known }) => {
            WorkplaceProblem::NoSuchBranch {
                repository,
                branch,
                near: known.iter().map(BranchName::to_string).collect(),
            }
        }
        error @ (GroundError::Forge(ForgeError::Transient { .. })
        | GroundError::Mirror(MirrorError::Unreachable(_))) => return Trouble::Fault(error.into()),
        error @ GroundError::Mirror(MirrorError::TooSlow | MirrorError::Other(_)) => {
            let reason = error.to_string();
            WorkplaceProblem::Unreachable { repository, reason }
        }
    })
}

/// Repositories of the same name or owner first.
fn nearest(wanted: &RepositoryName, known: &[RepositoryName]) -> Vec<RepositoryName> {
    let part = |name: &RepositoryName, index: usize| {
        name.0
            .split('/')
            .nth(index)
            .unwrap_or_default()
            .to_lowercase()
    };
    let mut sorted: Vec<&RepositoryName> = known.iter().collect();
    sorted.sort_by_key(|name| {
        u8::from(part(name, 1) != part(wanted, 1)) * 2 + u8::from(part(name, 0) != part(wanted, 0))
    });
    sorted.into_iter().take(NEAR_MAX).cloned().collect()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    fn name(name: &str) -> RepositoryName {
        RepositoryName(name.to_owned())
    }

    #[test]
    fn labels_go_before_the_team_and_two_that_are_named_decide_nothing() {
        let read = |text: &str| toml::from_str::<RepositoryConfig>(text).unwrap();
        let settings = [
            read("name = \"acme/api\"\nlabels = [\"Backend\", \"API 2.0\"]"),
            read("name = \"acme/web\"\nlabels = [\"Frontend\"]\nplaces = [\"ENG\"]"),
        ];
        let filed = |place: &str, names: &[&str]| {
            let filing = Filing {
                place: place.to_owned(),
                names: names.iter().map(|name| (*name).to_owned()).collect(),
            };
            meant_by(&settings, &filing).cloned()
        };
        assert_eq!(filed("ENG", &["Bug", "backend "]), Some(name("acme/api")));
        assert_eq!(filed("OPS", &["API 2.0"]), Some(name("acme/api")));
        assert_eq!(filed("ENG", &["Bug"]), Some(name("acme/web")));
        assert_eq!(filed("OPS", &[]), None);
        assert_eq!(filed("ENG", &["Backend", "Frontend"]), None);
    }

    #[test]
    fn one_that_is_sure_is_taken_and_of_two_none_is() {
        let known = || vec![name("acme/api"), name("acme/docs"), name("acme/web")];
        let suggested = |sure: &[(&str, f64)]| {
            let sure = sure.iter().map(|(one, sure)| (name(one), *sure));
            sure_or_offered(sure.collect(), known())
        };
        assert_eq!(
            suggested(&[("acme/web", 0.9), ("acme/api", 0.3)]),
            Ok(name("acme/web"))
        );
        assert_eq!(
            suggested(&[("acme/web", 0.9), ("acme/docs", 0.8)]),
            Err(vec![name("acme/web"), name("acme/docs"), name("acme/api")])
        );
        assert_eq!(
            suggested(&[("acme/docs", 0.6)]),
            Err(vec![name("acme/docs"), name("acme/api"), name("acme/web")])
        );
        assert_eq!(suggested(&[]), Err(known()));
    }
}
