"""Tries the walls of the container that it runs in; one line of JSON for each: wall, held, evidence.

Its only argument is an object with the ceilings that the container was started with. It changes nothing that outlives the
container. Runs as the sandbox's user, because that is whom the walls stand against.
"""
import ctypes, errno, json, os, platform, resource, signal, socket, stat, subprocess, sys, threading, time

CEILINGS = json.loads(sys.argv[1])
LIBC = ctypes.CDLL(None, use_errno=True)
ARM = platform.machine() == "aarch64"
# Numbers of system calls on x86-64 and on 64-bit ARM, with the arguments that would work were they allowed.
CALLS = {
    "mount": (165, 40, b"none", b"/tmp", b"tmpfs", 0, 0), "umount2": (166, 39, b"/tmp", 0),
    "pivot_root": (155, 41, b"/tmp", b"/tmp"), "chroot": (161, 51, b"/tmp"),
    "unshare user": (272, 97, 0x10000000), "unshare mount": (272, 97, 0x20000), "unshare net": (272, 97, 0x40000000),
    "setns": (308, 268, 0, 0), "clone3": (435, 435, 0, 0), "fsopen": (430, 430, b"tmpfs", 0),
    "open_tree": (428, 428, -100, b"/", 1), "name_to_handle_at": (303, 264, -100, b"/", 0, 0, 0),
    "open_by_handle_at": (304, 265, 0, 0, 0), "bpf": (321, 280, 0, 0, 0), "perf_event_open": (298, 241, 0, 0, -1, -1, 0),
    "userfaultfd": (323, 282, 0x80001), "io_uring_setup": (425, 425, 8, ctypes.create_string_buffer(256)),
    "keyctl": (250, 219, 0, -3, 1), "add_key": (248, 217, b"user", b"d", b"x", 1, -3), "request_key": (249, 218, b"user", b"d", 0, -3),
    "kcmp": (312, 272, 1, 1, 0, 0, 0), "kexec_load": (246, 104, 0, 0, 0, 0), "init_module": (175, 105, 0, 0, b""),
    "finit_module": (313, 273, 0, b"", 0), "clock_settime": (227, 112, 0, 0), "settimeofday": (164, 170, 0, 0),
    "syslog": (103, 116, 10, 0, 0), "reboot": (169, 142, 0, 0, 0), "swapon": (167, 224, b"/tmp/x", 0), "acct": (163, 89, b"/tmp/x"),
    "sethostname": (170, 161, b"other", 5), "quotactl": (179, 60, 0, 0, 0, 0), "fanotify_init": (300, 262, 0, 0),
    "memfd_secret": (447, 447, 0),
}
SHUT = (errno.EPERM, errno.EACCES, errno.ENOSYS, errno.EROFS, errno.ENOENT, errno.EAFNOSUPPORT, errno.ENXIO, errno.ENODEV)


def status(name):
    for line in open("/proc/self/status"):
        if line.startswith(name + ":"):
            return line.split(":", 1)[1].strip()


def user():
    ids = (os.getresuid(), os.getresgid(), sorted(set(os.getgroups()) - {1000}))
    return ids == ((1000,) * 3, (1000,) * 3, []), str(ids)


