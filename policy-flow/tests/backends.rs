//! Several backends: addresses, connections, checks, permits among workers, lists that change.

#![allow(clippy::disallowed_methods, reason = "a moment to begin with")]

mod support;

mod backends {
    mod addresses;
    mod checks;
    mod connections;
    mod exchange;
    mod workers;
}

use std::time::Duration;

use policy_flow::BackendConfig;

const DUNNO: &str = "action=DUNNO\n\n";
const SECOND: Duration = Duration::from_secs(1);

fn named() -> BackendConfig {
    let mut backend = BackendConfig::default();
    backend.host = "policy.example".into();
    backend
}
