//! What is allowed now, and the connections that live by it: a change cuts all that were made before it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio_util::sync::CancellationToken;

use super::policy::{EgressPolicy, Grant, Phase};

/// What a proxy does at this moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It serves, by the rules of a phase.
    Open(Phase),
    /// It refuses everything, for good.
    Revoked,
}

/// A time in which one standing held.
#[derive(Debug, Clone)]
pub struct Epoch {
    /// What held.
    pub standing: Standing,
    /// Cancelled at its end.
    pub over: CancellationToken,
}

/// The present epoch, and the policy that is in force.
#[derive(Debug)]
pub struct Gate {
    epoch: Mutex<Epoch>,
    policy: Mutex<Arc<EgressPolicy>>,
}

impl Gate {
    /// A gate that is open for a phase, by a policy.
    pub fn new(phase: Phase, policy: EgressPolicy) -> Self {
        Self {
            epoch: Mutex::new(Epoch::begin(Standing::Open(phase))),
            policy: Mutex::new(Arc::new(policy)),
        }
    }

    /// The policy that is in force now. Each request asks anew, so that a grant holds from the next one on.
    pub fn policy(&self) -> Arc<EgressPolicy> {
        Arc::clone(&self.lock_policy())
    }

    /// Adds what a person decided. Connections that are there stay.
    pub fn grant(&self, grant: &Grant) {
        Arc::make_mut(&mut self.lock_policy()).add(grant);
    }

    /// The present epoch; a connection belongs to the one in which it was accepted.
    pub fn epoch(&self) -> Epoch {
        self.lock().clone()
    }

    /// Begins an epoch of a phase, unless it is that phase already or the gate is closed for good.
    pub fn set_phase(&self, phase: Phase) {
        let mut epoch = self.lock();
        if epoch.standing != Standing::Revoked {
            epoch.become_(Standing::Open(phase));
        }
    }

    /// Closes the gate for good.
    pub fn revoke(&self) {
        self.lock().become_(Standing::Revoked);
    }

    fn lock_policy(&self) -> MutexGuard<'_, Arc<EgressPolicy>> {
        self.policy.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> MutexGuard<'_, Epoch> {
        // Nothing can panic while it is held.
        self.epoch.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Epoch {
    fn begin(standing: Standing) -> Self {
        Self {
            standing,
            over: CancellationToken::new(),
        }
    }

    fn become_(&mut self, standing: Standing) {
        if self.standing != standing {
            std::mem::replace(self, Self::begin(standing)).over.cancel();
        }
    }
}
