//! Who works on a SQLite file: one process at a time. What it has in hand has no other fence, because whoever begins to work
//! there takes back all that an earlier one had begun.
//!
//! An empty file beside the database is locked, which the system undoes with its process, however that one ends.

use std::{
    fs::{File, TryLockError},
    io,
    path::Path,
};

use tracing::warn;

use super::{StoreError, neighbours::lockable, opening::behind};

/// What is behind the database's name in the name of the file.
const WORK: &str = "-work";

/// The right to work on a file as the only one, until it is given back or dropped.
#[derive(Debug)]
pub(super) struct Sole(File);

impl Sole {
    /// Takes it for the database at this path. There is none where the system cannot lock a file: then nothing can be told of
    /// others, which is said in the log.
    ///
    /// # Errors
    /// [`StoreError::InUse`] where another one has it.
    pub(super) fn of(database: &Path) -> Result<Option<Self>, StoreError> {
        let locked = lockable(&behind(database, WORK))
            .map_err(TryLockError::Error)
            .and_then(|file| file.try_lock().map(|()| Self(file)));
        match locked {
            Ok(sole) => Ok(Some(sole)),
            Err(TryLockError::WouldBlock) => Err(StoreError::InUse(database.to_owned())),
            Err(TryLockError::Error(error)) => {
                nothing_told(&error);
                Ok(None)
            }
        }
    }

    /// Leaves the file to the next one.
    pub(super) fn give_back(&self) {
        // By name: a program that is being started at this moment has the file open as well, until it runs.
        let _ = self.0.unlock();
    }
}

impl Drop for Sole {
    fn drop(&mut self) {
        self.give_back();
    }
}

fn nothing_told(error: &io::Error) {
    warn!(%error, "whether another program works on the database cannot be told; let none do it");
}
