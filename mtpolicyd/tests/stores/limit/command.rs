//! `mtpolicyd limits show|reset KEY`.

use std::process::{Command, Output};

use policy_store::key;

use super::{FRAME, PASSED};

/// What the program says and with which status it ends.
fn run(config: &std::path::Path, words: &[&str]) -> (Option<i32>, String, String) {
    let program = env!("CARGO_BIN_EXE_mtpolicyd");
    let Output {
        status,
        stdout,
        stderr,
    } = Command::new(program)
        .arg("-c")
        .arg(config)
        .arg("limits")
        .args(words)
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (status.code(), text(stdout), text(stderr))
}

#[tokio::test]
async fn what_is_counted_is_shown_and_reset_while_the_daemon_runs() {
    let parameters = "limits=\"2/1h, 5/1d\"\ncount_at=RCPT\nstore=db\naction=\"reject over\"\n\
        <Class free>\nmembers=free@x\nlimits=unlimited\n</Class>";
    let world = FRAME.world(parameters).await;
    let config = world.path("mtpolicyd.conf");
    std::fs::write(&config, world.text(&FRAME.plugins(parameters))).unwrap();
    for (request, expected) in [
        ("instance=1", PASSED),
        ("instance=2", PASSED),
        ("instance=3", "reject over"),
        ("instance=4 sender= client_address=192.0.2.7", PASSED),
    ] {
        assert_eq!(world.ask(request).await, expected, "{request}");
    }
    let said = |text: &str| (Some(0), text.to_owned(), String::new());
    let lines = "p: sender=carol@acme.example: 2 of 2/1h messages\np: sender=carol@acme.example: 2 of 5/1d messages\n";
    assert_eq!(run(&config, &["show", "Carol@acme.example"]), said(lines));
    let lines = "p: client_address/24=192.0.2.0/24: 1 of 2/1h messages\n\
        p: client_address/24=192.0.2.0/24: 1 of 5/1d messages\n";
    assert_eq!(run(&config, &["show", "192.0.2.99"]), said(lines));
    assert_eq!(run(&config, &["show", "192.0.2.0/24"]), said(lines));
    let nothing = |key: &str| {
        let text = format!("mtpolicyd: nothing is counted for {key}\n");
        (Some(1), String::new(), text)
    };
    assert_eq!(run(&config, &["show", "bob@x"]), nothing("bob@x"));
    let unlimited = "p: sasl_username=free@x: unlimited\np: sender=free@x: unlimited\n";
    assert_eq!(run(&config, &["show", "free@x"]), said(unlimited));
    let reset = "p: sender=carol@acme.example: reset\n";
    assert_eq!(run(&config, &["reset", "carol@acme.example"]), said(reset));
    assert_eq!(
        run(&config, &["reset", "carol@acme.example"]),
        nothing("carol@acme.example")
    );
    assert_eq!(world.ask("instance=5").await, PASSED);
}

#[tokio::test]
async fn a_reset_takes_back_that_somebody_was_told() {
    let parameters = "limits=0/1h\ncount_at=RCPT\nstore=db\naction=\"reject over\"\non_block_command=/nonexistent";
    let world = FRAME.world(parameters).await;
    let config = world.path("mtpolicyd.conf");
    std::fs::write(&config, world.text(&FRAME.plugins(parameters))).unwrap();
    let store = world.config.connections.store("db").unwrap();
    let store = store.get().await.unwrap();
    let of = |name: &str| key(name, [&b"p"[..], b"sender", b"carol@acme.example"]);
    let reset = "p: sender=carol@acme.example: reset\n";
    for is_counted in [true, false] {
        assert_eq!(world.ask("instance=1").await, "reject over");
        if !is_counted {
            // What was counted may be forgotten before what was told.
            store.delete(&of("limit")).await.unwrap();
        }
        assert!(store.get(&of("limit-told")).await.unwrap().is_some());
        let said = (Some(0), reset.to_owned(), String::new());
        assert_eq!(run(&config, &["reset", "carol@acme.example"]), said);
        assert_eq!(store.get(&of("limit-told")).await.unwrap(), None);
    }
}

#[tokio::test]
async fn what_is_in_the_daemon_s_memory_cannot_be_shown() {
    let world = FRAME.world("limits=2/1h").await;
    let config = world.path("mtpolicyd.conf");
    std::fs::write(&config, world.text(&FRAME.plugins("limits=2/1h"))).unwrap();
    let (status, shown, said) = run(&config, &["show", "alice"]);
    assert_eq!((status, shown.as_str()), (Some(1), ""));
    assert_eq!(
        said,
        "mtpolicyd: p: it counts in the daemon's memory, which nobody else sees: ask it with mtpolicyd ctl limits, or use a store with a module Sql or Redis\n"
    );
}
