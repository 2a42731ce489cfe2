//! What is said by the way where a conversation shows the choices of its last words alone.

use super::{Surface, Surfaces};
use crate::{
    domain::conversation::{ConversationId, LineRef},
    linear::Floor,
    surface::{Attempt, Pending, SurfaceError, Words},
};

impl Surfaces {
    /// The floor in a conversation whose last words take the choices of those before away; none where they do not.
    pub async fn floor(
        &self,
        conversation: &ConversationId,
    ) -> Result<Option<Floor>, SurfaceError> {
        match self.surface(&conversation.0).await? {
            Surface::Slack(_) => Ok(None),
            Surface::Linear(linear) => linear.floor(conversation).await.map(Some),
        }
    }

    /// Says something by the way, with what is waited for below it. `slot` is none where it answers one person.
    pub async fn say_on(
        &self,
        floor: Floor,
        slot: Option<&str>,
        words: &Words,
        pending: Option<&Pending>,
        attempt: Attempt,
    ) -> Result<LineRef, SurfaceError> {
        let Some(linear) = &self.linear else {
            return Err(Self::not_set_up());
        };
        let words = self.clean_words(words);
        let pending = pending.map(|pending| Pending {
            sentence: self.clean(&pending.sentence),
            controls: self.clean_controls(&pending.controls),
        });
        linear
            .say_on(floor, slot, &words, pending.as_ref(), attempt)
            .await
    }
}
