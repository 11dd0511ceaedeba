//! Calls over one connection: who gets which reply, and what each is told when the connection ends.

use proptest::prelude::*;

use super::*;
use crate::MAX_VALUE_LEN;

type Wait = oneshot::Receiver<Result<Vec<Reply>, Failed>>;

fn begin(pipeline: &mut Pipeline, commands: Commands) -> Wait {
    let (answer, wait) = oneshot::channel();
    pipeline.begin(Call::new(Arc::new(commands), answer));
    wait
}

/// What a call was told, if it was told something yet.
fn told(wait: &mut Wait) -> Option<String> {
    let told = wait.try_recv().ok()?;
    Some(match told {
        Ok(replies) => format!("{replies:?}"),
        Err(failed) if failed.is_unanswered => format!("unanswered: {}", failed.error),
        Err(failed) => failed.error.to_string(),
    })
}

fn receive(pipeline: &mut Pipeline, bytes: &[u8]) -> Result<(), StoreError> {
    pipeline.buffer().extend_from_slice(bytes);
    pipeline.answer()
}

/// One call of a client, with the replies that a server gives to it.
#[derive(Clone, Debug)]
enum Asked {
    Value(Option<usize>),
    Line(&'static str),
    Both(usize),
}

const LINES: [&str; 4] = [
    "STORED",
    "NOT_STORED",
    "17",
    "SERVER_ERROR out of memory storing object",
];

fn asked() -> impl Strategy<Value = Asked> {
    let size = || prop_oneof![8 => 0_usize..40, 1 => MAX_VALUE_LEN - 1..MAX_VALUE_LEN + 20];
    prop_oneof![
        proptest::option::of(size()).prop_map(Asked::Value),
        prop::sample::select(&LINES[..]).prop_map(Asked::Line),
        size().prop_map(Asked::Both),
    ]
}

/// The commands of a call, what a server sends, how much of that the call is told something by, and what.
fn played(number: usize, asked: &Asked) -> (Commands, Vec<u8>, usize, String) {
    let key = format!("key{number}");
    let key = key.as_bytes();
    let value = |size: usize| {
        let data = vec![b'x'; size];
        let head = format!("VALUE key{number} 0 {size} {number}\r\n");
        let sent = [head.as_bytes(), &data, b"\r\nEND\r\n"].concat();
        let unique = number as u64;
        if size > MAX_VALUE_LEN {
            let told =
                format!("{size} bytes of a value, of which at most {MAX_VALUE_LEN} are allowed");
            return (sent, head.len(), Err(told));
        }
        let length = sent.len();
        (sent, length, Ok(Reply::Value { data, unique }))
    };
    let of = |replies: Result<Vec<Reply>, String>| match replies {
        Ok(replies) => format!("{replies:?}"),
        Err(error) => error,
    };
    let store = || Commands::default().storage("set", key, b"value\r\nset", 0, None);
    match asked {
        Asked::Value(None) => (
            Commands::default().gets(key),
            b"END\r\n".to_vec(),
            5,
            of(Ok(vec![Reply::End])),
        ),
        Asked::Value(Some(size)) => {
            let (sent, length, told) = value(*size);
            let told = of(told.map(|reply| vec![reply]));
            (Commands::default().gets(key), sent, length, told)
        }
        Asked::Line(line) => {
            let told = match *line {
                "STORED" => Ok(vec![Reply::Stored]),
                "NOT_STORED" => Ok(vec![Reply::NotStored]),
                "17" => Ok(vec![Reply::Number(17)]),
                error => Err(error.to_owned()),
            };
            let sent = format!("{line}\r\n").into_bytes();
            let length = sent.len();
            (store(), sent, length, of(told))
        }
        Asked::Both(size) => {
            let (sent, length, told) = value(*size);
            let told = of(told.map(|reply| vec![Reply::Stored, reply]));
            let sent = [b"STORED\r\n", &sent[..]].concat();
            (store().gets(key), sent, 8 + length, told)
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn each_call_gets_its_own_replies_however_they_come(
        calls in prop::collection::vec(asked(), 1..12),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..30),
    ) {
        let mut pipeline = Pipeline::default();
        let (mut all, mut sent, mut waits) = (Vec::new(), Vec::new(), Vec::new());
        for (number, asked) in calls.iter().enumerate() {
            let (commands, replies, length, expected) = played(number, asked);
            sent.extend_from_slice(commands.bytes());
            waits.push((begin(&mut pipeline, commands), all.len() + length, expected));
            all.extend(replies);
        }
        prop_assert_eq!(&pipeline.to_send[..], &sent[..]);
        let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(all.len() + 1)).collect();
        cuts.extend([0, all.len()]);
        cuts.sort_unstable();
        for cut in cuts.windows(2) {
            receive(&mut pipeline, &all[cut[0]..cut[1]]).unwrap();
            for (wait, end, expected) in &mut waits {
                match told(wait) {
                    Some(told) => prop_assert!(told == *expected && *end <= cut[1]),
                    // It was told before, or its replies have not come.
                    None => prop_assert!(*end > cut[1] || wait.is_terminated()),
                }
            }
        }
        prop_assert!(waits.iter().all(|(wait, ..)| wait.is_terminated()));
        prop_assert!(pipeline.is_idle());
    }
}

#[test]
fn calls_are_told_that_nothing_was_answered_where_the_server_said_nothing_to_any_of_them() {
    const CLOSED: &str = "connection failed: unexpected end of file";
    let unanswered = format!("unanswered: {CLOSED}");
    let too_large =
        format!("1000007 bytes of a value, of which at most {MAX_VALUE_LEN} are allowed");
    for (received, first, second) in [
        ("", &*unanswered, &*unanswered),
        ("STO", CLOSED, CLOSED),
        ("STORED\r\n", CLOSED, CLOSED),
        ("STORED\r\nVALUE key", CLOSED, CLOSED),
        ("STORED\r\nVALUE key 0 1000007 1\r\nx", &too_large, CLOSED),
        ("STORED\r\nEND\r\n", "[Stored, End]", CLOSED),
        ("STORED\r\nEND\r\nN", "[Stored, End]", CLOSED),
    ] {
        let mut pipeline = Pipeline::default();
        // What was answered before does not count.
        _ = begin(&mut pipeline, Commands::of("delete", b"key"));
        receive(&mut pipeline, b"DELETED\r\n").unwrap();
        let commands = Commands::default().storage("add", b"lock", b"me", 0, None);
        let mut waits = [
            begin(&mut pipeline, commands.gets(b"key")),
            begin(&mut pipeline, Commands::of("delete", b"key")),
        ];
        if !received.is_empty() {
            receive(&mut pipeline, received.as_bytes()).unwrap();
        }
        pipeline.fail(&closed());
        let told = waits.each_mut().map(|wait| told(wait).unwrap());
        assert_eq!(told, [first, second], "{received}");
    }
}

#[test]
fn after_what_is_no_reply_nobody_asks_again() {
    let mut pipeline = Pipeline::default();
    let mut waits = [b"a", b"b"].map(|key| begin(&mut pipeline, Commands::default().gets(key)));
    // It is the other one's.
    let error = receive(&mut pipeline, b"VALUE b 0 1 1\r\nx\r\nEND\r\n").unwrap_err();
    pipeline.fail(&error);
    let told = waits.each_mut().map(|wait| told(wait).unwrap());
    assert_eq!(told, ["unexpected answer: VALUE"; 2]);
}

#[test]
fn what_nobody_has_asked_for_ends_the_connection() {
    for before in ["", "STORED\r\n"] {
        let mut pipeline = Pipeline::default();
        if !before.is_empty() {
            _ = begin(&mut pipeline, Commands::of("delete", b"key"));
        }
        let error = receive(&mut pipeline, format!("{before}STORED\r\n").as_bytes());
        let error = error.unwrap_err().to_string();
        assert_eq!(error, "unexpected answer: more than was asked for");
    }
}

#[test]
fn a_call_that_nobody_waits_for_takes_nobody_elses_reply() {
    let mut pipeline = Pipeline::default();
    drop(begin(&mut pipeline, Commands::of("delete", b"a")));
    let mut wait = begin(&mut pipeline, Commands::of("delete", b"b"));
    receive(&mut pipeline, b"DELETED\r\n").unwrap();
    assert_eq!(told(&mut wait), None);
    receive(&mut pipeline, b"NOT_FOUND\r\n").unwrap();
    assert_eq!(told(&mut wait).as_deref(), Some("[NotFound]"));
}

#[test]
fn more_than_a_server_takes_has_other_calls_wait() {
    let mut pipeline = Pipeline::default();
    for _ in 0..MAX_CALLS {
        assert!(pipeline.has_room());
        _ = begin(&mut pipeline, Commands::of("delete", b"a"));
        pipeline.to_send.clear();
    }
    assert!(!pipeline.has_room());
    receive(&mut pipeline, b"DELETED\r\n").unwrap();
    assert!(pipeline.has_room());
    let value = vec![b'x'; MAX_TO_SEND];
    _ = begin(
        &mut pipeline,
        Commands::default().storage("set", b"a", &value, 0, None),
    );
    assert!(!pipeline.has_room());
}
