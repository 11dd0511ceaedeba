//! Ours beside the Perl program: processor time of a request, and the time of an answer while DNS takes 20 ms.
//!
//! `cargo bench -p policyd-weight --features interop`, as root, with Debian's package `policyd-weight`.
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
    fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    time::{Duration, Instant},
};

use policy_testing::NameServer;

use crate::{
    program::{Kind, Program},
    syslog::Syslog,
};

const ZONE: &str = include_str!("../tests/transcripts/zone.txt");

fn main() {
    // As a test it would take root and the Perl program as well.
    if std::env::args().any(|word| word == "--test") {
        return;
    }
    let directory = tempfile::tempdir().expect("a directory");
    world::enter(directory.path());
    let _log = Syslog::bind(Path::new("/dev/log"));
    fs::set_permissions("/dev/log", fs::Permissions::from_mode(0o666)).expect("a mode");
    println!("{:<34} {:>12} {:>12} {:>7}", "", "Perl", "ours", "ratio");
    for (name, count, config, request) in FLOWS {
        let [perl, ours] =
            [Kind::Perl, Kind::Ours].map(|kind| processor_time(kind, *count, config, request));
        row(name, perl, ours);
    }
    let [perl, ours] = [Kind::Perl, Kind::Ours].map(answer_time);
    row("uncached, 20 ms per answer of DNS", perl, ours);
}

/// Name, how many requests, the configuration, and the attributes; `{n}` is the number of the request.
const FLOWS: &[(&str, usize, &str, &str)] = &[
    ("null sender, CPU", 5000, "", "sender=\n"),
    (
        "rejected before, CPU",
        5000,
        "",
        "client_address=100.70.7.8\nclient_name=unknown\nhelo_name=mx.shop.test\n",
    ),
    ("accepted before, lists asked, CPU", 2000, "", ""),
    (
        "uncached, CPU",
        500,
        "$CACHESIZE = 0; $POSCACHESIZE = 0;",
        "client_address=100.70.7.8\nclient_name=unknown\nhelo_name=a.b.shop.test\nsender=x@c.d.mega.test\n",
    ),
];

fn row(name: &str, perl: Duration, ours: Duration) {
    let micros = |time: Duration| format!("{:.1} us", time.as_secs_f64() * 1e6);
    let ratio = perl.as_secs_f64() / ours.as_secs_f64().max(1e-9);
    println!(
        "{name:<34} {:>12} {:>12} {ratio:>6.1}x",
        micros(perl),
        micros(ours)
    );
}

/// The processor time of a request, the caches' and children's included.
fn processor_time(kind: Kind, count: usize, config: &str, attributes: &str) -> Duration {
    let dns = NameServer::start_at(
        "127.0.4.1:53".parse().expect("an address"),
        &zone::text(ZONE, &[]),
    );
    let program = Program::start(kind, 1, "bench", "127.0.4.1", config);
    let mut connection = program.connect();
    let request = |number: usize| request(attributes, number);
    for number in 0..20 {
        connection.ask(&request(number)).expect("an answer");
    }
    let before = ticks();
    for number in 20..20 + count {
        connection.ask(&request(number)).expect("an answer");
    }
    let used = ticks() - before;
    drop(dns);
    // 100 ticks a second, as all kernels show them.
    Duration::from_millis(10) * u32::try_from(used).unwrap_or(u32::MAX)
        / u32::try_from(count).unwrap_or(1)
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

/// The processor time of all programs of this name in this network namespace, in ticks.
fn ticks() -> u64 {
    let own = fs::read_link("/proc/self/ns/net").expect("a namespace");
    let processes = fs::read_dir("/proc").expect("/proc").flatten();
    let times = processes.filter_map(|process| {
        let path = process.path();
        let stat = fs::read_to_string(path.join("stat")).ok()?;
        let (name, fields) = stat.rsplit_once(')')?;
        let is_ours =
            name.contains("(policyd-weight") && fs::read_link(path.join("ns/net")).ok()? == own;
        let fields: Vec<u64> = fields
            .split_whitespace()
            .map(|field| field.parse().unwrap_or(0))
            .collect();
        is_ours
            .then(|| fields.get(11..15).map(|times| times.iter().sum::<u64>()))
            .flatten()
    });
    times.sum()
}
