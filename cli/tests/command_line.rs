//! The command line of `hapolicy` as a shell sees it: exit statuses and what is printed where.

mod process;
mod support;

use std::{os::fd::OwnedFd, os::unix::net::UnixStream, process::Command};

use process::{Client, Daemon, Ended, HAPOLICY, Process, request, run};
use support::stub::{Script, Stub};

// Wrong command lines

#[test]
fn a_wrong_command_line_ends_a_drop_in_with_1_and_one_line() {
    for (args, part) in wrong() {
        assert_refused(&run(HAPOLICY, args), 1, part, args);
    }
}

#[test]
fn a_wrong_command_line_ends_a_daemon_with_64_and_one_line() {
    for (args, part) in wrong() {
        let first = [
            &["--listen", "inet:127.0.0.1:0", "-s", "a=127.0.0.1:1"],
            *args,
        ]
        .concat();
        assert_refused(&run(HAPOLICY, &first), 64, part, &first);
        let first = [&["--listen=inet:127.0.0.1:0", "-s", "a=127.0.0.1:1"], *args].concat();
        assert_refused(&run(HAPOLICY, &first), 64, part, &first);
    }
    for args in [
        &["--listen"][..],
        &["-s", "a=127.0.0.1:1", "--listen"],
        &["--listen="],
    ] {
        let ended = run(HAPOLICY, args);
        assert!(matches!(ended.code, Some(64 | 78)), "{args:?}: {ended:?}");
        assert_eq!(
            (ended.out.as_str(), ended.err.lines().count()),
            ("", 1),
            "{ended:?}"
        );
    }
}

/// Command lines, and what is to be named.
fn wrong() -> &'static [(&'static [&'static str], &'static str)] {
    &[
        (&["-x"], "Unknown option: x"),
        (&["-h"], "Unknown option: h"),
        (&["-V"], "Unknown option: V"),
        (&["-lvx"], "Unknown option: x"),
        (&["-S", "a=127.0.0.1:1"], "Unknown option: S"),
        (&["--unknown"], "--unknown"),
        (&["--servicex=a"], "--servicex"),
        (&["-s"], "Option s requires an argument"),
        (&["-l", "-d"], "Option d requires an argument"),
        (&["--service"], "Option service requires an argument"),
        (&["--default="], "Option default requires an argument"),
        (&["--verbose=1"], "verbose"),
        (&["-d", ""], "default action"),
        (&["-d", "  "], "default action"),
        (&["-d", "two\nlines"], "default action"),
        (&["word"], "word"),
        (&["-"], "-"),
        (&["--", "-l"], "-l"),
        (&["--workers", "0"], "0"),
        (&["--workers", "many"], "many"),
        (&["--workers"], "--workers"),
        (&["--deadline", "90"], "90"),
        (&["--deadline", "0s"], "0s"),
        (&["--deadline=-1s"], "-1s"),
        (&["--deadline", "1h"], "1h"),
        (&["--deadline", "1000000m"], "1000000m"),
        (&["--deadline", ""], "deadline"),
        (&["--last-resort", "3"], "3"),
        (&["--last-resort"], "--last-resort"),
        (&["--max-connections", "0"], "between 1 and 65535"),
        (&["--max-connections", "65536"], "between 1 and 65535"),
        (&["--max-connections"], "--max-connections"),
        (&["--affinity", "sender"], "sender"),
        (&["--affinity"], "--affinity"),
        (&["--balance", "random"], "random"),
        (&["--balance", "hash:"], "attribute"),
        (&["--balance", "hash:Sender"], "attribute"),
        (&["--balance"], "--balance"),
        (&["--retry", "never"], "never"),
        (&["--retry"], "--retry"),
        (&["--max-failures", "0"], "0"),
        (&["--max-failures"], "--max-failures"),
        (&["--mode", "a"], "NAME=MODE"),
        (&["--mode", "a=down"], "down"),
        (&["--mode"], "--mode"),
        (&["--user"], "--user"),
        (&["--check=1"], "--check"),
        (&["--check", "1"], "--check"),
        (&["--check", "0s"], "0s"),
        (&["--probe", "/dev/null"], "--check DURATION"),
        (&["--check", "--probe", "/dev/null"], "--check DURATION"),
        (&["--check=1s", "--probe-action", "OK"], "--probe"),
        (
            &["--check=1s", "--probe=/", "--probe-action="],
            "--probe-action",
        ),
    ]
}

