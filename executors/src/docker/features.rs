//! What an engine has of what the walls are made of, as it says itself. What it lacks is named before a run needs it.

use bollard::models::SystemInfo;

/// What an engine has and lacks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Features {
    /// Each wall that would not stand, as a sentence with what to do.
    pub lacking: Vec<String>,
    /// The OCI runtimes that it knows, by name.
    pub runtimes: Vec<String>,
    /// What is worth knowing and no lack: who maps users, how storage is kept.
    pub notes: Vec<String>,
}

impl Features {
    /// From the engine's own description. What it does not mention it lacks: an old engine must not pass for a whole one.
    pub(super) fn of(facts: &SystemInfo) -> Self {
        let options = facts.security_options.clone().unwrap_or_default();
        let has_option = |name: &str| options.iter().any(|option| option.contains(name));
        let walls = [
            (facts.memory_limit, "limits of memory", "memory"),
            (facts.pids_limit, "limits of processes", "pids"),
            (facts.cpu_cfs_quota, "limits of processors", "cpu"),
        ];
        let mut lacking: Vec<String> = walls
            .into_iter()
            .filter(|(has, ..)| *has != Some(true))
            .map(|(_, wall, group)| {
                format!(
                    "the engine does not enforce {wall}: its host needs the control group `{group}`"
                )
            })
            .collect();
        if !has_option("seccomp") {
            lacking.push(
                "the engine filters no system calls: its kernel or the engine was built without seccomp"
                    .to_owned(),
            );
        }
        if facts.os_type.as_deref().is_some_and(|kind| kind != "linux") {
            lacking.push("the engine runs no Linux containers".to_owned());
        }
        let mut runtimes: Vec<String> = facts
            .runtimes
            .clone()
            .unwrap_or_default()
            .into_keys()
            .collect();
        runtimes.sort();
        let mut notes = Vec::new();
        if has_option("rootless") {
            notes.push("it runs without root".to_owned());
        }
        if has_option("userns") {
            notes.push("it maps users".to_owned());
        }
        if facts.swap_limit != Some(true) {
            notes.push("it cannot limit swap, so sandboxes may use the host's".to_owned());
        }
        let storage = facts.driver_status.iter().flatten();
        if let Some(below) = storage
            .filter(|pair| {
                pair.first()
                    .is_some_and(|name| name == "Backing Filesystem")
            })
            .find_map(|pair| pair.get(1))
        {
            notes.push(format!(
                "its storage is on {below}, where volumes have no quota: sandboxes are counted instead"
            ));
        }
        Self {
            lacking,
            runtimes,
            notes,
        }
    }

    /// Why no sandbox may start under this runtime; none where one may.
    #[must_use]
    pub fn refusal(&self, runtime: Option<&str>) -> Option<String> {
        if !self.lacking.is_empty() {
            let all = self.lacking.join("; ");
            return Some(format!("{all}. `deckhand doctor` tells more"));
        }
        let runtime = runtime?;
        // Newer engines take the name of a program that they were never told of; a sandbox does not depend on that.
        (!self.runtimes.iter().any(|known| known == runtime)).then(|| {
            format!(
                "the engine has no runtime {runtime}; it has {}. `deckhand doctor` tells more",
                self.runtimes.join(", ")
            )
        })
    }
}
