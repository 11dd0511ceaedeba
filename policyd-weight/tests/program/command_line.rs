//! What the command line prints: explanations, checks, defaults.

use std::{
    fs,
    process::{Command, Stdio},
};

use policy_testing::process::with_resolv_conf;

use super::world::{PROGRAM, World, bad, text};

#[test]
fn an_explanation_shows_each_step() {
    let world = World::new("");
    let explain = |words: &[&str]| text(&world.feed(words, &bad("1")).stdout);
    let table = explain(&["--explain"]);
    assert!(table.starts_with("step "), "{table}");
    let of_list = table
        .lines()
        .find(|line| line.starts_with("list "))
        .unwrap();
    assert_eq!(
        of_list.split_whitespace().collect::<Vec<_>>(),
        ["list", "bl.test", "IN_BL", "4.35", "4.35"]
    );
    assert!(table.contains("\naction=550 Mail appeared"), "{table}");
    let json: serde_json::Value = serde_json::from_str(&explain(&["--explain", "--json"])).unwrap();
    assert_eq!(
        (
            json["steps"][0]["result"].as_str(),
            json["steps"][0]["points"].as_f64()
        ),
        (Some("IN_BL"), Some(4.35))
    );
    assert!(json["action"].as_str().unwrap().starts_with("550 "));
}

#[test]
fn a_configuration_is_checked() {
    let world = World::new(
        "@dnsbl_score = ('dnsbl.njabl.org', 4, 0, 'NJ', 'pbl.spamhaus.org', 3, 0, 'PBL'); $REJECTLEVEL = 9;\n$DEFER_STRING = 'IN_PBLL=';",
    );
    let checked = world.run(&["--check-config"]);
    let found = text(&checked.stderr);
    assert!(checked.status.success(), "{found}");
    for message in [
        "warning: @dnsbl_score: the list dnsbl.njabl.org is dead since 2013-03: it is not asked; take it out",
        "warning: @dnsbl_score: the list pbl.spamhaus.org is a part of zen.spamhaus.org",
        "warning: a client on all lists has 7 points of these, less than $REJECTLEVEL 9",
        "warning: $DEFER_STRING: no score has 'IN_PBLL=' in its text: did you mean 'IN_PBL='?",
    ] {
        assert!(found.contains(message), "{message}: {found}");
    }
    world.configure("$REJECTLVEL = 1;");
    for words in [&["--check-config"][..], &["-D", "start"], &[]] {
        let output = world.run(words);
        let file = world.file();
        assert_eq!(output.status.code(), Some(78), "{words:?}");
        let message = format!(
            "{}:4:1: error: there is no option `$REJECTLVEL`",
            file.display()
        );
        assert!(
            text(&output.stderr).starts_with(&message),
            "{}",
            text(&output.stderr)
        );
    }
    let parsed = world.run(&["--parse-config", world.file().to_str().unwrap()]);
    assert_eq!((parsed.status.code(), parsed.stdout.len()), (Some(78), 0));
}

#[test]
fn a_fault_of_resolv_conf_is_said_of_that_file() {
    let world = World::new("$NS = '';");
    let file = world.path("resolv.conf");
    for (servers, reason) in [
        (
            "nameserver fe80::1%none\n",
            "fe80::1%none is at an interface that is not there",
        ),
        ("nameserver 192.0.2.1\n", ""),
    ] {
        fs::write(&file, servers).unwrap();
        for words in [&["--check-config"][..], &["--explain"]] {
            let mut command = with_resolv_conf(&file, PROGRAM);
            command.arg("-f").arg(world.file()).args(words);
            let output = command.stdin(Stdio::null()).output().unwrap();
            let (said, status) = (text(&output.stderr), output.status.code());
            let last = said.lines().last().unwrap_or_default();
            if reason.is_empty() {
                assert!(!said.contains("resolv.conf"), "{words:?}: {said}");
            } else {
                let expected = format!("cannot use /etc/resolv.conf: {reason}");
                assert_eq!((last, status), (&*expected, Some(78)), "{words:?}");
            }
        }
    }
}

#[test]
fn a_file_is_printed_as_json() {
    let world = World::new("");
    fs::write(
        world.file(),
        "$REJECTMSG = \"550 \u{fc}\"; @rhsbl_score = ();",
    )
    .unwrap();
    let parsed = world.run(&["--parse-config", world.file().to_str().unwrap()]);
    let json: serde_json::Value = serde_json::from_slice(&parsed.stdout).unwrap();
    // Bytes are characters.
    assert_eq!(
        json,
        serde_json::json!({ "changed": { "$REJECTMSG": "550 \u{c3}\u{bc}", "@rhsbl_score": [] } })
    );
}

#[test]
fn defaults_are_a_file_that_loads() {
    for set in ["beta2", "beta3", "debian", "modern"] {
        let printed = Command::new(PROGRAM)
            .args(["defaults", "--defaults", set])
            .output()
            .unwrap();
        let world = World::new("");
        fs::write(world.file(), &printed.stdout).unwrap();
        let checked = world.run(&["--check-config", "--defaults", set]);
        assert!(checked.status.success(), "{set}: {}", text(&checked.stderr));
    }
}
