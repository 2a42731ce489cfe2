//! Buttons and forms: what a press makes happen.

use super::{
    Dispatch, Later,
    deliveries::{answer, form},
};
use crate::{
    domain::{
        Timestamp, command,
        conversation::{Person, Road},
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

impl Dispatch {
    pub(super) async fn pressed(
        &self,
        delivery: &Delivery,
        stored: Stored,
        by: Person,
        press: Press,
        now: Timestamp,
    ) -> Result<Transition, Later> {
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
                    return Ok(answer(
                        delivery,
                        stored.task.conversation,
                        &by,
                        Message::OptionHints { unknown },
                    ));
                };
                Event::RepositoryChosen { by, repository }
            }
            Press::OpenCorrection { revision, trigger } => {
                return Ok(form(
                    delivery,
                    stored,
                    trigger,
                    FormRequest::Correction { revision },
                ));
            }
            Press::OpenRepository { trigger } => {
                return Ok(form(delivery, stored, trigger, FormRequest::Repository));
            }
        };
        self.handled(delivery, stored, event, now).await
    }
}
