//! What Postfix makes of answers; `cli/tests/postfix/explained.rs` compares with a real one.

use super::*;

/// An answer, a fault, or what is left of one.
#[derive(Debug, Eq, PartialEq)]
enum Got {
    Answer(String, Option<Oddity>),
    Fault(Flaw, String),
    Part(String),
}

#[test]
fn an_answer_is_what_it_is_to_postfix_in_whatever_pieces_it_comes() {
    let answer = |action: &str| Got::Answer(action.to_owned(), None);
    let unusual = |action: &str, oddity| Got::Answer(action.to_owned(), Some(oddity));
    let fault = |flaw, line: &str| Got::Fault(flaw, line.to_owned());
    let part = |line: &str| Got::Part(line.to_owned());
    let rows: [(&[u8], Vec<Got>); 39] = [
        (b"action=DUNNO\n\n", vec![answer("DUNNO")]),
        (b"action=a\n\naction=b\n\n", vec![answer("a"), answer("b")]),
        (
            b"x=y\naction=a\naction=b\n\n",
            vec![unusual("a", Oddity::Skipped)],
        ),
        (b"=y\naction=a\n=\n\n", vec![unusual("a", Oddity::Skipped)]),
        (b"action=DUNNO\xc3\xa9\n\n", vec![answer("DUNNO\u{e9}")]),
        // Not at its end.
        (b"act", vec![part("act")]),
        (b"action=a", vec![part("action=a")]),
        (b"action=a\n", vec![part("action=a\\n")]),
        (b"action=a\nx", vec![part("x")]),
        (b"action=a\n\nact", vec![answer("a"), part("act")]),
        (b"action=a\r\n\r\n", vec![part("\\r\\n")]),
        (b"action=a\n\r\n", vec![part("\\r\\n")]),
        (b"220 hello\n", vec![part("220 hello\\n")]),
        // What is skipped.
        (
            b"220 hello\r\naction=a\n\n",
            vec![unusual("a", Oddity::Skipped)],
        ),
        (
            b"action=a\n220 hello\n\n",
            vec![unusual("a", Oddity::Skipped)],
        ),
        (b"\0\naction=a\n\n", vec![unusual("a", Oddity::Skipped)]),
        (
            b"actions\naction=a\n\n",
            vec![unusual("a", Oddity::Skipped)],
        ),
        (b"action=a\naction\n\n", vec![unusual("a", Oddity::Skipped)]),
        // What is a part of the action, or none.
        (
            b"action=REJECT no\r\n\n",
            vec![unusual("REJECT no", Oddity::Return)],
        ),
        (
            b"action=REJECT\r\n\n",
            vec![unusual("REJECT", Oddity::Return)],
        ),
        (
            b"action=REJECT a\rb\n\n",
            vec![unusual("REJECT a\rb", Oddity::Return)],
        ),
        (b"action=DUNNO\0x\n\n", vec![unusual("DUNNO", Oddity::Nul)]),
        (
            b"action=DUNNO\0\xe9\n\n",
            vec![unusual("DUNNO", Oddity::Nul)],
        ),
        (
            b"action=DUNNO\r\n\n",
            vec![fault(Flaw::Unknown, "action=DUNNO\\r")],
        ),
        (
            b"action=a\0b\n\n",
            vec![fault(Flaw::Unknown, "action=a\\x00b")],
        ),
        (b"action\0x=DUNNO\n\n", vec![unusual("DUNNO", Oddity::Nul)]),
        (
            b"PREPEND X: y\naction=PREPEND X: y\n\n",
            vec![unusual("PREPEND X: y", Oddity::Skipped)],
        ),
        (b"action=451 4.7.1 a: b\n\n", vec![answer("451 4.7.1 a: b")]),
        (
            b"action=wait: b\n\n",
            vec![fault(Flaw::Unknown, "action=wait: b")],
        ),
        // What is no answer.
        (b"\n", vec![fault(Flaw::NoAction, "")]),
        (
            b"action=a\n\n\n",
            vec![answer("a"), fault(Flaw::NoAction, "")],
        ),
        (
            b"x=y\n\naction=a\n\n",
            vec![fault(Flaw::NoAction, "x=y"), answer("a")],
        ),
        (
            b"action\nx=y\n\naction=a\n\n",
            vec![fault(Flaw::NoValue, "action"), answer("a")],
        ),
        (b"action=\n\n", vec![fault(Flaw::Blank, "action=")]),
        (
            b"action= \t\r\n\n",
            vec![fault(Flaw::Blank, "action= \\t\\r")],
        ),
        (b"action= , \n\n", vec![fault(Flaw::Blank, "action= , ")]),
        (b"action\0\n\n", vec![fault(Flaw::NoValue, "action\\x00")]),
        (
            b"action=\0OK\n\n",
            vec![fault(Flaw::Blank, "action=\\x00OK")],
        ),
        (
            b"action=OK \xe9\n\n",
            vec![fault(Flaw::NotUtf8, "action=OK \\xe9")],
        ),
    ];
    for (bytes, expected) in rows {
        for size in 1..30 {
            let shown = bytes.escape_ascii();
            assert_eq!(found(bytes.chunks(size)), expected, "{shown} {size}");
        }
    }
}

#[test]
fn no_answer_is_too_long_and_of_a_line_the_beginning_is_kept() {
    let long = |length| format!("action=OK {}\n\n", "\u{e9}".repeat(length));
    for (length, is_cut) in [(9_000, false), (100_000, true)] {
        let text = long(length);
        let got = found(text.as_bytes().chunks(4096));
        let [Got::Answer(action, oddity)] = got.as_slice() else {
            panic!("{}", got.len());
        };
        assert_eq!(*oddity, Some(Oddity::Long(text.len())));
        assert!(text[7..].starts_with(action), "up to a whole character");
        assert_eq!(action.len() < text.len() - 9, is_cut);
        assert!(action.len() <= MAX_LINE);
    }
    let mut answers = Answers::default();
    for _ in 0..100 {
        assert_eq!(answers.next(&mut &[b'x'; 4096][..]), None);
    }
    assert_eq!(answers.unfinished().map(<[u8]>::len), Some(MAX_LINE));
}

#[test]
fn what_has_begun_is_forgotten_on_demand() {
    let mut answers = Answers::default();
    assert_eq!(answers.next(&mut &b"220 hello\nacti"[..]), None);
    assert_eq!(
        answers.skipped().map(Bytes::as_ref),
        Some(&b"220 hello"[..])
    );
    answers.clear();
    assert_eq!((answers.skipped(), answers.unfinished()), (None, None));
    let answer = answers.next(&mut &b"action=OK\n\n"[..]).unwrap().unwrap();
    assert_eq!((&*answer.action, answer.unusual), (&b"OK"[..], None));
}

/// What is found in these pieces.
fn found<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> Vec<Got> {
    let mut answers = Answers::default();
    let mut all = Vec::new();
    for mut piece in pieces {
        while let Some(next) = answers.next(&mut piece) {
            all.push(match next {
                Ok(Answer { action, unusual }) => Got::Answer(
                    String::from_utf8(action.into_owned()).unwrap(),
                    unusual.map(|unusual| unusual.oddity),
                ),
                Err(Fault { flaw, line }) => Got::Fault(flaw, line.escape_ascii().to_string()),
            });
        }
    }
    let rest = answers
        .unfinished()
        .map(|rest| rest.escape_ascii().to_string());
    all.extend(rest.map(Got::Part));
    all
}
