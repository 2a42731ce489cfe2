//! How often each method may be called in a minute, and who goes first where that is not enough.
//!
//! Slack counts by method and workspace and publishes tiers. Each process counts its own calls before it makes them; replicas
//! share nothing, so that Slack's own `Retry-After` has the last word. An installation for a whole organisation is counted
//! as one workspace, which asks for less than Slack allows.

use std::collections::VecDeque;

use crate::domain::Timestamp;

/// A method's tier. Source: the limit that stands with each method in Slack's reference, and its guide to rate limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Tier {
    /// Tier 2.
    Two,
    /// Tier 3.
    Three,
    /// Tier 4.
    Four,
    /// Slack gives no number by the minute.
    Special,
}

impl Tier {
    /// Calls in a minute.
    pub(super) const fn a_minute(self) -> Option<usize> {
        match self {
            Self::Two => Some(20),
            Self::Three => Some(50),
            Self::Four => Some(100),
            Self::Special => None,
        }
    }
}

/// How much somebody waits for a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Urgency {
    /// Nobody: the next one says more. It never waits in line with its words; it comes again with newer ones.
    Passing,
    /// It has to come, and nobody waits for it: emojis, and where the work has got to.
    Lasting,
    /// People wait for it: questions, plans, results, answers to a press.
    Waited,
    /// It is worth nothing in a few seconds. It is counted, and only Slack refuses it.
    Now,
}

impl Urgency {
    /// How many of a minute's calls it may fill up; what is left is kept for whoever waits more.
    const fn share(self, a_minute: usize) -> usize {
        match self {
            Self::Passing => a_minute * 7 / 10,
            Self::Lasting => a_minute * 9 / 10,
            Self::Waited | Self::Now => a_minute,
        }
    }
}

/// How long a call counts, in milliseconds: a minute, and a second because not every call is equally long on its way.
const COUNTED_MS: i64 = 61_000;
/// How long somebody who was told when to come again keeps the place in line after that, in milliseconds.
const PLACE_KEPT_MS: i64 = 10_000;
/// Places in line; beyond them it is luck who comes next.
const LINE_MAX: usize = 512;

/// The calls of one method in one workspace.
#[derive(Debug, Default)]
pub(super) struct Count {
    /// When those of the last minute were made, and those that have their turn will be; in order.
    made: VecDeque<Timestamp>,
    /// Whose words pass, in the order in which they asked: what each would change, and how long the place is kept.
    line: VecDeque<(String, Timestamp)>,
}

impl Count {
    /// From when on a call may be made. Passing words stand in line by what they would change.
    pub(super) fn due(
        &mut self,
        a_minute: usize,
        (urgency, subject): (Urgency, &str),
        now: Timestamp,
    ) -> Timestamp {
        while self.made.front().is_some_and(|made| counted(*made) <= now) {
            self.made.pop_front();
        }
        self.line.retain(|(_, kept)| *kept > now);
        let ahead = match urgency {
            Urgency::Now => return now,
            Urgency::Passing => {
                let place = self.line.iter().position(|(of, _)| of == subject);
                place.unwrap_or(self.line.len())
            }
            Urgency::Lasting | Urgency::Waited => 0,
        };
        let share = urgency.share(a_minute);
        let wanted = (ahead + 1).min(share);
        // So many of the oldest have to be a minute old first.
        match (self.made.len() + wanted).checked_sub(share + 1) {
            Some(last) => self.made.get(last).map_or(now, |made| counted(*made)),
            None => now,
        }
    }

    /// Counts a call that is made at `at`.
    pub(super) fn made(&mut self, a_minute: usize, subject: &str, at: Timestamp) {
        self.line.retain(|(of, _)| of != subject);
        // Only what does not wait can come to more than a minute's calls.
        if self.made.len() >= 2 * a_minute {
            self.made.pop_front();
        }
        let place = self.made.partition_point(|made| *made <= at);
        self.made.insert(place, at);
    }

    /// Keeps a place in line for passing words that come again at `again`.
    pub(super) fn stand_in_line(&mut self, subject: &str, again: Timestamp) {
        let kept = Timestamp(again.0.saturating_add(PLACE_KEPT_MS));
        if let Some(place) = self.line.iter_mut().find(|(of, _)| of == subject) {
            place.1 = kept;
        } else if self.line.len() < LINE_MAX {
            self.line.push_back((subject.to_owned(), kept));
        }
    }
}

