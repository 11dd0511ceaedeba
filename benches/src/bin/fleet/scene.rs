//! Scenes of the fleet: what befalls its servers, as worlds of policy-ha's simulation.

use std::{ops::Range, time::Duration};

use policy_ha::{Backend, Config};
use policy_simulation::{Balance, Client, Gap, Kind, Server, World, mix};

/// A name, and what happens to whom.
#[derive(Clone, Debug)]
pub(crate) struct Scene {
    pub(crate) name: &'static str,
    servers: Vec<Server>,
}

impl Scene {
    pub(crate) fn all() -> [Self; 4] {
        // Two generations of machines, one twice as strong as the other.
        let server = |number| Server {
            more: WORK - SHORTEST,
            ..Server::well(Backend::new(10, 1 + number % 2), SHORTEST)
        };
        let quiet = |name| Self {
            name,
            servers: (0..SERVERS as u16).map(server).collect(),
        };
        let lasts = seconds(DISTURBED.len());
        let mut restarts = quiet("rolling restarts");
        for (server, place) in restarts.servers.iter_mut().zip(0..) {
            server.trouble(seconds(DISTURBED.start + place * 6), seconds(5), Kind::Away);
        }
        let mut slow = quiet("one slow server");
        slow.servers[0].trouble(seconds(DISTURBED.start), lasts, Kind::Slow(20));
        let mut zone = quiet("a zone lost");
        for server in zone.servers.iter_mut().step_by(3) {
            server.trouble(seconds(DISTURBED.start), lasts, Kind::Swallows);
        }
        [quiet("steady"), restarts, slow, zone]
    }

    /// One of the balancers, with a request each so often in the mean. Its time-out is 10 s.
    pub(crate) fn world(&self, balance: Balance, seed: u64, mean: Duration) -> World {
        World {
            config: Config::default().with_seed(seed),
            balance,
            servers: self.servers.clone(),
            clients: vec![Client {
                first: mean.mul_f64((mix(seed) % 1000) as f64 / 1000.0),
                gap: Gap::Random(mean),
                // Neighbours would be each other's a request later.
                seed: mix(seed),
                ..Client::default()
            }],
            timeout: seconds(10),
            deadline: None,
            end: seconds(SECONDS) - Duration::from_nanos(1),
        }
    }

    /// Whether it is neither away nor silent for a part of this second.
    pub(crate) fn answers(&self, server: usize, second: usize) -> bool {
        self.servers[server].troubles.iter().all(|trouble| {
            let during = trouble.from.as_secs() as usize..trouble.until.as_secs() as usize;
            matches!(trouble.kind, Kind::Slow(_)) || !during.contains(&second)
        })
    }

    pub(crate) fn is_slow(&self, server: usize) -> bool {
        let mut troubles = self.servers[server].troubles.iter();
        troubles.any(|trouble| matches!(trouble.kind, Kind::Slow(_)))
    }

    pub(crate) fn weight(&self, server: usize) -> f64 {
        self.servers[server].backend.weight.into()
    }

    /// How many servers something befalls.
    pub(crate) fn troubled(&self) -> u64 {
        self.servers
            .iter()
            .map(|server| server.troubles.len() as u64)
            .sum()
    }
}

const fn seconds(seconds: usize) -> Duration {
    Duration::from_secs(seconds as u64)
}

/// An answer takes 10 ms and by chance more, 50 ms in the mean.
const SHORTEST: Duration = Duration::from_millis(10);
pub(crate) const WORK: Duration = Duration::from_millis(50);
pub(crate) const SERVERS: usize = 50;
/// Seconds in all, and those in which something is wrong.
pub(crate) const SECONDS: usize = 1000;
pub(crate) const DISTURBED: Range<usize> = 100..400;
