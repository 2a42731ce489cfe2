//! Which addresses a name may lead to: those of the internet, or those of the house too, and some never.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which addresses a listed name may resolve to. Link-local ones, where clouds keep their credentials, never.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Reach {
    /// Addresses of the internet only: a name that leads into the house is refused.
    #[default]
    Public,
    /// Addresses of the house too, for a registry that stands there.
    House,
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
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

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
