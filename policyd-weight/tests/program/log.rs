//! `$LOG_TO` and `$LOG_SAMPLE`: where the log goes, and of which requests.

use std::{
    io::{BufRead, BufReader},
    process::Stdio,
};

use serde_json::Value;

use super::world::{Running, World, good, text};

#[test]
fn json_lines_have_what_came_of_a_request_as_keys() {
    let world = World::new("$LOG_TO = 'json';");
    let mut child = world
        .command(&["-D", "start"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let output = BufReader::new(child.stdout.take().unwrap());
    let _running = Running(child);
    world.ask(&good("1"));
    let line = output
        .lines()
        .map(|line| serde_json::from_str::<Value>(&line.unwrap()).expect("JSON"))
        .find(|line| line.get("action").is_some())
        .expect("the request's line");
    for (key, value) in [
        ("program", "postfix/policyd-weight"),
        ("level", "info"),
        ("client_address", "100.64.2.10"),
        ("helo_name", "mail.acme.test"),
        ("message_id", "9d8b6d1e52a44c0eb8a16f0f3c571e07"),
    ] {
        assert_eq!(line[key], value, "{key}: {line}");
    }
    assert!(line["ms"].is_number(), "{line}");
    let action = line["action"].as_str().unwrap();
    assert!(action.starts_with("PREPEND X-policyd-weight: "), "{action}");
    let message = line["message"].as_str().unwrap();
    assert!(
        message.starts_with(&format!("decided action={action}; <client=")),
        "{message}"
    );
}

#[test]
fn a_share_of_the_messages_has_lines() {
    for (share, count) in [("0%", 0), ("100%", 2)] {
        let world = World::new(&format!("$LOG_SAMPLE = '{share}';"));
        let input = format!("{}{}", good("1"), good("2"));
        let output = world.feed(&["-d"], &input);
        let log = text(&output.stdout);
        assert_eq!(log.matches("\n\n").count(), 2, "two answers: {log}");
        assert_eq!(log.matches("decided action=").count(), count, "{log}");
        // The second mail's client is known by then.
        assert_eq!(log.matches("weighted check:").count(), count / 2, "{log}");
    }
}

#[test]
fn a_place_or_a_share_that_cannot_be_is_said() {
    for (option, words, said) in [
        (
            "$LOG_TO = 'file';",
            &["--check-config"][..],
            "use one of syslog, journal, stdout, json",
        ),
        (
            "$LOG_SAMPLE = 1;",
            &["--check-config"],
            "not a percentage from 0% to 100%, such as 1%",
        ),
        (
            "$LOG_TO = 'json';",
            &["start"],
            "standard output is for a daemon in the foreground",
        ),
        (
            "$LOG_TO = 'stdout';",
            &[],
            "standard output is for a daemon in the foreground",
        ),
    ] {
        let world = World::new(option);
        let output = world.run(words);
        assert_eq!(output.status.code(), Some(78), "{output:?}");
        assert!(text(&output.stderr).contains(said), "{output:?}");
    }
}