def capabilities():
    sets = {name: status(name) for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")}
    # A kernel of its own (gVisor) knows no ambient ones.
    known = {name: value for name, value in sets.items() if value is not None}
    return {"CapPrm", "CapEff", "CapBnd"} <= set(known) and all(int(value, 16) == 0 for value in known.values()), str(known)


def no_new_privileges():
    answer = LIBC.prctl(39, 0, 0, 0, 0)
    return answer == 1, f"the kernel says {answer}"


def system_calls():
    open_ones = []
    for name, (intel, arm, *arguments) in CALLS.items():
        # In a child: one that works may have changed the process.
        pid = os.fork()
        if pid == 0:
            result = LIBC.syscall(arm if ARM else intel, *arguments)
            os._exit(0 if result >= 0 else min(ctypes.get_errno(), 255))
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        if code not in (errno.EPERM, errno.ENOSYS):
            open_ones.append(f"{name}: {errno.errorcode.get(code, code)}")
    # A kernel of its own has no filter and does not say so.
    return status("Seccomp") in ("2", None) and not open_ones, f"{len(CALLS)} tried, open: {open_ones}"


def tried(attempts):
    """Runs each; what does not fail as something shut is open."""
    open_ones = []
    for name, act in attempts:
        try:
            act()
            open_ones.append(name)
        except OSError as error:
            if error.errno not in SHUT:
                open_ones.append(f"{name}: {error}")
    return not open_ones, f"{len(attempts)} tried, open: {open_ones}"


def sockets():
    kinds = [("packet", 17, 3, 0), ("vsock", 40, 1, 0), ("kernel crypto", 38, 5, 0), ("raw", 2, 3, 1), ("raw, IPv6", 10, 3, 58),
             ("netlink audit", 16, 3, 9), ("netlink filter", 16, 3, 12), ("netlink events", 16, 3, 15), ("bluetooth", 31, 3, 1)]
    return tried([(name, lambda f=f, t=t, p=p: socket.socket(f, t, p).close()) for name, f, t, p in kinds])


def network():
    devices = [line.split(":")[0].strip() for line in open("/proc/net/dev").readlines()[2:]]
    reached = []
    targets = [("1.1.1.1", 443), ("169.254.169.254", 80), ("172.17.0.1", 22), ("10.0.0.1", 80), ("2606:4700:4700::1111", 443), ("fe80::1", 80)]
    for host, port in targets:
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
            with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, kind) as one:
                one.settimeout(2)
                try:
                    one.connect((host, port))
                    one.send(b"x")
                    reached.append(host)
                except OSError as error:
                    if error.errno not in (errno.ENETUNREACH, errno.EADDRNOTAVAIL, errno.EINVAL, errno.EHOSTUNREACH):
                        reached.append(f"{host}: {error}")
    # Tunnel devices that send nowhere are made by the kernel in each namespace.
    others = set(devices) - {"lo", "sit0", "tunl0", "gre0", "gretap0", "erspan0", "ip6tnl0", "ip_vti0", "ip6_vti0", "ip6gre0"}
    return not others and not reached, f"devices {devices}, reached {reached}"


def write(path, text="1"):
    with open(path, "w") as file:
        file.write(text)


def read_only_root():
    folders = [folder for folder, _, _ in os.walk("/", topdown=True) if folder.count("/") < 3]
    kept = ("/proc", "/sys", "/dev", "/tmp", "/work", "/home/agent")
    folders = [folder for folder in folders if not folder.startswith(kept)]
    return tried([(folder, lambda folder=folder: write(folder + "/deckhand-probe")) for folder in folders])


def kernel_files():
    paths = ["/proc/sys/kernel/core_pattern", "/proc/sys/kernel/hostname", "/proc/sys/vm/drop_caches", "/proc/sys/net/ipv4/ip_forward",
             "/proc/sysrq-trigger", "/proc/irq/0/smp_affinity", "/proc/1/oom_score_adj", "/sys/kernel/mm/ksm/run", "/sys/power/state",
             "/sys/kernel/uevent_helper", "/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory.max",
             "/sys/fs/cgroup/release_agent", "/sys/fs/cgroup/memory/release_agent", "/sys/fs/cgroup/cgroup.procs"]
    # A lower score would save the process from the kernel; the others are not its own at all.
    return tried([(path, lambda path=path: write(path, "-1000" if "oom" in path else "1")) for path in paths])


def masked():
    seen = []
    for path in CEILINGS["masked"]:
        try:
            if os.path.isdir(path):
                what = os.listdir(path)
            else:
                what = open(path, "rb").read(64)
            if what:
                seen.append(path)
        except OSError:
            pass
    return not seen, f"{len(CEILINGS['masked'])} looked at, readable: {seen}"


def devices():
    known = {"console", "core", "fd", "full", "mqueue", "null", "ptmx", "pts", "random", "shm", "stderr", "stdin", "stdout", "tty", "urandom", "zero"}
    others = set(os.listdir("/dev")) - known
    attempts = [("mknod " + name, lambda kind=kind, number=number: os.mknod("/work/probe-device", kind | 0o666, os.makedev(*number)))
                for name, kind, number in (("disk", stat.S_IFBLK, (8, 0)), ("memory", stat.S_IFCHR, (1, 1)), ("kvm", stat.S_IFCHR, (10, 232)))]
    attempts += [(path, lambda path=path: open(path, "rb").close()) for path in ("/dev/sda", "/dev/vda", "/dev/mem", "/dev/kmsg", "/dev/kvm", "/dev/fuse", "/dev/loop-control")]
    shut, evidence = tried(attempts)
    return shut and not others, f"{evidence}, others in /dev: {sorted(others)}"


