//! The egress proxy of a run on a machine of its own, whose name service answers as an attacker wishes: a name leads
//! elsewhere when it is asked for again, or to several places at once.
//!
//! The machine is a container without a network that has the host's files and this program, and name service and web
//! server at every address that it gives itself. What arrives there is said line by line, and heard by the suite.

use std::{
    collections::BTreeSet,
    net::Ipv4Addr,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::{Context as _, bail};
use deckhand_executors::egress::{EgressProxy, Phase, PolicyDocument, Way};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader, Lines},
    net::{TcpListener, UdpSocket},
    process::{Child, ChildStdout, Command},
    time::timeout,
};
use tokio_util::task::AbortOnDropHandle;

use super::{MODEL_KEY, container::IMAGE, docker, opening};
use crate::internet::{Arrivals, Internet};

/// How the program is asked for.
pub const WORD: &str = "turning";
/// The address of the internet to which names lead first; nothing else may be reached.
pub const PUBLIC: &str = "93.184.215.14";
/// An address of the house beside the machine's own.
const HOUSE: Ipv4Addr = Ipv4Addr::new(10, 20, 30, 40);
/// Where clouds keep their credentials.
const METADATA: Ipv4Addr = Ipv4Addr::new(169, 254, 169, 254);
/// The name of this program there.
const PROGRAM: &str = "program";
/// How long the machine may take to come up.
const START_TIME: Duration = Duration::from_secs(30);
/// What it says when its sockets listen.
const READY: &str = "ready";
/// What begins the line about an arrival.
const ARRIVED: &str = "arrived ";

/// Gives the container its addresses, goes into the host's files and becomes whoever runs the suite.
const BECOME: &str = r"
import fcntl, os, socket, struct, sys
house, owner, program, word, folder, *addresses = sys.argv[1:]
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for number, address in enumerate(addresses):
    name = f'lo:{number}'.encode()
    fcntl.ioctl(s, 0x8916, struct.pack('16sHH4s16x', name, socket.AF_INET, 0, socket.inet_aton(address)))
os.chroot(house)
os.chdir('/')
user, group = map(int, owner.split(':'))
os.setgroups([]), os.setgid(group), os.setuid(user)
os.execv(program, [program, word, folder])
";

/// The running machine; it ends when this is dropped.
pub struct Turning {
    name: String,
    _child: Child,
    _hears: AbortOnDropHandle<()>,
}

