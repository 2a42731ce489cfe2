//! Durations, costs and cut lists, as people read them.

pub use deckhand_executors::sandbox::grouped;

use crate::domain::{Timestamp, budget::Usage};

/// A moment as the hour of its day.
#[must_use]
pub fn clock_of(at: Timestamp) -> String {
    let minutes = at.0.div_euclid(60_000).rem_euclid(24 * 60);
    format!("{:02}:{:02} UTC", minutes / 60, minutes % 60)
}

/// A moment as day and hour, for people who run Deckhand: `2026-01-31 14:05 UTC`.
#[must_use]
pub fn moment_of(at: Timestamp) -> String {
    let moment = jiff::Timestamp::from_millisecond(at.0).unwrap_or_default();
    moment.strftime("%Y-%m-%d %H:%M UTC").to_string()
}

/// A duration in milliseconds as people say it: `4 s`, `3 min 12 s`, `1 h 5 min`.
#[must_use]
pub fn duration(milliseconds: i64) -> String {
    let seconds = milliseconds.max(0) / 1_000;
    let (hours, minutes, rest) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    match (hours, minutes) {
        (0, 0) if seconds == 0 => "under 1 s".to_owned(),
        (0, 0) => format!("{rest} s"),
        (0, _) if rest == 0 => format!("{minutes} min"),
        (0, _) => format!("{minutes} min {rest} s"),
        (_, 0) => format!("{hours} h"),
        (_, _) => format!("{hours} h {minutes} min"),
    }
}

/// A duration in milliseconds in the unit that fits it, for times in which nobody counts minutes: `3 days`, `1 day`,
/// `5 hours`.
#[must_use]
pub fn long_duration(milliseconds: i64) -> String {
    let hours = milliseconds.max(0).saturating_add(1_800_000) / 3_600_000;
    let whole =
        |number: i64, one, many| count(usize::try_from(number).unwrap_or(usize::MAX), one, many);
    match hours {
        0 => duration(milliseconds),
        1..48 => whole(hours, "hour", "hours"),
        _ => whole((hours + 12) / 24, "day", "days"),
    }
}

/// What was spent; unknown is said, never shown as zero.
#[must_use]
pub fn spent(usage: Usage) -> String {
    match usage.cost {
        Some(cost) => cost.to_string(),
        None if usage.is_empty() => "nothing spent".to_owned(),
        None => "cost unknown".to_owned(),
    }
}

/// Bytes as people set them: `10 GB`.
#[must_use]
pub fn gigabytes(bytes: u64) -> String {
    format!("{} GB", bytes >> 30)
}

/// `1 file`, `2,000 files`.
#[must_use]
pub fn count(number: usize, one: &str, many: &str) -> String {
    let unit = if number == 1 { one } else { many };
    format!("{} {unit}", grouped(number as u64))
}

/// How much of long lists and long texts a message shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// The most entries of one list.
    pub entries: usize,
    /// The longest text of one entry, in characters.
    pub chars: usize,
}

impl Room {
    /// From the widest to the narrowest; a message takes the first in which it fits.
    pub const ALL: [Self; 6] = [
        Self {
            entries: 30,
            chars: 600,
        },
        Self {
            entries: 20,
            chars: 300,
        },
        Self {
            entries: 12,
            chars: 200,
        },
        Self {
            entries: 6,
            chars: 160,
        },
        Self {
            entries: 3,
            chars: 120,
        },
        Self {
            entries: 1,
            chars: 80,
        },
    ];

    /// [`Room::chars`] by value, which is what a filter of a template takes.
    #[must_use]
    pub const fn chars(&self) -> usize {
        self.chars
    }

    /// The entries that are shown, and how many are not.
    #[must_use]
    pub fn cut<T>(self, list: &[T]) -> Cut<'_, T> {
        // One entry more costs no more than the line that would stand for it.
        let shown = if list.len() <= self.entries + 1 {
            list.len()
        } else {
            self.entries
        };
        Cut {
            shown: &list[..shown],
            more: list.len() - shown,
        }
    }
}

/// A list that was cut.
#[derive(Debug, Clone, Copy)]
pub struct Cut<'a, T> {
    /// What is shown.
    pub shown: &'a [T],
    /// How many are not.
    pub more: usize,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::budget::MicroDollars;

    #[test]
    fn durations_read_as_people_say_them() {
        let check = |milliseconds, expected| assert_eq!(duration(milliseconds), expected);
        check(-5, "under 1 s");
        check(999, "under 1 s");
        check(4_000, "4 s");
        check(192_000, "3 min 12 s");
        check(120_000, "2 min");
        check(3_900_000, "1 h 5 min");
        check(7_200_000, "2 h");
    }

    #[test]
    fn large_numbers_are_read_in_groups() {
        for (number, read) in [
            (0, "0 files"),
            (1, "1 file"),
            (999, "999 files"),
            (1_000, "1,000 files"),
            (1_000_000, "1,000,000 files"),
        ] {
            assert_eq!(count(number, "file", "files"), read);
        }
    }

    #[test]
    fn long_durations_are_said_in_one_unit() {
        let check = |minutes: i64, expected| assert_eq!(long_duration(minutes * 60_000), expected);
        check(5, "5 min");
        check(60, "1 hour");
        check(90, "2 hours");
        check(24 * 60, "24 hours");
        check(13 * 24 * 60 - 1, "13 days");
    }

    #[test]
    fn an_unknown_cost_is_said_to_be_unknown() {
        let used = Usage {
            input_tokens: 5,
            output_tokens: 5,
            cost: None,
        };
        assert_eq!(spent(used), "cost unknown");
        assert_eq!(spent(Usage::default()), "nothing spent");
        assert_eq!(
            spent(Usage {
                cost: Some(MicroDollars(120_000)),
                ..used
            }),
            "$0.12"
        );
    }

    #[test]
    fn a_list_is_never_cut_by_one() {
        let room = Room {
            entries: 3,
            chars: 10,
        };
        assert_eq!(room.cut(&[1, 2, 3, 4]).more, 0);
        assert_eq!(room.cut(&[1, 2, 3, 4, 5]).more, 2);
    }
}
