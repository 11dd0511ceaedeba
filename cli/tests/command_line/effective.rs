//! The options that hold, in the form in which they can be given.

use std::{ffi::OsString, os::unix::ffi::OsStringExt};

use proptest::{prelude::*, sample::subsequence};

use hapolicy::{Arguments, Effective};
use policy_proxy::{config::Given, options::Services};

/// The effective options of a command line, as a command line.
fn effective(words: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    let words = words.into_iter().map(OsString::from_vec);
    let arguments = Arguments::parse(words, false).unwrap();
    let options = arguments.options();
    let services = Services::parse(&options);
    let mut effective = Effective::new(&arguments, &options, &services);
    if options.is_daemon {
        effective.max_clients.get_or_insert(1000);
    }
    let word = |(name, value): Given| match value {
        Some(value) => [b"--", name.as_bytes(), b"=", &value].concat(),
        None => format!("--{name}").into_bytes(),
    };
    effective.given().into_iter().map(word).collect()
}

proptest! {
    #[test]
    fn what_is_printed_can_be_given_and_comes_to_the_same(words in command_line()) {
        let printed = effective(words);
        prop_assert_eq!(effective(printed.clone()), printed);
    }
}

fn bytes(words: Vec<&str>) -> Vec<Vec<u8>> {
    words
        .into_iter()
        .map(|word| word.as_bytes().to_vec())
        .collect()
}

/// Any options, each with a value that is valid, or a service's field that is not.
pub(super) fn command_line() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let of_both = [
        "-sa=127.0.0.1:1:5:3:2.5",
        "-sb=[::1]:1:high:0:500ms",
        "--service=grün und=unix:/run/p:0",
        "--service=a=inet:host.example:25",
        "-sbad",
        "-dDEFER_IF_PERMIT it's \u{202e}late",
        "-dclose",
        "--default=close ",
        "-lvL",
        "--deadline=1.2345s",
        "--affinity=message",
        "--balance=hash:sender,recipient",
        "--retry=unsent",
        "--last-resort=0s",
        "--max-connections=5",
        "--max-failures=3",
        "--mode=a=drain",
        "--mode=b=disabled",
        "--actions=a=DUNNO,4xx",
        "--check",
    ];
    let of_a_daemon = [
        "--listen=unix:/run/policy,mode=0660",
        "--user=nobody:0",
        "--workers=3",
        "--log-format=classic",
        "--allow=192.0.2.0/24,2001:db8::1",
        "--allow=::ffff:192.0.2.1",
        "--max-clients=77",
        "--max-clients-per-address=2",
        "--max-clients-per-user=3",
        "--max-request=4097",
        "--max-memory=300M",
        "--request-timeout=1500ms",
        "--idle=2m",
        "--drain=0s",
        "--handover=unix:/run/a b",
        "--check=5s",
        "--health-check=7s",
    ];
    let named = |raw: Vec<u8>| {
        let mut name = raw;
        name.retain(|byte| !matches!(byte, 0 | b'='));
        [b"--service=x", &*name, b"=127.0.0.1:7"].concat()
    };
    let name = prop::collection::vec(any::<u8>(), 0..6).prop_map(named);
    let both = subsequence(of_both.to_vec(), 0..=of_both.len());
    let daemon = subsequence(of_a_daemon.to_vec(), 0..=of_a_daemon.len());
    (name, both, prop::option::of(daemon)).prop_map(move |(name, both, daemon)| {
        let mut words = bytes(both);
        words.push(name);
        if let Some(daemon) = daemon {
            words.push(b"--listen=inet:127.0.0.1:0".to_vec());
            words.extend(bytes(daemon));
        }
        words
    })
}