fn assert_refused(ended: &Ended, code: i32, part: &str, args: &[&str]) {
    assert_eq!(ended.code, Some(code), "{args:?}: {ended:?}");
    assert_eq!(ended.out, "", "{args:?}");
    assert_eq!(ended.err.lines().count(), 1, "{args:?}: {ended:?}");
    assert!(ended.err.starts_with("hapolicy: "), "{args:?}: {ended:?}");
    assert!(ended.err.ends_with('\n'), "{args:?}: {ended:?}");
    assert!(ended.err.contains(part), "{args:?}: {ended:?}");
}

#[test]
fn a_value_that_looks_like_an_option_is_a_value() {
    // Not a daemon, although a word says so: it is the default action.
    let (near, far) = UnixStream::pair().unwrap();
    let _process = drop_in(&["-d", "--listen"], far);
    assert_eq!(Client::of(near).ask_about("x"), "--listen");
}

// Options of the Perl script and ours beside each other

#[test]
fn options_that_the_perl_script_takes_mean_the_same() {
    let stub = Stub::tcp(Script::answer("from the service"));
    let address = format!("a={}:", stub.address());
    let attached = format!("-ls{address}");
    let equals = format!("--service={address}");
    let short = format!("--s={address}");
    for args in [
        &["-s", &address][..],
        &[&attached],
        &[&equals],
        &[&short],
        &["--serv", &address],
        &["-l", "-s", &address, "-v", "-l"],
        &["-d", "first", "-s", &address, "-d", "second"],
        &["-s", "a=127.0.0.1:1:", "-s", &address],
    ] {
        let (near, far) = UnixStream::pair().unwrap();
        let _process = drop_in(args, far);
        assert_eq!(
            Client::of(near).ask_about("x"),
            "from the service",
            "{args:?}"
        );
    }
    for (args, action) in [
        (&[][..], "dunno"),
        (&["-d", "A"], "A"),
        (&["-dA"], "A"),
        (&["-d=A"], "=A"),
        (&["--default=A"], "A"),
        (&["--de", "A"], "A"),
        (&["-d", "A", "-d", "B"], "B"),
        (&["-d", "-l"], "-l"),
        (&["-lvd", "A"], "A"),
        (&["-service=127.0.0.1:1:"], "dunno"),
        (&["--d", "A", "--deadline", "5s"], "A"),
        (&["--deadline=1.5m", "--d=A"], "A"),
        (&["--affinity=none", "-dA", "--workers", "3"], "A"),
    ] {
        let (near, far) = UnixStream::pair().unwrap();
        let _process = drop_in(args, far);
        assert_eq!(Client::of(near).ask_about("x"), action, "{args:?}");
    }
}

#[test]
fn help_and_version_are_on_standard_output_and_no_error() {
    for args in [
        &["--help"][..],
        &["-l", "--help"],
        &["--listen", "inet:127.0.0.1:0", "--help"],
    ] {
        let ended = run(HAPOLICY, args);
        assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""), "{args:?}");
        for option in [
            "-s, --service",
            "-d, --default",
            "-l, --logging",
            "-v, --verbose",
            "-L, --stdout",
            "--listen",
            "--user",
            "--workers",
            "--deadline",
            "--last-resort",
            "--affinity",
            "--balance",
            "--retry",
            "--max-failures",
            "--mode",
            "--probe",
            "--probe-action",
            "--check",
            "--help",
            "--version",
        ] {
            assert!(ended.out.contains(option), "{option}: {}", ended.out);
        }
    }
    for args in [&["--version"][..], &["--version", "-v"]] {
        let ended = run(HAPOLICY, args);
        assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""));
        assert_eq!(
            ended.out,
            concat!("hapolicy ", env!("CARGO_PKG_VERSION"), "\n")
        );
    }
}

