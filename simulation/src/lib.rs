//! Worlds of servers and clients around policy-ha's balancer, in virtual time.
//!
//! A [`World`] says which servers there are, what goes wrong with them, and who asks. [`run`] lets it happen, and tells
//! a [`Watch`]: the tests of policy-ha write a history down and check their laws against it; the fleet of the benchmarks
//! counts.
//!
//! ```
//! use std::time::Duration;
//!
//! use policy_ha::{Backend, Config};
//! use policy_simulation::{Attempt, Balance, Client, End, Gap, Kind, Server, Watch, World, run};
//!
//! #[derive(Default)]
//! struct Failures(u32);
//!
//! impl Watch for Failures {
//!     fn attempted(&mut self, attempt: &Attempt) {
//!         self.0 += u32::from(attempt.end == End::Failed);
//!     }
//! }
//!
//! let secs = Duration::from_secs;
//! let mut world = World {
//!     config: Config::default(),
//!     balance: Balance::RoundRobin,
//!     servers: vec![Server::well(Backend::default(), Duration::from_millis(50)); 2],
//!     clients: vec![Client { gap: Gap::Steady(secs(1)), ..Client::default() }],
//!     timeout: secs(10),
//!     deadline: None,
//!     end: secs(100),
//! };
//! // Refused once, and once more when the trial after a second fails.
//! world.servers[0].trouble(secs(10), secs(2), Kind::Away);
//! let mut failures = Failures::default();
//! run(&world, &mut failures);
//! assert!((1..=2).contains(&failures.0));
//! ```

mod run;
pub use run::run;

mod watch;
pub use watch::{Attempt, Change, End, Ended, Request, View, Watch};

mod world;
pub use world::{Balance, Client, Gap, Kind, Server, Trouble, World, mix};
