//! Allocations of the codec, counted.
//!
//! Counted is each time that this thread takes memory from the global allocator. A change of size
//! counts as well, since the counter has no `realloc` of its own: it takes another place, and copies. A connection
//! is warm once it has answered a request: its buffer has its size then, and is a shared one.

use allocation_counter::measure;
use bytes::BytesMut;
use policy_proto::{Action, MessageDecoder, Request, Response, attr};

#[test]
fn the_counter_counts() {
    assert_eq!(allocations(|| drop(vec![0_u8; 100])), 1);
    let mut grown = Vec::with_capacity(1);
    assert!(allocations(|| grown.resize(1000, 0_u8)) > 0);
}

#[test]
fn a_request_on_a_warm_connection_costs_no_allocation() {
    let (mut decoder, mut buf) = (MessageDecoder::new(), BytesMut::new());
    let mut turn = || {
        receive(REQUEST, &mut buf);
        let request = decoder.request(&mut buf).unwrap().unwrap();
        assert_eq!(request.as_bytes(), REQUEST);
    };
    turn();
    assert_eq!(allocations(|| (0..1000).for_each(|_| turn())), 0);
}

#[test]
fn a_request_that_comes_byte_by_byte_costs_no_allocation() {
    let (mut decoder, mut buf) = (MessageDecoder::new(), BytesMut::new());
    let mut turn = || {
        let mut found = 0;
        for byte in REQUEST.chunks(1) {
            receive(byte, &mut buf);
            found += usize::from(decoder.request(&mut buf).unwrap().is_some());
        }
        assert_eq!(found, 1);
    };
    turn();
    assert_eq!(allocations(|| (0..10).for_each(|_| turn())), 0);
}

#[test]
fn pipelined_requests_on_a_warm_connection_cost_no_allocation() {
    let (mut decoder, mut buf) = (MessageDecoder::new(), BytesMut::new());
    let stream = REQUEST.repeat(10);
    let mut turn = || {
        buf.reserve(ROOM);
        buf.extend_from_slice(&stream);
        for _ in 0..10 {
            decoder.request(&mut buf).unwrap().unwrap();
        }
    };
    turn();
    assert_eq!(allocations(|| (0..100).for_each(|_| turn())), 0);
}

#[test]
fn garbage_costs_the_same_however_many_lines_it_has() {
    let costs = [9, 1000, 65_000].map(|lines| {
        let mut buf = BytesMut::from(&b"x\n".repeat(lines)[..]);
        measure(|| {
            let mut decoder = MessageDecoder::new().lenient();
            assert_eq!(decoder.request(&mut buf), Ok(None));
            assert_eq!(decoder.take_skipped().more, lines as u64 - 8);
        })
    });
    // The lines that are kept, and the list of them.
    assert!(costs[0].count_total <= 12, "{costs:?}");
    assert!(costs[0].bytes_max <= 1024, "{costs:?}");
    for cost in costs {
        assert_eq!(cost.count_total, costs[0].count_total, "{costs:?}");
        assert_eq!(cost.bytes_max, costs[0].bytes_max, "{costs:?}");
    }
}

#[test]
fn a_response_on_a_warm_connection_costs_no_allocation() {
    let (mut decoder, mut buf) = (MessageDecoder::new(), BytesMut::new());
    let mut turn = || {
        receive(RESPONSE, &mut buf);
        let response = decoder.response(&mut buf).unwrap().unwrap();
        assert_eq!(response.action(), Action::DeferIfPermit(b"4.7.1 wait"));
        assert_eq!(decoder.skip_rest(&mut buf), Ok(true));
    };
    turn();
    assert_eq!(allocations(|| (0..1000).for_each(|_| turn())), 0);
}

#[test]
fn looking_into_a_request_costs_no_allocation() {
    let request = request();
    let looking = || {
        assert_eq!(request.get(attr::RECIPIENT), Some(&b"bob@example.org"[..]));
        assert_eq!(request.get("absent"), None);
        assert_eq!(request.attributes().count(), 6);
        assert!(request.is_access_policy());
        assert!(request.protocol_state().is_some() && request.client_address().is_some());
        assert_eq!(request.size(), Some(12345));
        assert_eq!(request.clone().into_bytes(), REQUEST);
    };
    // The first clone makes the bytes shared.
    looking();
    assert_eq!(allocations(looking), 0);
}

