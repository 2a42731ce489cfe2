//! What hangs on a request: files and links, and what is said of those that do not reach the agent.

use super::{State, Task};
use crate::domain::{
    RunNumber,
    attachment::{NUMBER_MAX, REPLIES_MAX, Refused, ReplyFile, Unfit, UnreadLink, unfit},
    command::Command,
    conversation::{FileRef, Line, LineKind, LineRef},
    effect::Effect,
    message::Message,
};

/// What somebody says who sends files without a word.
const FILES_ALONE: &str = "See the attached files.";
/// The most files and links that are remembered as told of; what is beyond is not told of again.
const TOLD_MAX: usize = 200;

impl Task {
    /// The files that the agent gets, each with its line, which says on which surface it is: those of the request, of what
    /// its writer said beside it, and of the issue that it is about; then those of replies that a run had or has.
    #[must_use]
    pub fn attachments(&self) -> Vec<(&LineRef, &FileRef)> {
        let fitting = self.attached().into_iter();
        let fitting = fitting.filter(|(_, file)| unfit(file).is_none());
        let replies = self.reply_files.iter().filter(|one| one.run.is_some());
        let replies = replies.map(|one| (&one.line, &one.file));
        fitting.take(NUMBER_MAX).chain(replies).collect()
    }

    /// Whether a file came with what this run was told first.
    #[must_use]
    pub fn is_new_to(&self, run: RunNumber, file: &FileRef) -> bool {
        let mut replies = self.reply_files.iter();
        replies.any(|one| one.run == Some(run) && one.file.handle == file.handle)
    }

    /// What waits for a run is for this one.
    pub(super) fn hand_files_to(&mut self, run: RunNumber) {
        for one in &mut self.reply_files {
            one.run.get_or_insert(run);
        }
    }

    /// What came with sentences that no run has heard is for the next one.
    pub(super) fn take_files_back(&mut self, unheard: &[Line]) {
        for one in &mut self.reply_files {
            if unheard.iter().any(|line| line.reference == one.line) {
                one.run = None;
            }
        }
    }

    /// Takes the files of a reply for the agent's next turn, where it is one that the agent hears. Files without a word are
    /// said to be there: then the line and what it asks for are others.
    pub(super) fn take_files(
        &mut self,
        line: &Line,
        command: &Command,
        mentioned: bool,
    ) -> (Option<(Line, Command)>, Vec<Effect>) {
        // Words to a task that failed go on with it.
        let is_over = self.state.is_over() && !matches!(self.state, State::Failed { .. });
        if line.files.is_empty() || !is_heard(command) || is_over || (self.muted && !mentioned) {
            return (None, Vec::new());
        }
        let (mut taken, mut refused) = (0, Vec::new());
        for file in &line.files {
            let is_here = self
                .reply_files
                .iter()
                .any(|one| one.file.handle == file.handle);
            if is_here
                || self
                    .attached()
                    .iter()
                    .any(|(_, known)| known.handle == file.handle)
            {
                continue;
            }
            let why = unfit(file)
                .or_else(|| (taken >= NUMBER_MAX).then_some(Unfit::TooMany))
                .or_else(|| (self.reply_files.len() >= REPLIES_MAX).then_some(Unfit::TaskIsFull));
            if let Some(why) = why {
                let name = file.name.clone();
                refused.push(Refused { name, why });
                continue;
            }
            taken += 1;
            self.reply_files.push(ReplyFile {
                line: line.reference.clone(),
                file: file.clone(),
                run: None,
            });
        }
        let mut told = Vec::new();
        if !refused.is_empty() {
            told.push(self.note(Message::FilesRefused { files: refused }));
        }
        let is_silent = match command {
            Command::Empty => true,
            Command::Words(text) | Command::New(text) | Command::Now(text) => {
                text.trim().is_empty()
            }
            _ => false,
        };
        let said = (taken > 0 && is_silent).then(|| {
            let text = FILES_ALONE.to_owned();
            let line = Line {
                text: text.clone(),
                ..line.clone()
            };
            (line, Command::Words(text))
        });
        (said, told)
    }

    /// Says which files a run did not get, each once.
    pub(super) fn files_gone(&mut self, files: &[FileRef], too_large: &[FileRef]) -> Vec<Effect> {
        let gone_for_good = files.iter().map(|file| (file, Unfit::Gone));
        let larger = too_large.iter().map(|file| (file, Unfit::Larger));
        let mut gone = Vec::new();
        for (file, why) in gone_for_good.chain(larger) {
            if self.told_unread.len() < TOLD_MAX && !self.told_unread.contains(&file.handle) {
                self.told_unread.push(file.handle.clone());
                let name = file.name.clone();
                gone.push(Refused { name, why });
            }
        }
        if gone.is_empty() {
            return Vec::new();
        }
        vec![self.note(Message::FilesRefused { files: gone })]
    }

    /// What was taken back before any run had it was not sent.
    pub(super) fn drop_files_of(&mut self, line: &LineRef) {
        self.reply_files
            .retain(|one| one.line != *line || one.run.is_some());
    }

    fn attached(&self) -> Vec<(&LineRef, &FileRef)> {
        let is_meant = |line: &&Line| match line.kind {
            LineKind::Issue => true,
            LineKind::Talk | LineKind::Guidance => line.author.id == self.request.author.id,
            LineKind::Linked | LineKind::Earlier => false,
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
    pub(super) fn say_unread(&mut self, links: &[UnreadLink]) -> Vec<Effect> {
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
        for one in links {
            if is_news(&self.told_unread, &one.link) {
                self.told_unread.push(one.link.clone());
                unread.push(one.clone());
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

/// Whether what somebody asks for is something that the agent hears.
const fn is_heard(command: &Command) -> bool {
    match command {
        Command::Words(_)
        | Command::New(_)
        | Command::Ask(_)
        | Command::Now(_)
        | Command::Empty => true,
        Command::Approve
        | Command::Stop
        | Command::Retry
        | Command::List
        | Command::Status
        | Command::Help
        | Command::Settings
        | Command::Why
        | Command::Limits
        | Command::Experts
        | Command::Network { .. }
        | Command::FileIssue { .. }
        | Command::Aside
        | Command::Mute(_) => false,
    }
}
