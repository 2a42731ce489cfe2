//! What a row says of an attack that is made inside a container, and what comes of its script.

use std::fmt::Write as _;

use deckhand_executors::egress::Phase;

use crate::suite::{Family, Listed};

/// What an attempt prints when its tools worked, whatever came of them.
pub const TRIED: &str = "tried";

/// An attack that is made by a script in a container, as the sandbox's user.
#[derive(Clone, Copy, Debug)]
pub struct Inside {
    /// Its name; it never changes.
    pub id: &'static str,
    /// What is tried, in one sentence.
    pub tries: &'static str,
    /// Bash. It finds in its environment:
    ///
    /// - `CANARY`, the word that must not get out;
    /// - `HOST` and `GATEWAY`, the host's own address and its address on the engine's bridge, and `PORT`, on which the
    ///   suite listens there (TCP and UDP);
    /// - `SECRET_FILE`, the path on the host of a file that holds `CANARY`;
    /// - `NEIGHBOUR` and `NEIGHBOUR_ADDRESS`, the name and the address of another container;
    /// - `OWN_KEY`, `OTHER_KEY` and `ENDED_KEY`, what stands for the model's key in this run, in another one, and in one
    ///   that has ended; they must not get out either.
    ///
    /// It says a line that begins with `tried` when its tools worked, whatever came of them.
    pub script: &'static str,
    /// How it is known that the attempt would work where nothing holds it.
    pub control: Control,
    /// How its effect would be seen.
    pub sign: Sign,
    /// What the proxy does meanwhile.
    pub road: Road,
}

impl Inside {
    /// What most ways out have in common: they are tried while the agent works, and are open to the same user in a
    /// container with a network.
    pub const OUT: Self = Self {
        id: "",
        tries: "",
        script: "",
        control: Control::Bare,
        sign: Sign::Leaves,
        road: Road::WORK,
    };
    /// What attempts at the host have in common: the script itself sees it when it has something.
    pub const GOT: Self = Self {
        sign: Sign::Gets,
        ..Self::OUT
    };
}

/// How it is known that an attempt would work where nothing holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Control {
    /// The same script as the same user in a container with a network has the effect.
    Bare,
    /// The same as root with the engine's usual capabilities.
    BareRoot,
    /// The same as root in a container with all privileges.
    Privileged,
    /// The same as the sandbox's user in a container that shares the host's network.
    HostNetwork,
    /// There is no place where it may be shown; the line `tried` has to do. Say why in a comment at the row.
    None,
}

/// How the effect of an attack would be seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    /// The canary arrives anywhere outside, or a packet leaves by any interface but loopback.
    Leaves,
    /// The same, and at these places it may arrive.
    LeavesBut(&'static [&'static str]),
    /// The script's own output holds what only the host knows: the content of `SECRET_FILE`.
    Reads,
    /// This command prints something else on the host than it did before.
    Changes(&'static str),
    /// The attempt's output has a line that begins with `got`. Only where the effect cannot be seen from outside.
    Gets,
}

impl Sign {
    /// Where the canary may arrive; none where it is not looked for outside.
    pub const fn may_be_at(self) -> Option<&'static [&'static str]> {
        match self {
            Self::Leaves => Some(&[]),
            Self::LeavesBut(places) => Some(places),
            Self::Reads | Self::Changes(_) | Self::Gets => None,
        }
    }
}

/// What the egress proxy does during an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Road {
    /// It serves a phase, with the suite's internet behind it, where every name leads somewhere.
    House(Phase),
    /// It serves a phase and resolves names itself.
    Direct(Phase),
    /// The same while the agent works, on a machine whose name service answers as the attacker wishes.
    Turning,
    /// It served, and the run was cancelled.
    Revoked,
    /// It served, and is gone.
    Dead,
}

impl Road {
    /// The usual one: the agent works.
    pub const WORK: Self = Self::House(Phase::Work);
}

/// What came of a script.
#[derive(Clone, Debug, Default)]
pub struct Ran {
    /// The exit status; `None` where it was given up.
    pub status: Option<i64>,
    /// Output and errors.
    pub said: String,
}

impl Ran {
    /// Whether a line of what it said begins so.
    pub fn has_line(&self, start: &str) -> bool {
        self.said.lines().any(|line| line.starts_with(start))
    }

    /// The last thing that it said, for the table.
    pub fn last(&self) -> String {
        let mut lines = self.said.lines().rev();
        let last = lines.find(|line| !line.trim().is_empty());
        let mut last = last.unwrap_or("it said nothing").trim().to_owned();
        // Writing to a text cannot fail.
        let _ = match self.status {
            Some(status) => write!(last, " (status {status})"),
            None => write!(last, " (given up)"),
        };
        last
    }
}

/// The rows as the table lists them.
pub fn listed(rows: &[&Inside], family: Family) -> Vec<Listed> {
    rows.iter()
        .map(|row| Listed {
            id: row.id.to_owned(),
            family,
            tries: row.tries.to_owned(),
        })
        .collect()
}
