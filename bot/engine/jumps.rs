//! A clock on the wall that jumps: somebody sets it, or the machine slept. What waits for its time must not wait for the
//! difference as well, and whoever runs Deckhand has to know, because platforms' signatures have a time in them.

use tracing::warn;

use super::Context;
use crate::{domain::Timestamp, store::StoreError, words::duration};

/// A difference to the steady clock from which on it is a jump, in milliseconds. Small corrections are made all the time.
const JUMP_MS: i64 = 5_000;
/// How long a jump is told of, in milliseconds.
const TOLD_MS: i64 = 60 * 60 * 1_000;

/// Looks whether the clock has jumped since it looked last.
#[derive(Debug, Default)]
pub struct Jumps {
    /// How far the clock on the wall was ahead of the steady one.
    ahead_ms: Option<i64>,
    /// What is told, and since when by the steady clock.
    told: Option<(String, i64)>,
}

impl Jumps {
    /// Looks. After a jump back, what waits is due by the new time as it was by the old one.
    ///
    /// # Errors
    /// As the store has them; then the next look finds the same jump.
    pub async fn look(&mut self, context: &Context) -> Result<(), StoreError> {
        let (now, steady) = (context.clock.now(), context.clock.steady());
        let ahead_ms = now.0 - steady.0;
        let jump_ms = ahead_ms - *self.ahead_ms.get_or_insert(ahead_ms);
        if jump_ms.abs() >= JUMP_MS {
            if jump_ms < 0 {
                context.store.set_back(-jump_ms, now).await?;
                context.wake.inbox();
                context.wake.outbox();
            }
            self.tell(jump_ms, steady);
        }
        self.ahead_ms = Some(ahead_ms);
        Ok(())
    }

    /// Tells of a jump: in the log now, and for a while to whoever asks.
    fn tell(&mut self, jump_ms: i64, steady: Timestamp) {
        let told = sentence(jump_ms);
        warn!("{told}");
        self.told = Some((told, steady.0));
    }

    /// The last jump, where it was not long ago.
    #[must_use]
    pub fn told(&self, context: &Context) -> Option<String> {
        let (told, since_ms) = self.told.as_ref()?;
        (context.clock.steady().0 - since_ms < TOLD_MS).then(|| told.clone())
    }
}

fn sentence(jump_ms: i64) -> String {
    let by = duration(roughly(jump_ms.abs()));
    if jump_ms < 0 {
        format!(
            "the clock of this machine was set back by {by}; what waits was moved with it, and requests signed before are refused until their platform sends them again"
        )
    } else {
        format!(
            "the clock of this machine jumped ahead by {by}; where it is wrong now, signed requests are refused as too old"
        )
    }
}

/// To the minute, and a small one to the second: the two clocks are read one after the other, and the process may have been held
/// up in between.
const fn roughly(jump_ms: i64) -> i64 {
    const SECOND: i64 = 1_000;
    const MINUTE: i64 = 60 * SECOND;
    let step = if jump_ms < 10 * MINUTE {
        SECOND
    } else {
        MINUTE
    };
    (jump_ms + step / 2) / step * step
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_passes_between_two_looks_at_clocks_is_no_part_of_a_jump() {
        for (jump_ms, told) in [
            (3_599_999, "ahead by 1 h;"),
            (3_600_001, "ahead by 1 h;"),
            (-3_601_900, "set back by 1 h;"),
            (89_999, "ahead by 1 min 30 s;"),
        ] {
            let sentence = sentence(jump_ms);
            assert!(sentence.contains(told), "{sentence}");
        }
    }

    #[test]
    fn a_jump_is_told_in_the_log() {
        let log = tempfile::NamedTempFile::new().expect("a file");
        let subscriber = tracing_subscriber::fmt()
            .with_ansi(false)
            .with_writer(log.reopen().expect("the file"))
            .finish();
        let mut jumps = Jumps::default();
        tracing::subscriber::with_default(subscriber, || {
            jumps.tell(-3_600_000, Timestamp(0));
            jumps.tell(90_000, Timestamp(1));
        });
        let log = std::fs::read_to_string(log.path()).expect("text");
        let lines: Vec<&str> = log.lines().collect();
        assert_eq!(lines.len(), 2, "{log}");
        for (line, told) in [
            (
                lines[0],
                "the clock of this machine was set back by 1 h; what waits was moved with it",
            ),
            (
                lines[1],
                "the clock of this machine jumped ahead by 1 min 30 s;",
            ),
        ] {
            assert!(line.contains("WARN") && line.contains(told), "{line}");
        }
        let last = jumps.told.expect("it is told");
        assert_eq!(last, (sentence(90_000), 1));
    }
}
