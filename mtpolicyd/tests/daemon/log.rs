//! `log_to` and `log_sample`: where the log goes, and of which requests.

use std::fs;

use policy_testing::{eventually, process::Signal};
use serde_json::Value;

use crate::world::{World, ask, host};

const REJECT: &str = "<Plugin a>\nmodule=Action\naction=reject x\n</Plugin>\n";

#[test]
fn json_lines_have_what_came_of_a_request_as_keys() {
    // On standard output, or in a file.
    for file in [false, true] {
        let options = if file {
            "log_file = @TMP@/mt.log\n"
        } else {
            ""
        };
        let world = World::new(&format!("log_to = json\n{options}{}", host(REJECT)));
        let daemon = world.start(&["-f"]);
        let text = || {
            if file {
                fs::read_to_string(world.path("mt.log")).unwrap_or_default()
            } else {
                daemon.out.text()
            }
        };
        assert!(
            eventually(|| text().contains("listening on ")),
            "{}",
            daemon.err.text()
        );
        let request = "instance=1.2\nsender=a@x.test\nclient_address=192.0.2.1";
        assert_eq!(world.ask(request).as_deref(), Some("action=reject x"));
        daemon.signal(Signal::TERM);
        let is_there = || text().contains("\"instance\":\"1.2\"");
        assert!(eventually(is_there));
        let lines = text();
        let mut lines = lines
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).expect(line));
        let line = lines.find(|line| line["instance"] == "1.2").unwrap();
        for (key, value) in [
            ("program", "mtpolicyd"),
            ("level", "info"),
            ("sender", "a@x.test"),
            ("client_address", "192.0.2.1"),
            ("virtual_host", "test"),
            ("plugin", "a"),
            ("action", "reject x"),
        ] {
            assert_eq!(line[key], value, "{key}: {line}");
        }
        assert!(line["ms"].is_number(), "{line}");
        let text = line["message"].as_str().unwrap();
        assert!(
            text.starts_with("test: instance=1.2, type=smtpd_access_policy, t="),
            "{text}"
        );
        assert_eq!(daemon.end().code, Some(0));
    }
}

#[test]
fn a_share_of_the_messages_has_lines() {
    let world = World::new(&format!("log_sample = 50%\n{}", host(REJECT)));
    let daemon = world.serve(&[]);
    let mut client = world.connect();
    for message in 0..40 {
        for recipient in ["r1", "r2"] {
            let request = format!("instance=m{message}.\nrecipient={recipient}");
            assert!(ask(&mut client, &request).is_some());
        }
    }
    daemon.signal(Signal::TERM);
    let log = daemon.end().err;
    let lines = |message: u32| log.matches(&format!("instance=m{message}.,")).count();
    let lines: Vec<usize> = (0..40).map(lines).collect();
    assert!(
        lines.iter().all(|lines| [0, 2].contains(lines)),
        "{lines:?}"
    );
    assert!(
        (20..=60).contains(&lines.iter().sum::<usize>()),
        "{lines:?}"
    );
}

#[test]
fn a_place_or_a_share_that_cannot_be_is_said() {
    for (options, words, status, said) in [
        (
            "log_to = file\n",
            &["--check-config"][..],
            78,
            "use one of syslog, journal, stdout, json",
        ),
        (
            "log_sample = 1\n",
            &["--check-config"],
            78,
            "not a percentage from 0% to 100%, such as 1%",
        ),
        (
            "log_to = json\n",
            &[],
            78,
            "a daemon in the background has no standard output",
        ),
    ] {
        let world = World::new(&format!("{options}{}", host(REJECT)));
        let ended = world.run(words);
        assert_eq!(ended.code, Some(status), "{ended:?}");
        assert!(ended.err.contains(said), "{ended:?}");
    }
}
