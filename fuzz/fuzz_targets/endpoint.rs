//! The command line's syntax: endpoints, services, places to listen and durations. What was read is
//! within its limits, and is read again as it was when it is written.

#![no_main]

use std::time::Duration;

use policy_proxy::options::Service;
use libfuzzer_sys::fuzz_target;
use policy_daemon::{ListenAddr, command_line::parse_duration};
use policy_net::Endpoint;

fuzz_target!(|bytes: &[u8]| {
    check_service(bytes);
    if let Ok(text) = str::from_utf8(bytes) {
        check_endpoint(text);
        check_listen(text);
        check_duration(text);
    }
});

fn check_endpoint(text: &str) {
    let Ok(endpoint) = text.parse::<Endpoint>() else {
        return;
    };
    assert_eq!(endpoint.to_string().parse().as_ref(), Ok(&endpoint));
    match endpoint {
        Endpoint::Inet { host, .. } => assert!(!host.is_empty()),
        Endpoint::Unix(path) => assert!(path.is_absolute()),
        other => panic!("{other:?}"),
    }
}

fn check_service(text: &[u8]) {
    const DEFAULT: Duration = Duration::from_secs(30);
    let Ok(service) = Service::parse(text, DEFAULT) else {
        return;
    };
    assert!(!service.name.is_empty() && !service.name.contains(&b'='));
    assert!(text.starts_with(&service.name));
    let prefix = match service.endpoint {
        Endpoint::Inet { .. } => "inet:",
        _ => "",
    };
    let address = format!("{prefix}{}", service.address);
    assert_eq!(address.parse().as_ref(), Ok(&service.endpoint));
    assert!((1..=1000).contains(&service.backend.weight));
    let (shortest, longest) = (Duration::from_millis(100), Duration::from_secs(3600));
    assert!((shortest..=longest).contains(&service.timeout));

    let rest = format!(
        "={}:{}:{}:{}",
        service.endpoint,
        service.backend.priority,
        service.backend.weight,
        service.timeout.as_secs_f64()
    );
    let again = Service::parse([&*service.name, rest.as_bytes()].concat(), DEFAULT).unwrap();
    assert_eq!(again.name, service.name);
    assert_eq!(again.endpoint, service.endpoint);
    assert_eq!(again.backend, service.backend);
    assert_eq!(again.timeout, service.timeout);
    assert!(again.warnings.is_empty(), "{:?}", again.warnings);
}

fn check_listen(text: &str) {
    // Users and groups are the system's.
    if text.contains("owner=") || text.contains("group=") {
        return;
    }
    let Ok(listen) = text.parse::<ListenAddr>() else {
        return;
    };
    let (address, options) = text.split_once(',').unwrap_or((text, ""));
    assert_eq!(address.parse().as_ref(), Ok(&listen.endpoint));
    assert_eq!(listen.mode.is_some(), !options.is_empty());
    if let Some(mode) = listen.mode {
        let written = options.rsplit("mode=").next().unwrap_or_default();
        assert!(
            written.bytes().all(|byte| matches!(byte, b'0'..=b'7')),
            "{text}"
        );
        assert!(mode <= 0o777);
        let written = format!("{},mode={mode:04o}", listen.endpoint);
        assert_eq!(written.parse(), Ok(listen));
    }
}

fn check_duration(text: &str) {
    let Ok(duration) = parse_duration(text) else {
        return;
    };
    assert!(duration <= Duration::from_secs(86_400));
    let written = format!("{}s", duration.as_secs_f64());
    assert_eq!(parse_duration(&written), Ok(duration));
}
