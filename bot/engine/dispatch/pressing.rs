//! Buttons and forms: what a press makes happen.

use super::{
    Dispatch, Later,
    deliveries::{answer, form},
};
use crate::{
    domain::{
        Timestamp, command,
        conversation::{ConversationId, Person, Road},
        effect::FormRequest,
        event::Event,
        incoming::Press,
        message::Message,
    },
    store::{
        inbox::Delivery,
        tasks::{Stored, Transition},
    },
};

/// Something that was pressed.
pub(super) struct Pressed {
    /// Where.
    pub conversation: ConversationId,
    /// Who did it.
    pub by: Person,
    /// What it stands for.
    pub press: Press,
}

impl Dispatch {
    pub(super) async fn pressed(
        &self,
        delivery: &Delivery,
        stored: Stored,
        pressed: Pressed,
        now: Timestamp,
    ) -> Result<Transition, Later> {
        let Pressed {
            conversation,
            by,
            press,
        } = pressed;
        let event = match press {
            Press::Approve { revision } => Event::Approved {
                by,
                revision,
                road: Road::Button,
            },
            Press::Correct { revision, text } => Event::Corrected { by, revision, text },
            Press::Cancel => Event::CancelAsked {
                by,
                road: Road::Button,
            },
            Press::Retry => Event::RetryAsked { by },
            Press::Widen { entry, verdict } => Event::NetworkDecided {
                by,
                entry,
                verdict,
                road: Road::Button,
            },
            Press::Answer { question, text } => Event::Answered { by, question, text },
            Press::ChooseRepository { text } => {
                let Some(repository) = command::parse_repository(&text) else {
                    let unknown = vec![command::UnknownOption {
                        written: text,
                        hint: "a repository is written `owner/name`".to_owned(),
                    }];
                    let hints = Message::OptionHints { unknown };
                    return Ok(answer(delivery, conversation, &by, hints));
                };
                Event::RepositoryChosen { by, repository }
            }
            Press::OpenCorrection { revision, trigger } => {
                let asked = FormRequest::Correction { revision };
                return Ok(form(delivery, conversation, stored, (trigger, asked)));
            }
            Press::OpenRepository { trigger } => {
                let asked = FormRequest::Repository;
                return Ok(form(delivery, conversation, stored, (trigger, asked)));
            }
        };
        self.handled_in(delivery, conversation, stored, event, now)
            .await
    }
}
