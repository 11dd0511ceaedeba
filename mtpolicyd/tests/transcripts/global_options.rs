//! Global options that each request does not show by its answer alone: how long connections are kept, and what is logged. The
//! program has them by default and with `--compat`, and the original beside it.

use policy_testing::process::{Client, Process};

use crate::{
    case::{Case, request},
    peers::Peers,
    run::{Manner, serve_with},
};

const ANSWER: &str = "action=ok\n\n";

fn each_manner(options: &str, plugins: &str, ask: impl Fn(Manner, u16, &Process)) {
    for manner in Manner::all() {
        with(manner, options, plugins, |port, process| {
            ask(manner, port, process);
        });
    }
}

/// Asks a daemon that has these global options, and these plugins before one that answers `ok`.
fn with(manner: Manner, options: &str, plugins: &str, ask: impl FnOnce(u16, &Process)) {
    let config = format!(
        "<VirtualHost 12345>\nname = v\n{plugins}<Plugin a>\nmodule = Action\naction = ok\n</Plugin>\n</VirtualHost>\n"
    );
    let case = Case {
        config,
        ..Case::default()
    };
    let directory = tempfile::tempdir().unwrap();
    let ask = |port, _: &Peers, process: &Process| ask(port, process);
    serve_with(options, &case, manner, directory.path(), ask);
}

fn connect(port: u16) -> Client {
    Client::connect(&format!("127.0.0.1:{port}"))
}

/// The answer to a request over this connection; `None` if it is closed.
fn ask(client: &mut Client, changes: &str) -> Option<String> {
    client.try_send(&request(changes));
    let reply = client.reply()?;
    Some(String::from_utf8(reply).unwrap())
}

#[test]
fn a_connection_takes_as_many_requests_as_max_keepalive_says() {
    for (max_keepalive, answers) in [(None, 5), (Some(0), 5), (Some(1), 1), (Some(3), 3)] {
        let line = max_keepalive.map(|count| format!("max_keepalive = {count}\n"));
        // The original interrupts a process that waits for the next connection.
        let options = line.unwrap_or_default() + "keepalive_timeout = 0\n";
        each_manner(&options, "", |manner, port, _| {
            let mut client = connect(port);
            let found = (0..5).map_while(|_| ask(&mut client, "(common request)"));
            let found: Vec<_> = found.collect();
            assert_eq!(found, vec![ANSWER; answers], "{manner:?} {options}");
        });
    }
}

#[test]
fn a_connection_is_idle_for_as_long_as_keepalive_timeout_says() {
    for (timeout, is_closed) in [("1", true), ("0", false), ("60", false)] {
        let options = format!("keepalive_timeout = {timeout}\n");
        each_manner(&options, "", |manner, port, _| {
            let mut idle = connect(port);
            assert_eq!(ask(&mut idle, "(common request)").as_deref(), Some(ANSWER));
            if is_closed {
                // The end comes by itself.
                assert_eq!(idle.reply(), None, "{manner:?}");
                return;
            }
            // Beside a daemon that closes what is idle for a second, this one does not.
            let other = "keepalive_timeout = 1\n";
            with(Manner::Default, other, "", |port, _| {
                assert_eq!(connect(port).reply(), None);
            });
            let answer = ask(&mut idle, "(common request)");
            assert_eq!(answer.as_deref(), Some(ANSWER), "{manner:?} {options}");
        });
    }
}

#[test]
fn the_log_has_what_its_level_says() {
    // The second request fails, which is logged at each level, but by the original at 0, where it says nothing at all. By then
    // the first one's lines are there.
    let plugins = |level| {
        format!(
            "<Plugin list>\nmodule = RegexList\nkey = sender\nregex = ^carol@\n{level}</Plugin>\n\
             <Plugin if>\nmodule = Condition\nkey = size\nmatch = 7\n\
             <Plugin broken>\nmodule = Condition\nkey = q:x\n</Plugin>\n</Plugin>\n"
        )
    };
    for (log_level, of_plugin, has_request, has_match) in [
        (Some(0), None, false, false),
        (Some(0), Some(0), false, true),
        (Some(1), None, true, false),
        (Some(1), Some(1), true, true),
        (Some(1), Some(2), true, false),
        (None, Some(2), true, true),
        (None, Some(3), true, false),
        (Some(3), Some(3), true, true),
        (Some(4), None, true, true),
    ] {
        let line = |level: Option<u8>| level.map(|level| format!("log_level = {level}\n"));
        let options = line(log_level).unwrap_or_default() + "keepalive_timeout = 0\n";
        let plugins = plugins(line(of_plugin).unwrap_or_default());
        each_manner(&options, &plugins, |manner, port, process| {
            let mut client = connect(port);
            assert_eq!(
                ask(&mut client, "(common request)").as_deref(),
                Some(ANSWER)
            );
            assert_eq!(ask(&mut client, "size=7"), None);
            if manner == Manner::Original && log_level == Some(0) {
                assert_eq!(process.err.text(), "");
                return;
            }
            let is_there = process.err.wait_lines(1, "unknown scope q");
            assert!(is_there, "{}", process.err.text());
            let said = |part: &str| !process.err.lines(part).is_empty();
            let found = (
                said("plugin=a, result="),
                said("sender=carol@acme.example matched list"),
            );
            assert_eq!(
                found,
                (has_request, has_match),
                "{manner:?} {log_level:?} {of_plugin:?}\n{}",
                process.err.text()
            );
        });
    }
}
