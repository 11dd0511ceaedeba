//! memcached's replies, however they come: a reply does not depend on the cuts, and what was written is read; and the
//! state of windows as a store gives it back.

#![no_main]

use libfuzzer_sys::fuzz_target;
use policy_store::{
    Event, Windows,
    fuzzing::{
        WindowState,
        memcached::{Expect, Parsed, Reply, parse},
    },
};

fuzz_target!(|bytes: &[u8]| {
    let Some((&way, bytes)) = bytes.split_first() else {
        return;
    };
    let expect = if way & 1 == 0 {
        Expect::Value(b"k")
    } else {
        Expect::Line
    };
    let whole = parse(bytes, expect);
    for end in 0..bytes.len() {
        match (parse(&bytes[..end], expect), &whole) {
            (Ok(None), _) => {}
            (Ok(part), Ok(whole)) => assert_eq!(format!("{part:?}"), format!("{whole:?}")),
            (Err(part), Err(whole)) => {
                assert_eq!(part.to_string().is_empty(), whole.to_string().is_empty())
            }
            (part, whole) => panic!("{part:?}, but {whole:?}"),
        }
    }
    if let Ok(Some(Parsed {
        reply: Ok(Reply::Value { data, unique }),
        length,
    })) = whole
    {
        let again = [
            format!("VALUE k 0 {} {unique}\r\n", data.len()).as_bytes(),
            &data,
            b"\r\nEND\r\n",
        ]
        .concat();
        let parsed = parse(&again, expect).unwrap().unwrap();
        assert_eq!(parsed.reply.unwrap(), Reply::Value { data, unique });
        assert_eq!(parsed.length, again.len() as u64);
        assert!(length <= bytes.len() as u64);
    }
    windows(bytes);
});

fn windows(bytes: &[u8]) {
    let mut state = WindowState::decode(bytes);
    assert_eq!(WindowState::decode(&state.encode()), state);
    let windows: Windows = "3/1m, 9/1h".parse().unwrap();
    for now in [0, 61_000, u64::MAX] {
        for event in [Event::Amount(1), Event::Distinct(bytes)] {
            let usage = state.count(now, &windows, event);
            let within = usage
                .windows
                .iter()
                .all(|window| window.used <= window.window.limit);
            assert!(!usage.allowed || within);
            assert_eq!(WindowState::decode(&state.encode()), state);
        }
    }
}
