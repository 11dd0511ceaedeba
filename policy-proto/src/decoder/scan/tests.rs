//! The scan against a naive one, at every alignment.

use super::*;

#[test]
fn a_message_ends_at_its_blank_line_wherever_the_blocks_divide_it() {
    for message in messages() {
        let end = message.len() - 1;
        for behind in [&b""[..], b"\n", b"b=2\n\n", b"bad\n=x\n", &[b'='; BLOCK]] {
            let stream = [&message, behind].concat();
            assert_eq!(whole(&stream), Verdict::End(end));
            assert_eq!(trickled(&stream), (end, Verdict::End(end)));
        }
        for length in 0..end {
            assert_eq!(whole(&message[..length]), Verdict::More);
        }
    }
}

#[test]
fn a_line_that_is_no_attribute_is_doubted_wherever_the_blocks_divide_it() {
    for message in messages() {
        for line in [
            &b"bad\n"[..],
            b"=x\n",
            b"n=\0\n",
            b"n=\r\n",
            b"\0=\n",
            b"x\n",
        ] {
            let length = message.len() - 1;
            // Before the blank line, so as to be of the message; what follows hides nothing.
            for behind in [&b""[..], b"\n", b"b=2\n\n"] {
                let stream = [&message[..length], line, behind].concat();
                assert_eq!(whole(&stream), Verdict::Doubt);
                let (at, verdict) = trickled(&stream);
                assert_eq!(verdict, Verdict::Doubt);
                assert!((length..length + line.len()).contains(&at));
            }
        }
    }
}

#[test]
fn a_flaw_in_a_long_line_is_doubted_wherever_it_is() {
    const LONG: usize = 6 * BLOCK;
    for at in 0..LONG {
        let [mut value, mut name] = ["n=", "name"].map(|begin| {
            let line = [begin.as_bytes(), &[b'x'; LONG]].concat();
            [b"a=1\n", &line[..], b"\n\n"].concat()
        });
        assert_eq!(whole(&value), Verdict::End(value.len() - 1));
        assert_eq!(whole(&name), Verdict::Doubt, "without an equal sign");
        for byte in [0, b'\r'] {
            value[8 + at] = byte;
            assert_eq!(whole(&value), Verdict::Doubt, "{byte} at {at}");
        }
        name[8 + at] = b'=';
        assert_eq!(whole(&name), Verdict::End(name.len() - 1), "= at {at}");
    }
}

#[test]
fn a_blank_line_before_the_first_attribute_is_doubted() {
    assert_eq!(whole(b"\n"), Verdict::Doubt);
    assert_eq!(whole(b"\na=1\n\n"), Verdict::Doubt);
}

#[test]
fn a_message_is_proved_up_to_its_limit() {
    for message in messages() {
        let (length, end) = (message.len(), message.len() - 1);
        let within = |limit| {
            let limits = Limits::default().with_message(limit);
            Scan::default().advance(&message, limits)
        };
        assert_eq!(within(length + 1), Verdict::End(end));
        assert_eq!(within(length), Verdict::End(end));
        assert_eq!(within(end), Verdict::Doubt);
    }
}

#[test]
fn a_message_is_proved_however_many_lines_near_their_limit_it_has() {
    for message in messages() {
        let lines = message.split(|byte| *byte == b'\n');
        let longest = lines.map(<[u8]>::len).max().unwrap();
        for limit in [longest + 1, longest + 2, 2 * longest] {
            let limits = Limits::default().with_line(limit);
            let end = message.len() - 1;
            assert_eq!(whole_within(&message, limits), Verdict::End(end));
            let trickled = trickled_within(&message, limits);
            assert_eq!(trickled, (end, Verdict::End(end)));
        }
    }
}

#[test]
fn a_line_beyond_its_limit_is_doubted_as_soon_as_it_crosses_it() {
    for message in messages() {
        for limit in [1, 10, 63, 64, 65, 149] {
            let limits = Limits::default().with_line(limit);
            let mut begins = 0;
            let crossed = message.split(|byte| *byte == b'\n').find_map(|line| {
                let crosses = (line.len() > limit).then_some(begins + limit);
                begins += line.len() + 1;
                crosses
            });
            let (at, verdict) = trickled_within(&message, limits);
            match crossed {
                // A full line may end in doubt.
                Some(crossed) => assert!(verdict == Verdict::Doubt && at <= crossed),
                None => assert_ne!(verdict, Verdict::More),
            }
            assert_eq!(whole_within(&message, limits), verdict);
        }
    }
}

/// Short lines and long ones behind a first one of each length, so that each byte of them falls on each
/// place: many equal signs, and one alone behind that of its line.
fn messages() -> impl Iterator<Item = Vec<u8>> {
    (0..2 * BLOCK).flat_map(|pad| {
        [(0, "=", 1), (0, "=", 64), (30, "=v", 1), (150, "=v", 1)].map(|(length, end, times)| {
            let (pad, value) = ("p".repeat(pad), "v".repeat(length) + &end.repeat(times));
            format!("p={pad}\na=\nname={value}\nb=1\n\n").into_bytes()
        })
    })
}

fn whole(stream: &[u8]) -> Verdict {
    whole_within(stream, NONE)
}

fn whole_within(stream: &[u8], limits: Limits) -> Verdict {
    Scan::default().advance(stream, limits)
}

fn trickled(stream: &[u8]) -> (usize, Verdict) {
    trickled_within(stream, NONE)
}

/// The first verdict on a stream that comes byte by byte, and the byte that brought it.
fn trickled_within(stream: &[u8], limits: Limits) -> (usize, Verdict) {
    let mut scan = Scan::default();
    for at in 0..stream.len() {
        let buf = &stream[..=at];
        if scan.is_quiet(buf) {
            continue;
        }
        match scan.advance(buf, limits) {
            Verdict::More => {}
            verdict => return (at, verdict),
        }
    }
    (stream.len(), Verdict::More)
}

const NONE: Limits = Limits {
    line: usize::MAX,
    message: usize::MAX,
};
