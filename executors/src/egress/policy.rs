//! Which hosts a sandbox may reach in which phase, and which addresses a name may lead to.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use super::EgressError;

/// The part of a run that decides what it may reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Dependencies are fetched: listed hosts, and no model.
    Setup,
    /// The agent works: the models, and what is listed for this phase.
    Work,
    /// Checks run: nothing.
    Proof,
}

impl fmt::Display for Phase {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Setup => "setup",
            Self::Work => "work",
            Self::Proof => "proof",
        })
    }
}

/// Which addresses a listed name may resolve to. Link-local ones, where clouds keep their credentials, never.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Addresses of the internet only: a name that leads into the house is refused.
    Public,
    /// Addresses of the house too, for a registry that stands there.
    House,
}

/// A host on the list, by its exact name or by `*.` and a suffix, on the customary port or on one of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AllowedHost {
    name: String,
    form: Form,
    port: Option<u16>,
    reach: Reach,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Exact,
    Below,
}

impl AllowedHost {
    /// Reads `host`, `*.host`, `host:port` or `*.host:port`. A bare `*`, an address in figures and a suffix of one
    /// label are refused: each would list far more than it says.
    pub fn parse(text: &str, reach: Reach) -> Result<Self, EgressError> {
        let refuse = |reason| EgressError::Host {
            host: text.to_owned(),
            reason,
        };
        let (name, port) = match text.rsplit_once(':') {
            Some((name, port)) => (
                name,
                Some(port.parse().map_err(|_| refuse("its port is no number"))?),
            ),
            None => (text, None),
        };
        let (name, form) = match name.strip_prefix("*.") {
            Some(suffix) => (suffix, Form::Below),
            None => (name, Form::Exact),
        };
        let name = normal(name);
        if name.parse::<IpAddr>().is_ok() {
            return Err(refuse(
                "addresses in figures are never allowed; list a name",
            ));
        }
        if !is_host_name(&name) {
            return Err(refuse("it is no name of a host"));
        }
        if form == Form::Below && !name.contains('.') {
            return Err(refuse("a suffix needs at least two labels"));
        }
        Ok(Self {
            name,
            form,
            port,
            reach,
        })
    }

    /// Which addresses the name may resolve to.
    #[must_use]
    pub fn reach(&self) -> Reach {
        self.reach
    }

    fn covers(&self, host: &str, port: u16, customary: u16) -> bool {
        let named = match self.form {
            Form::Exact => host == self.name,
            // On the boundary of a label: `*.b.c` covers `a.b.c`, and neither `b.c` nor `ab.c`.
            Form::Below => host
                .strip_suffix(&self.name)
                .is_some_and(|rest| rest.len() > 1 && rest.ends_with('.')),
        };
        named && port == self.port.unwrap_or(customary)
    }
}

impl fmt::Display for AllowedHost {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self.form {
            Form::Exact => "",
            Form::Below => "*.",
        })?;
        formatter.write_str(&self.name)?;
        self.port
            .map_or(Ok(()), |port| write!(formatter, ":{port}"))
    }
}

/// The hosts that a run may reach by name. What is not listed is refused. Models need no entry: they are reached by
/// base address, and never by a tunnel, through which a key of the sandbox's own could travel.
#[derive(Debug, Clone, Default)]
pub struct EgressPolicy {
    /// For [`Phase::Setup`]: the package registries.
    pub setup: Vec<AllowedHost>,
    /// For [`Phase::Work`].
    pub work: Vec<AllowedHost>,
}

/// Why a host is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostRefusal {
    /// It is written as an address.
    AddressLiteral,
    /// It is not listed for this phase.
    NotListed,
    /// It is listed, with another port.
    Port,
}

