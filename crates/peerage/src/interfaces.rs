//! Which local addresses an endpoint offers. Called when an endpoint binds, and when interfaces change.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::{fmt, io};

/// Which interfaces an [`Endpoint`](crate::Endpoint) binds to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum InterfacePolicy {
    /// Every interface that is up, without loopback; loopback alone if there is nothing else.
    #[default]
    Default,
    /// Every interface that is up, loopback included.
    WithLoopback,
    /// Loopback only.
    LoopbackOnly,
}

/// Which addresses are used of those that an [`InterfacePolicy`] allows, by the interface's name and the address.
#[derive(Clone)]
pub struct InterfaceFilter(Arc<Keep>);

type Keep = dyn Fn(&str, IpAddr) -> bool + Send + Sync;

impl InterfaceFilter {
    /// Keeps what `keep` is true of.
    pub fn new(keep: impl Fn(&str, IpAddr) -> bool + Send + Sync + 'static) -> Self {
        Self(Arc::new(keep))
    }
}

impl fmt::Debug for InterfaceFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InterfaceFilter")
    }
}

/// The addresses to bind, IPv6 after IPv4, in the order of the system.
///
/// Left out (RFC 8445 §5.1.1.1): IPv6 link-local and deprecated site-local addresses, which need a scope that a candidate
/// cannot carry; interfaces that are down; and at most `limit` addresses are taken, because every one costs each
/// connection a socket's worth of connectivity checks.
pub(crate) fn local_addresses(
    policy: InterfacePolicy,
    limit: usize,
    filter: Option<&InterfaceFilter>,
) -> io::Result<Vec<IpAddr>> {
    let mut usable = Vec::new();
    let mut loopback = Vec::new();
    for interface in if_addrs::get_if_addrs()? {
        let ip = interface.ip();
        if filter.is_some_and(|filter| !(filter.0)(&interface.name, ip)) {
            continue;
        }
        if ip.is_loopback() {
            loopback.push(ip);
        } else if interface.is_oper_up() && is_offerable(ip) {
            usable.push(ip);
        }
    }
    let mut addresses = match policy {
        InterfacePolicy::Default if usable.is_empty() => loopback,
        InterfacePolicy::Default => usable,
        InterfacePolicy::WithLoopback => {
            usable.append(&mut loopback);
            usable
        }
        InterfacePolicy::LoopbackOnly => loopback,
    };
    // Stable: the system's order, which follows its routing metric, is kept within a family.
    addresses.sort_by_key(IpAddr::is_ipv6);
    addresses.dedup();
    addresses.truncate(limit);
    Ok(addresses)
}

fn is_offerable(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(v4) => !v4.is_unspecified() && !v4.is_link_local(),
        IpAddr::V6(v6) => !v6.is_unspecified() && !v6.is_unicast_link_local() && !is_site_local(v6),
    }
}

/// fec0::/10, deprecated by RFC 3879.
fn is_site_local(ip: Ipv6Addr) -> bool {
    ip.segments()[0] & 0xffc0 == 0xfec0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn link_local_and_site_local_addresses_are_not_offered() {
        assert!(!is_offerable("fe80::1".parse().unwrap()));
        assert!(!is_offerable("fec0::1".parse().unwrap()));
        assert!(!is_offerable("169.254.1.1".parse().unwrap()));
        assert!(is_offerable("fd77::1".parse().unwrap()));
        assert!(is_offerable("192.0.2.1".parse().unwrap()));
    }

    #[test]
    fn loopback_only_gives_loopback_only() {
        let addresses = local_addresses(InterfacePolicy::LoopbackOnly, 8, None).unwrap();
        assert!(!addresses.is_empty());
        assert!(addresses.iter().all(IpAddr::is_loopback));
    }
}
