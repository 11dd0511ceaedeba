//! `PostfixMap`.

use super::world::{CONNECTIONS, Frame, World};

const FRAME: Frame<'static> = Frame {
    behind: "<Plugin h>\nmodule=AddScoreHeader\n</Plugin>",
    ..Frame::of("PostfixMap")
};

const NO_SCORE: &str = "PREPEND X-MtScore: NO score=0";

const TEXT: &str = "100.64.2.10 OK\n198.51.100 OK\n10 1\n2001:db8::1 OK\n2001:db8:1 OK\nfe80::250:56ff:fe83 OK\n\
    100.65.113.5 REJECT no\n100.65.113.6 OK text\n100.65.113 OK\n2001:db8:7::1 0\n2001:db8:7 OK\n7 OK1\n8 ok\n";

/// A world in whose directory a table lies before it is read.
fn world(frame: &Frame<'_>, file: &str, text: &str, parameters: &str) -> World {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join(file), text).unwrap();
    World::in_directory(directory, CONNECTIONS, &frame.plugins(parameters))
}

#[tokio::test]
async fn an_address_or_a_network_around_it_is_found() {
    let parameters = "db_file=texthash:@TMP@/map\nmatch_action=reject\nnot_match_action=dunno no";
    let world = world(&FRAME, "map", TEXT, parameters);
    for (address, is_match) in [
        ("100.64.2.10", true),
        ("100.64.2.11", false),
        ("198.51.100.7", true),
        ("198.51.1.1", false),
        ("10.1.2.3", true),
        // The first key that is found decides, whatever its value is.
        ("100.65.113.5", false),
        ("100.65.113.6", false),
        ("100.65.113.7", true),
        ("2001:db8::1", true),
        ("2001:db8:1:2::3", true),
        ("2001:db8:2::1", false),
        ("fe80::250:56ff:fe83:1", true),
        // 0 is no value in an IPv6 network, as in the original.
        ("2001:db8:7::1", true),
        ("7.0.0.1", false),
        ("8.0.0.1", false),
        ("2001:db8:1::", true),
        ("::", false),
    ] {
        let request = format!("client_address={address} instance={address}");
        let expected = if is_match { "reject" } else { "dunno no" };
        assert_eq!(world.ask(&request).await, expected, "{address}");
    }
}

#[tokio::test]
async fn each_parameter_says_what_is_answered() {
    let map = "db_file=texthash:@TMP@/map\n";
    for (name, parameters, requests) in [
        (
            "without actions nothing is answered",
            "",
            &[
                ("instance=1", NO_SCORE),
                ("instance=2 client_address=192.0.2.1", NO_SCORE),
            ][..],
        ),
        (
            "score, once a mail",
            "score=4",
            &[
                ("instance=1", "PREPEND X-MtScore: NO score=4 [p=4]"),
                ("instance=1", "dunno"),
                ("instance=2 client_address=192.0.2.1", NO_SCORE),
            ],
        ),
        (
            "score_field",
            "score=4\nscore_field=x",
            &[("instance=1", NO_SCORE)],
        ),
        (
            "enabled=off",
            "enabled=off\nmatch_action=reject",
            &[("instance=1", NO_SCORE)],
        ),
        (
            "the result is kept for the mail",
            "match_action=reject",
            &[
                ("instance=1", "reject"),
                ("instance=1 client_address=192.0.2.1", "reject"),
            ],
        ),
        (
            "no address: nothing",
            "not_match_action=reject",
            &[("client_address=(absent)", NO_SCORE)],
        ),
        (
            "what is no address fails the request",
            "",
            &[(
                "client_address=unknown",
                "closed: plugin p failed: ip is neither a valid ipv4 nor ipv6 address.",
            )],
        ),
    ] {
        let world = world(&FRAME, "map", TEXT, &format!("{map}{parameters}"));
        for (request, expected) in requests {
            assert_eq!(&world.ask(request).await, expected, "{name}: {request}");
        }
    }
}

#[tokio::test]
async fn networks_may_be_in_a_table_of_networks() {
    let text = "192.0.2.128/25 OK\n2001:db8::/33 OK\n";
    let world = world(
        &FRAME,
        "nets",
        text,
        "db_file=cidr:@TMP@/nets\nmatch_action=reject",
    );
    for (address, expected) in [
        ("192.0.2.129", "reject"),
        ("192.0.2.1", NO_SCORE),
        ("2001:db8:7fff::1", "reject"),
        ("2001:db8:8000::1", NO_SCORE),
    ] {
        let request = format!("client_address={address} instance={address}");
        assert_eq!(world.ask(&request).await, expected, "{address}");
    }
}

#[tokio::test]
async fn a_user_may_turn_it_off() {
    for (value, answer) in [("off", NO_SCORE), ("on", "reject")] {
        let before = format!("<Plugin s>\nmodule=SetField\nkey=map\nvalue={value}\n</Plugin>");
        let frame = Frame {
            before: &before,
            ..FRAME
        };
        let parameters = "db_file=texthash:@TMP@/map\nmatch_action=reject\nuc_enabled=map";
        let world = world(&frame, "map", TEXT, parameters);
        assert_eq!(world.ask("").await, answer, "{value}");
    }
}

#[tokio::test]
async fn a_file_may_come_after_the_start() {
    let parameters = "db_file=texthash:@TMP@/later\nmatch_action=reject";
    let world = world(&FRAME, "map", TEXT, parameters);
    let answer = world.ask("instance=1").await;
    let path = world.path("later");
    let expected = format!(
        "closed: plugin p failed: Cannot open {}: No such file or directory (os error 2)",
        path.display()
    );
    assert_eq!(answer, expected);
    std::fs::write(path, TEXT).unwrap();
    assert_eq!(world.ask("instance=2").await, "reject");
}

#[test]
fn what_cannot_work_is_said_when_the_configuration_is_read() {
    for (parameters, finding) in [
        ("", "error: `db_file` is missing in `p`"),
        (
            "db_file=/nonexistent/map",
            "warning: `db_file`: /nonexistent/map.db: No such file or directory (os error 2)",
        ),
        (
            "db_file=/nonexistent/map.db",
            "warning: `db_file`: /nonexistent/map.db: No such file or directory (os error 2)",
        ),
        ("db_file=texthash:/etc/hostname", ""),
        (
            "db_file=ldap:/x",
            "error: `db_file`: `ldap` is no kind of table that is known",
        ),
    ] {
        let found = FRAME.findings(parameters, false);
        let first = found.first().map_or("", String::as_str);
        if !finding.is_empty() {
            assert_eq!(first, finding, "{parameters}");
        }
    }
}
