//! What can be done with a request, and with the answer to it.

use std::{hint::black_box, time::Duration};

use bytes::BytesMut;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use policy_benches::{
    ours,
    samples::{ATTRIBUTES, TYPICAL, typical},
};
use policy_proto::{Action, MessageDecoder, Request, Response, attr};

fn reading(c: &mut Criterion) {
    let requests = ours::requests(&typical(1));
    let request = &requests[0];
    let mut group = c.benchmark_group("request/get");
    for (place, name, expected) in [
        ("first", attr::REQUEST, Some(&b"smtpd_access_policy"[..])),
        ("middle", attr::INSTANCE, request.get(attr::INSTANCE)),
        ("last", attr::POLICY_CONTEXT, Some(b"submission")),
        ("absent", attr::MAIL_VERSION, None),
    ] {
        group.bench_function(place, |b| {
            b.iter(|| assert_eq!(black_box(request).get(black_box(name)), expected));
        });
    }
    group.finish();

    let mut group = c.benchmark_group("request/walk");
    group.throughput(Throughput::Elements(ATTRIBUTES as u64));
    group.bench_function("29 attributes", |b| {
        b.iter(|| assert_eq!(ours::walk(black_box(request)), ATTRIBUTES));
    });
}

fn building(c: &mut Criterion) {
    let request = ours::requests(&typical(1)).remove(0);
    let attributes: Vec<_> = request.attributes().collect();
    let mut group = c.benchmark_group("request/from_attributes");
    group.throughput(Throughput::Bytes(TYPICAL as u64));
    group.bench_function("29 attributes", |b| {
        b.iter(|| {
            let built = Request::from_attributes(black_box(&attributes).iter().copied());
            assert_eq!(built.map(|built| built.as_bytes().len()), Ok(TYPICAL));
        });
    });
}

fn actions(c: &mut Criterion) {
    let mut group = c.benchmark_group("action/parse");
    for (name, text, expected) in [
        ("dunno", &b"DUNNO"[..], Action::Dunno),
        ("reject", b"reject No thanks", Action::Reject(b"No thanks")),
        (
            "status",
            b"450 4.7.1 Try again",
            Action::Status {
                code: 450,
                text: b"4.7.1 Try again",
            },
        ),
        ("other", b"restriction", Action::Other(b"restriction")),
    ] {
        group.bench_function(BenchmarkId::from_parameter(name), |b| {
            b.iter(|| assert_eq!(Action::parse(black_box(text)), expected));
        });
    }
}

fn responses(c: &mut Criterion) {
    const WIRE: &[u8] = b"action=DEFER_IF_PERMIT Greylisted\n\n";

    let mut group = c.benchmark_group("response");
    group.bench_function("encode", |b| {
        let response = Response::new("DEFER_IF_PERMIT Greylisted").unwrap();
        let mut out = BytesMut::with_capacity(1024);
        b.iter(|| {
            out.clear();
            black_box(&response).encode(&mut out);
            assert_eq!(black_box(&out).len(), WIRE.len());
        });
    });
    group.bench_function("decode", |b| {
        let mut decoder = MessageDecoder::new();
        let mut buf = BytesMut::with_capacity(1024);
        b.iter(|| {
            buf.reserve(WIRE.len());
            buf.extend_from_slice(black_box(WIRE));
            let response = decoder.response(&mut buf).unwrap();
            assert_eq!(response.map(|response| response.as_bytes().len()), Some(26));
            assert_eq!(decoder.skip_rest(&mut buf), Ok(true));
        });
    });
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(3));
    targets = reading, building, actions, responses
}
criterion_main!(benches);
