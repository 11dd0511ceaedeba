//! A daemon that is started by a service manager or an engine for containers, as the user that it is to have.

use std::{
    fs,
    os::unix::process::CommandExt,
    process::{Command, Stdio},
};

use super::world::{GOOD, PROGRAM, Running, World, good, text};

/// As the unit does it: no root, no pid file that could be written.
#[test]
fn a_service_manager_may_start_it_as_its_own_user() {
    let nobody = |name: &str| {
        let output = Command::new("id").args([name, "nobody"]).output().unwrap();
        text(&output.stdout).trim().parse::<u32>().unwrap()
    };
    starts_as_its_own_user("", nobody("-u"), nobody("-g"));
}

/// As in a container, where there is no list of users.
#[test]
fn an_engine_may_start_it_as_a_user_that_is_a_number() {
    starts_as_its_own_user("$USER = '65532'; $GROUP = '65533';", 65_532, 65_533);
}

fn starts_as_its_own_user(options: &str, uid: u32, gid: u32) {
    let world = World::new(options);
    let control = format!("unix:{}", world.path("lock/control").display());
    fs::create_dir(world.path("lock")).unwrap();
    std::os::unix::fs::chown(world.path("lock"), Some(uid), Some(gid)).unwrap();
    // Where that user can reach it.
    let program = world.path("policyd-weight");
    let copied = Command::new("install").arg(PROGRAM).arg(&program).status();
    assert!(copied.unwrap().success());
    let start = |uid: u32| {
        let mut command = Command::new(&program);
        command.arg("-f").arg(world.file()).current_dir("/");
        command.args(["-D", "--control", &control, "start"]);
        command.stdin(Stdio::null());
        command
            .uid(uid)
            .gid(gid)
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        command.spawn().unwrap()
    };
    let _running = Running(start(uid));
    assert_eq!(world.ask(&good("1")), GOOD);
    assert!(!world.path("pid").exists());
    let words = ["ctl", "--socket", &control[5..], "cache", "show"];
    let shown = Command::new(PROGRAM).args(words).output().unwrap();
    assert!(
        text(&shown.stdout).starts_with("pass: 100.64.2.10-"),
        "{shown:?}"
    );
    // Another user may not.
    let other = start(12_345).wait_with_output().unwrap();
    assert_eq!(
        (other.status.code(), text(&other.stderr).as_str()),
        (Some(255), "You must be root in order to use \"start\"!\n")
    );
}
