//! What decoding a request costs, by its size and by how it arrives.

use std::{hint::black_box, time::Duration};

use bytes::BytesMut;
use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use policy_benches::{RCPT, samples};
use policy_proto::{Decoder, Request};

fn by_size(c: &mut Criterion) {
    let mut group = c.benchmark_group("decode/size");
    for (name, stream) in samples() {
        group.throughput(Throughput::Bytes(stream.len() as u64));
        group.bench_with_input(BenchmarkId::from_parameter(name), &stream, |b, stream| {
            b.iter_batched_ref(
                || (Decoder::new(), buffer(stream)),
                |(decoder, buf)| expect(stream, decoder.request(buf).unwrap()),
                BatchSize::SmallInput,
            );
        });
    }
}

fn by_arrival(c: &mut Criterion) {
    let mut group = c.benchmark_group("decode/arrival");
    group.throughput(Throughput::Bytes(RCPT.len() as u64));
    for (name, size) in [("whole", RCPT.len()), ("128", 128), ("16", 16), ("1", 1)] {
        group.bench_function(BenchmarkId::from_parameter(name), |b| {
            b.iter_batched_ref(
                || (Decoder::new(), BytesMut::with_capacity(4096)),
                |(decoder, buf)| {
                    let mut found = None;
                    for piece in RCPT.chunks(size) {
                        buf.extend_from_slice(piece);
                        found = decoder.request(buf).unwrap();
                    }
                    expect(RCPT, found)
                },
                BatchSize::SmallInput,
            );
        });
    }
}

fn by_pipeline(c: &mut Criterion) {
    const REQUESTS: usize = 10;

    let stream = RCPT.repeat(REQUESTS);
    let mut group = c.benchmark_group("decode/pipelined");
    group.throughput(Throughput::Bytes(stream.len() as u64));
    group.bench_function(BenchmarkId::from_parameter(REQUESTS), |b| {
        b.iter_batched_ref(
            || (Decoder::new(), buffer(&stream)),
            |(decoder, buf)| {
                for _ in 0..REQUESTS {
                    expect(RCPT, decoder.request(buf).unwrap());
                }
            },
            BatchSize::SmallInput,
        );
    });
}

fn buffer(stream: &[u8]) -> BytesMut {
    BytesMut::from(stream)
}

/// Asserts the result, by its size only: comparing all bytes would cost as much as decoding them.
fn expect(stream: &[u8], found: Option<Request>) -> Request {
    let request = found.expect("a whole request");
    assert_eq!(request.as_bytes().len(), stream.len());
    black_box(request)
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(3));
    targets = by_size, by_arrival, by_pipeline
}
criterion_main!(benches);
