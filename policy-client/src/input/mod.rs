//! Input of the subcommands: requests on standard input, captures and text files; and what files are called in messages.

use std::{borrow::Cow, fmt::Display, path::Path};

use bytes::BytesMut;
use policy_proto::{DecodeError, MessageDecoder, Request};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader, Stdin, stdin};

use crate::status::Status;

pub(crate) mod capture;
pub(crate) mod lines;
pub(crate) mod text_file;

/// Standard input, line by line, so that a fault has its line.
#[derive(Debug)]
pub(crate) struct Input {
    lines: BufReader<Stdin>,
    /// The number of the last line, and whether it has ended.
    line: u64,
    is_whole: bool,
    buffer: BytesMut,
    decoder: MessageDecoder,
    has_asked: bool,
}

impl Input {
    pub(crate) fn new() -> Self {
        Self {
            lines: BufReader::new(stdin()),
            line: 0,
            is_whole: true,
            buffer: BytesMut::new(),
            decoder: MessageDecoder::new(),
            has_asked: false,
        }
    }

    /// The next request; `None` at the end, before which there was one at least. An error is for the person at the command
    /// line, and has the status to end with.
    pub(crate) async fn next(&mut self) -> Result<Option<Request>, (String, Status)> {
        let fault = |line, reason: &dyn Display| {
            let text = format!("{STANDARD_INPUT}: line {line}: {reason}");
            (text, Status::Data)
        };
        loop {
            let mut piece = Vec::new();
            let mut bounded = (&mut self.lines).take(MAX_PIECE);
            let read = bounded.read_until(b'\n', &mut piece).await;
            read.map_err(|error| (format!("{STANDARD_INPUT}: {error}"), Status::NoInput))?;
            if piece.is_empty() {
                return match self.decoder.finish(&self.buffer) {
                    Ok(()) if self.has_asked => Ok(None),
                    Ok(()) => Err((format!("{STANDARD_INPUT}: {NO_REQUEST}"), Status::Data)),
                    Err(_) => Err(fault(self.line, &UNFINISHED)),
                };
            }
            self.line += u64::from(self.is_whole);
            self.is_whole = piece.ends_with(b"\n");
            self.buffer.extend_from_slice(&piece);
            let request = self.decoder.request(&mut self.buffer);
            if let Some(request) = request.map_err(|error| fault(self.line, &reason(error)))? {
                self.has_asked = true;
                return Ok(Some(request));
            }
        }
    }
}

/// What is wrong with a line, for who knows which line it is: without its place in the request.
pub(crate) fn reason(error: DecodeError) -> String {
    let text = error.to_string();
    match error.offset() {
        Some(offset) => text.replace(&format!(" in the line at byte {offset}"), ""),
        None => text,
    }
}

/// What a file is called in messages: `-` is standard input.
pub(crate) fn name(path: &Path) -> Cow<'_, str> {
    if path.as_os_str() == "-" {
        STANDARD_INPUT.into()
    } else {
        path.to_string_lossy()
    }
}

/// What is wrong with a file that has none.
pub(crate) const NO_REQUEST: &str = "there is no request";
const STANDARD_INPUT: &str = "standard input";
const UNFINISHED: &str = "the last request has no empty line after it";
/// More than a line of a request may have.
const MAX_PIECE: u64 = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_is_wrong_is_wrong_without_its_place_in_the_request() {
        for (line, said) in [
            ("rubbish\n", "no '='"),
            ("=x\n", "no name before '='"),
            ("a=\0\n", "a NUL byte"),
            ("a=\rb\n", "a carriage return"),
        ] {
            let error = MessageDecoder::new().request(&mut line.into());
            assert_eq!(reason(error.unwrap_err()), said, "{line:?}");
        }
        assert_eq!(
            reason(DecodeError::UnexpectedEnd),
            "end of the stream within a message"
        );
    }
}
