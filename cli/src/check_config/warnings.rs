//! What a command line may say, and probably does not mean.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs},
    time::Duration,
};

use nix::ifaddrs::getifaddrs;
use policy_daemon::ListenAddr;
use policy_flow::{Check, Strategy};
use policy_proto::{Action, Request, attr};
use policy_socket::Endpoint;

use crate::{
    args::{DefaultAction, Options, Service},
    check_config::effective::duration,
    report::nobody_to_ask,
    services::Services,
};

/// All of it, a line each.
pub(super) fn all(
    options: &Options,
    services: &Services,
    listeners: &[ListenAddr],
    check: Option<&Check>,
) -> Vec<Vec<u8>> {
    let mut warnings = Vec::new();
    warnings.extend(default_action(options));
    warnings.extend(deadline(options.deadline, services.valid.len()));
    warnings.extend(hash(&options.failover.balance));
    let modes = services.valid.iter().map(|service| service.mode);
    warnings.extend(nobody_to_ask(modes).map(|text| text.as_bytes().to_vec()));
    let own = own_addresses();
    for service in &services.valid {
        warnings.extend(own_listener(service, listeners, &own));
    }
    let probe = check.and_then(|check| check.probe.as_ref());
    if let Some((probe, path)) = probe.zip(options.failover.probe.as_ref()) {
        let path = path.display();
        let effects = side_effects(probe.request());
        warnings.extend(effects.map(|effect| format!("--probe {path}: {effect}").into_bytes()));
    }
    warnings
}

fn default_action(options: &Options) -> Option<Vec<u8>> {
    let Some(DefaultAction::Reply(response)) = &options.default else {
        return None;
    };
    let action = response.as_bytes();
    let word = action.split(|byte| b" \t".contains(byte)).next()?;
    let why = match Action::parse(action) {
        Action::Ok | Action::Relay => SKIPS,
        Action::Other(_) if word.eq_ignore_ascii_case(b"permit") => SKIPS,
        Action::Other(_) if !is_restriction(word) => {
            "Postfix knows no such action: it answers 451 to each recipient, unless a restriction class has \
             this name"
        }
        _ => return None,
    };
    Some([b"-d '", action, b"': ", why.as_bytes()].concat())
}

/// Whether a name is one of Postfix's own restrictions, as they are all called.
fn is_restriction(word: &[u8]) -> bool {
    let word = word.to_ascii_lowercase();
    let begins = |begin: &&str| word.starts_with(begin.as_bytes());
    [
        "permit_",
        "reject_",
        "check_",
        "defer_",
        "sleep",
        "warn_if_reject",
    ]
    .iter()
    .any(begins)
}

fn deadline(deadline: Duration, services: usize) -> Option<Vec<u8>> {
    let shown = duration(deadline);
    let least = LEAST_ATTEMPT * u32::try_from(services).unwrap_or(u32::MAX);
    let text = match deadline {
        _ if deadline > POSTFIX => format!(
            "--deadline {shown} is above the {} after which Postfix gives up: raise its \
             smtpd_policy_service_timeout too",
            duration(POSTFIX)
        ),
        _ if deadline < least => format!(
            "--deadline {shown} is below 5s for each of {services} services: not all are asked if they hang"
        ),
        _ => return None,
    };
    Some(text.into_bytes())
}

fn hash(balance: &Strategy) -> Vec<Vec<u8>> {
    let text = balance.to_string();
    let Some(names) = text.strip_prefix("hash:") else {
        return Vec::new();
    };
    let unknown = names.split(',').filter(|name| attr::since(name).is_none());
    unknown
        .map(|name| format!("--balance {text}: Postfix sends no attribute '{name}'").into_bytes())
        .collect()
}

