//! Requests: any cuts are as good as none, the naive decoder agrees, and so does a naive look at the
//! attributes; what was decoded decodes to itself, and is built again of its attributes.

#![no_main]

#[allow(dead_code, reason = "each target uses its own part")]
mod support;
mod way;

use bytes::BytesMut;
use libfuzzer_sys::fuzz_target;
use policy_proto::{Request, xtext};
use support::{drive, naive};
use way::Way;

fuzz_target!(|input: &[u8]| {
    let Some(way) = Way::of(input) else {
        return;
    };
    let expected = naive::requests(&way.stream, way.limits, way.lenient);
    for pieces in way.all_cuts() {
        assert_eq!(drive::requests(way.decoder(), pieces), expected);
    }
    for message in &expected.messages {
        let mut buf = BytesMut::from(&message[..]);
        let request = way.decoder().request(&mut buf).unwrap().unwrap();
        assert!(buf.is_empty(), "something is left of {request:?}");
        assert_eq!(request.as_bytes(), message);
        check_attributes(&request);
    }
});

fn check_attributes(request: &Request) {
    let naive = naive_attributes(request.as_bytes());
    assert_eq!(request.attributes().collect::<Vec<_>>(), naive);
    assert_eq!(
        Request::from_attributes(naive.iter().copied()).as_ref(),
        Ok(request)
    );
    // Sixteen are enough for a law, and hundreds would cost the square of their number.
    for &(name, value) in naive.iter().step_by(1 + naive.len() / 16) {
        // Each name, and what only looks like one.
        let twice = [name, b"=", value].concat();
        for wanted in [name, &name[1..], &name[..name.len() - 1], value, &twice] {
            let first = naive.iter().find(|(name, _)| *name == wanted);
            assert_eq!(request.get(wanted), first.map(|(_, value)| *value));
        }
        check_xtext(value);
    }
}

/// Nothing but line feeds, and the first equal sign of a line.
fn naive_attributes(wire: &[u8]) -> Vec<(&[u8], &[u8])> {
    wire.split(|byte| *byte == b'\n')
        .filter_map(|line| {
            let equals = line.iter().position(|byte| *byte == b'=')?;
            Some((&line[..equals], &line[equals + 1..]))
        })
        .collect()
}

fn check_xtext(value: &[u8]) {
    assert_eq!(xtext::decode(&xtext::encode(value)).as_deref(), Ok(value));
    if let Ok(decoded) = xtext::decode(value) {
        assert_eq!(xtext::decode(&xtext::encode(&decoded)), Ok(decoded));
    }
}
