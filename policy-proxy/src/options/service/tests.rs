//! Tests of the syntax of `-s`.

use super::*;

const DEFAULT: Duration = Duration::from_secs(30);

fn fields(text: &str) -> (u16, u16, f64, usize) {
    let service = Service::parse(text, DEFAULT).unwrap();
    let Backend {
        priority, weight, ..
    } = service.backend;
    (
        priority,
        weight,
        service.timeout.as_secs_f64(),
        service.warnings.len(),
    )
}

#[test]
fn fields_are_read_and_what_is_wrong_in_one_is_a_warning_and_the_default() {
    for (text, expected) in [
        ("a=h:1", (10, 1, 30.0, 0)),
        ("a=h:1:", (10, 1, 30.0, 0)),
        ("a=h:1::::", (10, 1, 30.0, 0)),
        ("a=h:1::::x", (10, 1, 30.0, 1)),
        ("a=h:1:0:0:0", (0, 1, 30.0, 0)),
        ("a=h:1:65535:1000:3600", (65535, 1000, 3600.0, 0)),
        ("a=h:1:5:3:0.1", (5, 3, 0.1, 0)),
        ("a=h:1:high:abc:abc", (10, 1, 30.0, 3)),
        ("a=h:1:65536:1001:3601", (10, 1, 30.0, 3)),
        ("a=h:1:-1:-1:-1", (10, 1, 30.0, 3)),
        ("a=h:1:+1: 1:1e1", (10, 1, 30.0, 3)),
        ("a=h:1:1:00:00", (1, 1, 30.0, 2)),
        ("a=h:1:1:0.0:0.05", (1, 1, 30.0, 2)),
        ("a=unix:/x:7:8:9", (7, 8, 9.0, 0)),
        ("a=inet:h:1:7:8:9", (7, 8, 9.0, 0)),
        ("a=[::1]:1:7:8:9", (7, 8, 9.0, 0)),
        ("a=h:1:::5s", (10, 1, 5.0, 0)),
        ("a=h:1:::500ms", (10, 1, 0.5, 0)),
        ("a=h:1:::1.5m", (10, 1, 90.0, 0)),
        ("a=h:1:::60m", (10, 1, 3600.0, 0)),
        ("a=h:1:::99ms", (10, 1, 30.0, 1)),
        ("a=h:1:::61m", (10, 1, 30.0, 1)),
        ("a=h:1:::5 s", (10, 1, 30.0, 1)),
        ("a=h:1:::1d", (10, 1, 30.0, 1)),
        ("a=h:1:::-5s", (10, 1, 30.0, 1)),
    ] {
        assert_eq!(fields(text), expected, "{text}");
    }
}

#[test]
fn addresses_are_shown_as_written() {
    for (text, shown, endpoint) in [
        ("a=127.0.0.1:25", "127.0.0.1:25", "inet:127.0.0.1:25"),
        ("a=inet:127.0.0.1:25:5", "127.0.0.1:25", "inet:127.0.0.1:25"),
        ("a=[::1]:25:5", "[::1]:25", "inet:[::1]:25"),
        ("a=unix:/run/p:5", "unix:/run/p", "unix:/run/p"),
    ] {
        let service = Service::parse(text, DEFAULT).unwrap();
        assert_eq!(
            (
                service.address.as_str(),
                service.endpoint.to_string().as_str()
            ),
            (shown, endpoint)
        );
    }
}

#[test]
fn names_and_what_is_wrong_are_kept_as_bytes() {
    let service = Service::parse(b"gr\xfcn=h:1:\xe9", DEFAULT).unwrap();
    assert_eq!(service.name, b"gr\xfcn");
    let warning =
        b"invalid service 'gr\xfcn=h:1:\xe9': priority '\xe9' is not 0 to 65535, using 10";
    assert_eq!(service.warnings, [warning.to_vec()]);
}

#[test]
fn what_names_no_service_is_refused_with_the_part_at_fault() {
    let long = format!("a=unix:/{}:5", "x".repeat(119));
    for (text, fault) in [
        ("", "the name is missing: NAME=ADDRESS"),
        ("a", "the name is missing: NAME=ADDRESS"),
        ("=h:1", "the name is missing: NAME=ADDRESS"),
        ("a=", "address '' is neither HOST:PORT nor unix:/PATH"),
        ("a=h", "the port is missing after 'h'"),
        ("a=h:", "the port is missing after 'h'"),
        ("a=h::5", "the port is missing after 'h'"),
        ("a=:1:", "host '' is neither a name nor an address"),
        ("a=h:70000", "port '70000' is not 1 to 65535"),
        ("a=127.0.0.1:100233:10", "port '100233' is not 1 to 65535"),
        (
            "a=h:no-such-port:10",
            "port 'no-such-port' is neither a number nor known to /etc/services",
        ),
        (
            "a=2001:db8::1:10031",
            "an IPv6 address needs brackets: [2001:db8::1]:PORT",
        ),
        (
            "a=fd00:1::1:10031:5",
            "an IPv6 address needs brackets: [fd00:1::1]:PORT",
        ),
        (
            "a=inet:fe80::1",
            "an IPv6 address needs brackets: [fe80::1]:PORT",
        ),
        ("a=b,c:1", "host 'b,c' is neither a name nor an address"),
        ("a=unix:x", "the UNIX path 'x' does not begin with /"),
        (&long, "the UNIX path has 120 bytes, the system takes 107"),
        ("a=0:25:", "host '0' is neither a name nor an address"),
        ("a=h:0:", "port '0' is not 1 to 65535"),
        ("a=h:00:", "port '0' is not 1 to 65535"),
        ("a=inet:unix:/x", "'unix:' is neither inet: nor unix:"),
        ("a=inet:h", "the port is missing after 'h'"),
    ] {
        let error = Service::parse(text, DEFAULT).unwrap_err();
        assert_eq!(error.to_string(), fault, "{text}");
    }
}

#[test]
fn a_later_service_of_the_same_name_inherits_what_it_does_not_say() {
    let first = Service::parse("a=h:1:5:3:2", DEFAULT).unwrap();
    let bare = Service::parse("a=h:2", DEFAULT).unwrap().replacing(&first);
    assert_eq!(
        (bare.address.as_str(), bare.backend, bare.timeout),
        ("h:2", first.backend, first.timeout)
    );
    let full = Service::parse("a=h:3::4", DEFAULT)
        .unwrap()
        .replacing(&first);
    assert_eq!(
        (full.backend.priority, full.backend.weight, full.timeout),
        (10, 4, DEFAULT)
    );
    assert_eq!(full.warnings.len(), 1);
}
