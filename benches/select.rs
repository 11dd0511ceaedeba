//! What a request costs the balancer: a pick, and an answer observed. By strategy and by the number
//! of backends.

use std::{hint::black_box, time::Duration};

use criterion::{Criterion, criterion_group, criterion_main};
use policy_benches::select::{Selection, Strategy};

fn selecting(c: &mut Criterion) {
    for (name, strategy) in Strategy::ALL {
        let mut group = c.benchmark_group(format!("select/{name}"));
        for (parameter, backends, weights) in [
            ("4", 4, 1),
            ("64", 64, 1),
            ("4, weights 1 to 4", 4, 4),
            ("64, weights 1 to 4", 64, 4),
        ] {
            let mut selection = Selection::new(backends, weights);
            let mut requests = 0..;
            group.bench_function(parameter, |b| {
                b.iter(|| {
                    let request = black_box(requests.next());
                    selection.serve(black_box(strategy), request.unwrap_or(0))
                });
            });
        }
        group.finish();
    }
}

fn hashing(c: &mut Criterion) {
    c.bench_function("key/an address and a sender", |b| {
        let values = ["2001:db8::1234:5678", "someone.or.other@mail.example.com"];
        b.iter(|| policy_ha::key(black_box(values)));
    });
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(3));
    targets = selecting, hashing
}
criterion_main!(benches);
