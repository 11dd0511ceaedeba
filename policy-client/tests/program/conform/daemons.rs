//! Our own daemons keep to the protocol.

use policy_testing::process::Daemon;

use super::outcomes;
use crate::daemons::{mtpolicyd, policyd_weight};

#[test]
fn our_own_daemons_pass_every_case() {
    let (mtpolicyd, policyd_weight) = (mtpolicyd(""), policyd_weight());
    let service = format!("a={}", mtpolicyd.address);
    let hapolicy = Daemon::tcp(&["-s", &service]);
    for endpoint in [
        &*mtpolicyd.address,
        &policyd_weight.address,
        hapolicy.endpoint(),
    ] {
        let (ended, outcomes) = outcomes(endpoint, &["--strict"]);
        let others: Vec<_> = outcomes
            .iter()
            .filter(|(_, outcome)| *outcome != "passed")
            .collect();
        assert!(others.is_empty(), "{endpoint}: {}", ended.out);
        assert_eq!(ended.code, Some(0), "{endpoint}: {}", ended.err);
    }
}
