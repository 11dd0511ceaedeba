//! A daemon that is started by a service manager or an engine for containers, as the user that it is to have.

use std::{
    fs,
    os::unix::{
        fs::{MetadataExt, chown},
        process::CommandExt,
    },
    process::{Command, Stdio},
};

use policy_testing::{process::copy_program, within};

use super::{
    PATIENCE,
    world::{GOOD, PROGRAM, Running, World, good, text},
};

fn nobody(what: &str) -> u32 {
    let output = Command::new("id").args([what, "nobody"]).output().unwrap();
    text(&output.stdout).trim().parse().unwrap()
}

/// With a pid file of its own that user ends it, restarts it, and has it read its file again, and so does root.
#[test]
fn its_own_user_and_root_stop_restart_and_reload_it() {
    let (uid, gid) = (nobody("-u"), nobody("-g"));
    for (by_uid, by_gid) in [(uid, gid), (0, 0)] {
        let world = World::new("");
        let pid_file = world.path("run/pid");
        let pid_option = format!("$PIDFILE = '{}';", pid_file.display());
        world.configure(&pid_option);
        for name in ["lock", "run"] {
            fs::create_dir(world.path(name)).unwrap();
            chown(world.path(name), Some(uid), Some(gid)).unwrap();
        }
        // Where that user can reach it.
        // Whatever its file is called.
        let program = world.path("weight");
        copy_program(PROGRAM, &program);
        let run = |uid: u32, gid: u32, action: &str| {
            let mut command = Command::new(&program);
            command.arg("-f").arg(world.file()).arg(action);
            command.uid(uid).gid(gid).current_dir("/");
            let output = command.stdin(Stdio::null()).output().unwrap();
            (
                output.status.code(),
                text(&output.stdout) + &text(&output.stderr),
            )
        };
        let started = run(uid, gid, "start");
        assert_eq!(started.0, Some(0), "{started:?}");
        assert_eq!(world.ask(&good("1")), GOOD);
        let first = fs::read_to_string(&pid_file).unwrap();
        assert_eq!(fs::metadata(&pid_file).unwrap().uid(), uid);

        let (code, said) = run(by_uid, by_gid, "start");
        assert!(
            code == Some(255) && said.ends_with("Process already running\n"),
            "{said}"
        );
        world.configure(&format!("{pid_option} $POSCACHEMSG = 'known client';"));
        let reloaded = run(by_uid, by_gid, "reload");
        assert_eq!(reloaded, (Some(0), format!("sending HUP to {first}\n")));
        world.wait_until_known();
        let (code, said) = run(by_uid, by_gid, "restart");
        assert!(
            code == Some(0) && said.starts_with("terminating ."),
            "{code:?} {said}"
        );
        let second = fs::read_to_string(&pid_file).unwrap();
        assert_ne!(first, second);
        // Another user may do none of it.
        let refused = run(12_345, 12_345, "stop");
        let said = "You must be root in order to use \"stop\"!\n";
        assert_eq!(refused, (Some(255), said.to_owned()));
        let (code, said) = run(by_uid, by_gid, "stop");
        assert!(
            code == Some(0) && said.ends_with(" ... done\n"),
            "{code:?} {said}"
        );
        assert!(!world.is_listening() && !pid_file.exists());
    }
}

/// The daemon's user can write any number into a pid file of its own: root ends none but that user's processes.
#[test]
fn a_pid_file_of_the_daemons_user_ends_no_process_of_another() {
    let (world, other) = (World::new(""), World::new(""));
    // With -d it stays root's, and has the next port.
    other.configure(&format!("$TCP_PORT = {};", other.port() - 1));
    let running = Running(
        other
            .command(&["-d", "start"])
            .stdout(Stdio::null())
            .spawn()
            .unwrap(),
    );
    let pid = running.0.id();
    let is_up = within(PATIENCE, || other.path("pid.debug").exists());
    assert!(is_up);
    fs::write(world.path("pid"), pid.to_string()).unwrap();
    chown(world.path("pid"), Some(nobody("-u")), Some(nobody("-g"))).unwrap();
    let why = format!(
        "not running: process {pid}, which {} names, is not of the user {}, to whom the file belongs\n",
        world.path("pid").display(),
        nobody("-u")
    );
    let reloaded = world.run(&["reload"]);
    assert_eq!(
        (reloaded.status.code(), text(&reloaded.stderr)),
        (Some(255), why.clone())
    );
    let stopped = world.run(&["stop"]);
    assert_eq!(
        (stopped.status.code(), text(&stopped.stdout)),
        (Some(0), why)
    );
    assert!(!world.path("pid").exists());
    let mut running = running;
    assert!(running.0.try_wait().unwrap().is_none(), "it has ended");
}

/// As the unit does it: no root, no pid file that could be written.
#[test]
fn a_service_manager_may_start_it_as_its_own_user() {
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
    chown(world.path("lock"), Some(uid), Some(gid)).unwrap();
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

/// Where that user may not write the pid file nobody could stop the daemon that it starts: the one that runs goes on.
#[test]
fn what_could_not_name_the_next_daemon_ends_none_and_starts_none() {
    let (uid, gid) = (nobody("-u"), nobody("-g"));
    let world = World::new("");
    fs::create_dir(world.path("lock")).unwrap();
    chown(world.path("lock"), Some(uid), Some(gid)).unwrap();
    let program = world.path("weight");
    copy_program(PROGRAM, &program);
    let run = |action: &str| {
        let mut command = Command::new(&program);
        command.arg("-f").arg(world.file()).arg(action);
        command.uid(uid).gid(gid).current_dir("/");
        let output = command.stdin(Stdio::null()).output().unwrap();
        let said = text(&output.stdout) + &text(&output.stderr);
        (output.status.code(), said)
    };
    let shown = world.path("pid").display().to_string();
    let (code, said) = run("start");
    let why = format!("cannot write the pid file {shown}: Permission denied (os error 13)\n");
    assert!(code == Some(255) && said.ends_with(&why), "{code:?} {said}");
    assert!(!world.is_listening());

    // Root may, and stops it later.
    assert!(world.run(&["start"]).status.success());
    assert_eq!(world.ask(&good("1")), GOOD);
    let pid = world.pid();
    let why = format!(
        "process {pid} goes on: cannot write the pid file {shown}: Permission denied (os error 13)\n"
    );
    assert_eq!(run("restart"), (Some(255), why));
    assert_eq!(world.pid(), pid);
    assert!(world.ask(&good("2")).contains("using cached result"));
    let (code, said) = run("reload");
    assert_eq!((code, said), (Some(0), format!("sending HUP to {pid}\n")));
    // Root's own restart is as before.
    assert!(world.run(&["restart"]).status.success());
    assert_ne!(world.pid(), pid);
    assert!(world.run(&["stop"]).status.success());
    assert!(!world.is_listening() && !world.path("pid").exists());
}
