//! Worlds of one fault each, with what it costs.

mod blame;
mod clients;
mod connections;
mod crowds;
mod names;

use std::{iter, time::Duration};

use super::{
    net::Counts,
    plan::{
        Ask, AskKind, Client, Cut, End, Plan, Reads, Server, Service, Settings, Span, millis, secs,
    },
    run::World,
    trouble::Trouble,
};

/// So many requests.
fn policy(count: usize) -> impl Iterator<Item = AskKind> + Clone {
    iter::repeat_n(AskKind::Policy, count)
}

/// A service of two addresses, of which the first has this trouble.
fn several(trouble: Trouble) -> Service {
    let ill = ill(Duration::ZERO, trouble);
    Service {
        look_up: Some(millis(1)),
        names: vec![(Duration::ZERO, vec![0, 1])],
        servers: ill.servers.into_iter().chain([Server::default()]).collect(),
        ..Service::default()
    }
}

/// Runs a world in which no law is broken.
fn lives(plan: &Plan) -> Told {
    let mut world = World::new(plan, true);
    world.run();
    let story = world.net.story.take().unwrap_or_default();
    if let Some(broken) = &world.net.broken {
        panic!(
            "{plan}\n{}\n{}: {}",
            story.join("\n"),
            broken.law,
            broken.what
        );
    }
    println!("{}", story.join("\n"));
    Told {
        counts: world.net.counts,
        story,
    }
}

struct Told {
    counts: Counts,
    story: Vec<String>,
}

/// What came of a request: when it was sent, how long its reply took, in milliseconds, and which server answered.
#[derive(Clone, Copy, Debug)]
struct Reply {
    sent: u64,
    took: u64,
    by: Option<usize>,
}

impl Told {
    /// How often this happened.
    fn count(&self, what: &str) -> usize {
        let lines = self.story.iter();
        lines.filter(|line| line.contains(what)).count()
    }

    /// When this happened first, in milliseconds.
    fn when(&self, what: &str) -> u64 {
        let line = self.story.iter().find(|line| line.contains(what));
        let line = line.unwrap_or_else(|| panic!("{what}"));
        let seconds: f64 = line.split_whitespace().next().unwrap().parse().unwrap();
        (seconds * 1000.0).round() as u64
    }

    fn reply(&self, request: usize) -> Reply {
        let sent = self.when(&format!(" sends request {request}, "));
        let what = format!(" has the reply to request {request}: ");
        let line = self.story.iter().find(|line| line.contains(&what));
        let by = line.and_then(|line| line.split_once(" by "));
        let by = by.and_then(|(_, by)| by.split(['.', '\\']).next()?.parse().ok());
        Reply {
            sent,
            took: self.when(&what) - sent,
            by,
        }
    }

    fn replies(&self) -> Vec<Reply> {
        (0..self.counts.requests as usize)
            .map(|request| self.reply(request))
            .collect()
    }

    /// No service went down, and each request was answered.
    fn is_well(&self) {
        assert_eq!((self.counts.downs, self.counts.defaults), (0, 0));
    }
}

fn plan(services: impl IntoIterator<Item = Service>) -> Plan {
    Plan {
        seed: 1,
        settings: Settings::default(),
        workers: 1,
        jitter: Duration::ZERO,
        late: Duration::ZERO,
        clients: Vec::new(),
        services: services.into_iter().collect(),
        groups: 1,
        pauses: Vec::new(),
        scarce: Vec::new(),
        drain: None,
        exchanges: Vec::new(),
    }
}

fn reserve() -> Service {
    Service {
        priority: 20,
        ..Service::default()
    }
}

/// A service with this trouble, from then on.
fn ill(from: Duration, trouble: Trouble) -> Service {
    Service {
        servers: vec![Server {
            troubles: vec![(Span::new(from, secs(3600)), trouble)],
            ..Server::default()
        }],
        ..Service::default()
    }
}

/// A client that asks these, one after the other, each so long after the reply to the last.
fn asks(think: Duration, kinds: impl IntoIterator<Item = AskKind>) -> Client {
    let ask = |kind| Ask {
        think,
        kind,
        message: 0,
    };
    Client {
        at: Duration::ZERO,
        user: 0,
        pipelines: false,
        cut: Cut::Whole,
        asks: kinds.into_iter().map(ask).collect(),
        reads: Reads::AtOnce,
        end: End::Leaves,
    }
}
