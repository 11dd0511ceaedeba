//! Programs in the daemon's place, each wrong in one way: the soak has to see each of them.

use std::{
    io, thread,
    time::{Duration, Instant},
};

use fastrand::Rng;
use policy_benches::{
    endpoint::Endpoints,
    stub::{
        self,
        End::{Close, Keep},
        Reply,
    },
};

use crate::{
    client::{Client, DEFAULT, Outcome, PATIENCE, Tally},
    health::Health,
};

#[test]
fn each_false_daemon_is_seen() -> io::Result<()> {
    let now = Duration::ZERO;
    let apart = Duration::from_millis(1);
    let mut before = "0.0".to_owned();
    let exchanged = move |mark: &str| {
        let answer = right(&before);
        before = mark.to_owned();
        Reply::Now(answer.into())
    };
    let always = |answer: fn(&str) -> Vec<u8>| {
        Box::new(move |mark: &str| Reply::Now(answer(mark).into())) as Daemon
    };
    let later = move |pieces: fn(&str) -> Vec<Vec<u8>>, end| {
        Box::new(move |mark: &str| {
            let pieces = pieces(mark).into_iter().zip([now, apart]);
            Reply::Later(pieces.map(|(piece, delay)| (delay, piece)).collect(), end)
        }) as Daemon
    };
    let rows: [(&str, Daemon, Option<Outcome>); 15] = [
        ("none", always(right), None),
        ("none, in two pieces", later(halves, Keep), None),
        (
            "answers exchanged",
            Box::new(exchanged),
            Some(Outcome::Wrong),
        ),
        (
            "given twice",
            always(|mark| right(mark).repeat(2)),
            Some(Outcome::Wrong),
        ),
        (
            "given twice, apart",
            later(|mark| vec![right(mark); 2], Keep),
            Some(Outcome::Wrong),
        ),
        (
            "followed by another one",
            always(|mark| [&right(mark)[..], b"action=OK nobody asked\n\n"].concat()),
            Some(Outcome::Wrong),
        ),
        (
            "a newline too many",
            always(|mark| [&right(mark)[..], b"\n"].concat()),
            Some(Outcome::Wrong),
        ),
        (
            "an attribute too many",
            always(|mark| [b"x=y\n", &right(mark)[..]].concat()),
            Some(Outcome::Wrong),
        ),
        (
            "garbage before it",
            always(|mark| [b"220 hello\n", &right(mark)[..]].concat()),
            Some(Outcome::Wrong),
        ),
        (
            "CR in it",
            always(|mark| format!("action=OK {mark}\r\n\n").into()),
            Some(Outcome::Wrong),
        ),
        (
            "CR LF",
            always(|mark| format!("action=OK {mark}\r\n\r\n").into()),
            Some(Outcome::Unanswered),
        ),
        (
            "without its last newline",
            always(|mark| format!("action=OK {mark}\n").into()),
            Some(Outcome::Unanswered),
        ),
        (
            "closed in its place",
            later(|_| Vec::new(), Close),
            Some(Outcome::Unanswered),
        ),
        (
            "closed within it",
            later(|mark| vec![right(mark)[..9].to_vec()], Close),
            Some(Outcome::Unanswered),
        ),
        (
            "by default",
            always(|_| format!("action={DEFAULT}\n\n").into()),
            Some(Outcome::Unexplained),
        ),
    ];
    let mut endpoints = Endpoints::new()?;
    for (what, mut daemon, seen) in rows {
        let endpoint = endpoints.unix();
        let listener = endpoint.listen()?;
        thread::spawn(move || {
            stub::serve(&[listener], |request| {
                let text = String::from_utf8_lossy(request);
                let mut lines = text.lines();
                let mark = lines.find_map(|line| line.strip_prefix("instance="));
                daemon(mark.expect("a mark"))
            })
        });
        let tally = Tally::new(Health::new(1));
        // Only what never comes is waited for in vain.
        let patience = match seen {
            Some(Outcome::Unanswered) => Duration::from_millis(100),
            _ => PATIENCE,
        };
        let client = Client {
            number: 1,
            endpoint: &endpoint,
            // Leaves no request in its first thousands.
            chance: Rng::with_seed(7),
            tally: &tally,
            patience,
        };
        client.ask_until(Instant::now() + Duration::from_millis(250))?;
        assert_eq!(tally.failure().is_some(), seen.is_some(), "{what}: {tally}");
        if let Some(seen) = seen {
            assert!(tally.count_of(seen) > 0, "{what}: {tally}");
        }
    }
    Ok(())
}

type Daemon = Box<dyn FnMut(&str) -> Reply + Send>;

fn right(mark: &str) -> Vec<u8> {
    format!("action=OK {mark}\n\n").into_bytes()
}

fn halves(mark: &str) -> Vec<Vec<u8>> {
    let whole = right(mark);
    let (begin, end) = whole.split_at(10);
    vec![begin.to_vec(), end.to_vec()]
}
