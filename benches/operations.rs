//! Each operation of the codec and the balancer by criterion; `--bin instructions` counts the same ones.

use std::time::Duration;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use policy_benches::operations::{OPERATIONS, Prepared, TIMES};

fn operations(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("operations");
    group.throughput(Throughput::Elements(TIMES as u64));
    for (name, operation) in OPERATIONS {
        group.bench_function(*name, |b| {
            let work = |prepared: &mut Prepared| operation(prepared, TIMES);
            b.iter_batched_ref(Prepared::new, work, BatchSize::LargeInput);
        });
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(3));
    targets = operations
}
criterion_main!(benches);
