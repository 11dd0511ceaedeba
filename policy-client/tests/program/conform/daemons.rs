//! Our own daemons keep to the protocol.

use policy_testing::process::Daemon;

use super::outcomes;
use crate::daemons::{mtpolicyd, policyd_weight};

#[test]
fn our_own_daemons_pass_every_case() {
    let (mtpolicyd, policyd_weight) = (mtpolicyd(PLUGIN), policyd_weight());
    let service = format!("a={}", mtpolicyd.address);
    let hapolicy = Daemon::tcp(&["-s", &service]);
    for (endpoint, accepted) in [
        (&*mtpolicyd.address, ANY_KIND),
        (hapolicy.endpoint(), ANY_KIND),
        (&*policyd_weight.address, &[]),
    ] {
        let (ended, outcomes) = outcomes(endpoint, &[]);
        let others = outcomes.iter().filter(|(_, outcome)| *outcome != "passed");
        let others: Vec<_> = others
            .map(|(number, outcome)| (&**number, &**outcome))
            .collect();
        assert_eq!(others, accepted, "{endpoint}: {}", ended.out);
        assert_eq!(ended.code, Some(0), "{endpoint}: {}", ended.err);
        assert!(outcomes.len() >= 60);
    }
}

/// mtpolicyd answers a request of any kind, as the original does, and hapolicy hands the answer on.
const ANY_KIND: &[(&str, &str)] = &[("6.10", "skipped"), ("7.1", "warned"), ("7.2", "warned")];
/// A chain has a plugin at least.
const PLUGIN: &str = "<Plugin a>\nmodule = Condition\nkey = sender\nmatch = a@example.net\naction = reject A\n</Plugin>\n";
