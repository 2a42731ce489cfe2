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

/// A script for Python that makes system calls by their numbers, on Intel's machines and on ARM's.
macro_rules! calls {
    ($body:literal) => {
        concat!(
            "exec python3 - <<'PYTHON'",
            r#"
import ctypes, os, platform, struct
libc = ctypes.CDLL(None, use_errno=True)
arm = platform.machine() == "aarch64"
def call(what, intel, on_arm, *arguments):
    result = libc.syscall(on_arm if arm else intel, *arguments)
    if result >= 0:
        print("got", what)
    return ctypes.get_errno()
"#,
            $body,
            "\nPYTHON"
        )
    };
}

mod files;
mod kernel;

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
    [files::ENGINE, files::FILES, kernel::ROWS, ROOM]
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
    let nothing = |_| Ok(EgressPolicy::default());
    ground::try_all(suite, Family::Host, &table(), nothing, Vec::new).await
}
