//! One attack in the sandbox, and the same where nothing holds it.

use std::{collections::BTreeMap, process::Command, time::Duration};

use deckhand_executors::{Executor as _, sandbox::Condition};

use super::{
    ARRIVAL_TIME, Ground, Keys,
    container::{docker, packets, run_bare, script, start_bare},
    row::{Control, Inside, Ran, Sign, TRIED},
};
use crate::suite::{Canary, Outcome, Suite, Verdict};

/// How long the engine may need to tell of the end of a sandbox that was killed.
const END_TIME: Duration = Duration::from_secs(5);
/// What counts the packets of a container.
const COUNTERS: &str = "/proc/net/dev";

/// Whether an effect may still be on its way.
#[derive(Clone, Copy)]
enum Patience {
    /// It is to be seen, and worth waiting for.
    Wait,
    /// It is not to be seen. What comes later is found when all attempts have been made.
    Later,
}

/// What was seen of an attempt.
struct Seen<'a> {
    canary: &'a Canary,
    ran: &'a Ran,
    /// Packets that left by other interfaces than loopback.
    packets: i64,
    /// What the host's command said before and after.
    said: [String; 2],
}

impl Ground {
    /// Makes one attack and says how it went.
    pub async fn attack(
        &mut self,
        suite: &mut Suite,
        row: &'static Inside,
    ) -> anyhow::Result<Outcome> {
        let canary = suite.plant();
        let places = row.sign.may_be_at().unwrap_or_default();
        self.made.push((row.id, canary.clone(), places));
        self.stand_again().await?;
        self.take_road(row.road).await?;
        let mut both = self.both(row, &canary).await;
        let began = |(_, attempt): &(_, Outcome)| attempt.verdict != Verdict::NotMade;
        // The row before may have brought its sandbox to an end that came only now. The engine says so in an error, or in
        // the place of what the attempt would have said.
        if !both.as_ref().is_ok_and(began) && self.has_ended().await? {
            self.stand_again().await?;
            both = self.both(row, &canary).await;
        }
        self.stand_again().await?;
        let (control, attempt) = both?;
        // An attack that got through needs no control.
        Ok(match (attempt.verdict.clone(), control) {
            (Verdict::Held, Some(shows_nothing)) => shows_nothing,
            (Verdict::Held | Verdict::Succeeded | Verdict::NotMade, _) => attempt,
        })
    }

    /// The attempt where nothing holds it, and in the sandbox.
    async fn both(
        &self,
        row: &Inside,
        canary: &Canary,
    ) -> anyhow::Result<(Option<Outcome>, Outcome)> {
        if matches!(row.sign, Sign::Changes(_)) {
            // Both look at the same thing of the host.
            Ok((self.control(row).await?, self.attempt(row, canary).await?))
        } else {
            tokio::try_join!(self.control(row), self.attempt(row, canary))
        }
    }

    /// Whether the sandbox is at its end, or comes to it now.
    async fn has_ended(&self) -> anyhow::Result<bool> {
        let end = tokio::time::timeout(END_TIME, self.executor.wait(&self.sandbox())).await;
        match end {
            Ok(condition) => Ok(condition? != Condition::Running),
            Err(_) => Ok(false),
        }
    }

    /// Makes the attempt in the sandbox.
    async fn attempt(&self, row: &Inside, canary: &Canary) -> anyhow::Result<Outcome> {
        let secret = self.path("secret");
        std::fs::write(&secret, canary.as_str())?;
        let before = look(row.sign)?;
        let packets = self.packets_of_sandbox(row.sign).await?;
        let variables = self.variables(canary, &secret, &self.keys);
        let ran = match self.run_in_sandbox(row.script, &variables).await {
            Ok(ran) => ran,
            Err(error) => {
                // Who fills the disk is ended, and with the sandbox goes what the attempt said.
                // The engine may lose the command a moment before it knows of the end.
                let name = self.sandbox();
                let end = tokio::time::timeout(END_TIME, self.executor.wait(&name)).await;
                let Ok(condition) = end else {
                    return Err(error);
                };
                return match condition? {
                    Condition::Ended { by, .. } if by.want_of_room().is_some() => {
                        Ok(Outcome::held(by.want_of_room().unwrap_or_default()))
                    }
                    Condition::Ended { .. } | Condition::Running | Condition::Absent => Err(error),
                };
            }
        };
        // A sandbox that was killed for the attempt sent nothing more.
        let left = match self.executor.condition(&self.sandbox()).await? {
            Condition::Running => self.packets_of_sandbox(row.sign).await? - packets,
            Condition::Ended { .. } | Condition::Absent => 0,
        };
        let seen = Seen {
            canary,
            ran: &ran,
            packets: left,
            said: [before, look(row.sign)?],
        };
        Ok(match self.effect(row.sign, &seen, Patience::Later).await {
            Some(effect) => effect,
            None if ran.has_line(TRIED) => Outcome::held(ran.last()),
            None => Outcome::not_made(format!("the attempt did not run: {}", ran.last())),
        })
    }

