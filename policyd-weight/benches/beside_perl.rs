//! Ours beside the Perl program, round by round: processor time of a request over 1 and 16 kept connections, and the time of an
//! answer while DNS takes 20 ms.
//!
//! `cargo bench -p policyd-weight --features interop --bench beside_perl [-- WORD]`, as root, with Debian's package `policyd-weight`;
//! only flows with this word in their names.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "the parts of the transcripts' test do more than is used here"
)]

#[path = "../tests/transcripts/case.rs"]
mod case;
#[path = "../tests/transcripts/program.rs"]
mod program;
#[path = "../tests/transcripts/syslog.rs"]
mod syslog;
#[path = "../tests/transcripts/world.rs"]
mod world;
#[path = "../tests/transcripts/zone.rs"]
mod zone;

use std::{
    array, fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    time::{Duration, Instant},
};

use policy_testing::{
    NameServer,
    load::{Clients, Load},
};

use crate::{
    program::{Kind, Program},
    syslog::Syslog,
};

const ZONE: &str = include_str!("../tests/transcripts/zone.txt");

fn main() {
    let words: Vec<_> = std::env::args().skip(1).collect();
    // As a test it would take root and the Perl program as well.
    if words.iter().any(|word| word == "--test") {
        return;
    }
    let only = words.iter().find(|word| !word.starts_with('-'));
    let directory = tempfile::tempdir().expect("a directory");
    world::enter(directory.path());
    let _log = Syslog::bind(Path::new("/dev/log"));
    fs::set_permissions("/dev/log", fs::Permissions::from_mode(0o666)).expect("a mode");
    println!("| | connections | Perl us | ours us | ratio | wanted |");
    println!("| --- | ---: | ---: | ---: | ---: | ---: |");
    let is_asked = |flow: &&Flow| only.is_none_or(|word| flow.name.contains(&**word));
    for flow in FLOWS.iter().filter(is_asked) {
        for clients in Clients::FEW.iter().copied() {
            let rounds = processor_times(flow, clients);
            let [perl, ours] = [0, 1].map(|kind| median(rounds.iter().map(|times| times[kind])));
            let ratio = median(rounds.iter().map(|[perl, ours]| perl / ours));
            let Flow { name, wanted, .. } = flow;
            println!("| {name}, CPU | {clients} | {perl:.1} | {ours:.1} | {ratio:.1} | {wanted} |");
        }
    }
    let [perl, ours] = KINDS.map(answer_time).map(micros);
    let ratio = perl / ours;
    println!(
        "| uncached, 20 ms per answer of DNS, time | 1 | {perl:.0} | {ours:.0} | {ratio:.1} | below 75000 us |"
    );
}

/// The order of columns.
const KINDS: [Kind; 2] = [Kind::Perl, Kind::Ours];
const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_secs(2);

/// Requests of one kind.
struct Flow {
    name: &'static str,
    wanted: &'static str,
    config: &'static str,
    attributes: &'static str,
}

const FLOWS: &[Flow] = &[
    Flow {
        name: "null sender",
        wanted: "30",
        config: "",
        attributes: "sender=\n",
    },
    Flow {
        name: "rejected before",
        wanted: "30",
        config: "",
        attributes: "client_address=100.70.7.8\nclient_name=unknown\nhelo_name=mx.shop.test\n",
    },
    Flow {
        name: "accepted before, lists asked",
        wanted: "",
        config: "",
        attributes: "",
    },
    Flow {
        name: "uncached",
        wanted: "20",
        config: "$CACHESIZE = 0; $POSCACHESIZE = 0;",
        attributes: "client_address=100.70.7.8\nclient_name=unknown\nhelo_name=a.b.shop.test\nsender=x@c.d.mega.test\n",
    },
];

