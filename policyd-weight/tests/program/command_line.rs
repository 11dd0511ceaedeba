//! The command line prints explanations, checks and defaults.

use std::{
    fs,
    net::TcpListener,
    os::unix::{net::UnixListener, process::CommandExt},
    process::{Command, Output, Stdio},
};

use policy_testing::process::{SilentNameServer, with_resolv_conf};

use super::world::{GOOD, PROGRAM, World, bad, good, text};

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

/// The line and the column are those of the option, where the file sets it last.
#[test]
fn a_finding_has_its_place() {
    let world = World::new("$REJECTLEVEL = 2;\n\n  $REJECTLEVEL = '3.5abc'; $NS = 'ns.test';");
    let checked = world.run(&["--check-config"]);
    let found = text(&checked.stderr);
    assert_eq!(checked.status.code(), Some(78), "{found}");
    let file = world.file();
    for finding in [
        "6:3: warning: $REJECTLEVEL is '3.5abc', and counts as 3.5: ",
        "6:28: error: $NS: 'ns.test' is no address of a name server: ",
    ] {
        let finding = format!("{}:{finding}", file.display());
        assert!(
            found.lines().any(|line| line.starts_with(&finding)),
            "{finding}: {found}"
        );
    }
    // Nothing falls back to the system's name servers in silence.
    let started = world.run(&["-D", "start"]);
    let said = text(&started.stderr);
    assert_eq!(started.status.code(), Some(78), "{said}");
    assert!(said.contains(":6:28: error: $NS: 'ns.test' "), "{said}");
}

#[test]
fn a_user_and_a_group_that_there_are_not_are_named() {
    let world = World::new("$USER = 'nosuchuser'; $GROUP = 'nosuchgroup';");
    let checked = world.run(&["--check-config"]);
    let found = text(&checked.stderr);
    assert_eq!(checked.status.code(), Some(78), "{found}");
    for finding in [
        "error: $USER: the system has no user 'nosuchuser': ",
        "error: $GROUP: the system has no group 'nosuchgroup': ",
    ] {
        assert!(found.contains(finding), "{finding}: {found}");
    }
    // A number need not be known to the system.
    world.configure("$USER = 54321; $GROUP = 54321;");
    let checked = world.run(&["--check-config"]);
    assert!(checked.status.success(), "{}", text(&checked.stderr));
}

/// A port where nobody listens.
#[test]
fn a_store_that_is_away_is_said_with_its_address_and_what_follows() {
    let port = policy_testing::port::Port::any();
    let at = format!("127.0.0.1:{}", port.number());
    let refused = "connection failed: Connection refused (os error 111)";
    for (store, server) in [
        (format!("redis://:secret@{at}/1"), "redis"),
        (format!("mysql://polw:secret@{at}/cache"), "mysql"),
        (format!("postgres://polw:secret@{at}/cache"), "postgres"),
    ] {
        let world = World::new(&format!("$CACHE_STORE = '{store}';"));
        let checked = world.run(&["--check-config"]);
        let found = text(&checked.stderr);
        assert!(checked.status.success(), "{found}");
        let begin = format!(
            "{}:4:1: warning: $CACHE_STORE: {server} at {at}",
            world.file().display()
        );
        let line = found.lines().find(|line| line.starts_with(&begin));
        let line = line.unwrap_or_else(|| panic!("{begin}: {found}"));
        assert!(
            line.contains(refused) && line.contains("; as long as it is away "),
            "{found}"
        );
        assert!(!found.contains("secret"), "{found}");
    }
}

#[test]
fn a_name_server_that_is_silent_costs_one_wait_for_each_name() {
    let world = World::new("$BIND_ADDRESS = 'weight.example'; $ADMIN = 'inet:weight.example:7';");
    let server = SilentNameServer::start();
    let said = "$BIND_ADDRESS is 'weight.example', which has no address: weight.example is not found in time";
    for words in [&["--check-config"][..], &["-D", "start"]] {
        let mut command = server.command(PROGRAM);
        command.arg("-f").arg(world.file()).args(words);
        let output = command.stdin(Stdio::null()).output().unwrap();
        assert!(
            text(&output.stderr).contains(said),
            "{words:?} {}",
            text(&output.stderr)
        );
        assert_eq!(output.status.code(), Some(78), "{words:?}");
        assert_eq!(server.questions(), 2, "{words:?}");
    }
}

