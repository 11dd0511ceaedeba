//! Files that `policy-client replay` reads, and those that it refuses.

use std::fs;

use policy_testing::{
    process::{policy_client, run},
    stub::{Script, Stub},
};
use tempfile::TempDir;

use super::File;

#[test]
fn a_file_with_nothing_to_ask_or_to_compare_is_no_success() {
    let stub = Stub::tcp(Script::default());
    for (text, args, said) in [
        ("", &[][..], ": there is no request\n"),
        (
            "# nothing\n",
            &["--diff", "recorded"],
            ": there is no request\n",
        ),
        (
            "Nov 29 10:00:00 mx postfix/qmgr[1]: 4A: removed\n",
            &[],
            ": there is no request\n",
        ),
        // As journalctl says it.
        ("-- No entries --\n", &[], ": there is no request\n"),
        (
            "size=1\n\n",
            &["--diff", "recorded"],
            ": there is no recorded answer\n",
        ),
    ] {
        let ended = File::of(text).replay(&[&[stub.address().as_str()], args].concat());
        assert_eq!(ended.code, Some(65), "{text}: {ended:?}");
        assert!(ended.err.ends_with(said), "{text}: {ended:?}");
    }
}

#[test]
fn what_journalctl_prints_is_a_log() {
    let stub = Stub::tcp(Script::default());
    let reject = "postfix/smtpd[9]: NOQUEUE: reject: RCPT from unknown[192.0.2.9]: 450 4.7.1 <b@example.org>: Recipient address rejected: Greylisted; from=<a@example.com> to=<b@example.org> proto=ESMTP helo=<foo>";
    for time in [
        "2026-11-29T21:13:43+0000",
        "2026-11-29T21:13:43.123456+0100",
        "Nov 29 21:13:43",
    ] {
        for before in ["", "-- Journal begins at Sun 2026-11-29 --\n-- Boot 1 --\n"] {
            let log = format!("{before}{time} mx {reject}\n-- Boot 2 --\n{time} mx {reject}\n");
            let ended = File::of(&log).replay(&[&stub.address(), "--full-speed"]);
            assert_eq!(ended.code, Some(0), "{log}: {ended:?}");
            assert!(ended.out.contains(": 2 answered, "), "{log}: {ended:?}");
        }
    }
    for request in stub.requests() {
        let request = String::from_utf8(request).unwrap();
        assert!(request.contains("client_address=192.0.2.9\n"), "{request}");
    }
}

/// A line with a '=' may be of any file.
#[test]
fn a_file_of_other_lines_with_equals_is_not_asked() {
    let stub = Stub::tcp(Script::default());
    let said = ": line 1: no attribute that Postfix sends: the file begins neither as requests nor as a mail log\n";
    for text in [
        "PRETTY_NAME=\"Debian\"\nID=debian\n",
        "29.11.2026 21:13 mx postfix/qmgr[1]: 4A: from=<a@example.com>\n",
    ] {
        let ended = File::of(text).replay(&[&stub.address()]);
        assert_eq!((ended.code, &*ended.out), (Some(65), ""), "{ended:?}");
        assert!(ended.err.ends_with(said), "{ended:?}");
    }
    assert_eq!(stub.connections(), 0);
    for (text, args) in [
        ("id=1\n\n", &["--format", "requests"][..]),
        ("#: time=1\nid=1\n\n", &[]),
        ("id=1\nsender=\n\n", &[]),
    ] {
        let ended = File::of(text).replay(&[&[stub.address().as_str()], args].concat());
        assert_eq!(ended.code, Some(0), "{text}: {ended:?}");
    }
}

#[test]
fn a_compressed_file_is_said_to_be_one() {
    let stub = Stub::tcp(Script::default());
    for begin in [&b"\x1f\x8b\x08"[..], b"\x28\xb5\x2f\xfd", b"\xfd7zXZ\0"] {
        let directory = TempDir::new().unwrap();
        let path = directory.path().join("mail.log.1");
        fs::write(&path, [begin, b"\n=\0"].concat()).unwrap();
        let path = path.to_str().unwrap();
        let ended = run(policy_client(), &["replay", path, &stub.address()]);
        assert_eq!((ended.code, &*ended.out), (Some(65), ""), "{ended:?}");
        let said = ": it is compressed: have zcat, xzcat or zstdcat write it to '-'\n";
        assert!(ended.err.ends_with(said), "{ended:?}");
    }
}

/// No line about answers stands before it: nobody was asked.
#[test]
fn a_file_that_is_neither_requests_nor_a_log_is_told_from_one_with_a_fault() {
    let stub = Stub::tcp(Script::default());
    let log = "rubbish\nNov 29 10:00:00 mx postfix/qmgr[1]: 4A: removed\n";
    for (text, args, said) in [
        (
            log,
            &[][..],
            ": line 1: no '=': the file begins neither as requests nor as a mail log\n",
        ),
        (log, &["--format", "requests"], ": line 1: no '='\n"),
        ("size=1\nrubbish\n\n", &[], ": line 2: no '='\n"),
    ] {
        let ended = File::of(text).replay(&[&[stub.address().as_str()], args].concat());
        assert_eq!((ended.code, &*ended.out), (Some(65), ""), "{ended:?}");
        assert!(ended.err.ends_with(said), "{text}: {ended:?}");
    }
}

#[test]
fn a_directory_is_a_file_that_cannot_be_read() {
    let stub = Stub::tcp(Script::default());
    let ended = run(policy_client(), &["replay", "/", &stub.address()]);
    let said = "policy-client: /: Is a directory (os error 21)\n";
    assert_eq!((ended.code, &*ended.err), (Some(66), said), "{ended:?}");
}

#[test]
fn what_comes_before_a_fault_is_asked() {
    let stub = Stub::tcp(Script::default());
    let file = File::of("size=1\n\nrubbish\n\nsize=2\n\n");
    let ended = file.replay(&[&stub.address()]);
    assert_eq!(ended.code, Some(65), "{ended:?}");
    assert!(ended.err.ends_with(": line 3: no '='\n"), "{ended:?}");
    assert!(ended.out.contains(": 1 answered, "), "{ended:?}");
    assert_eq!(stub.requests().len(), 1);
}

#[test]
fn wrong_command_lines_and_files_that_are_not_there_are_refused() {
    let file = File::of("size=1\n\n");
    for args in [
        &["nonsense"][..],
        &["127.0.0.1:1", "--diff", "nonsense"],
        &["127.0.0.1:1", "--ignore-text"],
        &["127.0.0.1:1", "--speed", "0"],
        &["127.0.0.1:1", "--speed", "2", "--full-speed"],
        &["127.0.0.1:1", "--connections", "0"],
        &["127.0.0.1:1", "--format", "x"],
        &[],
    ] {
        let ended = file.replay(args);
        assert_eq!(
            (ended.code, &*ended.out),
            (Some(64), ""),
            "{args:?}: {ended:?}"
        );
    }
    let ended = run(policy_client(), &["replay", "/nonexistent", "127.0.0.1:1"]);
    assert_eq!(ended.code, Some(66), "{ended:?}");
}
