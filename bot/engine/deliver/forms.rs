//! Forms: opened for the person who pressed a button, with what they need to see.

use super::Deliver;
use crate::{
    domain::{effect::FormRequest, message::Decision},
    engine::{Fault, gather},
    store::outbox::Claimed,
    surface::Form,
    words,
};

impl Deliver {
    pub(super) async fn open_form(
        &self,
        claimed: &Claimed,
        trigger: &str,
        form: FormRequest,
    ) -> Result<(), Fault> {
        let owner = self.owner(claimed)?;
        let Some(stored) = self.context.store.task(owner).await? else {
            return Ok(());
        };
        let form = match form {
            FormRequest::Correction { revision } => {
                let Some(card) = stored.task.plan_card(Decision::Open) else {
                    return Ok(());
                };
                Form::Correction {
                    revision,
                    plan: words::plan_text(&card).map_err(Fault::of_words)?,
                }
            }
            FormRequest::Repository => Form::Repository {
                known: gather::known_names(&self.context).await,
            },
        };
        Ok(self
            .context
            .surfaces
            .open_form((&claimed.conversation, owner), trigger, &form)
            .await?)
    }
}
