//! `policy-client bench --tui`: what is seen on a terminal.

use std::process::Command;

use policy_testing::{
    process::{Process, Signal, policy_client},
    stub::{Script, Stub},
};
use rustix::termios::{Winsize, tcsetwinsize};

use crate::terminal;

/// The reader of a terminal sees each frame whole, the cursor hidden, and afterwards the report where the command stood.
#[test]
fn the_screen_shows_how_it_stands_and_leaves_the_terminal_as_it_was() {
    let stub = Stub::tcp(Script::default());
    let (terminal, screen) = terminal::open();
    let size = Winsize {
        ws_row: 24,
        ws_col: 80,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    tcsetwinsize(&screen, size).unwrap();
    let mut command = Command::new(policy_client());
    command.args([
        "bench",
        &stub.address(),
        "--duration",
        "10m",
        "--warm-up",
        "0s",
    ]);
    command.args(["--tui", "--every", "20ms", "-c", "3"]);
    command.env("LC_ALL", "C.UTF-8").stdout(screen);
    let process = Process::untouched(&mut command);
    // Else the terminal would never end.
    drop(command);

    let mut emulator = vt100::Parser::new(24, 80, 0);
    let mut is_interrupted = false;
    let mut bytes = [0; 4096];
    // An error says that nobody holds the other end any more.
    while let Ok(count @ 1..) = rustix::io::read(&terminal, &mut bytes) {
        emulator.process(&bytes[..count]);
        let shown = emulator.screen();
        if !is_interrupted && is_whole(shown) {
            assert!(shown.alternate_screen() && shown.hide_cursor());
            let title = format!("inet:{}: closed loop, 3 connections kept", stub.address());
            assert!(shown.contents().starts_with(&title), "{}", shown.contents());
            process.signal(Signal::INT);
            is_interrupted = true;
        }
    }
    assert!(is_interrupted, "{}", emulator.screen().contents());
    assert_eq!(process.end().code, Some(0));
    let shown = emulator.screen();
    assert!(!shown.alternate_screen() && !shown.hide_cursor());
    let contents = shown.contents();
    assert!(contents.contains("missing     0"), "{contents}");
}

/// All parts are there, and there is something in the plot.
fn is_whole(screen: &vt100::Screen) -> bool {
    let contents = screen.contents();
    let has_dots = contents
        .chars()
        .any(|c| ('\u{2801}'..='\u{28ff}').contains(&c));
    let parts = ["answers/s ", "wrong 0   missing 0", "p99.99 ", " p90", "━"];
    has_dots && parts.iter().all(|part| contents.contains(part)) && screen.cursor_position().0 > 15
}
