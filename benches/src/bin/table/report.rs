//! What is measured, and how it is shown.

use std::{fmt::Write, hint::black_box};

use bytes::BytesMut;
use policy_benches::{
    ours, peers,
    samples::{ATTRIBUTES, TYPICAL, as_http, typical},
};
use policy_proto::{Action, Decoder, Request, Response, attr};

use crate::contest::Contest;

const OURS: &str = "policy-proto, `Decoder::request`";
const HTTPARSE: &str = "httparse";
const UNINIT: &str = "httparse, headers not cleared";
const COUNT: &str = "`memchr_iter(b'\\n').count()`";
const FIND: &str = "`memchr_iter(b'\\n')`, each place";

/// The goals are stated for these.
pub(crate) fn thousand() -> String {
    let stream = samples_of_typical();
    let contest = decoders(&stream, REQUESTS, ATTRIBUTES);
    let mut text = decoders_table(
        &format!("{REQUESTS} different requests of {TYPICAL} bytes and {ATTRIBUTES} attributes"),
        &contest,
        TYPICAL,
    );
    text += "\nHttparse reads the same fields as HTTP, 0.1 x as many bytes more; GB/s are those of the policy \
             protocol. It and the naive split make\npairs of the fields, so a walk has to be added to ours for \
             what they do. postfix_policy cannot but answer.\n\n";
    goal(&mut text, "httparse", contest.ratio(OURS, HTTPARSE), 0.5);
    goal(&mut text, UNINIT, contest.ratio(OURS, UNINIT), 0.5);
    goal(
        &mut text,
        "the newlines found",
        contest.ratio(OURS, FIND),
        1.0,
    );
    goal(
        &mut text,
        "the newlines counted",
        contest.ratio(OURS, COUNT),
        1.0,
    );
    text += COUNTING;
    text
}

/// One request again and again.
pub(crate) fn size(name: &str, request: &[u8]) -> String {
    let requests = (256 * 1024 / request.len()).max(8);
    let attributes = peers::count_newlines(request) - 1;
    let contest = decoders(&request.repeat(requests), requests, attributes);
    let title = format!("{name}: {} bytes, {attributes} attributes", request.len());
    decoders_table(&title, &contest, request.len())
}

/// Into one buffer that is used again and again.
pub(crate) fn arrival() -> String {
    let stream = samples_of_typical();
    let stream = &stream[..100 * TYPICAL];
    let mut contest = Contest::new();
    let pieces = |size: usize| {
        let requests = stream.chunks(size.max(TYPICAL));
        requests.flat_map(move |request| request.chunks(size))
    };
    for (name, size) in [
        ("ten pipelined", 10 * TYPICAL),
        (WHOLE, TYPICAL),
        ("128 B", 128),
        ("16 B", 16),
        (BYTES, 1),
    ] {
        let work = move |(): &mut ()| assert_eq!(ours::arrive(pieces(size)), 100);
        contest.enter(name, 100, || (), work);
    }
    for (name, size) in [(BARE_WHOLE, TYPICAL), (BARE_BYTES, 1)] {
        let work = move |(): &mut ()| {
            let count = 100 * TYPICAL.div_ceil(size);
            assert_eq!(ours::arrive_undecoded(pieces(size), TYPICAL), count);
        };
        contest.enter(name, 100, || (), work);
    }
    let contest = contest.run();
    let mut text = format!(
        "\n## Arrival on a warm connection: {TYPICAL} bytes, {ATTRIBUTES} attributes\n\n\
         | pieces | ns/request | GB/s | x whole |\n| --- | ---: | ---: | ---: |\n"
    );
    for name in contest.names() {
        let time = contest.time(name);
        let (speed, ratio) = (TYPICAL as f64 / time, contest.ratio(name, WHOLE));
        row(
            &mut text,
            format_args!("{name} | {time:.0} | {speed:.2} | {ratio:.2}"),
        );
    }
    text += "\n";
    goal(
        &mut text,
        "the whole, byte by byte",
        contest.ratio(BYTES, WHOLE),
        20.0,
    );
    let share = contest.ratio_of_shares([BYTES, BARE_BYTES], [WHOLE, BARE_WHOLE]);
    goal(
        &mut text,
        "the whole, byte by byte, without what it costs to put them into the buffer",
        share,
        20.0,
    );
    text += TRICKLING;
    text
}

