//! What `--explain` says is what the daemon answers: each kind of request is asked both ways.

use std::{
    fs,
    io::{Read, Write},
    net::Shutdown,
};

use super::world::{PROGRAM, Running, World, bad, good, request, text};

/// Kinds of requests, and options that matter to them.
fn kinds() -> Vec<(&'static str, &'static str, String)> {
    let at_end = |mail: String| format!("protocol_state=END-OF-MESSAGE\n{mail}");
    let to = |recipient: &str| good("1").replace("dave@rcpt.test", recipient);
    vec![
        ("an accepted client", "", good("1")),
        ("a listed client", "", bad("1")),
        ("a client at the end of its message", "", at_end(good("1"))),
        ("a listed client at the end", "", at_end(bad("1"))),
        ("no header", "$ADD_X_HEADER = 0;", at_end(good("1"))),
        ("a bounce", "", request("100.64.2.10", "h", "", "1")),
        (
            "a bounce at the end",
            "",
            at_end(request("100.64.2.10", "h", "", "1")),
        ),
        ("mail for postmaster", "", to("postmaster@rcpt.test")),
        ("a class in a recipient", "", to("abuse@rc: x, y")),
        ("a class", "$REJECTMSG = 'rc: greylist, text';", bad("1")),
        ("an empty answer", "$REJECTMSG = '';", bad("1")),
        (
            "a long answer",
            "$REJECTMSG = '550 ' . 'x' x 9000;",
            bad("1"),
        ),
        ("lists alone", "$dnsbl_checks_only = 1;", good("1")),
        (
            "no address",
            "",
            request("unknown", "h", "carol@acme.test", "1"),
        ),
        (
            "IPv6",
            "",
            request("2001:db8::1", "h", "carol@acme.test", "1"),
        ),
        (
            "a name of any case",
            "",
            good("1").replace("client_address", "CLIENT_ADDRESS"),
        ),
        (
            "a name twice",
            "",
            format!("sender=x@other.test\n{}", good("1")),
        ),
        ("line ends of DOS", "", good("1").replace('\n', "\r\n")),
        ("blank lines before", "", format!("\n\n{}", good("1"))),
        ("two requests", "", format!("{}{}", good("1"), bad("2"))),
        ("another type", "", "request=other\n\n".to_owned()),
        ("no type", "", "sender=\n\n".to_owned()),
        (
            "a line that is no attribute",
            "",
            format!("nonsense\n{}", good("1")),
        ),
        ("a NUL", "", good("1").replace("carol", "ca\0rol")),
        (
            "a long line",
            "",
            format!("a={}\n{}", "x".repeat(20_000), good("1")),
        ),
        (
            "a long request",
            "",
            format!("{}{}", "a=b\n".repeat(40_000), good("1")),
        ),
        ("nothing", "", "\n".to_owned()),
    ]
}

/// The first line that the daemon says; none where it closes the connection without an answer.
fn answered(world: &World, bytes: &str) -> Option<String> {
    let mut stream = world.connect();
    // The daemon may have closed it before it has read all.
    _ = stream.write_all(bytes.as_bytes());
    _ = stream.shutdown(Shutdown::Write);
    let mut answer = vec![];
    _ = stream.read_to_end(&mut answer);
    text(&answer).lines().next().map(str::to_owned)
}

/// The action that is explained; none where there is an error and no explanation.
fn explained(world: &World, words: &[&str], bytes: &str) -> Option<String> {
    let output = world.feed(words, bytes);
    let shown = text(&output.stdout);
    assert_eq!(output.status.success(), !shown.is_empty(), "{output:?}");
    assert_eq!(
        output.status.success(),
        output.stderr.is_empty(),
        "{output:?}"
    );
    shown.lines().last().map(str::to_owned)
}

#[test]
fn an_explanation_ends_with_the_answer_of_the_daemon() {
    for compat in [&[][..], &["--compat"]] {
        for (kind, more, bytes) in kinds() {
            // Each daemon sees one request: nothing is remembered of another one.
            let world = World::new(more);
            if !compat.is_empty() {
                let file = fs::read_to_string(world.file()).unwrap();
                let file = file.replace("$REQUEST_TIMEOUT = '2s';", "");
                fs::write(world.file(), file).unwrap();
            }
            let words = [compat, &["-D", "start"]].concat();
            let running = Running(world.command(&words).spawn().expect(PROGRAM));
            let answer = answered(&world, &bytes);
            drop(running);
            let shown = explained(&world, &[compat, &["--explain"]].concat(), &bytes);
            assert_eq!(shown, answer, "{kind}, {compat:?}");
            if let Some(answer) = answer {
                let json = [compat, &["--explain", "--json"]].concat();
                let json = explained(&world, &json, &bytes).unwrap();
                let json: serde_json::Value = serde_json::from_str(&json).unwrap();
                let action = answer.strip_prefix("action=");
                assert_eq!(json["action"].as_str(), action, "{kind}, {compat:?}");
            }
        }
    }
}

#[test]
fn the_blank_line_at_the_end_of_an_explained_request_may_be_missing() {
    let world = World::new("");
    for (bytes, action) in [
        (
            "request=smtpd_access_policy\nsender=",
            Some("action=DUNNO NULL (<>) Sender"),
        ),
        (
            "request=smtpd_access_policy\nsender=\n",
            Some("action=DUNNO NULL (<>) Sender"),
        ),
        ("", None),
    ] {
        let shown = explained(&world, &["--explain"], bytes);
        assert_eq!(shown.as_deref(), action, "{bytes:?}");
    }
}
