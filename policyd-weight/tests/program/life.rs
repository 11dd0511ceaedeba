//! Start, stop, restart and reload, as an administrator sees them.

use std::{
    fs,
    io::{BufRead, BufReader},
    net::TcpListener,
    process::{ChildStdout, Command, Stdio},
};

use policy_testing::within;

use super::{
    PATIENCE,
    world::{GOOD, Running, World, good, request, signal, text},
};

#[test]
fn it_is_started_restarted_reloaded_and_stopped() {
    let world = World::new("");
    let output = world.run(&["start"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(world.ask(&good("1")), GOOD);
    let pid = world.pid();

    let again = world.run(&["start"]);
    assert_eq!(
        (again.status.code(), text(&again.stderr).as_str()),
        (Some(255), "Process already running\n")
    );

    world.configure("$POSCACHEMSG = 'known client';");
    assert!(world.run(&["reload"]).status.success());
    world.wait_until_known();

    let restarted = world.run(&["restart"]);
    assert!(restarted.status.success(), "{}", text(&restarted.stderr));
    assert_ne!(pid, world.pid());
    // The cache has outlived it.
    assert_eq!(
        world.ask(&good("3")),
        "action=PREPEND X-policyd-weight: known client; rate: -4.6"
    );

    let stopped = world.run(&["stop"]);
    assert!(
        stopped.status.success() && text(&stopped.stdout).contains("terminating"),
        "{}",
        text(&stopped.stderr)
    );
    assert!(!world.is_listening());
    assert!(!world.path("pid").exists());
}

/// With `-d` its log is on standard output, and its port is the one behind that of the file.
fn start_with_its_log(world: &World) -> (Running, BufReader<ChildStdout>) {
    world.configure(&format!("$TCP_PORT = {};", world.port() - 1));
    let mut child = world
        .command(&["-d", "start"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let output = child.stdout.take().unwrap();
    (Running(child), BufReader::new(output))
}

/// Reads the log up to a line with a text.
fn wait_for_line(log: &mut BufReader<ChildStdout>, text: &str) {
    let mut lines = String::new();
    while !lines.lines().last().unwrap_or_default().contains(text) {
        let length = log.read_line(&mut lines).unwrap();
        assert!(length > 0, "no line '{text}': {lines}");
    }
}

#[test]
fn a_start_waits_for_the_daemon_before_that_is_ending() {
    let world = World::new("");
    let (mut before, mut log) = start_with_its_log(&world);
    wait_for_line(&mut log, "master: listening");
    // The next one finds it at work, and then gone.
    let (_next, mut log) = start_with_its_log(&world);
    wait_for_line(&mut log, "waiting for the daemon before to end");
    before.kill();
    wait_for_line(&mut log, "master: listening");
}

#[test]
fn a_start_waits_until_its_port_is_free() {
    let world = World::new("");
    let other = TcpListener::bind(("127.0.0.1", world.port())).unwrap();
    let (_next, mut log) = start_with_its_log(&world);
    wait_for_line(&mut log, "waiting for another process to leave inet:");
    drop(other);
    wait_for_line(&mut log, "master: listening");

    // One that stays has the start fail.
    let world = World::new("");
    let _other = TcpListener::bind(("127.0.0.1", world.port())).unwrap();
    let output = world.run(&["-D", "start"]);
    assert_eq!(output.status.code(), Some(71));
    assert!(
        text(&output.stderr).contains("Address already in use"),
        "{}",
        text(&output.stderr)
    );
}

#[test]
fn unsafe_paths_are_refused() {
    for (make, message) in [
        ("ln -s /tmp lock", "lock is a symbolic link"),
        ("mkdir lock && chmod 777 lock", "lock is world writeable"),
        ("mkdir lock && chown daemon lock", "lock is owned by UID "),
        (": > pid && chmod 666 pid", "pid is world writeable"),
        // A directory of root's that others use would be the daemon's user's, and closed to all else.
        (
            "mkdir -p lock/etc",
            "alone, and holds etc: name a directory of its own",
        ),
    ] {
        let world = World::new("");
        let made = Command::new("sh")
            .args(["-c", make])
            .current_dir(world.directory.path())
            .status()
            .unwrap();
        assert!(made.success());
        let output = world.run(&["start"]);
        assert_eq!(output.status.code(), Some(255), "{make}");
        assert!(
            text(&output.stderr).contains(message),
            "{make}: {}",
            text(&output.stderr)
        );
    }
}

#[test]
fn the_daemon_has_given_up_its_privileges() {
    let world = World::new("");
    let running = world.start();
    world.ask(&good("1"));
    let status = fs::read_to_string(format!("/proc/{}/status", running.0.id())).unwrap();
    let nobody = Command::new("id").args(["-u", "nobody"]).output().unwrap();
    let uid = text(&nobody.stdout).trim().to_owned();
    assert!(
        status.contains(&format!("Uid:\t{uid}\t{uid}\t{uid}\t{uid}")),
        "{status}"
    );
    assert!(world.path("lock/cache.sqlite").exists());
}

/// With `-d`: the next port, names with `.debug`, the log on standard output, and the user that has started it.
/// Where the system gives them to all, a process would have twice the memory.
#[test]
fn it_takes_no_huge_pages() {
    let world = World::new("");
    let running = world.start();
    let status = fs::read_to_string(format!("/proc/{}/status", running.0.id())).unwrap();
    assert!(status.contains("\nTHP_enabled:\t0\n"), "{status}");
}

#[test]
fn a_debugged_daemon_stands_beside_the_other_one() {
    let world = World::new("");
    let (running, mut log) = start_with_its_log(&world);
    wait_for_line(&mut log, "master: listening on inet:127.0.0.1:");
    world.ask(&good("1"));
    wait_for_line(&mut log, "decided action=");
    let pid = fs::read_to_string(world.path("pid.debug")).unwrap();
    assert_eq!(pid, running.0.id().to_string());
    assert!(!world.path("pid").exists());
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    assert!(status.contains("Uid:\t0\t0\t0\t0"), "{status}");
    // Its cache is its own.
    assert!(world.path("lock/polw.sock.debug").exists());
    assert!(world.cached(&["-d"])[0].starts_with("pass: 100.64.2.10-acme.test "));
    assert_eq!(world.cached(&[]), [""; 0]);
    assert!(world.run(&["-d", "-k"]).status.success());
    assert_eq!(world.cached(&["-d"]), [""; 0]);
    // Its parent is this test, which has to hear of its end.
    let mut running = running;
    let parent = std::thread::spawn(move || running.0.wait());
    let stopped = world.run(&["-d", "stop"]);
    assert!(stopped.status.success(), "{stopped:?}");
    parent.join().unwrap().unwrap();
    assert!(!world.path("pid.debug").exists());
}

#[test]
fn it_listens_at_an_address_of_ipv6() {
    let world = World::new("$BIND_ADDRESS = '::1';");
    let child = world
        .command(&["-D", "start"])
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let _running = Running(child);
    let mut stream = None;
    let connected = within(PATIENCE, || {
        stream = std::net::TcpStream::connect(("::1", world.port())).ok();
        stream.is_some()
    });
    assert!(connected);
    let client = "2001:db8::7";
    let request = request(client, "foo.test", "carol@acme.test", "1");
    let answer = super::world::ask(&mut stream.unwrap(), &request);
    let named = "unknown[2001:0db8:0000:0000:0000:0000:0000:0007] (helo/hostname mismatch)";
    assert!(answer.contains(named), "{answer}");
}

/// IO::Socket resolves both in the Perl program, too.
#[test]
fn a_host_and_a_service_have_names_and_the_log_says_what_they_are() {
    for compat in [&[][..], &["--compat"]] {
        let world = World::new("");
        // With -d the next port, and the log on standard output.
        world.configure(&format!(
            "$BIND_ADDRESS = 'localhost'; $TCP_PORT = {};",
            world.port() - 1
        ));
        if !compat.is_empty() {
            let file = fs::read_to_string(world.file()).unwrap();
            let file = file.replace("$REQUEST_TIMEOUT = '2s';", "");
            fs::write(world.file(), file).unwrap();
        }
        let checked = world.run(&[compat, &["--check-config"]].concat());
        assert!(checked.status.success(), "{checked:?}");
        let log = fs::File::create(world.path("log")).unwrap();
        let mut command = world.command(&[compat, &["-d", "start"]].concat());
        let _running = Running(command.stdout(log).spawn().unwrap());
        let lines = [
            "info]: $BIND_ADDRESS 'localhost' is 127.0.0.1\n".to_owned(),
            format!(
                "info]: master: listening on inet:127.0.0.1:{}\n",
                world.port()
            ),
        ];
        let log = || fs::read_to_string(world.path("log")).unwrap();
        let said = within(PATIENCE, || lines.iter().all(|line| log().contains(line)));
        assert!(said, "{}", log());
    }
}

#[test]
fn a_host_that_is_not_known_is_named_at_its_line_and_harms_no_reload() {
    let world = World::new("");
    let unknown = "\n$BIND_ADDRESS = 'no-such.invalid';";
    let running = world.start();
    world.configure(&format!("{unknown} $POSCACHEMSG = 'known client';"));
    assert!(signal("-HUP", running.0.id()));
    world.wait_until_known();
    for words in [&["--check-config"][..], &["-d", "start"]] {
        let output = world.run(words);
        assert_eq!(output.status.code(), Some(78), "{output:?}");
        let finding = format!(
            "{}:5:1: error: $BIND_ADDRESS is 'no-such.invalid', which has no address: ",
            world.file().display()
        );
        assert!(text(&output.stderr).contains(&finding), "{output:?}");
    }
    // Nothing is bound there.
    let answered = world.feed(&[], &request("100.64.2.10", "h", "", "1"));
    assert_eq!(text(&answered.stdout), "action=DUNNO NULL (<>) Sender\n\n");
}
