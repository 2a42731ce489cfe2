//! Who somebody is and where a task is talked about, for doors that answer at once and know nothing of surfaces.

use futures::future::BoxFuture;

use super::Surfaces;
use crate::{
    domain::{conversation::Person, incoming::Author, task::Task},
    linear, slack,
    surface::{People, SurfaceError},
};

/// The name by which people know the surface that made an address; none where there is no such surface.
pub(in crate::engine) fn name_of(address: &str) -> Option<&'static str> {
    if slack::ids::home(address).is_some() {
        return Some("Slack");
    }
    (address.split(':').next() == Some(linear::SURFACE)).then_some("Linear")
}

impl People for Surfaces {
    fn person_in<'a>(
        &'a self,
        home: &'a str,
        by: &'a Author,
    ) -> BoxFuture<'a, Result<Option<Person>, SurfaceError>> {
        Box::pin(async move {
            let Some(workspaces) = self.workspaces() else {
                return Ok(None);
            };
            if !workspaces.homes().await?.iter().any(|one| one == home) {
                return Ok(None);
            }
            self.person(by).await.map(Some)
        })
    }

    fn page_of<'a>(&'a self, task: &'a Task) -> BoxFuture<'a, Option<String>> {
        Box::pin(self.page(&task.conversation, &task.request.reference))
    }
}
