//! Requests that arrive in pieces, beside the peers.

use std::fmt::Write;

use policy_benches::{
    arriving::{self, BYTES, HTTPARSE, OURS, POSTFIX_POLICY, SIZES, SPLIT, WHOLE},
    samples::{ATTRIBUTES, Pieces, TYPICAL, as_http, typical},
};

use crate::{
    contest::Contest,
    report::{goal, row},
};

/// Into one buffer that is used again and again.
pub(crate) fn arrival() -> String {
    let stream = typical(REQUESTS);
    let http = as_http(&stream);
    let mut contest = Contest::new();
    for (pieces, size) in SIZES {
        for (who, arrive) in arriving::ALL {
            let stream = if who == HTTPARSE { &http } else { &stream };
            let request = stream.len() / REQUESTS;
            enter(&mut contest, name(who, pieces), move || {
                arrive(Pieces::of(stream, request, size(request)))
            });
        }
    }
    for (pieces, size) in [(WHOLE, TYPICAL), (BYTES, 1)] {
        let stream = &stream;
        enter(&mut contest, name(BARE, pieces), move || {
            arriving::undecoded(Pieces::of(stream, TYPICAL, size), TYPICAL)
        });
    }
    let contest = contest.run();
    let mut text = table(&contest);
    let [bytes, whole] = [BYTES, WHOLE].map(|pieces| name(OURS, pieces));
    let [bare_bytes, bare_whole] = [BYTES, WHOLE].map(|pieces| name(BARE, pieces));
    goal(
        &mut text,
        "the whole, byte by byte",
        contest.ratio(&bytes, &whole),
        20.0,
    );
    goal(
        &mut text,
        "the whole, byte by byte, without what it costs to put them into the buffer",
        contest.ratio_of_shares([&bytes, &bare_bytes], [&whole, &bare_whole]),
        20.0,
    );
    let bare = [bare_whole, bare_bytes].map(|name| contest.time(&name));
    let to_peer = contest.ratio(&bytes, &name(POSTFIX_POLICY, BYTES));
    write!(
        text,
        "\nTo put a whole request into the buffer, and to take it out undecoded, takes {:.0} ns, a byte at a time \
         {:.0} ns. What is left\nis a call for each byte, which has to find and to keep its place. A `read` for \
         each byte would cost far more. Httparse and\nthe naive split keep no place: they begin anew with each \
         piece. Byte by byte, {:.2} x postfix_policy, which keeps one.\n",
        bare[0], bare[1], to_peer,
    )
    .expect("a string takes all");
    text
}

/// Each warms up in its turn: some of the others take so long that a processor forgets.
fn enter<'a>(contest: &mut Contest<'a>, name: String, arrive: impl Fn() -> usize + Copy + 'a) {
    let warm_up = move || assert_eq!(arrive(), REQUESTS);
    contest.enter(name, TIMES * REQUESTS, warm_up, move |()| {
        for _ in 0..TIMES {
            assert_eq!(arrive(), REQUESTS);
        }
    });
}

fn table(contest: &Contest<'_>) -> String {
    let mut text = format!(
        "\n## Arrival on a warm connection: {TYPICAL} bytes, {ATTRIBUTES} attributes\n\n\
         | pieces | policy-proto, ns/request | GB/s | x whole | x httparse | {HTTPARSE} | {SPLIT} | {POSTFIX_POLICY} |\n\
         | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n"
    );
    for (pieces, _) in SIZES {
        let ours = name(OURS, pieces);
        let [time, httparse, split, postfix_policy] =
            [OURS, HTTPARSE, SPLIT, POSTFIX_POLICY].map(|who| contest.time(&name(who, pieces)));
        let speed = TYPICAL as f64 / time;
        let to_whole = contest.ratio(&ours, &name(OURS, WHOLE));
        let to_httparse = contest.ratio(&ours, &name(HTTPARSE, pieces));
        row(
            &mut text,
            format_args!(
                "{pieces} | {time:.0} | {speed:.2} | {to_whole:.2} | {to_httparse:.2} | {httparse:.0} | {split:.0} | \
                 {postfix_policy:.0}"
            ),
        );
    }
    text += "\n";
    text
}

fn name(who: &str, pieces: &str) -> String {
    format!("{who}, {pieces}")
}

/// So few that all of them stay in the fastest cache.
const REQUESTS: usize = 20;
const TIMES: usize = 5;
const BARE: &str = "not decoded";
