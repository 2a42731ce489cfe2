//! What hangs on a request: files and links, and what is said of those that do not reach the agent.

use super::Task;
use crate::domain::{
    attachment::{NUMBER_MAX, Refused, Unfit, unfit},
    conversation::{FileRef, Line, LineKind, LineRef},
    effect::Effect,
    message::Message,
};

/// The most files and links that are remembered as told of; what is beyond is not told of again.
const TOLD_MAX: usize = 200;

impl Task {
    /// The files that the agent gets, each with its line, which says on which surface it is: those of the request, of what
    /// its writer said beside it, and of the issue that it is about.
    #[must_use]
    pub fn attachments(&self) -> Vec<(&LineRef, &FileRef)> {
        let fitting = self.attached().into_iter();
        let fitting = fitting.filter(|(_, file)| unfit(file).is_none());
        fitting.take(NUMBER_MAX).collect()
    }

    fn attached(&self) -> Vec<(&LineRef, &FileRef)> {
        let is_meant = |line: &&Line| match line.kind {
            LineKind::Issue => true,
            LineKind::Talk | LineKind::Guidance => line.author.id == self.request.author.id,
            LineKind::Linked => false,
        };
        let beside = self.context.iter().filter(is_meant);
        let mut files: Vec<(&LineRef, &FileRef)> = Vec::new();
        for line in std::iter::once(&self.request).chain(beside) {
            for file in &line.files {
                if !files.iter().any(|(_, known)| known.handle == file.handle) {
                    files.push((&line.reference, file));
                }
            }
        }
        files
    }

    /// Says which files and links were not taken, each once.
    pub(super) fn say_unread(&mut self, links: &[String]) -> Vec<Effect> {
        let mut fitting = 0;
        let mut refused: Vec<(String, Refused)> = Vec::new();
        for (_, file) in self.attached() {
            let why = unfit(file).or_else(|| {
                fitting += 1;
                (fitting > NUMBER_MAX).then_some(Unfit::TooMany)
            });
            if let Some(why) = why {
                let name = file.name.clone();
                refused.push((file.handle.clone(), Refused { name, why }));
            }
        }
        let is_news = |told: &[String], one: &String| told.len() < TOLD_MAX && !told.contains(one);
        let mut files = Vec::new();
        for (handle, one) in refused {
            if is_news(&self.told_unread, &handle) {
                self.told_unread.push(handle);
                files.push(one);
            }
        }
        let mut unread = Vec::new();
        for link in links {
            if is_news(&self.told_unread, link) {
                self.told_unread.push(link.clone());
                unread.push(link.clone());
            }
        }
        let mut effects = Vec::new();
        if !files.is_empty() {
            effects.push(self.note(Message::FilesRefused { files }));
        }
        if !unread.is_empty() {
            effects.push(self.note(Message::LinksUnread { links: unread }));
        }
        effects
    }
}
