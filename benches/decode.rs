//! What decoding a request costs, by its size and by how it arrives, beside its peers.

use std::time::Duration;

use bytes::BytesMut;
use criterion::{
    BatchSize, BenchmarkGroup, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main,
    measurement::WallTime,
};
use policy_benches::{
    arriving::{self, HTTPARSE},
    ours, peers,
    samples::{ATTRIBUTES, Pieces, RCPT, as_http, by_size, typical},
};

/// A thousand different requests, as the goals are stated; divide the times by a thousand.
fn typical_requests(c: &mut Criterion) {
    let mut group = c.benchmark_group("decode/1000 of 697 bytes");
    contest(&mut group, "", &typical(1000), 1000, ATTRIBUTES);
}

/// So many of a size that what is done once for a buffer does not count.
fn sizes(c: &mut Criterion) {
    let mut group = c.benchmark_group("decode/size");
    for (name, request) in by_size() {
        let requests = (128 * 1024 / request.len()).max(8);
        let attributes = peers::count_newlines(&request) - 1;
        contest(
            &mut group,
            name,
            &request.repeat(requests),
            requests,
            attributes,
        );
    }
}

/// All the contestants over this stream of requests, each of which has so many attributes.
fn contest(
    group: &mut BenchmarkGroup<'_, WallTime>,
    name: &str,
    stream: &[u8],
    requests: usize,
    attributes: usize,
) {
    // All do the same work, so the bytes are those of the policy protocol, also for httparse.
    group.throughput(Throughput::Bytes(stream.len() as u64));
    let fields = requests * attributes;
    for (who, decode, expected) in [
        (
            "policy-proto",
            ours::decode as fn(&mut BytesMut) -> usize,
            requests,
        ),
        ("policy-proto and walk", ours::decode_and_walk, fields),
    ] {
        group.bench_function(BenchmarkId::new(who, name), |b| {
            b.iter_batched_ref(
                || BytesMut::from(stream),
                |buf| assert_eq!(decode(buf), expected),
                BatchSize::SmallInput,
            );
        });
    }
    let http = as_http(stream);
    for (who, read, stream, expected) in [
        (
            "httparse",
            peers::httparse as fn(&[u8]) -> usize,
            &http[..],
            fields,
        ),
        ("split", peers::split, stream, fields),
        ("postfix_policy", peers::postfix_policy, stream, fields),
        (
            "find newlines",
            peers::find_newlines,
            stream,
            fields + requests,
        ),
        (
            "count newlines",
            peers::count_newlines,
            stream,
            fields + requests,
        ),
    ] {
        group.bench_function(BenchmarkId::new(who, name), |b| {
            b.iter(|| assert_eq!(read(stream), expected));
        });
    }
}

/// A warm connection: each piece goes into the same buffer as the one before.
fn arrival(c: &mut Criterion) {
    const REQUESTS: usize = 100;

    let mut group = c.benchmark_group("decode/arrival");
    let stream = typical(REQUESTS);
    let http = as_http(&stream);
    group.throughput(Throughput::Bytes(stream.len() as u64));
    for (pieces, size) in arriving::SIZES {
        for (who, arrive) in arriving::ALL {
            let stream = if who == HTTPARSE { &http } else { &stream };
            let request = stream.len() / REQUESTS;
            group.bench_function(BenchmarkId::new(who, pieces), |b| {
                b.iter(|| {
                    let pieces = Pieces::of(stream, request, size(request));
                    assert_eq!(arrive(pieces), REQUESTS);
                });
            });
        }
    }
}

/// A request that comes with CR LF goes the slow way, and is copied.
fn rewriting(c: &mut Criterion) {
    let lines = RCPT.split_inclusive(|byte| *byte == b'\n');
    let request: Vec<_> = lines
        .flat_map(|line| [&line[..line.len() - 1], b"\r\n"].concat())
        .collect();
    let stream = request.repeat(100);
    let mut group = c.benchmark_group("decode/CR LF");
    group.throughput(Throughput::Bytes(stream.len() as u64));
    group.bench_function("policy-proto", |b| {
        b.iter_batched_ref(
            || BytesMut::from(&stream[..]),
            |buf| assert_eq!(ours::decode(buf), 100),
            BatchSize::SmallInput,
        );
    });
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(3));
    targets = typical_requests, sizes, arrival, rewriting
}
criterion_main!(benches);
