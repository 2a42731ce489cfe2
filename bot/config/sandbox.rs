//! What sandboxes may use of the machine, and how they reach the outside.

use std::path::PathBuf;

use super::{ConfigError, values::Values};
use crate::redact::Address;

/// Sandbox settings.
#[derive(Debug, Clone)]
pub struct SandboxConfig {
    /// The engine's address, where it is not the local socket.
    pub docker_host: Option<String>,
    /// The OCI runtime.
    pub runtime: Option<String>,
    /// Memory in bytes.
    pub memory_bytes: u64,
    /// Processors.
    pub processors: f64,
    /// What the files of one task may take of the disk, in bytes.
    pub disk_bytes: u64,
    /// The network policy, where there is one.
    pub policy_file: Option<PathBuf>,
    /// Hosts that setup commands may reach.
    pub registry_hosts: Vec<String>,
    /// The proxy on the way to them.
    pub upstream_proxy: Option<Address>,
}

impl SandboxConfig {
    pub(super) fn from_values(values: &Values) -> Result<Self, ConfigError> {
        Ok(Self {
            docker_host: values.given("DECKHAND_DOCKER_HOST"),
            runtime: values.given("DECKHAND_RUNTIME"),
            memory_bytes: values
                .parse::<u64>("DECKHAND_SANDBOX_MEMORY_MB")?
                .clamp(256, 1 << 20)
                << 20,
            processors: values
                .parse::<f64>("DECKHAND_SANDBOX_PROCESSORS")?
                .clamp(0.1, 1024.0),
            disk_bytes: values
                .parse::<u64>("DECKHAND_SANDBOX_DISK_GB")?
                .clamp(1, 1 << 20)
                << 30,
            policy_file: values.given("DECKHAND_POLICY_FILE").map(PathBuf::from),
            registry_hosts: values.list("DECKHAND_REGISTRY_HOSTS"),
            upstream_proxy: values.given("DECKHAND_UPSTREAM_PROXY").map(Address::from),
        })
    }
}
