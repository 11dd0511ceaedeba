//! Draws a world from a seed.

use std::time::Duration;

use fastrand::Rng;
use policy_flow::{Retry, Strategy};

use super::plan::{
    Ask, AskKind, Client, Cut, End, Plan, Reads, Server, Service, Settings, Span, millis, secs,
};
use super::trouble::Trouble;

pub(crate) fn plan(seed: u64) -> Plan {
    let mut rng = Rng::with_seed(seed);
    let rng = &mut rng;
    let lasts = secs(*pick(rng, &[2, 10, 30, 120]));
    let settings = settings(rng);
    let workers = if one_in(rng, 4) { 2 } else { 1 };
    let services = *pick(rng, &[1, 1, 2, 2, 2, 3, 3, 4, 5, 8]);
    let services = if one_in(rng, 100) {
        rng.usize(9..=64)
    } else {
        services
    };
    let ill = rng.u32(0..4);
    let clients = match rng.u32(0..12) {
        0 => rng.usize(10..40),
        _ => rng.usize(1..8),
    };
    let mut plan = Plan {
        seed,
        workers,
        jitter: millis(*pick(rng, &[0, 0, 1, 5, 40])),
        late: millis(*pick(rng, &[0, 1, 1, 5])),
        services: (0..services)
            .map(|_| service(rng, lasts, ill, &settings))
            .collect(),
        // What else happens in the world of a seed is the same.
        groups: if seed % 4 == 1 { 2 } else { 1 },
        clients: (0..clients).map(|_| client(rng, lasts)).collect(),
        pauses: Vec::new(),
        scarce: Vec::new(),
        drain: one_in(rng, 6).then(|| at(rng, lasts)),
        exchanges: Vec::new(),
        settings,
    };
    for _ in 0..few(rng, 5) {
        let long = millis(*pick(rng, &[50, 300, 3000, 15_000]));
        plan.pauses
            .push((rng.usize(0..workers), Span::new(at(rng, lasts), long)));
    }
    for _ in 0..few(rng, 8) {
        let long = millis(*pick(rng, &[10, 500, 5000]));
        plan.scarce.push(Span::new(at(rng, lasts), long));
    }
    for _ in 0..few(rng, 5) {
        plan.exchanges
            .push((at(rng, lasts), rng.u64(..) & rng.u64(..)));
    }
    plan.exchanges.sort_unstable();
    plan
}

fn settings(rng: &mut Rng) -> Settings {
    let usual = Settings::default();
    if one_in(rng, 3) {
        return usual;
    }
    let strategy = match rng.u32(0..4) {
        0 => Strategy::LeastLoaded,
        1 => "hash:instance".parse().unwrap(),
        _ => Strategy::RoundRobin,
    };
    Settings {
        retry: if one_in(rng, 3) {
            Retry::Unsent
        } else {
            Retry::Always
        },
        strategy,
        deadline: secs(*pick(rng, &[1, 5, 20, 90, 90, 90])),
        connect: *pick(
            rng,
            &[Some(secs(3)), Some(secs(3)), Some(millis(500)), None],
        ),
        wait: millis(*pick(rng, &[1000, 1000, 100, 0])),
        last_resort: secs(*pick(rng, &[3, 3, 0, 20])),
        max_connections: *pick(rng, &[100, 100, 20, 3, 2, 1]),
        max_opening: *pick(rng, &[5, 5, 1, 50]),
        max_age: secs(*pick(rng, &[300, 300, 60, 1, 0])),
        max_failures: *pick(rng, &[1, 1, 1, 3]),
        answer_memory: *pick(rng, &[None, None, Some(300_000), Some(1)]),
        default: !one_in(rng, 6),
        affinity: !one_in(rng, 6),
        idle: secs(*pick(rng, &[1200, 1200, 20])),
        request: secs(*pick(rng, &[30, 30, 5])),
        memory_wait: secs(*pick(rng, &[90, 90, 10])),
        memory: *pick(rng, &[None, None, None, Some(60_000), Some(1)]),
        places: *pick(rng, &[1000, 1000, 1000, 5, 2]),
        per_user: *pick(rng, &[None, None, None, Some(2)]),
        check: *pick(rng, &[None, None, Some(secs(5))]),
        probes: rng.bool(),
        reads_ahead: rng.bool(),
    }
}

fn client(rng: &mut Rng, lasts: Duration) -> Client {
    let count = if one_in(rng, 8) {
        rng.usize(10..40)
    } else {
        rng.usize(0..8)
    };
    let messages = rng.u8(1..4);
    let pace = *pick(rng, &[0, 1, 20, 500, 5000]);
    let ask = |rng: &mut Rng| Ask {
        think: Duration::from_micros(rng.u64(0..=pace * 1000)),
        kind: match rng.u32(0..60) {
            0 => AskKind::Poison,
            1 => AskKind::Other,
            2 => AskKind::Blank,
            3 => AskKind::Large(*pick(rng, &[3000, 6000, 50_000])),
            _ => AskKind::Policy,
        },
        message: rng.u8(0..messages),
    };
    let mut asks: Vec<Ask> = (0..count).map(|_| ask(rng)).collect();
    if one_in(rng, 12) {
        let kind = *pick(
            rng,
            &[AskKind::Garbage, AskKind::Foreign, AskKind::Unfinished],
        );
        asks.push(Ask {
            think: millis(1),
            kind,
            message: 0,
        });
    }
    Client {
        at: at(rng, lasts),
        user: rng.u32(0..3),
        pipelines: one_in(rng, 6),
        cut: match rng.u32(0..10) {
            0 => Cut::Once(millis(*pick(rng, &[0, 10, 2000]))),
            1 => Cut::Pieces(rng.usize(1..20), Duration::from_micros(rng.u64(0..100_000))),
            2 => Cut::Pieces(1, millis(0)),
            _ => Cut::Whole,
        },
        asks,
        reads: match rng.u32(0..16) {
            0 => Reads::Never,
            1 => Reads::Slowly(millis(*pick(rng, &[0, 50, 2000]))),
            _ => Reads::AtOnce,
        },
        end: match rng.u32(0..6) {
            0 => End::Stays,
            1 => End::HalfCloses,
            2 => End::Resets(Duration::from_micros(rng.u64(0..20_000_000))),
            _ => End::Leaves,
        },
    }
}