fn own_listener(service: &Service, listeners: &[ListenAddr], own: &[IpAddr]) -> Option<Vec<u8>> {
    let own = listeners
        .iter()
        .find(|listen| leads_to(&service.endpoint, &listen.endpoint, own))?;
    let text = format!("' leads to this daemon's own listener {}", own.endpoint);
    Some([b"service '", &*service.name, text.as_bytes()].concat())
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

/// None where a name cannot be resolved: that is no news here.
fn addresses(endpoint: &Endpoint) -> Vec<SocketAddr> {
    match endpoint {
        Endpoint::Inet { host, port } => {
            let found = (host.as_str(), *port).to_socket_addrs();
            found.map(Iterator::collect).unwrap_or_default()
        }
        _ => Vec::new(),
    }
}

/// What policy servers remember of a probe that is not about nobody.
fn side_effects(request: &Request) -> impl Iterator<Item = String> {
    let value = |name: &str| {
        let value = request.get(name).filter(|value| !value.is_empty())?;
        Some(String::from_utf8_lossy(value).into_owned())
    };
    let real = |name: &str| value(name).filter(|value| !is_nobodys(value));
    let user = value(attr::SASL_USERNAME)
        .map(|user| format!("each probe counts against the quota of sasl_username '{user}'"));
    let addresses = [attr::SENDER, attr::RECIPIENT]
        .into_iter()
        .filter_map(move |name| {
            let value = real(name)?;
            Some(format!(
                "greylists and rate limits take each probe for mail of {name} '{value}'"
            ))
        });
    let client = value(attr::CLIENT_ADDRESS)
        .filter(|address| !is_documentation(address))
        .map(|address| format!("rate limits count each probe for client_address '{address}'"));
    let addresses: Vec<String> = addresses.collect();
    user.into_iter().chain(addresses).chain(client)
}

/// An address in a domain that is reserved for examples and tests.
fn is_nobodys(address: &str) -> bool {
    let domain = address
        .rsplit('@')
        .next()
        .unwrap_or_default()
        .to_ascii_lowercase();
    let is_below = |reserved: &&str| {
        domain
            .strip_suffix(reserved)
            .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    };
    RESERVED.iter().any(is_below)
}

/// An address that is reserved for documentation, or this machine's own.
fn is_documentation(address: &str) -> bool {
    match address
        .parse::<IpAddr>()
        .map(|address| address.to_canonical())
    {
        Ok(IpAddr::V4(address)) => address.is_documentation() || address.is_loopback(),
        Ok(IpAddr::V6(address)) => {
            address.is_loopback() || matches!(address.segments(), [0x2001, 0xdb8, ..])
        }
        Err(_) => true,
    }
}

const SKIPS: &str = "while no server answers, all restrictions that follow in the list are skipped; DUNNO skips none";
const RESERVED: [&str; 7] = [
    "example",
    "example.com",
    "example.net",
    "example.org",
    "invalid",
    "test",
    "localhost",
];
/// `smtpd_policy_service_timeout`, as long as nobody sets it.
const POSTFIX: Duration = Duration::from_secs(100);
/// What an attempt is given, if the deadline leaves it.
const LEAST_ATTEMPT: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use policy_socket::Endpoint;

    use super::*;

    #[test]
    fn a_probe_about_nobody_has_no_side_effects_and_others_are_told() {
        let effects = |attributes: &[(&str, &str)]| {
            let request = Request::from_attributes(attributes.iter().copied()).unwrap();
            side_effects(&request).collect::<Vec<_>>()
        };
        assert_eq!(
            effects(&[
                ("sender", "a@mail.Example.com"),
                ("recipient", "b@host.invalid"),
                ("client_address", "192.0.2.1"),
                ("sasl_username", ""),
            ]),
            [""; 0]
        );
        assert_eq!(
            effects(&[
                ("sender", "a@notexample.com"),
                ("recipient", "b@example.de"),
                ("client_address", "9.9.9.9"),
                ("sasl_username", "ann"),
            ]),
            [
                "each probe counts against the quota of sasl_username 'ann'",
                "greylists and rate limits take each probe for mail of sender 'a@notexample.com'",
                "greylists and rate limits take each probe for mail of recipient 'b@example.de'",
                "rate limits count each probe for client_address '9.9.9.9'",
            ]
        );
    }

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