impl EgressPolicy {
    /// The entry that allows a host in a phase. `customary` is the scheme's port, for entries that name none.
    pub fn allows(
        &self,
        phase: Phase,
        host: &str,
        port: u16,
        customary: u16,
    ) -> Result<&AllowedHost, HostRefusal> {
        let host = normal(host);
        if is_address(&host) {
            return Err(HostRefusal::AddressLiteral);
        }
        let listed: &[AllowedHost] = match phase {
            Phase::Setup => &self.setup,
            Phase::Work => &self.work,
            Phase::Proof => &[],
        };
        listed
            .iter()
            .find(|entry| entry.covers(&host, port, customary))
            .ok_or_else(|| {
                let elsewhere = |entry: &AllowedHost| {
                    entry.covers(&host, entry.port.unwrap_or(customary), customary)
                };
                if listed.iter().any(elsewhere) {
                    HostRefusal::Port
                } else {
                    HostRefusal::NotListed
                }
            })
    }
}

/// A host's name in its one spelling: lower case, without the dot that ends an absolute name.
pub fn normal(host: &str) -> String {
    host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase()
}

/// An address in any spelling that resolvers accept: `127.1` and `0x7f000001` are addresses too.
fn is_address(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let last = bare.rsplit('.').next().unwrap_or(bare);
    bare.parse::<IpAddr>().is_ok()
        || bare.contains(':')
        || last.starts_with("0x")
        || (!last.is_empty() && last.bytes().all(|byte| byte.is_ascii_digit()))
}

fn is_host_name(name: &str) -> bool {
    !name.is_empty()
        && name.split('.').all(|label| {
            !label.is_empty()
                && label
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
        })
}

/// Whether a name may lead to this address.
pub fn may_lead_to(reach: Reach, address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => v4(reach, address),
        IpAddr::V6(address) => match address.to_ipv4_mapped() {
            Some(mapped) => v4(reach, mapped) && reach == Reach::House,
            None => v6(reach, address),
        },
    }
}

/// Source: the IANA registry of special-purpose IPv4 addresses.
fn v4(reach: Reach, address: Ipv4Addr) -> bool {
    let [first, second, third, _] = address.octets();
    let never = address.is_link_local()
        || address.is_multicast()
        || first == 0
        || first >= 240
        || (first, second, third) == (192, 0, 0);
    // Blocks for documentation and for benchmarks are nobody's in the internet, and in use inside some houses.
    let house = address.is_private()
        || address.is_loopback()
        || address.is_documentation()
        || (first == 100 && (64..128).contains(&second))
        || (first == 198 && (18..20).contains(&second));
    !never && (!house || reach == Reach::House)
}

