//! The answers in the bytes of a policy server, as Postfix reads them: up to an empty line that ends with LF alone.

use std::mem;

use policy_proto::Response;

use crate::exchange::restriction;

/// What has come of an answer so far.
#[derive(Debug, Default)]
pub(super) struct Answers {
    /// The line that has not come to its end, as far as it is kept.
    line: Vec<u8>,
    /// The last line that has, its end included.
    last: Vec<u8>,
    /// The value of the first `action=`, as it stands on its line.
    action: Option<Vec<u8>>,
}

/// Something in these bytes.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Found {
    /// The empty line of an answer: its action, or why Postfix finds none that it can use, and the line at fault.
    Answer(Result<Vec<u8>, (String, Vec<u8>)>),
    /// A line that Postfix skips, since it is no `name=value`.
    Skipped(Vec<u8>),
    /// CR LF where the empty line should be.
    ReturnLine,
    /// An empty line before any other of an answer.
    Newline,
}

impl Answers {
    /// What these bytes bring to its end.
    pub(super) fn received(&mut self, bytes: &[u8]) -> Vec<Found> {
        let mut found = Vec::new();
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            let room = MAX_LINE.saturating_sub(self.line.len());
            self.line.extend(part.iter().take(room));
            if part.ends_with(b"\n") {
                let line = mem::take(&mut self.line);
                found.extend(self.line(line));
            }
        }
        found
    }

    /// The last line of an answer that has begun and not ended, as far as it has come.
    pub(super) fn unfinished(&self) -> Option<&[u8]> {
        let line = if self.line.is_empty() {
            &self.last
        } else {
            &self.line
        };
        (!line.is_empty()).then_some(line)
    }

    fn line(&mut self, line: Vec<u8>) -> Option<Found> {
        if line == b"\n" {
            let last = mem::take(&mut self.last);
            if last.is_empty() {
                return Some(Found::Newline);
            }
            let action = self.action.take();
            return Some(Found::Answer(match action {
                Some(action) => used(action),
                None => Err(("no 'action=' before the empty line".to_owned(), last)),
            }));
        }
        let found = match line.iter().position(|byte| *byte == b'=') {
            _ if line == b"\r\n" => Some(Found::ReturnLine),
            None => Some(Found::Skipped(line.trim_ascii_end().to_vec())),
            Some(_) => None,
        };
        if self.action.is_none()
            && let Some(value) = line.strip_prefix(b"action=")
        {
            let value = value.strip_suffix(b"\n").unwrap_or(value);
            self.action = Some(value.to_vec());
        }
        self.last = line;
        found
    }
}

/// The action, if Postfix can use it.
fn used(action: Vec<u8>) -> Result<Vec<u8>, (String, Vec<u8>)> {
    let line = [b"action=", &*action].concat();
    let text = action.strip_suffix(b"\r").unwrap_or(&action);
    if text != action && restriction(&line).is_some() {
        let fault = "the action ends with CR, which is a part of it to Postfix";
        return Err((fault.to_owned(), line));
    }
    match Response::new(text.to_vec()) {
        Ok(response) => Ok(response.as_bytes().to_vec()),
        Err(error) => Err((error.to_string(), line)),
    }
}

/// A longer line is cut: Postfix takes one of any length.
const MAX_LINE: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_ends_where_it_ends_to_postfix_in_whatever_pieces_it_comes() {
        let answer = |action: &str| Found::Answer(Ok(action.into()));
        let fault = |fault: &str, line: &str| Found::Answer(Err((fault.to_owned(), line.into())));
        let skipped = |line: &str| Found::Skipped(line.into());
        for (bytes, found, unfinished) in [
            ("action=OK\n\n", vec![answer("OK")], None),
            ("x=y\naction=a\naction=b\n\n", vec![answer("a")], None),
            ("action=OK\n", vec![], Some("action=OK\n")),
            ("action=OK\n\nact", vec![answer("OK")], Some("act")),
            ("action=OK\n\n\n", vec![answer("OK"), Found::Newline], None),
            ("action=OK\n\r\n", vec![Found::ReturnLine], Some("\r\n")),
            ("action=REJECT no\r\n\n", vec![answer("REJECT no")], None),
            (
                "action=OK\r\n\n",
                vec![fault(
                    "the action ends with CR, which is a part of it to Postfix",
                    "action=OK\r",
                )],
                None,
            ),
            ("action=\n\n", vec![fault("blank action", "action=")], None),
            (
                "x=y\n\n",
                vec![fault("no 'action=' before the empty line", "x=y\n")],
                None,
            ),
            (
                "220 hello\naction=OK\n\n",
                vec![skipped("220 hello"), answer("OK")],
                None,
            ),
        ] {
            for size in 1..20 {
                let mut answers = Answers::default();
                let pieces = bytes.as_bytes().chunks(size);
                let got: Vec<_> = pieces.flat_map(|piece| answers.received(piece)).collect();
                assert_eq!(got, found, "{bytes:?} {size}");
                let rest = answers.unfinished();
                assert_eq!(rest, unfinished.map(str::as_bytes), "{bytes:?} {size}");
            }
        }
        let mut answers = Answers::default();
        for _ in 0..100 {
            assert!(answers.received(&[b'x'; 4096]).is_empty());
        }
        assert_eq!(answers.unfinished().map(<[u8]>::len), Some(MAX_LINE));
    }
}
