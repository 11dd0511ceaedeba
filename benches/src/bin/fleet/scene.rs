//! What befalls the servers.

use std::ops::Range;

/// A name, and what happens when.
#[derive(Clone, Debug)]
pub(crate) struct Scene {
    pub(crate) name: &'static str,
    /// Of each server at most one, from one full second to another.
    troubles: Vec<Option<Trouble>>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Trouble {
    pub(crate) from: u64,
    pub(crate) until: u64,
    pub(crate) kind: Kind,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    /// Requests under way are lost, new ones are refused at once.
    Away,
    /// Nothing that it has or gets is ever answered.
    Swallows,
    /// All that begins takes so many times as long.
    Slow(u64),
}

impl Scene {
    pub(crate) fn all() -> [Self; 4] {
        let quiet = |name| Self {
            name,
            troubles: vec![None; SERVERS],
        };
        let mut restarts = quiet("rolling restarts");
        for (server, place) in restarts.troubles.iter_mut().zip(0..) {
            let from = DISTURBED.start + place * 6;
            *server = Some(Trouble::new(from..from + 5, Kind::Away));
        }
        let mut slow = quiet("one slow server");
        slow.troubles[0] = Some(Trouble::new(DISTURBED, Kind::Slow(20)));
        let mut zone = quiet("a zone lost");
        for server in zone.troubles.iter_mut().step_by(3) {
            *server = Some(Trouble::new(DISTURBED, Kind::Swallows));
        }
        [quiet("steady"), restarts, slow, zone]
    }

    /// When a request ends that is begun now and is so much work, and whether with an answer.
    pub(crate) fn ask(&self, server: usize, now: u64, work: u64) -> (u64, bool) {
        let done = now + work;
        let Some(Trouble { from, until, kind }) = self.troubles[server] else {
            return (done, true);
        };
        if now >= until || done < from {
            return (done, true);
        }
        match kind {
            Kind::Away => (from.max(now + REFUSED), false),
            Kind::Swallows => (u64::MAX, false),
            Kind::Slow(factor) if now >= from => (now + work * factor, true),
            Kind::Slow(_) => (done, true),
        }
    }

    /// Whether it is neither away nor silent for a part of this second.
    pub(crate) fn answers(&self, server: usize, second: usize) -> bool {
        self.troubles[server].is_none_or(|Trouble { from, until, kind }| {
            let during = (from / SECOND) as usize..(until / SECOND) as usize;
            matches!(kind, Kind::Slow(_)) || !during.contains(&second)
        })
    }

    pub(crate) fn is_slow(&self, server: usize) -> bool {
        self.troubles[server].is_some_and(|trouble| matches!(trouble.kind, Kind::Slow(_)))
    }

    /// How many servers something befalls.
    pub(crate) fn troubled(&self) -> u64 {
        self.troubles.iter().flatten().count() as u64
    }
}

impl Trouble {
    const fn new(seconds: Range<u32>, kind: Kind) -> Self {
        Self {
            from: seconds.start as u64 * SECOND,
            until: seconds.end as u64 * SECOND,
            kind,
        }
    }
}

/// Two generations of machines, one twice as strong as the other.
pub(crate) const fn weight(server: usize) -> u16 {
    1 + (server % 2) as u16
}

pub(crate) const SERVERS: usize = 50;
/// Seconds in all, and those in which something is wrong.
pub(crate) const SECONDS: u32 = 1000;
pub(crate) const DISTURBED: Range<u32> = 100..400;
/// Times are in microseconds.
pub(crate) const SECOND: u64 = 1_000_000;
/// Until a connection is refused.
const REFUSED: u64 = 200;
