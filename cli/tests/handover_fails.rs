//! Successors that do not come so far: `--handover`.

mod process;
mod support;
mod world;

use std::process::Command;

use process::{HAPOLICY, Process};
use world::World;

#[test]
fn a_successor_that_cannot_start_its_threads_has_taken_nothing_over() {
    let world = World::new();
    let first = world.start(&["inet:127.0.0.1:0"], &[]);
    let mut client = first.connect();
    // Some 2 MB of addresses for each thread's stack.
    let mut command = Command::new("/bin/sh");
    command.args(["-c", "ulimit -v 300000; exec \"$@\"", "sh", HAPOLICY, "-L"]);
    command.args(world.words(&["--listen", "inet:127.0.0.1:0", "--workers", "200"]));
    let ended = Process::of(&mut command).end();
    assert_eq!(ended.code, Some(71), "{ended:?}");
    assert_eq!(process::lines(&ended.out, "listening"), [""; 0]);
    assert_eq!(client.ask_about("x"), "dunno");
    assert_eq!(first.connect().ask_about("x"), "dunno");
    first.stop();
}