// --check

#[test]
fn check_prints_the_services_as_they_are_understood() {
    let args = [
        "--check",
        "-s",
        "plain=127.0.0.1:10031",
        "-s",
        "full=inet:host.example:25:5:3:2.5",
        "-s",
        "empty=[::1]:10031:::",
        "-s",
        "zero=unix:/run/policy.sock:0:0:0",
        "-s",
        "most=127.0.0.1:65535:65535:1000:3600",
        "-s",
        "least=127.0.0.1:1:0:1:0.1",
        "-s",
        "grün und=127.0.0.1:1:",
    ];
    let ended = run(HAPOLICY, &args);
    assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""), "{ended:?}");
    let expected = "\
plain inet:127.0.0.1:10031 priority 10 weight 1 timeout 30s
full inet:host.example:25 priority 5 weight 3 timeout 2.5s
empty inet:[::1]:10031 priority 10 weight 1 timeout 30s
zero unix:/run/policy.sock priority 0 weight 1 timeout 30s
most inet:127.0.0.1:65535 priority 65535 weight 1000 timeout 3600s
least inet:127.0.0.1:1 priority 0 weight 1 timeout 0.1s
grün und inet:127.0.0.1:1 priority 10 weight 1 timeout 30s
";
    assert_eq!(ended.out, expected);
}

#[test]
fn check_uses_the_timeout_of_the_mode() {
    let args = [
        "--check",
        "-s",
        "a=127.0.0.1:1",
        "--listen",
        "inet:127.0.0.1:0",
    ];
    let ended = run(HAPOLICY, &args);
    assert_eq!(ended.code, Some(0));
    assert!(ended.out.ends_with(" timeout 10s\n"), "{ended:?}");
}

#[test]
fn a_field_that_is_wrong_is_named_in_a_warning_and_its_default_is_used() {
    for (fields, named) in [
        ("high", "'high'"),
        ("-1", "'-1'"),
        ("65536", "'65536'"),
        ("1.5", "'1.5'"),
        (":abc", "'abc'"),
        (":-1", "'-1'"),
        (":1001", "'1001'"),
        (":0.5", "'0.5'"),
        ("::abc", "'abc'"),
        ("::-1", "'-1'"),
        ("::0.05", "'0.05'"),
        ("::3601", "'3601'"),
        ("::1e1", "'1e1'"),
        ("::inf", "'inf'"),
        (":::sixth", "fields"),
    ] {
        let service = format!("name=127.0.0.1:1:{fields}");
        let ended = run(HAPOLICY, &["--check", "-s", &service]);
        assert_eq!(ended.code, Some(0), "{service}: {ended:?}");
        assert_eq!(
            ended.out, "name inet:127.0.0.1:1 priority 10 weight 1 timeout 30s\n",
            "{service}"
        );
        assert_eq!(ended.err.lines().count(), 1, "{service}: {ended:?}");
        assert!(
            ended.err.contains(named) && ended.err.contains("name"),
            "{ended:?}"
        );
    }
}

#[test]
fn check_names_each_invalid_service_and_ends_with_78() {
    let args = [
        "--check",
        "-s",
        "good=127.0.0.1:1",
        "-s",
        "bad",
        "-s",
        "worse=2001:db8::1:25",
    ];
    let ended = run(HAPOLICY, &args);
    assert_eq!(ended.code, Some(78));
    assert_eq!(ended.out.lines().count(), 1, "{ended:?}");
    assert_eq!(ended.err.lines().count(), 2, "{ended:?}");
    assert!(ended.err.contains("'bad'") && ended.err.contains("'worse=2001:db8::1:25'"));
}

#[test]
fn check_without_services_ends_with_78() {
    let ended = run(HAPOLICY, &["--check"]);
    assert_eq!((ended.code, ended.out.as_str()), (Some(78), ""));
    assert_eq!(ended.err.lines().count(), 1, "{ended:?}");
}