def mounts():
    strange, loose = [], []
    for line in open("/proc/self/mountinfo"):
        parts = line.split()
        point, options = parts[4], parts[5].split(",")
        kind = parts[parts.index("-") + 1]
        given = CEILINGS["mounts"].get(point)
        if point in ("/tmp", "/dev/shm") and not {"nosuid", "nodev"} <= set(options):
            loose.append(point)
        if given == "ro" and "rw" in options:
            loose.append(point)
        engine = ("/proc", "/sys", "/dev", "/etc/resolv.conf", "/etc/hostname", "/etc/hosts", "/tmp", "/usr/sbin/docker-init", "/sbin/docker-init", "/run/podman-init")
        if point != "/" and given is None and not point.startswith(engine):
            strange.append(f"{point} ({kind})")
    return not strange and not loose, f"unexpected {strange}, too loose {loose}"


def engine_socket():
    paths = [folder + name for folder in ("/var/run/", "/run/") for name in
             ("docker.sock", "containerd/containerd.sock", "podman/podman.sock", "crio/crio.sock", "docker/metrics.sock", "user/1000/docker.sock")]
    found = [path for path in paths if os.path.exists(path)]
    for port in (2375, 2376, 4243):
        with socket.socket() as one:
            if one.connect_ex(("127.0.0.1", port)) == 0:
                found.append(port)
    return not found, f"found {found}"


def namespaces():
    pids = [int(name) for name in os.listdir("/proc") if name.isdigit()]
    groups = {line.strip().split(":", 2)[2] for line in open("/proc/self/cgroup")}
    names = (socket.gethostname(), len(pids), sorted(groups))
    return names[0] == "sandbox" and len(pids) < 20 and groups == {"/"}, f"host name, processes, control groups: {names}"


def memory():
    pid = os.fork()
    if pid == 0:
        hog = bytearray(CEILINGS["memory_bytes"] + (64 << 20))
        os._exit(len(hog) % 251)
    ended = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    return ended == -signal.SIGKILL, f"a process that took more than {CEILINGS['memory_bytes'] >> 20} MiB ended with {ended}"


def processes():
    made, stopped = [], False
    try:
        for _ in range(CEILINGS["processes"] + 16):
            pid = os.fork()
            if pid == 0:
                time.sleep(30)
                os._exit(0)
            made.append(pid)
    except OSError:
        stopped = True
    for pid in made:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    return stopped and len(made) < CEILINGS["processes"], f"{len(made)} children, limit {CEILINGS['processes']}"


def processors():
    begun, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    busy = [subprocess.Popen(["sh", "-c", "while :; do :; done"]) for _ in range(2)]
    time.sleep(1.5)
    for one in busy:
        one.kill()
        one.wait()
    after, wall = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic() - begun
    used = (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) / wall
    return used < CEILINGS["processors"] * 1.5, f"two busy programs got {used:.2f} processors, limit {CEILINGS['processors']}"


def process_limits():
    files, core, size = (resource.getrlimit(one) for one in (resource.RLIMIT_NOFILE, resource.RLIMIT_CORE, resource.RLIMIT_FSIZE))
    wanted = (CEILINGS["open_files"], 0, CEILINGS["disk_bytes"])
    return (files, core, size) == tuple((one, one) for one in wanted), f"files {files}, core {core}, largest file {size}"


def fill(path, limit):
    """Writes until it may not; answers with the bytes that fitted. Half of memory at most, which the kernel counts it as."""
    written, piece = 0, b"\0" * (1 << 20)
    try:
        with open(path, "wb", buffering=0) as file:
            while written <= limit:
                written += file.write(piece)
    except OSError:
        pass
    finally:
        os.unlink(path)
    return written


def scratch():
    limit = CEILINGS["scratch_bytes"]
    written = fill("/tmp/probe-fill", limit)
    return written <= limit, f"{written >> 20} MiB fitted into /tmp, limit {limit >> 20}"


WALLS = [
    ("unprivileged user", user), ("no capabilities", capabilities), ("no new privileges", no_new_privileges),
    ("filter of system calls", system_calls), ("no other sockets", sockets), ("no network", network),
    ("read-only root", read_only_root), ("kernel settings", kernel_files), ("masked paths", masked), ("no devices", devices),
    ("no other mounts", mounts), ("no engine socket", engine_socket), ("own namespaces", namespaces),
    ("memory limit", memory), ("process limit", processes), ("processor limit", processors),
    ("limits of a process", process_limits), ("sized scratch", scratch),
]

for name, look in WALLS:
    try:
        held, evidence = look()
    except Exception as error:
        held, evidence = False, f"could not be tried: {error!r}"
    print(json.dumps({"wall": name, "held": held, "evidence": evidence}), flush=True)