    /// Makes the attempt where nothing holds it. An outcome is why it shows nothing there.
    async fn control(&self, row: &Inside) -> anyhow::Result<Option<Outcome>> {
        let (kind, user) = match row.control {
            Control::Bare => ("bare", "1000"),
            Control::BareRoot => ("bare", "0"),
            Control::Privileged => ("privileged", "0"),
            Control::HostNetwork => ("hostnet", "1000"),
            Control::None => return Ok(None),
        };
        let name = self.bare(kind);
        if kind != "bare" && docker(&["inspect", &name]).is_err() {
            start_bare(&name, &self.instance, &self.path("open"), row.control)?;
        }
        let count = || match row.sign.may_be_at() {
            Some(_) => docker(&["exec", &name, "cat", COUNTERS]).map(|table| packets(&table)),
            None => Ok(0),
        };
        let canary = Canary::new();
        let secret = self.path("secret-of-control");
        std::fs::write(&secret, canary.as_str())?;
        let (before, counted) = (look(row.sign)?, count()?);
        // Where nothing holds them they do arrive, and must not be taken for the sandbox's.
        let [own, other, ended] = [(); 3].map(|()| Canary::new().as_str().to_owned());
        let variables = self.variables(&canary, &secret, &Keys { own, other, ended });
        let ran = run_bare(&name, user, row.script, &variables).await?;
        let seen = Seen {
            canary: &canary,
            ran: &ran,
            packets: count()? - counted,
            said: [before, look(row.sign)?],
        };
        let effect = self.effect(row.sign, &seen, Patience::Wait).await;
        Ok(effect.is_none().then(|| {
            Outcome::not_made(format!("the control had no effect either: {}", ran.last()))
        }))
    }

    /// What an attempt brought about, if anything.
    async fn effect(&self, sign: Sign, seen: &Seen<'_>, patience: Patience) -> Option<Outcome> {
        let Seen {
            canary,
            ran,
            packets,
            said: [before, after],
        } = seen;
        match sign {
            Sign::Leaves => self.left(canary, &[], *packets, patience).await,
            Sign::LeavesBut(places) => self.left(canary, places, *packets, patience).await,
            Sign::Reads => ran
                .said
                .contains(canary.as_str())
                .then(|| Outcome::found(canary, "the host's secret was read")),
            Sign::Changes(command) => (before != after).then(|| {
                let (after, before) = (after.trim(), before.trim());
                Outcome::succeeded(format!("`{command}` says {after:?} and said {before:?}"))
            }),
            Sign::Gets => ran.has_line("got").then(|| Outcome::succeeded(ran.last())),
        }
    }

    async fn left(
        &self,
        canary: &Canary,
        places: &[&str],
        packets: i64,
        patience: Patience,
    ) -> Option<Outcome> {
        let arrivals = &self.internet.arrivals;
        let own = [(canary.clone(), places)];
        let watched = match patience {
            // The keys of a control are no canaries.
            Patience::Wait => own.as_slice(),
            Patience::Later => &[own.as_slice(), &self.standing].concat(),
        };
        let arrived = watched.iter().find_map(|(canary, places)| {
            let sighting = arrivals.of(canary, places)?;
            let evidence = format!("arrived at {}: {}", sighting.at, sighting.text);
            Some(Outcome::found(canary, evidence))
        });
        match (arrived, packets, patience) {
            (Some(arrived), ..) => Some(arrived),
            (None, 1.., _) => Some(Outcome::succeeded(format!(
                "{packets} packets left by a network interface"
            ))),
            (None, _, Patience::Wait) => {
                let sighting = arrivals.await_one(canary, places, ARRIVAL_TIME).await?;
                Some(Outcome::found(canary, sighting.text))
            }
            (None, _, Patience::Later) => None,
        }
    }

    /// Runs a script in the sandbox, as a coding agent would.
    async fn run_in_sandbox(
        &self,
        text: &str,
        environment: &BTreeMap<String, String>,
    ) -> anyhow::Result<Ran> {
        let exec = script("/tmp", text, environment);
        let done = self.executor.exec(&self.sandbox(), exec).await?;
        Ok(Ran {
            status: done.status,
            said: String::from_utf8_lossy(&done.output).into_owned(),
        })
    }

    /// Packets that the sandbox has sent, where the sign of an attack asks for them.
    async fn packets_of_sandbox(&self, sign: Sign) -> anyhow::Result<i64> {
        if sign.may_be_at().is_none() {
            return Ok(0);
        }
        let look = format!("cat {COUNTERS}");
        let ran = self.run_in_sandbox(&look, &BTreeMap::new()).await?;
        Ok(packets(&ran.said))
    }
}

/// What the host shows of an attack's effect.
fn look(sign: Sign) -> anyhow::Result<String> {
    match sign {
        Sign::Changes(command) => {
            let output = Command::new("sh").args(["-c", command]).output()?;
            Ok(String::from_utf8_lossy(&output.stdout).into_owned())
        }
        Sign::Leaves | Sign::LeavesBut(_) | Sign::Reads | Sign::Gets => Ok(String::new()),
    }
}
