//! Services and mirrors that lead back to the daemon's own listener.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use nix::ifaddrs::getifaddrs;
use policy_daemon::{LOOK_UP_TIME, ListenAddr, look_up};
use policy_socket::Endpoint;

use crate::options::{MirrorOptions, Service};

/// A warning for each of them.
pub(super) fn own_listeners(
    services: &[Service],
    mirrors: &[MirrorOptions],
    listeners: &[ListenAddr],
) -> Vec<Vec<u8>> {
    let own = own_addresses();
    let services = services.iter();
    let services = services.map(|service| ("service", &*service.name, &service.endpoint));
    let mirrors = mirrors.iter();
    let mirrors = mirrors.map(|mirror| ("mirror", mirror.name.as_bytes(), &mirror.endpoint));
    let warning = |(kind, name, endpoint): (&str, &[u8], &Endpoint)| {
        let mut listeners = listeners.iter();
        let own = listeners.find(|listen| leads_to(endpoint, &listen.endpoint, &own))?;
        let text = format!("' leads to this daemon's own listener {}", own.endpoint);
        Some([kind.as_bytes(), b" '", name, text.as_bytes()].concat())
    };
    services.chain(mirrors).filter_map(warning).collect()
}

/// Whether who connects to the service is connected to the listener, on a machine of these addresses.
fn leads_to(service: &Endpoint, listener: &Endpoint, own: &[IpAddr]) -> bool {
    match (service, listener) {
        (Endpoint::Inet { port, .. }, Endpoint::Inet { port: bound, .. }) if port == bound => {
            let listeners = addresses(listener);
            let leads = |address: SocketAddr| {
                let to = reached(address.ip());
                let is_here = to.is_loopback() || own.contains(&to);
                let has_it = |listener: &SocketAddr| match listener.ip() {
                    // It takes IPv4 as well.
                    IpAddr::V6(Ipv6Addr::UNSPECIFIED) => is_here,
                    IpAddr::V4(Ipv4Addr::UNSPECIFIED) => is_here && to.is_ipv4(),
                    bound => bound.to_canonical() == to,
                };
                listeners.iter().any(has_it)
            };
            addresses(service).into_iter().any(leads)
        }
        _ => service == listener,
    }
}

/// Where a connection to this address goes: to no particular one it goes to this machine.
fn reached(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => Ipv6Addr::LOCALHOST.into(),
        address => address,
    }
}

/// The addresses of this machine's interfaces; none where the system does not tell.
fn own_addresses() -> Vec<IpAddr> {
    let interfaces = getifaddrs().into_iter().flatten();
    let address = |interface: nix::ifaddrs::InterfaceAddress| {
        let address = interface.address?;
        let v4 = address.as_sockaddr_in().map(|address| address.ip().into());
        v4.or_else(|| Some(address.as_sockaddr_in6()?.ip().into()))
    };
    interfaces.filter_map(address).collect()
}

/// None where a name cannot be resolved, or not in time: that is no news here.
fn addresses(endpoint: &Endpoint) -> Vec<SocketAddr> {
    match endpoint {
        Endpoint::Inet { host, port } => look_up(host, *port, LOOK_UP_TIME).unwrap_or_default(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_leads_to_a_listener_at_the_same_place_under_any_name() {
        let own = ["192.0.2.1", "2001:db8::1"].map(|address| address.parse().unwrap());
        for (service, listener, leads) in [
            ("inet:127.0.0.1:7", "inet:127.0.0.1:7", true),
            ("inet:localhost:7", "inet:127.0.0.1:7", true),
            ("inet:127.0.0.1:7", "inet:0.0.0.0:7", true),
            ("inet:127.0.0.1:7", "inet:[::]:7", true),
            ("inet:[::1]:7", "inet:[::]:7", true),
            ("inet:[::1]:7", "inet:0.0.0.0:7", false),
            ("inet:127.0.0.1:7", "inet:127.0.0.1:8", false),
            ("inet:127.0.0.2:7", "inet:127.0.0.1:7", false),
            // One of the machine's own, and others.
            ("inet:192.0.2.1:7", "inet:0.0.0.0:7", true),
            ("inet:192.0.2.1:7", "inet:[::]:7", true),
            ("inet:192.0.2.2:7", "inet:0.0.0.0:7", false),
            ("inet:[2001:db8::1]:7", "inet:[::]:7", true),
            ("inet:[2001:db8::1]:7", "inet:0.0.0.0:7", false),
            ("inet:[2001:db8::2]:7", "inet:[::]:7", false),
            // To no particular one is to this machine.
            ("inet:0.0.0.0:7", "inet:0.0.0.0:7", true),
            ("inet:0.0.0.0:7", "inet:127.0.0.1:7", true),
            ("inet:0.0.0.0:7", "inet:[::]:7", true),
            ("inet:[::]:7", "inet:[::1]:7", true),
            ("inet:0.0.0.0:7", "inet:192.0.2.1:7", false),
            ("unix:/a", "unix:/a", true),
            ("unix:/a", "unix:/b", false),
            ("unix:/a", "inet:127.0.0.1:7", false),
        ] {
            let endpoint = |text: &str| text.parse::<Endpoint>().unwrap();
            assert_eq!(
                leads_to(&endpoint(service), &endpoint(listener), &own),
                leads,
                "{service} {listener}"
            );
        }
    }
}