#[test]
fn check_shows_a_mode_that_is_not_the_usual_one_and_finds_one_of_nobody() {
    let services = ["--check", "-s", "a=127.0.0.1:1", "-s", "b=127.0.0.1:2"];
    let ended = run(HAPOLICY, &[&services[..], &["--mode", "b=drain"]].concat());
    let usual = "priority 10 weight 1 timeout 30s";
    let shown = format!("a inet:127.0.0.1:1 {usual}\nb inet:127.0.0.1:2 {usual} drain\n");
    assert_eq!((ended.code, ended.out), (Some(0), shown));

    let ended = run(HAPOLICY, &[&services[..], &["--mode", "c=drain"]].concat());
    assert_eq!(ended.code, Some(78));
    assert!(ended.err.contains("'c'"), "{ended:?}");
}

#[test]
fn check_takes_sixty_four_services() {
    let services: Vec<String> = (0..65)
        .flat_map(|number| ["-s".to_owned(), format!("s{number}=127.0.0.1:1")])
        .collect();
    let check = |count: usize| {
        let mut args = services[..2 * count].to_vec();
        args.push("--check".to_owned());
        run(HAPOLICY, &args)
    };
    let ended = check(64);
    assert_eq!((ended.code, ended.out.lines().count()), (Some(0), 64));
    let ended = check(65);
    assert_eq!((ended.code, ended.out.lines().count()), (Some(78), 64));
    assert!(ended.err.contains("s64"), "{ended:?}");
}

#[test]
fn a_name_given_twice_has_the_later_address_and_a_warning() {
    let args = [
        "--check",
        "-s",
        "a=127.0.0.1:1:5:3:2",
        "-s",
        "a=127.0.0.1:2",
    ];
    let ended = run(HAPOLICY, &args);
    assert_eq!(ended.code, Some(0));
    assert_eq!(
        ended.out,
        "a inet:127.0.0.1:2 priority 5 weight 3 timeout 2s\n"
    );
    assert_eq!(ended.err.lines().count(), 1, "{ended:?}");
}

#[test]
fn a_port_may_be_the_name_of_a_service() {
    let known = std::fs::read_to_string("/etc/services").unwrap_or_default();
    if !known.contains("25/tcp") {
        println!("SKIPPED: no /etc/services");
        return;
    }
    let ended = run(
        HAPOLICY,
        &[
            "--check",
            "-s",
            "a=127.0.0.1:smtp:5",
            "-s",
            "b=127.0.0.1:mail",
        ],
    );
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(
        ended.out.starts_with("a inet:127.0.0.1:25 priority 5 "),
        "{ended:?}"
    );
    assert!(
        ended.out.contains("\nb inet:127.0.0.1:25 "),
        "an alias: {ended:?}"
    );
}

#[test]
fn check_starts_nothing_and_binds_nothing() {
    let stub = Stub::tcp(Script::default());
    let service = format!("a={}", stub.address());
    let daemon = Daemon::tcp(&["-s", &service]);
    let ended = run(
        HAPOLICY,
        &["--check", "-s", &service, "--listen", daemon.endpoint()],
    );
    assert_eq!(ended.code, Some(0), "although the port is taken: {ended:?}");
    assert_eq!(stub.connections(), 0);
    daemon.stop();
}

// Warnings of a drop-in

#[test]
fn an_invalid_service_is_left_out_by_a_drop_in_and_the_rest_works() {
    let stub = Stub::tcp(Script::answer("REJECT"));
    let service = format!("good={}", stub.address());
    let (near, far) = UnixStream::pair().unwrap();
    let _process = drop_in(&["-L", "-s", "bad", "-s", &service], far);
    let mut client = Client::of(near);
    client.send(&request(&[]));
    let said = String::from_utf8(client.reply().unwrap()).unwrap();
    assert_eq!(
        said,
        "[LOG warning]: ignoring invalid service 'bad'\naction=REJECT\n\n"
    );
}

fn drop_in(args: &[&str], socket: UnixStream) -> Process {
    let socket = OwnedFd::from(socket);
    Process::untouched(
        Command::new(HAPOLICY)
            .args(args)
            .stdin(socket.try_clone().unwrap())
            .stdout(socket.try_clone().unwrap())
            .stderr(socket),
    )
}
