//! How long what is over is kept.

use std::{str::FromStr, time::Duration};

use super::{ConfigError, values::Values};

/// The shortest time for which handled deliveries are kept, in days: platforms send again what they think was lost.
const DELIVERIES_MIN_DAYS: u64 = 7;
/// The longest time that can be set, in days.
const MAX_DAYS: u64 = 3_650;
/// The seconds of a day.
const DAY_SECONDS: u64 = 86_400;

/// What becomes of the work of a task that is cancelled or that nobody decides on in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CanceledWork {
    /// It is kept on a branch on the host, as long as snapshots are.
    Keep,
    /// It goes with its sandbox.
    Drop,
}

impl FromStr for CanceledWork {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "keep" => Ok(Self::Keep),
            "drop" => Ok(Self::Drop),
            _ => Err(()),
        }
    }
}

/// How long what is over is kept; none for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// The logs of tasks that are over.
    pub logs: Option<Duration>,
    /// What becomes of the work of a task that is cancelled or that nobody decides on in time.
    pub canceled_work: CanceledWork,
    /// The volumes and quarantined commits of tasks that failed, which another try goes on with, and the kept work of
    /// cancelled and expired ones.
    pub snapshots: Option<Duration>,
    /// The pictures of tasks that are over.
    pub artifacts: Option<Duration>,
    /// What is left of handled deliveries and effects.
    pub deliveries: Option<Duration>,
}

impl Retention {
    pub(super) fn from_values(values: &Values) -> Result<Self, ConfigError> {
        let kept = |name, least: u64| {
            let days = values.parse::<u64>(name)?;
            let time = Duration::from_secs(days.clamp(least, MAX_DAYS) * DAY_SECONDS);
            Ok((days > 0).then_some(time))
        };
        Ok(Self {
            canceled_work: values.parse("DECKHAND_CANCELED_WORK")?,
            logs: kept("DECKHAND_KEEP_LOGS_DAYS", 1)?,
            snapshots: kept("DECKHAND_KEEP_SNAPSHOTS_DAYS", 1)?,
            artifacts: kept("DECKHAND_KEEP_ARTIFACTS_DAYS", 1)?,
            deliveries: kept("DECKHAND_KEEP_DELIVERIES_DAYS", DELIVERIES_MIN_DAYS)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn read(text: &str) -> Retention {
        let values = Values::collect(&BTreeMap::new(), text, "deckhand.toml").expect("settings");
        Retention::from_values(&values).expect("days")
    }

    #[test]
    fn cancelled_work_is_kept_or_dropped_and_nothing_else() {
        let with = |word: &str| {
            let text = format!("[retention]\ncanceled_work = \"{word}\"\n");
            let values =
                Values::collect(&BTreeMap::new(), &text, "deckhand.toml").expect("settings");
            Retention::from_values(&values).map(|retention| retention.canceled_work)
        };
        assert_eq!(with("drop"), Ok(CanceledWork::Drop));
        let error = with("burn").expect_err("it is refused");
        assert!(error.to_string().contains("`keep` or `drop`"), "{error}");
    }

    #[test]
    fn nothing_is_kept_for_ever_unless_somebody_says_so() {
        let days = |days| Some(Duration::from_secs(days * DAY_SECONDS));
        let usual = read("");
        assert_eq!((usual.logs, usual.artifacts), (days(90), days(90)));
        assert_eq!((usual.snapshots, usual.deliveries), (days(30), days(90)));
        assert_eq!(usual.canceled_work, CanceledWork::Keep);
        let set = read("[retention]\nlogs_days = 0\nartifacts_days = 5\ndeliveries_days = 1\n");
        assert_eq!((set.logs, set.artifacts), (None, days(5)));
        assert_eq!(set.deliveries, days(DELIVERIES_MIN_DAYS));
    }
}
