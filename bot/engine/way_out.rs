//! What leaves a sandbox by the network: the proxy that all runs share, the hosts that a setup may reach, and the providers with their keys.

use std::path::Path;

use deckhand_executors::egress::{
    BaseAddress, EgressError, EgressHandle, EgressPolicy, EgressProxy, EgressRecord, Metering,
    Opening, Phase, PolicyDocument, Provider, Way,
};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::config::{self, Config};

/// The one way out of every sandbox of this installation.
#[derive(Debug, Clone)]
pub struct WayOut {
    proxy: EgressProxy,
    policy: EgressPolicy,
    bases: Vec<BaseAddress>,
}

impl WayOut {
    /// Reads the settings. Nothing is connected yet.
    pub fn new(config: &Config) -> Result<Self, EgressError> {
        let way = match &config.sandbox.upstream_proxy {
            Some(address) => Way::proxy(address)?,
            None => Way::Direct,
        };
        let policy = PolicyDocument::default()
            .with_setup_hosts(&config.sandbox.registry_hosts)?
            .for_repository("", &[]);
        let bases = config
            .providers
            .iter()
            .map(|(name, provider)| base_address(name, provider))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            proxy: EgressProxy::new(way)?,
            policy,
            bases,
        })
    }

    /// Opens it for one sandbox, in a folder that the sandbox sees.
    pub fn open(
        &self,
        folder: &Path,
        phase: Phase,
        metering: Metering,
        log: mpsc::Sender<EgressRecord>,
    ) -> Result<EgressHandle, EgressError> {
        let opening = Opening {
            policy: self.policy.clone(),
            bases: self.bases.clone(),
            metering,
            ..Opening::new(phase, log)
        };
        self.proxy.open(folder, opening)
    }
}

fn base_address(name: &str, settings: &config::Provider) -> Result<BaseAddress, EgressError> {
    let provider = match name {
        "anthropic" => Provider::Anthropic,
        "gemini" => Provider::Gemini,
        // The version stands in the settings' base address, as OpenAI's own clients have it.
        _ => Provider::OpenAi,
    };
    BaseAddress::of_provider(provider, &settings.base_url, settings.key.clone())
}

/// A request as the task's log has it.
#[must_use]
pub fn logged(record: &EgressRecord) -> Value {
    json!({
        "method": record.method,
        "host": record.host,
        "path": record.path.as_deref().unwrap_or_default(),
        "status": record.status,
        "up": record.bytes_up,
        "down": record.bytes_down,
        "verdict": format!("{:?}", record.verdict).to_lowercase(),
        "rule": record.rule.to_string(),
    })
}