/// Source: the IANA registry of special-purpose IPv6 addresses. Those that carry an IPv4 address inside are refused
/// whole, since some router on the way may take it out.
fn v6(reach: Reach, address: Ipv6Addr) -> bool {
    let segments = address.segments();
    let carries_v4 = match segments {
        [0, 0, 0, 0, 0, 0, ..] => !address.is_loopback(),
        [0x64, 0xff9b, ..] | [0x2002, ..] | [0x2001, 0, ..] => true,
        _ => false,
    };
    let never = address.is_unspecified()
        || address.is_multicast()
        || address.is_unicast_link_local()
        || carries_v4
        || segments[0] & 0xffc0 == 0xfec0
        || segments[0] == 0x100;
    let house = address.is_loopback()
        || address.is_unique_local()
        || (segments[0], segments[1]) == (0x2001, 0xdb8);
    !never && (!house || reach == Reach::House)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

    use super::*;

    fn policy(setup: &[&str]) -> EgressPolicy {
        let setup = setup
            .iter()
            .map(|text| AllowedHost::parse(text, Reach::Public).unwrap())
            .collect();
        EgressPolicy {
            setup,
            work: Vec::new(),
        }
    }

    #[test]
    fn a_host_is_allowed_by_name_label_and_port() {
        let policy = policy(&["packages.example", "*.cdn.example", "house.example:8443"]);
        let table = [
            ("packages.example", 443, Ok("packages.example")),
            ("PACKAGES.example.", 443, Ok("packages.example")),
            ("a.cdn.example", 443, Ok("*.cdn.example")),
            ("a.b.cdn.example", 443, Ok("*.cdn.example")),
            ("house.example", 8443, Ok("house.example:8443")),
            ("cdn.example", 443, Err(HostRefusal::NotListed)),
            ("evilcdn.example", 443, Err(HostRefusal::NotListed)),
            (".cdn.example", 443, Err(HostRefusal::NotListed)),
            (
                "packages.example.evil.test",
                443,
                Err(HostRefusal::NotListed),
            ),
            ("xpackages.example", 443, Err(HostRefusal::NotListed)),
            ("packages.example..", 443, Err(HostRefusal::NotListed)),
            ("", 443, Err(HostRefusal::NotListed)),
            ("packages.example", 22, Err(HostRefusal::Port)),
            ("house.example", 443, Err(HostRefusal::Port)),
            ("1.1.1.1", 443, Err(HostRefusal::AddressLiteral)),
            ("[::1]", 443, Err(HostRefusal::AddressLiteral)),
            ("::ffff:1.2.3.4", 443, Err(HostRefusal::AddressLiteral)),
            ("127.1", 443, Err(HostRefusal::AddressLiteral)),
            ("2130706433", 443, Err(HostRefusal::AddressLiteral)),
            ("0x7f000001", 443, Err(HostRefusal::AddressLiteral)),
        ];
        for (host, port, expected) in table {
            let found = policy
                .allows(Phase::Setup, host, port, 443)
                .map(ToString::to_string);
            assert_eq!(found, expected.map(str::to_owned), "{host}:{port}");
        }
    }

    #[test]
    fn each_phase_has_its_own_list_and_proof_has_none() {
        let policy = policy(&["packages.example"]);
        for phase in [Phase::Work, Phase::Proof] {
            assert_eq!(
                policy.allows(phase, "packages.example", 443, 443),
                Err(HostRefusal::NotListed)
            );
        }
    }

    #[test]
    fn what_would_list_more_than_it_says_is_refused() {
        for text in [
            "*",
            "*.com",
            "",
            "1.2.3.4",
            "[::1]",
            "a..b",
            "a b",
            "a.b:x",
            "a/b",
            "*.*.c.d",
            "ex*mple.org",
        ] {
            AllowedHost::parse(text, Reach::Public).expect_err(text);
        }
    }

    #[test]
    fn names_lead_to_the_internet_and_only_by_permission_into_the_house() {
        let table = [
            ("93.184.216.34", true, true),
            ("2606:2800:220:1::1", true, true),
            ("10.1.2.3", false, true),
            ("172.16.0.1", false, true),
            ("192.168.1.1", false, true),
            ("100.64.0.1", false, true),
            ("203.0.113.7", false, true),
            ("2001:db8::1", false, true),
            ("127.0.0.1", false, true),
            ("::1", false, true),
            ("fd00::1", false, true),
            ("::ffff:10.0.0.1", false, true),
            ("::ffff:8.8.8.8", false, true),
            ("169.254.169.254", false, false),
            ("::ffff:169.254.169.254", false, false),
            ("0.0.0.0", false, false),
            ("::", false, false),
            ("224.0.0.1", false, false),
            ("255.255.255.255", false, false),
            ("fe80::1", false, false),
            ("ff02::1", false, false),
            ("64:ff9b::a9fe:a9fe", false, false),
            ("2002:a00:1::1", false, false),
            ("::10.0.0.1", false, false),
        ];
        for (address, public, house) in table {
            let parsed = address.parse().unwrap();
            assert_eq!(
                may_lead_to(Reach::Public, parsed),
                public,
                "{address} from the internet's list"
            );
            assert_eq!(
                may_lead_to(Reach::House, parsed),
                house,
                "{address} from the house's list"
            );
        }
    }
}
