//! How an issue is filed, and which repository Linear thinks it is about.

use super::{
    Linear, ids,
    operations::{
        Candidate, FILING, Filed, FiledIssue, Id, OfSession, SUGGEST, Suggested, WhichRepository,
    },
};
use crate::{
    domain::{conversation::ConversationId, specification::RepositoryName},
    surface::{Filing, SurfaceError},
};

/// The most repositories that Linear is asked about at once.
const CANDIDATES_MAX: usize = 100;

impl Linear {
    /// Team, project and labels of the issue behind a session; none where the session is about something else.
    pub async fn filing(
        &self,
        conversation: &ConversationId,
    ) -> Result<Option<Filing>, SurfaceError> {
        let issue = self.filed(ids::session_of(conversation)?).await?;
        Ok(issue.map(|issue| {
            let labels = issue.labels.nodes.into_iter();
            Filing {
                place: issue.team.key,
                names: labels.chain(issue.project).map(|one| one.name).collect(),
            }
        }))
    }

    /// How sure Linear is, from 0 to 1, of each repository that it thinks the issue may be about, the surest first.
    /// Nothing but one of `known` is ever in the answer.
    pub async fn suggested(
        &self,
        conversation: &ConversationId,
        host: &str,
        known: &[RepositoryName],
    ) -> Result<Vec<(RepositoryName, f64)>, SurfaceError> {
        let session = ids::session_of(conversation)?;
        let Some(issue) = self.filed(session).await? else {
            return Ok(Vec::new());
        };
        let candidates = known.iter().take(CANDIDATES_MAX).map(|name| Candidate {
            hostname: host,
            repository_full_name: &name.0,
        });
        let asked = WhichRepository {
            issue: &issue.id,
            session,
            candidates: candidates.collect(),
        };
        let answer: Suggested = self.client.run(&SUGGEST, &asked).await?;
        let suggestions = answer.issue_repository_suggestions.suggestions.into_iter();
        let mut sure: Vec<(RepositoryName, f64)> = suggestions
            .map(|one| (RepositoryName(one.repository_full_name), one.confidence))
            .filter(|(name, _)| known.contains(name))
            .collect();
        sure.sort_by(|(_, one), (_, other)| other.total_cmp(one));
        Ok(sure)
    }

    async fn filed(&self, session: &str) -> Result<Option<FiledIssue>, SurfaceError> {
        let read: OfSession<Filed> = self.client.run(&FILING, &Id { id: session }).await?;
        Ok(read.agent_session.issue)
    }
}