/// Until when a call counts.
const fn counted(made: Timestamp) -> Timestamp {
    Timestamp(made.0.saturating_add(COUNTED_MS))
}

#[cfg(test)]
mod tests {
    use super::*;

    const A_MINUTE: usize = 50;

    /// Asks at a second, and makes the call where it may be made at once; else tells at which second it may be.
    fn ask(count: &mut Count, (urgency, subject): (Urgency, &str), second: i64) -> Option<i64> {
        let now = Timestamp(second * 1_000);
        let due = count.due(A_MINUTE, (urgency, subject), now);
        if due == now {
            count.made(A_MINUTE, subject, now);
            return None;
        }
        if urgency == Urgency::Passing {
            count.stand_in_line(subject, due);
        }
        Some(due.0 / 1_000)
    }

    fn how_many(count: &mut Count, urgency: Urgency, second: i64) -> usize {
        let mut asked = 0..3 * A_MINUTE;
        let refused = asked.find(|number| {
            let subject = format!("{urgency:?}-{number}");
            ask(count, (urgency, &subject), second).is_some()
        });
        refused.unwrap()
    }

    #[test]
    fn a_share_is_kept_for_what_people_wait_for() {
        let mut count = Count::default();
        assert_eq!(how_many(&mut count, Urgency::Passing, 0), 35);
        assert_eq!(how_many(&mut count, Urgency::Lasting, 1), 10);
        assert_eq!(how_many(&mut count, Urgency::Waited, 2), 5);
        // What is worth nothing later is counted and goes.
        assert_eq!(ask(&mut count, (Urgency::Now, "form"), 3), None);
        assert_eq!(ask(&mut count, (Urgency::Waited, "q"), 4), Some(61));
        // Fifty-one were made: two of them have to be over.
        assert_eq!(how_many(&mut count, Urgency::Waited, 61), 34);
    }

    #[test]
    fn no_minute_has_more_calls_than_the_tier() {
        let mut count = Count::default();
        let mut made = Vec::new();
        for second in 0..300 {
            for subject in 0..3 {
                let asking = (Urgency::Passing, &*format!("status {subject}"));
                if ask(&mut count, asking, second).is_none() {
                    made.push(second);
                }
            }
            if second % 5 == 0 && ask(&mut count, (Urgency::Waited, "question"), second).is_none() {
                made.push(second);
            }
        }
        for (place, begin) in made.iter().enumerate() {
            let minute = made[place..].iter().filter(|at| *at - begin < 60).count();
            assert!(minute <= A_MINUTE, "{minute} from {begin}");
        }
        // It is made use of, too: three minutes' worth and more in five.
        assert!(made.len() > 3 * A_MINUTE, "{}", made.len());
    }

    #[test]
    fn passing_words_come_in_turn_and_not_by_luck() {
        let mut count = Count::default();
        let mut shown = std::collections::BTreeMap::new();
        // Each asks at the same moment of every three seconds, as a status does.
        for second in (0..600).step_by(3) {
            for number in 0..60 {
                let subject = format!("status {number}");
                if ask(&mut count, (Urgency::Passing, &subject), second).is_none() {
                    *shown.entry(number).or_insert(0) += 1;
                }
            }
        }
        let (least, most) = (shown.values().min().unwrap(), shown.values().max().unwrap());
        assert_eq!(shown.len(), 60);
        // Who asks first among those that are shown together is shown first again, and nobody is left out for long.
        assert!(*most <= 2 * least, "{shown:?}");
    }

    #[test]
    fn who_does_not_come_again_holds_up_nobody() {
        let mut count = Count::default();
        assert_eq!(how_many(&mut count, Urgency::Passing, 0), 35);
        for gone in 0..20 {
            let again = ask(&mut count, (Urgency::Passing, &format!("gone {gone}")), 1);
            assert_eq!(again, Some(61));
        }
        // Twenty-one stood in line, with the one that was refused first; their places are kept for ten seconds.
        assert_eq!(ask(&mut count, (Urgency::Passing, "here"), 62), None);
        for number in 0..34 {
            let asking = (Urgency::Passing, &*format!("here {number}"));
            assert_eq!(ask(&mut count, asking, 72), None, "{number}");
        }
    }
}
