//! Whole requests in memory, beside the peers.

use std::hint::black_box;

use bytes::BytesMut;
use policy_benches::{
    ours, peers,
    samples::{ATTRIBUTES, TYPICAL, as_http, typical},
};

use crate::{
    contest::Contest,
    report::{goal, row},
};

const OURS: &str = "policy-proto, `MessageDecoder::request`";
const HTTPARSE: &str = "httparse";
const UNINIT: &str = "httparse, headers not cleared";
const COUNT: &str = "`memchr_iter(b'\\n').count()`";
const FIND: &str = "`memchr_iter(b'\\n')`, each place";
const REQUESTS: usize = 1000;

/// The goals are stated for these.
pub(crate) fn thousand() -> String {
    let stream = typical(REQUESTS);
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

const COUNTING: &str = "
`count` adds up comparisons, 32 bytes at once where the processor can, and never learns where a line ends: no
decoder comes near. To see that a long value holds no NUL, CR or LF, and nothing else, takes 1.2 x of it with the
16 bytes at once of an ordinary build (below, 64 kB).
";