#[test]
fn parsing_an_action_costs_no_allocation() {
    let parsing = || {
        assert_eq!(Action::parse(b"dunno"), Action::Dunno);
        assert_eq!(Action::parse(b"reject no"), Action::Reject(b"no"));
        assert_ne!(Action::parse(b"450 wait"), Action::Other(b"450 wait"));
        assert_eq!(Action::parse(b"permit"), Action::Other(b"permit"));
    };
    assert_eq!(allocations(parsing), 0);
}

#[test]
fn encoding_a_response_into_a_buffer_with_room_costs_no_allocation() {
    let response = Response::new("REJECT 5.7.1 not today").unwrap();
    let mut out = BytesMut::with_capacity(100);
    assert_eq!(allocations(|| response.encode(&mut out)), 0);
    assert_eq!(out, "action=REJECT 5.7.1 not today\n\n");
}

#[test]
fn dunno_costs_no_allocation() {
    assert_eq!(allocations(|| drop(Response::dunno())), 0);
}

#[test]
fn building_a_request_costs_one_allocation_that_is_cut_to_size() {
    let source = request();
    let counts = measure(|| drop(Request::from_attributes(source.attributes())));
    // Room for any request, and the change of its size to that of this one, which `realloc` does in place.
    assert_eq!(counts.count_total, 2);
    assert_eq!(counts.bytes_total, 4096 + REQUEST.len() as u64);
}

#[test]
fn building_a_request_with_the_longest_addresses_costs_no_more() {
    let address = "a".repeat(1500);
    let attributes = [("sender", &address), ("recipient", &address)];
    let counts = measure(|| drop(Request::from_attributes(attributes)));
    assert_eq!(counts.count_total, 2);
}

#[cfg(feature = "tokio-util")]
mod codecs {
    use policy_proto::{ClientCodec, ServerCodec};
    use tokio_util::codec::{Decoder, Encoder};

    use super::*;

    #[test]
    fn a_request_and_its_answer_in_a_server_cost_no_allocation() {
        let (mut codec, mut read) = (ServerCodec::default(), BytesMut::new());
        let mut written = BytesMut::with_capacity(100);
        let mut turn = || {
            receive(REQUEST, &mut read);
            codec.decode(&mut read).unwrap().unwrap();
            written.clear();
            codec.encode(Response::dunno(), &mut written).unwrap();
        };
        turn();
        assert_eq!(allocations(|| (0..1000).for_each(|_| turn())), 0);
    }

    #[test]
    fn a_request_and_its_answer_in_a_client_cost_no_allocation() {
        let (mut codec, mut read) = (ClientCodec::default(), BytesMut::new());
        let mut written = BytesMut::with_capacity(ROOM);
        let request = request();
        let mut turn = || {
            written.clear();
            codec.encode(request.clone(), &mut written).unwrap();
            receive(RESPONSE, &mut read);
            codec.decode(&mut read).unwrap().unwrap();
        };
        // The blank line of the first answer is still in the buffer when room is made for the second.
        turn();
        turn();
        assert_eq!(allocations(|| (0..1000).for_each(|_| turn())), 0);
    }
}

const REQUEST: &[u8] = b"request=smtpd_access_policy\nprotocol_state=RCPT\n\
    client_address=192.0.2.1\nsender=alice@example.net\nrecipient=bob@example.org\nsize=12345\n\n";
const RESPONSE: &[u8] = b"action=DEFER_IF_PERMIT 4.7.1 wait\n\n";
/// What a connection reserves before it reads.
const ROOM: usize = 4096;

/// How often memory is taken while this runs.
fn allocations(run: impl FnOnce()) -> u64 {
    measure(run).count_total
}

/// As a connection reads: room is made, and filled up in part.
fn receive(bytes: &[u8], buf: &mut BytesMut) {
    buf.reserve(ROOM);
    buf.extend_from_slice(bytes);
}

fn request() -> Request {
    let mut buf = BytesMut::from(REQUEST);
    MessageDecoder::new().request(&mut buf).unwrap().unwrap()
}
