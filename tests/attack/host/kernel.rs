//! Attacks on the host's kernel: its settings, its doors, its other guests.

use crate::ground::{Control, Inside};

/// The kernel: its settings, its doors, its other guests.
pub const ROWS: &[Inside] = &[
    Inside {
        id: "host-processes",
        tries: "See, signal and trace a process of the host or of a neighbour.",
        script: python!(
            r#"
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
own = {int(name) for name in os.listdir("/proc") if name.isdigit()}
for pid in sorted(own):
    try:
        words = open(f"/proc/{pid}/cmdline").read() + open(f"/proc/{pid}/environ", errors="replace").read()
    except OSError:
        continue
    if any(word in words for word in ("dockerd", "containerd", os.environ["NEIGHBOUR"] + "\0")) and pid != os.getpid():
        print("got a look at", pid, words[:80])
for pid in range(1, 40_000):
    try:
        os.kill(pid, 0)
    except OSError:
        continue
    tasks = f"/proc/{pid}/status"
    if not os.path.exists(tasks):
        print("got a signal to", pid)
reached = [pid for pid in range(2, 2_000) if not os.path.exists(f"/proc/{pid}") and libc.ptrace(0x4206, pid, 0, 0) == 0]
print("got a trace of", reached) if reached else None
print("tried:", len(own), "own processes seen, ids up to 40000 signalled")"#
        ),
        // What counts is which processes there are, and the engine gives every container its own.
        control: Control::None,
        ..Inside::GOT
    },
    Inside {
        id: "host-core-pattern",
        tries: "Have the kernel run a program on the host when something crashes: write its setting, and others.",
        script: r#"
for file in /proc/sys/kernel/core_pattern /proc/sys/kernel/modprobe /proc/sys/fs/binfmt_misc/register /proc/sys/vm/overcommit_memory; do
  value=$(cat $file) && echo "$value" > $file && echo got $file
done
# The kernel's emergency keys, where it has them: the one that only prints which there are.
[ ! -e /proc/sysrq-trigger ] || { echo h > /proc/sysrq-trigger && echo got the emergency keys; }
echo tried: $(cat /proc/sys/kernel/core_pattern | head -c 60)"#,
        control: Control::Privileged,
        ..Inside::GOT
    },
    Inside {
        id: "host-sys",
        tries: "Write settings of the machine below /sys.",
        script: r#"
for file in /sys/kernel/mm/ksm/run /sys/kernel/uevent_helper /sys/kernel/mm/transparent_hugepage/enabled /sys/class/block/*/queue/read_ahead_kb; do
  [ -e $file ] || continue
  value=$(sed 's/.*\[\(.*\)\].*/\1/' $file) && echo "$value" > $file && echo got $file
done
echo tried: $(grep ' /sys ' /proc/self/mounts)"#,
        control: Control::Privileged,
        ..Inside::GOT
    },
    Inside {
        id: "host-control-groups",
        tries: "Lift the own limits, or have the kernel run a program when a control group empties.",
        script: r#"
for file in memory/memory.limit_in_bytes pids/pids.max memory.max pids.max cpu/cpu.cfs_quota_us memory/notify_on_release release_agent */release_agent; do
  for path in /sys/fs/cgroup/$file; do
    [ -e $path ] || continue
    value=$(cat $path) && echo "$value" > $path && echo got $path
  done
done
mkdir -p /tmp/groups /sys/fs/cgroup/memory/own /sys/fs/cgroup/own && rmdir /sys/fs/cgroup/memory/own && echo got a group
mount -t cgroup -o memory none /tmp/groups && echo got the groups && umount /tmp/groups
echo tried: $(cat /proc/self/cgroup | wc -l) groups"#,
        control: Control::Privileged,
        ..Inside::GOT
    },
    Inside {
        id: "host-setuid",
        tries: "Become root by a program that has the set-user bit.",
        script: python!(
            r#"
import os, subprocess, time
seen = []
for folder, _, files in os.walk("/usr"):
    for name in files:
        path = os.path.join(folder, name)
        child = None
        try:
            if os.stat(path).st_uid != 0 or not os.stat(path).st_mode & 0o4000:
                continue
            child = subprocess.Popen([path], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            time.sleep(0.1)
            users = [line.split()[1:] for line in open(f"/proc/{child.pid}/status") if line.startswith("Uid:")][0]
            seen.append(f"{name} {users}")
            if "0" in users:
                print("got root by", path)
        except (OSError, IndexError):
            seen.append(name)
        if child:
            child.kill()
            child.wait()
print("tried:", seen)"#
        ),
        control: Control::Bare,
        ..Inside::GOT
    },
    Inside {
        id: "host-keyring",
        tries: "Put a secret into the kernel's keyring, which no container has of its own, and list what is there.",
        script: calls!(
            r#"print("tried:", call("a key", 248, 217, b"user", b"deckhand", b"x", 1, -3), call("the keyring", 250, 219, 0, -3, 1))"#
        ),
        control: Control::Privileged,
        ..Inside::GOT
    },
    Inside {
        id: "host-clock",
        tries: "Set the machine's clock.",
        script: python!(
            r#"
import ctypes, os, time
libc = ctypes.CDLL(None, use_errno=True)
# By nothing at all: whoever may do that may set it.
if libc.adjtime(ctypes.create_string_buffer(16), None) == 0:
    print("got the clock")
print("tried:", os.strerror(ctypes.get_errno()), time.time())"#
        ),
        control: Control::Privileged,
        ..Inside::GOT
    },
    Inside {
        id: "host-namespaces",
        tries: "Make namespaces, in which it would be root and could mount.",
        script: r#"
unshare --user --map-root-user --mount true && echo got a user namespace
unshare --mount true && echo got a mount namespace
unshare --net true && echo got a network namespace
nsenter --target 1 --mount true 2>/dev/null && [ "$(id -u)" = 0 ] && echo got into another
echo tried: $(readlink /proc/self/ns/user)"#,
        control: Control::Privileged,
        ..Inside::GOT
    },
    Inside {
        id: "host-bpf",
        tries: "Load programs and maps into the kernel.",
        script: calls!(
            r#"
attributes = ctypes.create_string_buffer(struct.pack("IIII", 2, 4, 4, 1) + bytes(112))
print("tried:", call("a map", 321, 280, 0, attributes, 128))"#
        ),
        control: Control::Privileged,
        ..Inside::GOT
    },
    Inside {
        id: "host-kernel-doors",
        tries: "Open the kernel's doors that made most of the escapes: userfaultfd, io_uring, performance events, watching the file system.",
        script: calls!(
            r#"
attributes = ctypes.create_string_buffer(struct.pack("IIQ", 1, 112, 0) + bytes(96))
errors = [
    call("userfaultfd", 323, 282, 0x80000), call("io_uring", 425, 425, 8, ctypes.create_string_buffer(256)),
    call("performance events", 298, 241, attributes, 0, -1, -1, 0), call("fanotify", 300, 262, 0, 0),
]
print("tried:", errors)"#
        ),
        control: Control::Privileged,
        ..Inside::GOT
    },
    Inside {
        id: "host-kernel-log",
        tries: "Read the kernel's log.",
        script: r#"
dmesg | head -n 3 | grep . && echo got the log
head -c 1 /dev/kmsg && echo got the log too
echo tried: $(ls /dev | wc -l) devices"#,
        control: Control::Privileged,
        ..Inside::GOT
    },
    Inside {
        id: "host-modules",
        tries: "Load a module into the kernel.",
        script: python!(
            r#"
import ctypes, errno, os, platform
libc = ctypes.CDLL(None, use_errno=True)
# Not even a module: whoever may load one is told so, and whoever may not is refused before the kernel looks.
libc.syscall(105 if platform.machine() == "aarch64" else 175, b"no module", 9, b"")
code = ctypes.get_errno()
if code in (errno.ENOEXEC, errno.EINVAL, errno.EBADMSG, 129, 126):
    print("got as far as the module itself")
print("tried:", os.strerror(code))"#
        ),
        // A kernel that is built without modules loads nobody's.
        control: Control::None,
        ..Inside::GOT
    },
    Inside {
        id: "host-sacrifice",
        tries: "Have the kernel kill other programs first when memory is short.",
        script: r#"
( echo -1000 > /proc/self/oom_score_adj ) && echo got spared
( echo -1000 > /proc/1/oom_score_adj ) && echo got the first process spared
echo tried: $(cat /proc/self/oom_score_adj)"#,
        // A machine that is a guest itself may lack the right to spare anybody.
        control: Control::None,
        ..Inside::GOT
    },
];