/// Microseconds of the processor for a request, round by round: of both programs, which take turns. The caches and children are
/// included.
fn processor_times(flow: &Flow, clients: Clients) -> [[f64; 2]; ROUNDS] {
    let _dns = NameServer::start_at(
        "127.0.4.1:53".parse().expect("an address"),
        &zone::text(ZONE, &[]),
    );
    let programs: [_; 2] = array::from_fn(|kind| {
        Program::start(KINDS[kind], kind as u16, "bench", "127.0.4.1", flow.config)
    });
    let ours = programs[1].child.id();
    // Each request is about a mail of its own.
    let mut mail = 0;
    let mut load = |program: &Program, time| {
        let server = ([127, 0, 0, 1], program.port).into();
        let load = Load {
            server,
            clients,
            time,
        };
        let answers = load.run(|_, _| {
            mail += 1;
            request(flow.attributes, mail)
        });
        let answers = answers.expect("a connection");
        assert_eq!(answers.failed, 0, "requests were not answered");
        answers.answered
    };
    for program in &programs {
        // The caches know the client after that.
        load(program, ROUND / 10);
    }
    array::from_fn(|_| {
        array::from_fn(|kind| {
            let before = ticks(ours)[kind];
            let answered = load(&programs[kind], ROUND);
            (ticks(ours)[kind] - before) * TICK / answered as f64
        })
    })
}

/// The time of an answer, each name's answer of DNS 20 ms late.
fn answer_time(kind: Kind) -> Duration {
    // One delay for each name: those of several lines would add up.
    let zone = zone::text(ZONE, &[])
        + "\n*.test !delay 20ms\n*.org !delay 20ms\n*.net !delay 20ms\n*.arpa !delay 20ms\n";
    let _dns = NameServer::start_at("127.0.4.1:53".parse().expect("an address"), &zone);
    let config = "$CACHESIZE = 0; $POSCACHESIZE = 0;";
    let program = Program::start(kind, 2, "bench", "127.0.4.1", config);
    let mut connection = program.connect();
    let attributes = "client_address=100.70.7.8\nclient_name=unknown\nhelo_name=a.b.shop.test\nsender=x@c.d.acme.test\n";
    connection.ask(&request(attributes, 0)).expect("an answer");
    let start = Instant::now();
    for number in 1..=5 {
        connection
            .ask(&request(attributes, number))
            .expect("an answer");
    }
    start.elapsed() / 5
}

fn request(attributes: &str, number: usize) -> String {
    let is_set = |name: &str| {
        attributes
            .lines()
            .any(|line| line.starts_with(&format!("{name}=")))
    };
    let common = case::COMMON
        .iter()
        .filter(|(name, _)| !is_set(name) && *name != "instance");
    let common: String = common
        .map(|(name, value)| format!("{name}={value}\n"))
        .collect();
    format!("{common}{attributes}instance=bench{number}\n\n")
}

/// The processor time of the programs of this name in this network namespace, in ticks: of those that are not ours, and of ours.
fn ticks(ours: u32) -> [f64; 2] {
    let own = fs::read_link("/proc/self/ns/net").expect("a namespace");
    let mut all = [0.0; 2];
    for process in fs::read_dir("/proc").expect("/proc").flatten() {
        let path = process.path();
        let stat = fs::read_to_string(path.join("stat")).unwrap_or_default();
        let Some((name, fields)) = stat.rsplit_once(')') else {
            continue;
        };
        let is_here = fs::read_link(path.join("ns/net")).is_ok_and(|space| space == own);
        if !is_here || !name.contains("(policyd-weight") {
            continue;
        }
        let fields = fields.split_whitespace().skip(11).take(4);
        let times = fields.map(|field| field.parse().unwrap_or(0.0));
        let is_ours = process.file_name() == *ours.to_string();
        all[usize::from(is_ours)] += times.sum::<f64>();
    }
    all
}

/// Of the clock in `/proc/PID/stat`, in microseconds.
const TICK: f64 = 10_000.0;

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<_> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
