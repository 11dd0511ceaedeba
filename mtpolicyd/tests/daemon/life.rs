//! The life of the daemon: its background, its reload, its files.

use std::{
    fs,
    os::unix::{fs::MetadataExt, net::UnixDatagram},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use policy_testing::{
    eventually,
    process::{Client, Process, Signal},
};

use super::world::{PROGRAM, World, ask, host};

/// Whichever the worker hears of first: that it is to end, or that its socket has ended.
#[test]
fn an_end_is_orderly_each_time() {
    let world = World::new(
        "port = PORT, @TMP@/mt.sock|unix\n<VirtualHost @TMP@/mt.sock>\nname=unix\n<Plugin a>\nmodule=Action\naction=ok\n\
         </Plugin>\n</VirtualHost>\n",
    );
    let endpoint = format!("unix:{}", world.path("mt.sock").display());
    for _ in 0..16 {
        let process = world.start(&["-f"]);
        assert!(process.err.wait_lines(2, "listening on "));
        let mut client = Client::connect(&endpoint);
        assert_eq!(ask(&mut client, "sender=a@x").as_deref(), Some("action=ok"));
        process.signal(Signal::TERM);
        let ended = process.end();
        assert_eq!(ended.code, Some(0), "{ended:?}");
        assert!(ended.err.ends_with("stopped: mtpolicyd\n"), "{ended:?}");
        assert!(!ended.err.contains("cannot accept"), "{ended:?}");
    }
}

/// A request may take 30 s to come whole, and the end waits as long for what is under way.
#[test]
fn half_a_request_does_not_hold_the_end_up() {
    let world = World::new(&host("<Plugin a>\nmodule=Action\naction=ok\n</Plugin>\n"));
    let process = world.serve(&[]);
    let mut whole = world.connect();
    assert_eq!(ask(&mut whole, "sender=a@x").as_deref(), Some("action=ok"));
    let half = world.connect();
    half.send(b"request=smtpd_acc");
    // The daemon has read it when it has answered what came later.
    assert_eq!(ask(&mut whole, "sender=a@x").as_deref(), Some("action=ok"));
    let begin = Instant::now();
    process.signal(Signal::TERM);
    let ended = process.end();
    assert!(begin.elapsed() < Duration::from_secs(20), "{ended:?}");
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let said = ": request not finished in time\n";
    assert!(ended.err.contains(said), "{ended:?}");
}

#[test]
fn in_the_background_the_starter_ends_when_the_daemon_serves() {
    let world = World::new(&format!(
        "pid_file = @TMP@/mt.pid\nlog_file = @TMP@/mt.log\n{}",
        host("<Plugin a>\nmodule=Action\naction=reject x\n</Plugin>\n")
    ));
    let ended = world.run(&[]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(eventually(|| std::net::TcpStream::connect((
        "127.0.0.1",
        world.port.number()
    ))
    .is_ok()));
    let pid = fs::read_to_string(world.path("mt.pid")).unwrap();
    assert_eq!(world.ask("sender=a@x").as_deref(), Some("action=reject x"));
    let log = || fs::read_to_string(world.path("mt.log")).unwrap();
    // Lines are written by a thread of their own.
    assert!(eventually(|| log().contains("listening on ")), "{}", log());
    let pid = rustix::process::Pid::from_raw(pid.trim().parse().unwrap()).unwrap();
    rustix::process::kill_process(pid, Signal::TERM).unwrap();
    assert!(
        eventually(|| !world.path("mt.pid").exists()),
        "the file goes with the daemon"
    );
    // A start that fails is the starter's failure.
    world.configure("pid_file = /nonexistent/mt.pid\nport = PORT\n<VirtualHost PORT>\nname=t\n<Plugin a>\nmodule=Action\naction=ok\n</Plugin>\n</VirtualHost>\n");
    let ended = world.run(&[]);
    assert_eq!(ended.code, Some(71));
    assert!(
        ended.err.contains("pid_file /nonexistent/mt.pid"),
        "{ended:?}"
    );
}

/// In a container processes have the same numbers after each of its starts, and its files stay.
#[test]
fn the_number_of_its_starter_is_that_of_no_daemon() {
    let world = World::new(&format!(
        "pid_file = @TMP@/mt.pid\nlog_file = @TMP@/mt.log\n{}",
        host("<Plugin a>\nmodule=Action\naction=reject x\n</Plugin>\n")
    ));
    let script = r#"echo $$ > "$1"; exec "$2" -c "$3""#;
    let mut command = Command::new("sh");
    command.args(["-c", script, "sh"]);
    command.args([world.path("mt.pid"), PROGRAM.into(), world.path("mt.conf")]);
    let ended = Process::of(&mut command).end();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(world.ask("sender=a@x").as_deref(), Some("action=reject x"));
    let pid = fs::read_to_string(world.path("mt.pid")).unwrap();
    let pid = rustix::process::Pid::from_raw(pid.trim().parse().unwrap()).unwrap();
    rustix::process::kill_process(pid, Signal::TERM).unwrap();
    assert!(eventually(|| !world.path("mt.pid").exists()));
}

/// In a container the first process may be one that waits for none that is left to it.
#[test]
fn a_process_that_has_ended_and_is_not_waited_for_is_no_daemon() {
    let world = World::new(&format!(
        "pid_file = @TMP@/mt.pid\n{}",
        host("<Plugin a>\nmodule=Action\naction=reject x\n</Plugin>\n")
    ));
    let mut ended = Command::new(PROGRAM)
        .arg("--version")
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let status = format!("/proc/{}/status", ended.id());
    assert!(eventually(|| fs::read_to_string(&status)
        .unwrap()
        .contains("State:\tZ")));
    fs::write(world.path("mt.pid"), ended.id().to_string()).unwrap();
    let _process = world.serve(&[]);
    assert_eq!(world.ask("sender=a@x").as_deref(), Some("action=reject x"));
    ended.wait().unwrap();
}

/// Where the system gives them to all, a process would have twice the memory.
#[test]
fn it_takes_no_huge_pages() {
    let world = World::new(&host("<Plugin a>\nmodule=Action\naction=ok\n</Plugin>\n"));
    let process = world.serve(&[]);
    let status = fs::read_to_string(format!("/proc/{}/status", process.id())).unwrap();
    assert!(status.contains("\nTHP_enabled:\t0\n"), "{status}");
}

#[cfg_attr(not(feature = "interop"), ignore = "needs root")]
#[test]
fn without_a_file_its_log_is_the_system_s() {
    let world = World::new(&format!(
        "pid_file = @TMP@/mt.pid\nlog_level = 1\nsyslog_ident = own-name\n{}",
        host("<Plugin a>\nmodule=Action\naction=reject x\n</Plugin>\n")
    ));
    // Another /dev for it alone, whose socket we read.
    let devices = world.path("dev");
    fs::create_dir(&devices).unwrap();
    fs::write(devices.join("null"), "").unwrap();
    let log = UnixDatagram::bind(devices.join("log")).unwrap();
    log.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let mount = "mount --bind /dev/null $1/null && mount --bind $1 /dev && shift && exec \"$@\"";
    let mut command = Command::new("unshare");
    command
        .args(["--mount", "sh", "-c", mount, "sh"])
        .args([devices.as_os_str(), PROGRAM.as_ref(), "-c".as_ref()])
        .arg(world.path("mt.conf"))
        .stdin(Stdio::null());
    let started = Process::of(&mut command).end();
    assert_eq!(started.code, Some(0), "{started:?}");
    let pid = fs::read_to_string(world.path("mt.pid")).unwrap();
    let pid: i32 = pid.trim().parse().unwrap();
    assert!(world.ask("instance=7").is_some());
    let mut buffer = [0; 4096];
    let line = loop {
        let length = log.recv(&mut buffer).unwrap();
        let line = String::from_utf8_lossy(&buffer[..length]).into_owned();
        if line.contains("instance=7") {
            break line;
        }
    };
    let process = rustix::process::Pid::from_raw(pid).unwrap();
    rustix::process::kill_process(process, Signal::TERM).unwrap();
    // Facility mail (2), level informational (6).
    assert!(line.starts_with("<22>"), "{line}");
    assert!(
        line.contains(&format!(" own-name[{pid}]: test: instance=7, ")),
        "{line}"
    );
}

#[test]
fn a_reload_is_all_or_nothing_and_keeps_sessions() {
    let config = |action: &str| {
        format!(
            "<SessionCache>\nmodule=Memory\n</SessionCache>\n{}",
            host(&format!(
                "<Plugin s>\nmodule=Condition\nkey=sender\nmatch=a@x\nscore=1\n</Plugin>\n\
                 <Plugin a>\nmodule=ScoreAction\nthreshold=0\naction={action} %SCORE%\n</Plugin>\n"
            ))
        )
    };
    let world = World::new(&config("reject one"));
    let process = world.serve(&[]);
    let request = "sender=a@x\ninstance=i";
    assert_eq!(world.ask(request).as_deref(), Some("action=reject one 1"));
    world.configure(&config("reject two"));
    process.signal(Signal::HUP);
    assert!(
        process.err.wait_lines(1, "the configuration is reloaded"),
        "{}",
        process.err.text()
    );
    assert_eq!(world.ask(request).as_deref(), Some("action=reject two 2"));
    world.configure("port = PORT\n");
    process.signal(Signal::HUP);
    assert!(
        process
            .err
            .wait_lines(1, "the configuration has errors, that of before stays")
    );
    assert_eq!(world.ask(request).as_deref(), Some("action=reject two 3"));
}

/// Virtual hosts have the ports of the file, and requests come to those of the start.
#[test]
fn a_reload_with_another_port_changes_nothing_and_says_so_each_time() {
    let config = |globals: &str, port: &str, action: &str| {
        let plugin = format!("<Plugin a>\nmodule=Action\naction={action}\n</Plugin>\n");
        format!("{globals}{}", host(&plugin).replace("PORT", port))
    };
    let world = World::new(&config("", "PORT", "reject one"));
    let process = world.serve(&[]);
    let other = policy_testing::port::Port::any().number().to_string();
    world.configure(&config("", &other, "reject two"));
    for count in 1..=2 {
        process.signal(Signal::HUP);
        let said = "error: reload: `port` has changed, which needs a restart: the configuration of before stays";
        assert!(
            process.err.wait_lines(count, said),
            "{}",
            process.err.text()
        );
        assert_eq!(
            world.ask("sender=a@x").as_deref(),
            Some("action=reject one")
        );
    }
    world.configure(&config(
        "keepalive_timeout=9\nallow=127.0.0.1\nsyslog_ident=x\n",
        "PORT",
        "reject three",
    ));
    process.signal(Signal::HUP);
    assert!(process.err.wait_lines(1, "the configuration is reloaded"));
    let said =
        "reload: `allow`, `syslog_ident`, `keepalive_timeout` changed, which needs a restart";
    assert!(process.err.wait_lines(1, said), "{}", process.err.text());
    assert_eq!(
        world.ask("sender=a@x").as_deref(),
        Some("action=reject three")
    );
}

#[cfg_attr(not(feature = "interop"), ignore = "needs root")]
#[test]
fn a_database_file_belongs_to_the_user_of_the_daemon() {
    let world = World::new(&format!(
        "user=nobody\ngroup=nogroup\n<Connection db>\nmodule=Sql\ndsn=dbi:SQLite:dbname=@TMP@/db.sqlite\n</Connection>\n\
         <SessionCache>\nmodule=Sql\n</SessionCache>\n{}",
        host("<Plugin a>\nmodule=Action\naction=reject x\n</Plugin>\n")
    ));
    let everybody = std::os::unix::fs::PermissionsExt::from_mode(0o777);
    fs::set_permissions(world.directory.path(), everybody).unwrap();
    let _process = world.serve(&[]);
    assert_eq!(world.ask("instance=1").as_deref(), Some("action=reject x"));
    let found = fs::metadata(world.path("db.sqlite")).unwrap();
    assert_eq!((found.uid(), found.gid()), (NOBODY, NOBODY));
}

#[cfg_attr(not(feature = "interop"), ignore = "needs root")]
#[test]
fn it_runs_as_its_user_with_its_groups_below_its_root() {
    // Groups that are named are the only ones; without, the user has its own, which the root directory knows nothing of.
    let of_postgres = [ids("-u"), ids("-g"), ids("-G")];
    let of_nobody = [vec![NOBODY], vec![NOBODY], vec![MAIL, NOBODY]];
    for (lines, [user, group, mut groups]) in [
        ("user=nobody\ngroup=\"nogroup, mail\"\n", of_nobody),
        ("user=postgres\n", of_postgres),
    ] {
        let world = World::new(&format!(
            "chroot=@TMP@/root\n{lines}{}",
            host("<Plugin a>\nmodule=Action\naction=reject x\n</Plugin>\n")
        ));
        let root = world.path("root");
        fs::create_dir(&root).unwrap();
        let process = world.serve(&[]);
        assert_eq!(world.ask("sender=a@x").as_deref(), Some("action=reject x"));
        let of = |name: &str| format!("/proc/{}/{name}", process.id());
        assert_eq!(fs::read_link(of("root")).unwrap(), root);
        assert_eq!(fs::read_link(of("cwd")).unwrap(), root);
        let status = fs::read_to_string(of("status")).unwrap();
        let line = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            numbers(line.unwrap())
        };
        groups.sort_unstable();
        assert_eq!(line("Uid:"), [user[0]; 4]);
        assert_eq!(line("Gid:"), [group[0]; 4]);
        assert_eq!(line("Groups:"), groups);
    }
}

#[cfg_attr(not(feature = "interop"), ignore = "needs root")]
#[test]
fn a_root_that_cannot_be_one_ends_the_start() {
    let world = World::new(&format!(
        "chroot=@TMP@/none\nuser=nobody\n{}",
        host("<Plugin a>\nmodule=Action\naction=ok\n</Plugin>\n")
    ));
    let ended = world.run(&["-f"]);
    assert_eq!(ended.code, Some(71));
    // The log, which a thread writes, may come before it or after it.
    let said = |err: &str| {
        let mut lines = err.lines();
        let line = lines.find(|line| line.starts_with("mtpolicyd: chroot /"));
        line.map(str::to_owned)
    };
    let of_root = said(&ended.err).unwrap_or_else(|| panic!("{ended:?}"));
    assert!(
        of_root.contains("/none: No such file or directory"),
        "{ended:?}"
    );
    // So it is in the background: the starter waits until the root has changed.
    let in_background = world.run(&[]);
    assert_eq!(in_background.code, Some(71));
    assert_eq!(said(&in_background.err), Some(of_root), "{in_background:?}");
}

/// What the system says of the user `postgres`, who has another group beside its own.
fn ids(option: &str) -> Vec<u32> {
    let id = Command::new("id").args([option, "postgres"]).output();
    numbers(std::str::from_utf8(&id.unwrap().stdout).unwrap())
}

fn numbers(text: &str) -> Vec<u32> {
    let words = text.split_whitespace();
    words.map(|word| word.parse().unwrap()).collect()
}

/// Of Debian's `mail`.
const MAIL: u32 = 8;
/// Of Debian's `nobody` and `nogroup`.
const NOBODY: u32 = 65_534;
