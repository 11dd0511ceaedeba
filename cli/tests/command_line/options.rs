//! Options of the Perl script and ours beside each other.

use std::os::unix::net::UnixStream;

use policy_testing::{
    process::{Client, hapolicy, run},
    stub::{Script, Stub},
};

use crate::drop_in;

#[test]
fn a_value_that_looks_like_an_option_is_a_value() {
    // Not a daemon, although a word says so: it is the default action.
    let (near, far) = UnixStream::pair().unwrap();
    let _process = drop_in(&["-d", "--listen"], far);
    assert_eq!(Client::of(near).ask_about("x"), "--listen");
}

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
        (&["--affinity=none", "-dA", "--max-connections", "3"], "A"),
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
        let ended = run(hapolicy(), args);
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
        let ended = run(hapolicy(), args);
        assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""));
        assert_eq!(
            ended.out,
            concat!("hapolicy ", env!("CARGO_PKG_VERSION"), "\n")
        );
    }
}
