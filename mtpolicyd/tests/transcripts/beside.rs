//! Cases of our own: many in one daemon, each in a virtual host of its own that `policy_context` names. The program answers
//! them by default and with `--compat`, and the original beside it.

use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    net::TcpStream,
    path::Path,
};

use policy_testing::process::Client;

use crate::{
    case::{Case, Step, request},
    peers::Peers,
    run::{Manner, is_expected, redis, rows_of, serve},
};

/// A file of `tests/data/beside`: what all of its cases share, and the cases.
struct File {
    head: Case,
    cases: Vec<Case>,
}

impl File {
    fn read(name: &str) -> Self {
        let mut cases = Case::read(&format!("beside/{name}.txt"));
        let head = cases.remove(0);
        assert!(
            head.number.ends_with("00") && head.steps.is_empty(),
            "{name}"
        );
        let mut file = Self { head, cases };
        // The original interrupts a process that waits for the next connection.
        file.head.config.push_str("keepalive_timeout = 0\n");
        for case in &file.cases {
            let host = format!(
                "<VirtualHost {0}>\nname = {0}\n{1}</VirtualHost>\n",
                case.number, case.config
            );
            file.head.config.push_str(&host);
        }
        file
    }

    fn run(&self) {
        let mut differences = Vec::new();
        for manner in Manner::all() {
            let directory = tempfile::tempdir().unwrap();
            serve(&self.head, manner, directory.path(), |port, peers| {
                for case in &self.cases {
                    differences.extend(run(case, port, manner, directory.path(), peers));
                }
            });
        }
        assert!(
            differences.is_empty(),
            "{}\n{}",
            self.head.name,
            differences.join("\n")
        );
    }
}

/// What differs from what the case says.
fn run(case: &Case, port: u16, manner: Manner, directory: &Path, peers: &Peers) -> Vec<String> {
    let mut differences = Vec::new();
    let connect = || Client::connect(&format!("127.0.0.1:{port}"));
    let mut client = connect();
    for (index, step) in case.steps.iter().enumerate() {
        let place = format!("{}.{index} {manner:?}", case.number);
        match step {
            Step::Ask {
                changes, answers, ..
            } => {
                let number = &case.number;
                let changes = match changes.as_str() {
                    raw if raw.starts_with('\'') => raw.to_owned(),
                    "(common request)" => format!("policy_context={number} instance={number}"),
                    changes => format!("policy_context={number} instance={number} {changes}"),
                };
                client.send(&request(&changes));
                let reply = client
                    .reply()
                    .map(|reply| String::from_utf8(reply).unwrap());
                if reply.is_none() {
                    client = connect();
                }
                let found = reply.as_deref().map(|reply| reply.trim_end_matches('\n'));
                let expected = answers.of(manner);
                if !is_expected(found, expected) {
                    differences.push(format!("{place}: {found:?} and not {expected:?}"));
                }
            }
            Step::Sql(query, rows, of) if of.count(manner) => {
                let found = rows_of(&directory.join("db.sqlite"), query);
                if found != *rows {
                    differences.push(format!("{place}: {found} and not {rows}"));
                }
            }
            Step::Sql(..) => {}
            Step::Other(value) if value.get("redis").is_some() => redis(peers, &value["redis"]),
            Step::Other(value) if value.get("memcached").is_some() => {
                let found = memcached(peers, value["memcached"].as_str().unwrap());
                let is_ours = manner != Manner::Original;
                if is_ours && !found.starts_with(value["answer"].as_str().unwrap()) {
                    differences.push(format!("{place}: {found}"));
                }
            }
            other => panic!("{}: cannot do {other:?}", case.number),
        }
    }
    differences
}

/// The first line of the answer to a command.
fn memcached(peers: &Peers, command: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", peers.memcached.unwrap())).unwrap();
    stream
        .write_all(format!("{command}\r\n").as_bytes())
        .unwrap();
    BufReader::new(stream).lines().next().unwrap().unwrap()
}

macro_rules! files {
    ($($(#[$attribute:meta])* $name:ident;)*) => {
        $(
            $(#[$attribute])*
            #[test]
            fn $name() {
                File::read(stringify!($name)).run();
            }
        )*

        const FILES: &[&str] = &[$(stringify!($name)),*];
    };
}

files! {
    plugins;
    #[cfg_attr(not(feature = "interop"), ignore = "needs Postfix")]
    maps;
    on_error;
    databases;
    #[cfg_attr(not(feature = "interop"), ignore = "needs root")]
    lists;
    #[cfg_attr(not(feature = "interop"), ignore = "needs memcached")]
    memcached_sessions;
    #[cfg_attr(not(feature = "interop"), ignore = "needs Redis")]
    redis_sessions;
    #[cfg_attr(not(feature = "interop"), ignore = "needs memcached and slapd")]
    keys_of_1x;
    #[cfg_attr(not(feature = "interop"), ignore = "needs slapd")]
    directory;
}

/// The cases of all files.
pub(crate) fn cases() -> impl Iterator<Item = Case> {
    FILES.iter().flat_map(|file| File::read(file).cases)
}

#[test]
fn each_difference_is_a_row_of_the_manual() {
    let manual = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/mtpolicyd.md");
    let manual = fs::read_to_string(manual).unwrap();
    let mut count = 0;
    for case in cases() {
        count += 1;
        for step in &case.steps {
            let Step::Ask { answers, .. } = step else {
                continue;
            };
            if answers.of(Manner::Default) == answers.of(Manner::Original) {
                continue;
            }
            let row = answers
                .row
                .unwrap_or_else(|| panic!("{}: no row", case.number));
            let row = manual
                .lines()
                .find(|line| line.starts_with(&format!("| {row} | ")));
            let row = row.unwrap_or_else(|| panic!("{}: no such row", case.number));
            let is_marked = row.contains("| (c) ");
            assert_eq!(
                is_marked,
                answers.is_compat_alike(),
                "{}: {row}",
                case.number
            );
        }
    }
    assert!(count >= 200, "{count}");
}