impl Turning {
    /// Starts it, with the sockets of the run in `folder`.
    pub async fn open(
        name: &str,
        instance: &str,
        folder: &Path,
        arrivals: Arrivals,
    ) -> anyhow::Result<Self> {
        use std::os::unix::fs::MetadataExt as _;
        let own = furnished(folder)?;
        let program = own.join(PROGRAM);
        let at = |path: &str| format!("/house{path}");
        let folder_text = folder.display().to_string();
        let lent = format!("{folder_text}:{}", at(&folder_text));
        let root = format!(
            "type=bind,source=/,target={},readonly,bind-nonrecursive",
            at("")
        );
        let settings = ["resolv.conf", "nsswitch.conf"].map(|file| {
            let path = own.join(file);
            format!("{}:{}:ro", path.display(), at(&format!("/etc/{file}")))
        });
        let owner = std::fs::metadata(folder)?;
        let owner = format!("{}:{}", owner.uid(), owner.gid());
        let label = format!("deckhand.instance={instance}");
        let mut command = Command::new("docker");
        command
            .args([
                "run",
                "--rm",
                "-i",
                "--network=none",
                "--cap-add=NET_ADMIN",
                "-u",
                "0",
            ])
            .args(["--sysctl", "net.ipv4.ip_unprivileged_port_start=0"])
            .args([
                "--name", name, "--label", &label, "--mount", &root, "-v", &lent,
            ])
            .args(["-v", &settings[0], "-v", &settings[1]])
            .args([
                "--entrypoint",
                "python3",
                IMAGE,
                "-c",
                BECOME,
                &at(""),
                &owner,
            ])
            .arg(&program)
            .args([WORD, &folder_text, PUBLIC])
            .args([HOUSE.to_string(), METADATA.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        let mut child = command.spawn()?;
        let output = child.stdout.take().context("the machine says nothing")?;
        let mut lines = BufReader::new(output).lines();
        let first = timeout(START_TIME, lines.next_line()).await;
        if first.context("the machine does not come up")??.as_deref() != Some(READY) {
            let mut errors = String::new();
            if let Some(mut pipe) = child.stderr.take() {
                pipe.read_to_string(&mut errors).await?;
            }
            bail!(
                "the machine with a name service did not start: {}",
                errors.trim()
            );
        }
        Ok(Self {
            name: name.to_owned(),
            _child: child,
            _hears: AbortOnDropHandle::new(tokio::spawn(hear(lines, arrivals))),
        })
    }
}

/// The folder of what the machine finds in the place of the host's: this program, and where names are asked for.
fn furnished(folder: &Path) -> anyhow::Result<PathBuf> {
    let own = folder.join(WORD);
    std::fs::create_dir_all(&own)?;
    // Wherever it was built, the machine finds it here.
    std::fs::copy(std::env::current_exe()?, own.join(PROGRAM))?;
    std::fs::write(own.join("resolv.conf"), "nameserver 127.0.0.1\n")?;
    std::fs::write(own.join("nsswitch.conf"), "hosts: dns\n")?;
    Ok(own)
}

impl Drop for Turning {
    fn drop(&mut self) {
        let _ = docker(&["rm", "-f", &self.name]);
    }
}

async fn hear(mut lines: Lines<BufReader<ChildStdout>>, arrivals: Arrivals) {
    while let Ok(Some(line)) = lines.next_line().await {
        let told = line.strip_prefix(ARRIVED);
        if let Some((at, text)) = told.and_then(|told| told.split_once(' ')) {
            arrivals.arrived(at, text.as_bytes());
        }
    }
}

/// The machine itself: serves until its standard input ends.
pub async fn serve(folder: PathBuf) -> anyhow::Result<()> {
    let names = UdpSocket::bind("127.0.0.1:53").await?;
    let web = TcpListener::bind("0.0.0.0:80").await?;
    let internet = Internet::start().await?;
    let _names = AbortOnDropHandle::new(tokio::spawn(answer_names(names)));
    let _web = internet.serve_by_address(web);
    let rules = serde_json::json!({"version": 1, "default": {"rules": [
        {"hosts": ["*.once.example", "*.both.example", "*.house.example", "*.cloud.example", "*.mapped.example"], "ports": [80]},
    ]}});
    let policy = PolicyDocument::read(&rules.to_string())?.for_repository("acme/web", &[]);
    let mut opening = opening(Phase::Work, MODEL_KEY, WORD)?;
    opening.policy = policy;
    let proxy = EgressProxy::new(Way::Direct)?;
    let _way_out = proxy.open(&folder.join("run"), opening)?;
    println!("{READY}");
    let tell = internet.arrivals.tell(|at, canary| {
        println!("{ARRIVED}{at} {}", canary.as_str());
    });
    let mut input = tokio::io::stdin();
    let mut nothing = Vec::new();
    tokio::select! {
        () = tell => {}
        ended = input.read_to_end(&mut nothing) => drop(ended?),
    }
    Ok(())
}

/// Answers every question about a name of the table, at once and without a memory on the asker's side.
async fn answer_names(socket: UdpSocket) {
    let mut asked = BTreeSet::new();
    let mut question = [0; 512];
    while let Ok((count, from)) = socket.recv_from(&mut question).await {
        if let Some(answer) = answer(&question[..count], &mut asked) {
            let _ = socket.send_to(&answer, from).await;
        }
    }
}

/// The answer to a question. Source: RFC 1035, 4.
fn answer(question: &[u8], asked: &mut BTreeSet<String>) -> Option<Vec<u8>> {
    const HEAD: usize = 12;
    const A: u16 = 1;
    const AAAA: u16 = 28;
    let mut labels = Vec::new();
    let mut place = HEAD;
    loop {
        let length = usize::from(*question.get(place)?);
        place += 1;
        if length == 0 {
            break;
        }
        labels.push(String::from_utf8_lossy(question.get(place..place + length)?).into_owned());
        place += length;
    }
    let kind = u16::from_be_bytes([*question.get(place)?, *question.get(place + 1)?]);
    let is_first = asked.insert(format!("{kind} {}", labels.join(".")));
    let zone = labels.iter().rev().nth(1).map_or("", String::as_str);
    let public: Ipv4Addr = PUBLIC.parse().ok()?;
    let addresses = match (zone, kind, is_first) {
        ("once", A, true) => vec![public],
        ("both", A, _) => vec![Ipv4Addr::LOCALHOST, HOUSE, public],
        ("once", A, false) | ("house", A, _) => vec![Ipv4Addr::LOCALHOST, HOUSE],
        ("cloud", A, _) => vec![METADATA],
        ("mapped", AAAA, _) => vec![HOUSE],
        _ => vec![],
    };
    let count = u8::try_from(addresses.len()).ok()?;
    // The same question, answered with authority, by so many records.
    let mut answer = [&question[..2], &[0x81, 0x80, 0, 1, 0, count, 0, 0, 0, 0]].concat();
    answer.extend(&question[HEAD..place + 4]);
    for address in addresses {
        let data = if kind == AAAA {
            address.to_ipv6_mapped().octets().to_vec()
        } else {
            address.octets().to_vec()
        };
        // The name of the question, for the internet, and good for no time at all.
        answer.extend([0xc0, 12]);
        answer.extend(kind.to_be_bytes());
        answer.extend([0, 1, 0, 0, 0, 0, 0, u8::try_from(data.len()).ok()?]);
        answer.extend(data);
    }
    Some(answer)
}