/// What can be done with a request, and with the answer to it.
pub(crate) fn operations() -> String {
    const TIMES: usize = 1000;

    let requests = ours::requests(&samples_of_typical()[..16 * TYPICAL]);
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
        "`Decoder::response`, `skip_rest`",
        TIMES,
        || BytesMut::with_capacity(1024),
        |buf| {
            let mut decoder = Decoder::new();
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

const WHOLE: &str = "whole";
const BYTES: &str = "1 B";
const BARE_WHOLE: &str = "whole, not decoded";
const BARE_BYTES: &str = "1 B, not decoded";
const REQUESTS: usize = 1000;
const WALK: &str = "walk over 29 attributes";
const REPLY: &[u8] = b"action=DEFER_IF_PERMIT Greylisted\n\n";

const COUNTING: &str = "
`count` adds up comparisons, 32 bytes at once where the processor can, and never learns where a line ends: no
decoder comes near. To see that a long value holds no NUL, CR or LF, and nothing else, takes 1.2 x of it with the
16 bytes at once of an ordinary build (below, 64 kB).
";
const TRICKLING: &str = "
A byte at a time, nearly all of the time is `BytesMut::extend_from_slice` and the loop around it (1 B, not decoded).
No decoder can mend that, and a `read` for each byte would cost far more.
";

fn samples_of_typical() -> Vec<u8> {
    typical(REQUESTS)
}

/// All the contestants over this stream of requests, each of which has so many attributes.
fn decoders(stream: &[u8], requests: usize, attributes: usize) -> Contest<'static> {
    let fields = requests * attributes;
    let mut contest = Contest::new();
    let (bytes, http) = (stream.to_vec(), as_http(stream));
    let filled = move || BytesMut::from(&bytes[..]);
    contest.enter(OURS, requests, filled.clone(), move |buf| {
        assert_eq!(ours::decode(buf), requests);
    });
    contest.enter(
        "the same and a walk",
        requests,
        filled.clone(),
        move |buf| {
            assert_eq!(ours::decode_and_walk(buf), fields);
        },
    );
    let mut out = BytesMut::with_capacity(64);
    contest.enter(
        "the same, a walk and an answer",
        requests,
        filled,
        move |buf| {
            assert_eq!(ours::decode_walk_and_answer(buf, &mut out), fields);
        },
    );
    let peers: [(_, Read, _, _); 6] = [
        (HTTPARSE, peers::httparse, &http[..], fields),
        (UNINIT, peers::httparse_uninit, &http[..], fields),
        ("naive split", peers::split, stream, fields),
        (
            "postfix_policy, with an answer",
            peers::postfix_policy,
            stream,
            fields,
        ),
        (FIND, peers::find_newlines, stream, fields + requests),
        (COUNT, peers::count_newlines, stream, fields + requests),
    ];
    for (name, read, stream, expected) in peers {
        let stream = stream.to_vec();
        contest.enter(
            name,
            requests,
            || (),
            move |()| {
                assert_eq!(read(black_box(&stream)), expected);
            },
        );
    }
    contest.run()
}

type Read = fn(&[u8]) -> usize;

fn decoders_table(title: &str, contest: &Contest<'_>, bytes: usize) -> String {
    let mut text = format!(
        "\n## {title}\n\n| | ns/request | GB/s | x httparse | x newlines found | x newlines counted |\n\
         | --- | ---: | ---: | ---: | ---: | ---: |\n"
    );
    for name in contest.names() {
        let time = contest.time(name);
        let [httparse, find, count] = [HTTPARSE, FIND, COUNT].map(|to| contest.ratio(name, to));
        let speed = bytes as f64 / time;
        row(
            &mut text,
            format_args!(
                "{name} | {time:.0} | {speed:.2} | {httparse:.2} | {find:.2} | {count:.2}"
            ),
        );
    }
    text
}

fn row(text: &mut String, cells: std::fmt::Arguments<'_>) {
    writeln!(text, "| {cells} |").expect("a string takes all");
}

fn goal(text: &mut String, of: &str, ratio: f64, most: f64) {
    let verdict = verdict(ratio <= most);
    writeln!(text, "- {ratio:.2} x {of}; goal at most {most}: {verdict}.")
        .expect("a string takes all");
}

fn verdict(met: bool) -> &'static str {
    if met { "met" } else { "MISSED" }
}