#[test]
fn a_program_that_has_an_address_already_is_named() {
    let world = World::new("");
    let socket = world.path("control");
    let _other = UnixListener::bind(&socket).unwrap();
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let (admin, control) = (tcp.local_addr().unwrap(), socket.display());
    world.configure(&format!(
        "$ADMIN = 'inet:{admin}'; $CONTROL = 'unix:{control}';"
    ));
    let checked = world.run(&["--check-config"]);
    let said = text(&checked.stderr);
    for expected in [
        format!("warning: $ADMIN: another program listens at 'inet:{admin}': "),
        format!("warning: $CONTROL: another program listens at 'unix:{control}': "),
    ] {
        let mut lines = said.lines().filter(|line| line.contains(&expected));
        let process = format!(" (process {})", std::process::id());
        assert!(
            lines.any(|line| line.ends_with(&process)),
            "{expected}: {said}"
        );
    }
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

fn run(words: &[&str]) -> Output {
    Command::new(PROGRAM).args(words).output().unwrap()
}

#[test]
fn the_version_and_the_help_are_printed_and_what_is_wrong_with_the_words() {
    for word in ["-v", "--version"] {
        let printed = run(&[word]);
        let version = concat!("policyd-weight version: ", env!("CARGO_PKG_VERSION"), ", ");
        assert!(printed.status.success() && text(&printed.stdout).starts_with(version));
    }
    for word in ["-h", "--help"] {
        let printed = run(&[word]);
        assert!(printed.status.success());
        for part in [
            "[start|stop|restart|reload|defaults]",
            " -D ",
            " -d ",
            " -f FILE ",
            " -k ",
            " -s ",
            "--compat",
            "--check-config",
            "--explain",
        ] {
            assert!(text(&printed.stdout).contains(part), "{part}");
        }
    }
    for (words, status, begin) in [
        (&["-x"][..], 1, "policyd-weight: unknown option -x\nUsage: "),
        (
            &["start", "stop"],
            1,
            "policyd-weight: one action at a time\nUsage: ",
        ),
        (
            &["-f", "/nonexistent/file", "start"],
            255,
            "configfile /nonexistent/file doesn't exist\n",
        ),
    ] {
        let printed = run(words);
        assert_eq!(printed.status.code(), Some(status), "{words:?}");
        assert!(
            text(&printed.stdout).starts_with(begin),
            "{words:?}: {printed:?}"
        );
    }
}

#[test]
fn only_root_may_act_on_the_daemon() {
    let world = World::new("");
    // Where another user can reach it.
    let program = world.path("policyd-weight");
    let copied = Command::new("install").arg(PROGRAM).arg(&program).status();
    assert!(copied.unwrap().success());
    for action in ["start", "stop", "restart", "reload"] {
        let mut command = Command::new(&program);
        command.arg("-f").arg(world.file()).arg(action);
        let output = command
            .uid(12_345)
            .gid(12_345)
            .current_dir("/")
            .output()
            .unwrap();
        let said = format!("You must be root in order to use \"{action}\"!\n");
        assert_eq!(
            (output.status.code(), text(&output.stderr)),
            (Some(255), said)
        );
    }
}

/// `/etc`, `/usr/local/etc` and the directory of the start, in the order of the Perl program, and none of them.
#[test]
fn the_first_file_of_the_usual_ones_is_read_and_without_one_the_defaults_are_modern() {
    let world = World::new("");
    let script = r#"
set -e
mount --make-rprivate /
mkdir "$2/here" "$2/etc" "$2/etc.work" "$2/local" "$2/local.work"
mount -t tmpfs none "$2/here"
mkdir "$2/here/etc" "$2/here/etc.work" "$2/here/local" "$2/here/start"
mount -t overlay -o "lowerdir=/etc,upperdir=$2/here/etc,workdir=$2/here/etc.work" overlay /etc
mkdir -p /usr/local/etc
mount --bind "$2/here/local" /usr/local/etc
rm -f /etc/policyd-weight.conf
mkdir -p /etc/postfix
cd "$2/here/start"
files="/etc/policyd-weight.conf /etc/postfix/policyd-weight.cf /usr/local/etc/policyd-weight.conf policyd-weight.conf"
for file in $files; do echo '$REJECTLEVEL = 2;' >"$file"; done
for file in $files; do "$1" --check-config 2>/dev/null; rm "$file"; done
"$1" --check-config
"$1" --check-config --compat 2>/dev/null
"#;
    let output = Command::new("unshare")
        .args(["--mount", "sh", "-c", script, "sh", PROGRAM])
        .arg(world.directory.path())
        .output()
        .unwrap();
    let expected = "/etc/policyd-weight.conf: no error, debian defaults\n\
        /etc/postfix/policyd-weight.cf: no error, debian defaults\n\
        /usr/local/etc/policyd-weight.conf: no error, debian defaults\n\
        policyd-weight.conf: no error, debian defaults\n\
        default settings: no error, modern defaults\n\
        default settings: no error, debian defaults\n";
    assert_eq!(text(&output.stdout), expected, "{output:?}");
    assert_eq!(text(&output.stderr), "");
}

/// A device directory without a log: nobody is kept from anything by that.
#[test]
fn a_missing_log_fails_no_action() {
    let world = World::new("");
    fs::write(world.path("request"), good("1")).unwrap();
    let script = r#"
mount --make-rprivate /
mkdir "$2/dev"
mount -t tmpfs none "$2/dev"
for device in null zero random urandom; do : >"$2/dev/$device"; mount --bind "/dev/$device" "$2/dev/$device"; done
mount --move "$2/dev" /dev
test -e /dev/log && exit 99
run() { "$1" -f "$2/policyd-weight.conf" $3 >"$2/out" 2>"$2/err" <"$2/request"; echo "$3: $? $(tr '\n' ' ' <"$2/err")"; }
run "$1" "$2" start
run "$1" "$2" reload
run "$1" "$2" restart
run "$1" "$2" -s
run "$1" "$2" -k
run "$1" "$2" stop
run "$1" "$2" ""
grep -v '^[*]' "$2/out"
"#;
    let output = Command::new("unshare")
        .args([
            "--mount",
            "--pid",
            "--fork",
            "--kill-child",
            "--mount-proc",
            "sh",
            "-c",
            script,
            "sh",
            PROGRAM,
        ])
        .arg(world.directory.path())
        .output()
        .unwrap();
    let said = "policyd-weight: no log: /dev/log: No such file or directory (os error 2); -d writes to standard output ";
    let expected = format!(
        "start: 0 {said}\nreload: 0 \nrestart: 0 {said}\n-s: 0 \n-k: 0 \nstop: 0 \n: 0 \n{GOOD}\n\n"
    );
    assert_eq!(
        text(&output.stdout),
        expected.replace("policyd-weight: no log", "postfix/policyd-weight: no log"),
        "{output:?}"
    );
}
