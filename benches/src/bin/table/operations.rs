//! What else can be done with a request, and with the answer to it.

use std::hint::black_box;

use bytes::BytesMut;
use policy_benches::{
    ours,
    samples::{ATTRIBUTES, TYPICAL, typical},
};
use policy_proto::{Action, MessageDecoder, Request, Response, attr};

use crate::{
    contest::Contest,
    report::{row, verdict},
};

pub(crate) fn operations() -> String {
    const TIMES: usize = 1000;

    let requests = ours::requests(&typical(16));
    let attributes: Vec<_> = requests[0].attributes().collect();
    let response = Response::new("DEFER_IF_PERMIT Greylisted").expect("a valid response");
    let mut contest = Contest::new();
    // A few requests in turn: what is measured is not what a processor has learnt of one.
    let each = || requests.iter().cycle().take(TIMES);
    let mut goals = Vec::new();
    for (name, attribute, found) in [
        ("`get`, first", attr::REQUEST, TIMES),
        ("`get`, middle", attr::INSTANCE, TIMES),
        ("`get`, last", attr::POLICY_CONTEXT, TIMES),
        ("`get`, absent", attr::MAIL_VERSION, 0),
    ] {
        contest.enter(
            name,
            TIMES,
            || (),
            move |()| {
                let values =
                    each().filter_map(|request| black_box(request).get(black_box(attribute)));
                assert_eq!(values.map(black_box).count(), found);
            },
        );
        goals.push((name, 60.0));
    }
    contest.enter(
        WALK,
        TIMES,
        || (),
        |()| {
            assert_eq!(each().map(ours::walk).sum::<usize>(), TIMES * ATTRIBUTES);
        },
    );
    goals.push((WALK, 250.0));
    contest.enter(
        "`Request::from_attributes`, 29",
        TIMES,
        || (),
        |()| {
            for _ in 0..TIMES {
                let built = Request::from_attributes(black_box(&attributes).iter().copied());
                assert_eq!(built.map(|built| built.as_bytes().len()), Ok(TYPICAL));
            }
        },
    );
    for (name, text) in [
        ("`Action::parse`, DUNNO", &b"DUNNO"[..]),
        ("`Action::parse`, REJECT", b"REJECT No thanks"),
        ("`Action::parse`, 450", b"450 4.7.1 Try again"),
    ] {
        contest.enter(
            name,
            TIMES,
            || (),
            move |()| {
                for _ in 0..TIMES {
                    let action = black_box(Action::parse(black_box(text)));
                    assert!(!matches!(action, Action::Other(_)));
                }
            },
        );
    }
    contest.enter(
        "`Response::encode`",
        TIMES,
        || BytesMut::with_capacity(64),
        |out| {
            for _ in 0..TIMES {
                out.clear();
                black_box(&response).encode(out);
                assert_eq!(black_box(&*out).len(), REPLY.len());
            }
        },
    );
    contest.enter(
        "`MessageDecoder::response`, `skip_rest`",
        TIMES,
        || BytesMut::with_capacity(1024),
        |buf| {
            let mut decoder = MessageDecoder::new();
            for _ in 0..TIMES {
                buf.reserve(REPLY.len());
                buf.extend_from_slice(black_box(REPLY));
                let response = decoder.response(buf).expect("a valid response");
                assert_eq!(response.map(|response| response.as_bytes().len()), Some(26));
                assert_eq!(decoder.skip_rest(buf), Ok(true));
            }
        },
    );
    let contest = contest.run();
    let mut text =
        "\n## Other operations\n\n| operation | ns | goal |\n| --- | ---: | ---: |\n".to_owned();
    for name in contest.names() {
        let time = contest.time(name);
        let most = goals
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, most)| *most);
        let goal = most.map_or_else(String::new, |most| {
            format!("at most {most}: {}", verdict(time <= most))
        });
        row(&mut text, format_args!("{name} | {time:.1} | {goal}"));
    }
    text
}

const WALK: &str = "walk over 29 attributes";
const REPLY: &[u8] = b"action=DEFER_IF_PERMIT Greylisted\n\n";
