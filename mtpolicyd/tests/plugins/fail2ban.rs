//! Fail2Ban.

use std::{io::Read, os::unix::net::UnixListener, time::Duration};

use crate::support::{Checker, found};

/// fail2ban's socket, and a chain with these parameters.
fn fail2ban(parameters: &str, compat: bool) -> (tempfile::TempDir, UnixListener, Checker) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("f2b.sock");
    let listener = UnixListener::bind(&path).unwrap();
    listener.set_nonblocking(true).unwrap();
    let path = path.display();
    let blocks = format!("<Plugin f>\nmodule=Fail2Ban\nsocket={path}\n{parameters}\n</Plugin>\n");
    (directory, listener, Checker::with(&blocks, "", compat))
}

/// What was written to the socket; none if nobody has connected.
fn written(listener: &UnixListener) -> Option<Vec<u8>> {
    let (mut stream, _) = listener.accept().ok()?;
    stream.set_nonblocking(false).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    let mut bytes = Vec::new();
    let end = b"<F2B_END_COMMAND>";
    while !bytes.ends_with(end) {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        bytes.push(byte[0]);
    }
    Some(bytes)
}

/// `["set", JAIL, "banip", ADDRESS]` as Python writes it.
fn command(jail: &str, address: &str) -> Vec<u8> {
    let mut bytes = b"\x80\x02]q\x00(U\x03setq\x01U".to_vec();
    bytes.push(jail.len() as u8);
    bytes.extend(jail.bytes());
    bytes.extend(b"q\x02U\x05banipq\x03U");
    bytes.push(address.len() as u8);
    bytes.extend(address.bytes());
    bytes.extend(b"q\x04e.<F2B_END_COMMAND>");
    bytes
}

#[tokio::test]
async fn the_client_is_banned_as_fail2ban_wants_to_read_it() {
    let (_directory, listener, mut checker) = fail2ban("jail=postfix", false);
    assert_eq!(checker.ask("client_address=192.0.2.10").await, "dunno");
    let expected = "80025d710028550373657471015507706f73746669787102550562616e69707103550a\
        3139322e302e322e31307104652e3c4632425f454e445f434f4d4d414e443e";
    let hex: String = written(&listener)
        .unwrap()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    assert_eq!(hex, expected);
    assert_eq!(
        checker.notes,
        ["adding ip 192.0.2.10 to fail2ban jail postfix"]
    );
}

#[tokio::test]
async fn each_parameter_does_what_it_says() {
    // The parameters; the client; who is banned in which jail.
    for (parameters, client, banned) in [
        ("", "100.64.2.10", Some(("postfix", "100.64.2.10"))),
        (
            "jail=smtp-in",
            "100.64.2.10",
            Some(("smtp-in", "100.64.2.10")),
        ),
        ("enabled=off", "100.64.2.10", None),
        ("", "2001:db8::1", Some(("postfix", "2001:db8::1"))),
        ("", "unknown", None),
        ("", "(absent)", None),
        // Own networks, that of the server, and those that are named.
        ("", "127.0.0.1", None),
        ("", "::1", None),
        ("", "::ffff:127.0.0.1", None),
        ("", "192.168.1.1", None),
        ("", "fd00::1", None),
        ("", "100.64.2.1", None),
        (
            "own_networks=\"100.64.3.0/24, 2001:db8::/32\"",
            "100.64.3.9",
            None,
        ),
        (
            "own_networks=\"100.64.3.0/24 2001:db8::/32\"",
            "2001:db8::1",
            None,
        ),
    ] {
        let (_directory, listener, mut checker) = fail2ban(parameters, false);
        let request = format!("client_address={client}");
        assert_eq!(checker.ask(&request).await, "dunno");
        let expected = banned.map(|(jail, address)| command(jail, address));
        assert_eq!(written(&listener), expected, "{parameters} {client}");
    }
}

#[tokio::test]
async fn with_compat_own_networks_are_banned_too() {
    let (_directory, listener, mut checker) = fail2ban("", true);
    checker.ask("client_address=192.168.1.1").await;
    assert_eq!(written(&listener), Some(command("postfix", "192.168.1.1")));
}

#[tokio::test]
async fn a_mail_bans_once() {
    let (_directory, listener, checker) = fail2ban("", false);
    let mut checker = checker.with_sessions();
    checker.ask("").await;
    checker.ask("").await;
    assert!(written(&listener).is_some());
    assert_eq!(written(&listener), None);
    checker.ask("instance=other").await;
    assert!(written(&listener).is_some());
}

#[tokio::test]
async fn without_fail2ban_the_plugin_fails() {
    let (_directory, listener, mut checker) = fail2ban("", false);
    drop(listener);
    let answer = checker.ask("").await;
    let error = "closed: plugin f failed: cant connect fail2ban socket: ";
    assert!(answer.starts_with(error), "{answer}");
}

#[test]
fn mistakes_are_found_at_the_start() {
    let long = format!("jail={}", "x".repeat(256));
    for (parameters, finding) in [
        (&*long, "error: `jail` has more than 255 bytes"),
        (
            "own_networks=10.0.0.0/33",
            "error: `own_networks`: `10.0.0.0/33` is no address and no network",
        ),
    ] {
        let blocks = format!("<Plugin f>\nmodule=Fail2Ban\n{parameters}\n</Plugin>\n");
        assert_eq!(found(&blocks), [finding]);
    }
}
