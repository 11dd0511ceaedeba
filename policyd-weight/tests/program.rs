//! The command line and the daemon, as an administrator and an init script see them.

use std::{
    fs,
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    os::unix::fs::PermissionsExt,
    path::PathBuf,
    process::{Child, Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

use policy_testing::NameServer;
use tempfile::TempDir;

const PROGRAM: &str = env!("CARGO_BIN_EXE_policyd-weight");

const ZONE: &str = "acme.test MX 10 mail.acme.test\nmail.acme.test A 100.64.2.10\n\
    2.0.0.127.bl.test A 127.0.0.2\n100.70.1.1@bl.test A 127.0.0.2\nslow.test !silent\n*.slow.test !silent\n";

struct World {
    directory: TempDir,
    dns: NameServer,
    port: u16,
}

impl World {
    fn new(more: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let world = Self {
            directory,
            dns: NameServer::start(ZONE),
            port,
        };
        world.configure(more);
        world
    }

    fn configure(&self, more: &str) {
        let (directory, port, server) = (
            self.directory.path().display(),
            self.port,
            self.dns.address(),
        );
        let text = format!(
            "$LOCKPATH = '{directory}/lock/'; $SPATH = $LOCKPATH.'polw.sock'; $PIDFILE = '{directory}/pid';\n\
             $TCP_PORT = {port}; $NS = '{server}'; $USER = 'nobody'; $GROUP = 'nogroup'; $REQUEST_TIMEOUT = '2s';\n\
             @dnsbl_score = ('bl.test', 4.35, -1.5, 'BL'); @rhsbl_score = ();\n{more}\n"
        );
        fs::write(self.file(), text).unwrap();
    }

    fn file(&self) -> PathBuf {
        self.directory.path().join("policyd-weight.conf")
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(PROGRAM);
        command
            .arg("-f")
            .arg(self.file())
            .args(words)
            .stdin(Stdio::null())
            .current_dir("/");
        command
    }

    fn run(&self, words: &[&str]) -> Output {
        self.command(words).output().unwrap()
    }

    /// A daemon in the foreground, ended when it is dropped.
    fn start(&self) -> Running {
        let child = self
            .command(&["-D", "start"])
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let running = Running(child);
        self.connect();
        running
    }

    fn connect(&self) -> TcpStream {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            match TcpStream::connect(("127.0.0.1", self.port)) {
                Ok(stream) => {
                    stream
                        .set_read_timeout(Some(Duration::from_secs(30)))
                        .unwrap();
                    return stream;
                }
                Err(error) => assert!(Instant::now() < deadline, "{error}"),
            }
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// Waits until a file with another text for accepted clients has been read.
    fn wait_until_known(&self) {
        let deadline = Instant::now() + Duration::from_secs(20);
        let mut number = 0;
        while !self
            .ask(&good(&format!("w{number}")))
            .contains("known client")
        {
            assert!(Instant::now() < deadline, "not read again");
            number += 1;
        }
    }

    fn ask(&self, request: &str) -> String {
        ask(&mut self.connect(), request)
    }
}

fn ask(stream: &mut TcpStream, request: &str) -> String {
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = vec![];
    let mut buffer = [0; 4096];
    while !answer.ends_with(b"\n\n") {
        let length = stream.read(&mut buffer).unwrap();
        assert!(length > 0, "no answer");
        answer.extend_from_slice(&buffer[..length]);
    }
    String::from_utf8(answer).unwrap().trim_end().to_owned()
}

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = Command::new("kill").arg(self.0.id().to_string()).status();
        let _ = self.0.wait();
    }
}

fn request(client: &str, helo: &str, sender: &str, instance: &str) -> String {
    format!(
        "request=smtpd_access_policy\nclient_address={client}\nclient_name=unknown\nhelo_name={helo}\nsender={sender}\n\
         recipient=dave@rcpt.test\ninstance={instance}\n\n"
    )
}

fn good(instance: &str) -> String {
    request("100.64.2.10", "mail.acme.test", "carol@acme.test", instance)
}

fn bad(instance: &str) -> String {
    request("100.70.1.1", "mail.acme.test", "carol@acme.test", instance)
}

fn text(output: &[u8]) -> String {
    String::from_utf8_lossy(output).into_owned()
}

const GOOD: &str =
    "action=PREPEND X-policyd-weight:  NOT_IN_BL=-1.5 CL_IP_EQ_FROM_MX=-3.1; rate: -4.6";

#[test]
fn an_init_script_starts_restarts_reloads_and_stops_it() {
    let world = World::new("");
    let output = world.run(&["start"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(world.ask(&good("1")), GOOD);
    let pid = fs::read_to_string(world.directory.path().join("pid")).unwrap();

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
    let other = fs::read_to_string(world.directory.path().join("pid")).unwrap();
    assert_ne!(pid, other);
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
    assert!(TcpStream::connect(("127.0.0.1", world.port)).is_err());
    let none = world.run(&["stop"]);
    assert_eq!(none.status.code(), Some(1));
    assert!(
        text(&none.stderr).starts_with("No pidfile, expected it at "),
        "{}",
        text(&none.stderr)
    );
}

#[test]
fn a_fault_in_the_file_keeps_the_settings_of_before() {
    let world = World::new("");
    let _running = world.start();
    assert_eq!(world.ask(&good("1")), GOOD);
    world.configure("$REJECTLEVEL = ;");
    assert!(
        world.run(&["-k"]).status.code() == Some(78),
        "the command line reads the file as well"
    );
    let pid = fs::read_to_string(world.directory.path().join("pid")).unwrap();
    assert!(
        Command::new("kill")
            .args(["-HUP", &pid])
            .status()
            .unwrap()
            .success()
    );
    assert!(
        world
            .ask(&good("2"))
            .ends_with("using cached result; rate: -4.6")
    );
    world.configure("$POSCACHEMSG = 'known client';");
    world.wait_until_known();
}

#[test]
fn the_cache_of_the_running_daemon_is_shown_and_emptied() {
    let world = World::new("");
    let _running = world.start();
    assert!(world.ask(&bad("1")).starts_with("action=550 "));
    let cached = world.ask(&bad("2"));
    // Why, and how often, is in the answer.
    assert!(
        cached.contains(
            "[cached] - retrying too fast. penalty: 30 seconds x 1 retries. Reason: IN_BL=4.35 "
        ),
        "{cached}"
    );
    assert_eq!(world.ask(&good("3")), GOOD);
    let shown = text(&world.run(&["-s"]).stdout);
    let lines: Vec<_> = shown.lines().collect();
    assert_eq!(lines[0], "*** querying cache for content stats:");
    assert!(
        lines[1].starts_with("blocked: 100.70.1.1 ")
            && lines[2].starts_with("pass: 100.64.2.10-acme.test -4.6 60 "),
        "{shown}"
    );
    assert!(world.run(&["-k"]).status.success());
    assert_eq!(text(&world.run(&["-s"]).stdout).lines().count(), 1);
    assert_eq!(world.ask(&good("4")), GOOD);
}

#[test]
fn recipients_of_one_mail_are_known_on_all_connections() {
    let world = World::new("");
    let _running = world.start();
    assert_eq!(world.ask(&good("1")), GOOD);
    let rejected = world.ask(&bad("2"));
    assert_eq!(
        world.ask(&good("1")),
        "action=DUNNO multirecipient-mail - already accepted by previous query"
    );
    assert_eq!(
        world.ask(&bad("2")),
        format!("{rejected} (multirecipient mail)")
    );
}

#[test]
fn a_hanging_name_server_delays_only_who_asks_for_its_names() {
    let world = World::new(
        "$DNS_RETRIES = 0; $DNS_RETRY_IVAL = 6; $REQUEST_TIMEOUT = '7s'; $POSCACHESIZE = 0; $MAX_PROC = 200;",
    );
    let _running = world.start();
    world.ask(&good("warm"));
    let (done, finished) = std::sync::mpsc::channel();
    thread::scope(|scope| {
        for number in 0..100 {
            let (world, done) = (&world, done.clone());
            scope.spawn(move || {
                let sender = if number % 10 == 0 {
                    format!("x@h{number}.slow.test")
                } else {
                    "carol@acme.test".to_owned()
                };
                let answer = world.ask(&request(
                    "100.64.2.10",
                    "mail.acme.test",
                    &sender,
                    &number.to_string(),
                ));
                done.send((number, answer)).unwrap();
            });
        }
    });
    drop(done);
    let order: Vec<(i32, String)> = finished.iter().collect();
    assert_eq!(order.len(), 100);
    // All others are answered before the first of those.
    assert!(
        order[..90].iter().all(|(number, _)| number % 10 != 0),
        "{order:?}"
    );
    assert!(
        order
            .iter()
            .all(|(_, answer)| answer.starts_with("action=PREPEND X-policyd-weight:"))
    );
}

#[test]
fn requests_on_standard_input_share_the_cache() {
    let world = World::new("");
    let spawn = |input: &str| {
        let mut child = world
            .command(&[])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        child
            .stdin
            .take()
            .unwrap()
            .write_all(input.as_bytes())
            .unwrap();
        child.wait_with_output().unwrap()
    };
    let first = spawn(&(good("1") + "nonsense\n" + &good("1")));
    let expected = format!(
        "{GOOD}\n\naction=DUNNO multirecipient-mail - already accepted by previous query\n\n"
    );
    assert_eq!(text(&first.stdout), expected);
    assert_eq!(
        text(&spawn(&good("2")).stdout),
        "action=PREPEND X-policyd-weight: using cached result; rate: -4.6\n\n"
    );
    let wrong = spawn("request=other\n\n");
    assert_eq!(
        (wrong.status.code(), text(&wrong.stdout).as_str()),
        (Some(255), "")
    );
}

#[test]
fn an_explanation_shows_each_step() {
    let world = World::new("");
    let explain = |words: &[&str]| {
        let mut child = world
            .command(words)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        child
            .stdin
            .take()
            .unwrap()
            .write_all(bad("1").as_bytes())
            .unwrap();
        text(&child.wait_with_output().unwrap().stdout)
    };
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

#[test]
fn unsafe_paths_are_refused() {
    for (make, message) in [
        ("ln -s /tmp lock", "lock is a symbolic link"),
        ("mkdir lock && chmod 777 lock", "lock is world writeable"),
        ("mkdir lock && chown daemon lock", "lock is owned by UID "),
        (": > pid && chmod 666 pid", "pid is world writeable"),
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
fn a_file_that_everybody_can_write_to_is_refused() {
    let world = World::new("");
    fs::set_permissions(world.file(), fs::Permissions::from_mode(0o666)).unwrap();
    let output = world.run(&["start"]);
    assert_eq!(output.status.code(), Some(78));
    assert!(text(&output.stderr).contains("every user can write to the file"));
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
    assert!(world.directory.path().join("lock/cache.sqlite").exists());
}