fn service(rng: &mut Rng, lasts: Duration, ill: u32, settings: &Settings) -> Service {
    let is_named = one_in(rng, 3);
    let count = if is_named { rng.usize(1..4) } else { 1 };
    let mut servers: Vec<Server> = (0..count).map(|_| server(rng)).collect();
    let is_ill = rng.u32(0..4) < ill;
    if is_ill {
        for server in &mut servers {
            for _ in 0..rng.usize(0..3) {
                server.troubles.push(trouble(rng, lasts, settings));
            }
        }
    }
    let list = |rng: &mut Rng| -> Vec<usize> { (0..count).filter(|_| rng.bool()).collect() };
    let mut names = vec![(Duration::ZERO, (0..count).collect())];
    if is_named && one_in(rng, 2) {
        names = (0..rng.u64(1..4))
            .map(|nth| (lasts / 4 * nth as u32, list(rng)))
            .collect();
    }
    Service {
        priority: *pick(rng, &[10, 10, 10, 20]),
        weight: *pick(rng, &[1, 1, 1, 5]),
        timeout: secs(*pick(rng, &[10, 10, 2, 30])),
        keep: secs(*pick(rng, &[60, 60, 60, 5, 0])),
        refresh: secs(*pick(rng, &[60, 60, 1])),
        look_up: is_named.then(|| millis(*pick(rng, &[0, 1, 30, 500]))),
        names,
        servers,
    }
}

fn server(rng: &mut Rng) -> Server {
    let is_plain = !one_in(rng, 4);
    let usual = Server {
        is_unix: one_in(rng, 4),
        way: Duration::from_micros(*pick(rng, &[50, 300, 20_000])),
        works: Duration::from_micros(*pick(rng, &[100, 1000, 1000, 200_000])),
        ..Server::default()
    };
    if is_plain {
        return usual;
    }
    Server {
        closes_after: one_in(rng, 3).then(|| rng.u32(1..5)),
        closes_idle: one_in(rng, 3).then(|| millis(*pick(rng, &[500, 1000, 10_000]))),
        processes: one_in(rng, 3).then(|| rng.usize(1..6)),
        backlog: *pick(rng, &[100, 100, 5, 0]),
        cuts: one_in(rng, 2).then(|| millis(*pick(rng, &[0, 5, 100]))),
        dies: one_in(rng, 3).then(|| millis(*pick(rng, &[0, 10, 1000]))),
        pad: *pick(rng, &[0, 0, 2000, 10_000]),
        ..usual
    }
}

fn trouble(rng: &mut Rng, lasts: Duration, settings: &Settings) -> (Span, Trouble) {
    let gap = millis(*pick(rng, &[0, 3, 30, 500, 2000]));
    let trouble = match rng.u32(0..18) {
        0 => Trouble::Refuses,
        1 => Trouble::Unreachable,
        2 => Trouble::Swallows,
        3 => Trouble::Forgets,
        4 => Trouble::Hangs,
        5 => Trouble::Slow(secs(rng.u64(0..20))),
        6 => Trouble::Drips(gap),
        7 => Trouble::Garbage,
        8 => Trouble::Greets,
        9 => Trouble::TwoAnswers(gap),
        10 => Trouble::Closes,
        11 => Trouble::Resets,
        12 => Trouble::ClosesHalfWay,
        13 => Trouble::LateBlank(gap),
        14 => Trouble::ExtraNewline(gap),
        15 => Trouble::ReadsNot,
        _ => Trouble::Away,
    };
    let mut lasting = Duration::from_millis(rng.u64(1..=lasts.as_millis() as u64));
    if trouble == Trouble::Forgets {
        // As long as a connection may be used that was open before.
        lasting += settings.max_age.max(secs(60)) + secs(60);
    }
    let from = if one_in(rng, 3) {
        Duration::ZERO
    } else {
        at(rng, lasts)
    };
    (Span::new(from, lasting), trouble)
}

fn at(rng: &mut Rng, lasts: Duration) -> Duration {
    Duration::from_micros(rng.u64(0..lasts.as_micros() as u64))
}

/// None as a rule.
fn few(rng: &mut Rng, one_in: u32) -> usize {
    match rng.u32(0..one_in) {
        0 => rng.usize(1..4),
        _ => 0,
    }
}

fn one_in(rng: &mut Rng, many: u32) -> bool {
    rng.u32(0..many) == 0
}

fn pick<'a, T>(rng: &mut Rng, of: &'a [T]) -> &'a T {
    &of[rng.usize(0..of.len())]
}
