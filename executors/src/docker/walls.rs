//! What every container is denied beside its limits: system calls, paths of the kernel, folders of the host.

use std::{
    path::{Path, PathBuf},
    sync::LazyLock,
};

use serde_json::Value;

use crate::sandbox::ExecutorError;

/// Which system calls there are for a sandbox: a list of what is allowed, stricter than the engines' own.
///
/// Beyond what engines refuse to a container without capabilities it refuses `io_uring`, other sockets than unix, IPv4, IPv6 and
/// netlink for routes, `kcmp`, `modify_ldt`, `fanotify`, `memfd_secret`, the clock, and 32-bit programs. Seen to work under
/// it: the five agents, Node.js, npm, git, gcc, Python and Chromium without its own sandbox. A runtime that is a kernel
/// of its own (`runsc`, `kata`) has its own filter and leaves this one out.
const SECCOMP: &str = include_str!("seccomp.json");

/// Files and folders of `/proc` and `/sys` that read as empty: engines' own list, and what tells of the host or of its
/// other guests.
const MASKED: [&str; 20] = [
    "/proc/acpi",
    "/proc/asound",
    "/proc/interrupts",
    "/proc/kallsyms",
    "/proc/kcore",
    "/proc/keys",
    "/proc/key-users",
    "/proc/latency_stats",
    "/proc/modules",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/softirqs",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/proc/vmallocinfo",
    "/sys/devices/virtual/dmi",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
    "/sys/kernel/debug",
    "/sys/kernel/security",
];

/// What of `/proc` can be read and not written, root or not.
const READ_ONLY: [&str; 6] = [
    "/proc/bus",
    "/proc/fs",
    "/proc/irq",
    "/proc/mtrr",
    "/proc/sys",
    "/proc/sysrq-trigger",
];

/// The security options of a container, as engines take them.
pub fn security_options() -> Vec<String> {
    // Without the spaces and comments that are for people: it is sent with every container.
    static PROFILE: LazyLock<String> = LazyLock::new(|| {
        serde_json::from_str::<Value>(SECCOMP)
            .map_or_else(|_| SECCOMP.to_owned(), |profile| profile.to_string())
    });
    vec![
        "no-new-privileges:true".to_owned(),
        format!("seccomp={}", *PROFILE),
    ]
}

/// What reads as empty.
pub fn masked() -> Vec<String> {
    MASKED.map(str::to_owned).to_vec()
}

/// What cannot be written.
pub fn read_only() -> Vec<String> {
    READ_ONLY.map(str::to_owned).to_vec()
}

/// The folders of the host of which sandboxes may see parts. Everything else of the host stays the host's.
#[derive(Debug, Clone, Default)]
pub struct Lent(Vec<PathBuf>);

impl Lent {
    /// What lies below these folders may be mounted; the folders themselves may not, because they hold other tasks' things.
    pub fn below(folders: Vec<PathBuf>) -> Self {
        Self(folders)
    }

    /// The path as the engine shall mount it: without symbolic links, so that what was checked is what is mounted.
    pub fn check(&self, path: &Path) -> Result<PathBuf, ExecutorError> {
        let refuse = |why: &str| ExecutorError::Start(format!("{}: {why}", path.display()));
        if !path.is_absolute() {
            return Err(refuse("a host's folder needs an absolute path"));
        }
        let real = path
            .canonicalize()
            .map_err(|error| refuse(&error.to_string()))?;
        let is_lent = self.0.iter().any(|folder| {
            folder
                .canonicalize()
                .is_ok_and(|folder| real != folder && real.starts_with(folder))
        });
        if !is_lent {
            return Err(refuse("this folder of the host is not lent to sandboxes"));
        }
        if !real.is_dir() {
            return Err(refuse("only folders of the host are lent to sandboxes"));
        }
        Ok(real)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    /// The names of the calls that a rule of the profile allows, whatever their arguments.
    fn allowed() -> Vec<String> {
        let profile: Value = serde_json::from_str(SECCOMP).unwrap();
        let rules = profile["syscalls"].as_array().unwrap();
        rules
            .iter()
            .filter(|rule| rule["action"] == "SCMP_ACT_ALLOW" && rule["args"].is_null())
            .flat_map(|rule| rule["names"].as_array().unwrap())
            .map(|name| name.as_str().unwrap().to_owned())
            .collect()
    }

    #[test]
    fn the_profile_denies_what_no_agent_needs() {
        let profile: Value = serde_json::from_str(SECCOMP).unwrap();
        assert_eq!(profile["defaultAction"], "SCMP_ACT_ERRNO");
        let allowed = allowed();
        assert!(allowed.len() > 200, "{}", allowed.len());
        for name in [
            "add_key",
            "bpf",
            "chroot",
            "clock_adjtime",
            "clock_settime",
            "clone",
            "clone3",
            "delete_module",
            "fanotify_init",
            "finit_module",
            "fsmount",
            "fsopen",
            "init_module",
            "io_uring_setup",
            "ioperm",
            "iopl",
            "kcmp",
            "kexec_load",
            "keyctl",
            "memfd_secret",
            "mknod",
            "mount",
            "move_mount",
            "name_to_handle_at",
            "open_by_handle_at",
            "open_tree",
            "perf_event_open",
            "personality",
            "pidfd_getfd",
            "pivot_root",
            "quotactl",
            "reboot",
            "request_key",
            "setns",
            "settimeofday",
            "socket",
            "swapon",
            "syslog",
            "umount2",
            "unshare",
            "userfaultfd",
        ] {
            assert!(!allowed.iter().any(|other| other == name), "{name}");
        }
    }

    #[test]
    fn only_what_lies_below_a_lent_folder_is_mounted_and_links_lead_nowhere_else() {
        let folder = tempfile::tempdir().unwrap();
        let lent = folder.path().join("lent");
        for name in ["lent/task", "other", "lentils"] {
            std::fs::create_dir_all(folder.path().join(name)).unwrap();
        }
        std::fs::write(lent.join("file"), "").unwrap();
        std::os::unix::fs::symlink(folder.path().join("other"), lent.join("link")).unwrap();
        let rule = Lent::below(vec![lent.clone()]);
        let real = lent.canonicalize().unwrap().join("task");
        assert_eq!(rule.check(&lent.join("task")).unwrap(), real);
        assert_eq!(rule.check(&lent.join("task/../task")).unwrap(), real);
        for path in [
            lent.clone(),
            lent.join("link"),
            lent.join("file"),
            lent.join("task/../../other"),
            lent.join("gone"),
            folder.path().join("lentils"),
            "/".into(),
            "/var/run/docker.sock".into(),
            "task".into(),
        ] {
            rule.check(&path).unwrap_err();
        }
        Lent::default().check(&lent.join("task")).unwrap_err();
    }
}
