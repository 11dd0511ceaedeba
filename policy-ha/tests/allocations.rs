//! Nothing is allocated after construction.

mod support;

use allocation_counter::measure;
use policy_ha::{Backend, Balancer, Config, Mode, Outcome, Tried};
use support::{By, Wish, epoch, secs};

#[test]
fn requests_of_every_kind_and_what_comes_of_them_cost_no_allocation() {
    let now = epoch();
    for len in [1, 4, 64] {
        let backends = (0..len).map(|n| Backend::new(n % 3, n % 5 + 1));
        let mut balancer = Balancer::new(Config::default().with_seed(7), backends).unwrap();
        let mut served = 0;
        let mut serve = || {
            for n in 0..1_000_u64 {
                let id = balancer.ids().nth(n as usize % balancer.len()).unwrap();
                balancer.set_mode(
                    id,
                    [Mode::Enabled, Mode::Drain, Mode::Disabled][n as usize % 3],
                );
                let key = policy_ha::key([&n.to_le_bytes()[..], b"user@example.com"]);
                for by in [By::Turn, By::Load(key), By::Key(key)] {
                    let wish = Wish {
                        stick: (n % 2 == 0).then_some(id),
                        by,
                    };
                    let mut tried = Tried::new();
                    while let Some(id) = wish.pick(&mut balancer, now + secs(n), &mut tried) {
                        let took = secs(n % 7);
                        balancer.observe(now + secs(n), id, Outcome::Failure { took });
                        served += balancer.left(tried) + 1;
                    }
                    balancer.observe(now + secs(n), id, Outcome::Success);
                }
            }
        };
        assert_eq!(measure(&mut serve).count_total, 0);
        assert!(served > 1_000);
    }
}

#[test]
fn the_counter_counts() {
    let new = || Balancer::new(Config::default(), [Backend::default()]).map(drop);
    assert!(measure(|| new().unwrap()).count_total > 0);
}
