//! Signs of life of the workers. Each says at every round when it means to be back, and one that is not is named.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// How long a worker may be overdue before that is trouble.
pub const OVERDUE: Duration = Duration::from_secs(15);

/// What goes on for as long as the process works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Worker {
    /// Takes deliveries. There are several.
    Dispatch,
    /// Takes effects.
    Deliver,
    /// Renews the leases of what is in hand.
    Leases,
    /// Takes over runs that nobody watches.
    Runs,
    /// Removes what was left behind, and tells tasks what time brings.
    Reaper,
    /// Asks whether the container engine lives.
    Engine,
}

impl Worker {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Dispatch,
        Self::Deliver,
        Self::Leases,
        Self::Runs,
        Self::Reaper,
        Self::Engine,
    ];

    /// Its name in figures.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Dispatch => "dispatch",
            Self::Deliver => "deliver",
            Self::Leases => "leases",
            Self::Runs => "runs",
            Self::Reaper => "reaper",
            Self::Engine => "engine",
        }
    }

    /// What is not done while it is silent.
    const fn duty(self) -> &'static str {
        match self {
            Self::Dispatch => "handles what comes in",
            Self::Deliver => "does what is to be done",
            Self::Leases => "renews leases",
            Self::Runs => "takes over runs",
            Self::Reaper => "removes what is left behind and keeps the timers",
            Self::Engine => "asks after the container engine",
        }
    }
}

/// The signs of all workers of a process. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Heartbeats(Arc<Mutex<Vec<Sign>>>);

/// The last sign of one worker.
#[derive(Debug, Clone, Copy)]
struct Sign {
    worker: Worker,
    heard: Instant,
    back_by: Instant,
}

/// What one worker gives its signs with.
#[derive(Debug)]
pub struct Heartbeat {
    all: Heartbeats,
    place: usize,
}

impl Heartbeats {
    /// One more worker, which begins now.
    #[must_use]
    pub fn of(&self, worker: Worker) -> Heartbeat {
        let now = Instant::now();
        let mut signs = self.locked();
        signs.push(Sign {
            worker,
            heard: now,
            back_by: now,
        });
        Heartbeat {
            all: self.clone(),
            place: signs.len() - 1,
        }
    }

    /// A sentence about each kind of worker that is overdue at this moment.
    #[must_use]
    pub fn troubles(&self, now: Instant) -> Vec<String> {
        let signs = self.locked();
        Worker::ALL
            .into_iter()
            .filter_map(|worker| {
                let of_kind = || signs.iter().filter(|sign| sign.worker == worker);
                let is_overdue =
                    |sign: &&Sign| now.saturating_duration_since(sign.back_by) > OVERDUE;
                let overdue = of_kind().filter(is_overdue).count();
                let silent = of_kind().filter(is_overdue).map(|sign| sign.heard).min()?;
                let seconds = now.saturating_duration_since(silent).as_secs();
                let duty = worker.duty();
                let all = of_kind().count();
                Some(if all == 1 {
                    format!("the worker that {duty} has made no round for {seconds} s")
                } else {
                    format!("{overdue} of the {all} workers of the kind that {duty} made no round for up to {seconds} s")
                })
            })
            .collect()
    }

    /// How long ago each kind of worker gave its last sign; of several the one that is silent longest.
    #[must_use]
    pub fn silences(&self, now: Instant) -> Vec<(Worker, Duration)> {
        let signs = self.locked();
        Worker::ALL
            .into_iter()
            .filter_map(|worker| {
                let of_kind = signs.iter().filter(|sign| sign.worker == worker);
                let heard = of_kind.map(|sign| sign.heard).min()?;
                Some((worker, now.saturating_duration_since(heard)))
            })
            .collect()
    }

    fn locked(&self) -> MutexGuard<'_, Vec<Sign>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Heartbeat {
    /// A round begins, and it is short.
    pub fn round(&self) {
        self.back_in(Duration::ZERO);
    }

    /// The next sign may take so long: the worker sleeps, or waits for somebody else.
    pub fn back_in(&self, pause: Duration) {
        self.sign(Instant::now(), pause);
    }

    /// The same at a given moment.
    pub(crate) fn sign(&self, heard: Instant, pause: Duration) {
        if let Some(sign) = self.all.locked().get_mut(self.place) {
            sign.heard = heard;
            sign.back_by = heard + pause;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_worker_that_does_not_come_back_is_named_and_forgotten_when_it_does() {
        let (all, begun) = (Heartbeats::default(), Instant::now());
        let (deliver, reaper) = (all.of(Worker::Deliver), all.of(Worker::Reaper));
        deliver.sign(begun, Duration::ZERO);
        reaper.sign(begun, 30 * SECOND);
        assert_eq!(all.troubles(begun + 15 * SECOND), Vec::<String>::new());
        let deliver_alone =
            ["the worker that does what is to be done has made no round for 16 s".to_owned()];
        assert_eq!(all.troubles(begun + 16 * SECOND), deliver_alone);
        // Who said that it sleeps is not missed before that is over.
        deliver.sign(begun + 40 * SECOND, Duration::ZERO);
        assert_eq!(all.troubles(begun + 45 * SECOND), Vec::<String>::new());
        let reaper_alone = [
            "the worker that removes what is left behind and keeps the timers has made no round for 46 s"
                .to_owned(),
        ];
        assert_eq!(all.troubles(begun + 46 * SECOND), reaper_alone);
        let silences = all.silences(begun + 46 * SECOND);
        assert_eq!(
            silences,
            [(Worker::Deliver, 6 * SECOND), (Worker::Reaper, 46 * SECOND)]
        );
        reaper.sign(begun + 47 * SECOND, 30 * SECOND);
        assert_eq!(all.troubles(begun + 48 * SECOND), Vec::<String>::new());
    }

    #[test]
    fn one_of_several_that_hangs_is_counted() {
        let (all, begun) = (Heartbeats::default(), Instant::now());
        let three = [(); 3].map(|()| all.of(Worker::Dispatch));
        for (worker, sign) in three.iter().zip([20, 0, 19]) {
            worker.sign(begun + sign * SECOND, Duration::ZERO);
        }
        assert_eq!(
            all.troubles(begun + 21 * SECOND),
            [
                "1 of the 3 workers of the kind that handles what comes in made no round for up to 21 s"
            ]
        );
    }

    #[test]
    fn a_worker_that_went_down_is_missed() {
        let all = Heartbeats::default();
        drop(all.of(Worker::Engine));
        assert_eq!(all.troubles(Instant::now() + 16 * SECOND).len(), 1);
    }
}
