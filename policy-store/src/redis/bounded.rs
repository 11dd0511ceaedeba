//! A bound for what a server sends: the client's library reads an answer of any size into memory.
//!
//! A value that is too large is skipped while it comes, and an error stands in its place, so that the connection lives on
//! for the others that share it. An answer that is too large in another way ends the connection. Source: the protocol's
//! second version (RESP2), which a client speaks that does not ask for another one.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf as _, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::MAX_VALUE_LEN;

/// The code of the error that stands for a value that is too large.
pub(super) const TOO_LARGE: &str = "TOOLARGE";

/// How much one answer may have: a value, and what is around it.
const MAX_ANSWER: usize = MAX_VALUE_LEN + (64 << 10);

/// How long the length of something may be: a sign, 18 digits, a line end.
const MAX_HEAD: usize = 21;

/// How deep arrays may be in each other.
const MAX_DEPTH: usize = 8;

/// How much is read at a time.
const CHUNK: usize = 16 << 10;

/// A connection whose answers have a bound.
#[derive(Debug)]
pub(super) struct Bounded<S> {
    stream: S,
    answers: Answers,
    chunk: Box<[u8]>,
    /// What may be read.
    ready: BytesMut,
}

impl<S> Bounded<S> {
    pub(super) fn new(stream: S) -> Self {
        Self {
            stream,
            answers: Answers::default(),
            chunk: vec![0; CHUNK].into(),
            ready: BytesMut::new(),
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Bounded<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        while this.ready.is_empty() {
            let mut chunk = ReadBuf::new(&mut this.chunk);
            ready!(Pin::new(&mut this.stream).poll_read(context, &mut chunk))?;
            if chunk.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
            this.answers.filter(chunk.filled(), &mut this.ready)?;
        }
        let count = this.ready.len().min(buffer.remaining());
        buffer.put_slice(&this.ready.split_to(count));
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Bounded<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// Where in the stream of answers the last byte was.
#[derive(Debug, Default)]
struct Answers {
    place: Place,
    /// How many elements of each array around are still to come.
    open: Vec<u64>,
    /// How much of this answer has gone on.
    size: usize,
}

#[derive(Debug, Default)]
enum Place {
    /// An answer, or an element of one, begins.
    #[default]
    Begin,
    /// In a line that is all there is.
    Line,
    /// In a line that tells a length.
    Head(Vec<u8>),
    /// In a value, of which so much is still to come.
    Value(u64),
    /// In one that is too large.
    Skipped(u64),
}

impl Answers {
    /// Puts to `out` what may be read.
    fn filter(&mut self, mut bytes: &[u8], out: &mut BytesMut) -> io::Result<()> {
        while let Some(&first) = bytes.first() {
            match &mut self.place {
                Place::Begin => match first {
                    b'+' | b'-' | b':' => self.place = Place::Line,
                    b'$' | b'*' => self.place = Place::Head(Vec::new()),
                    _ => return Err(wrong("an answer that is none of Redis's")),
                },
                Place::Line => {
                    let end = bytes.iter().position(|byte| *byte == b'\n');
                    let count = end.map_or(bytes.len(), |end| end + 1);
                    self.pass(bytes.get(..count).unwrap_or(bytes), out)?;
                    bytes.advance(count);
                    if end.is_some() {
                        self.ended();
                    }
                }
                Place::Head(head) => {
                    head.push(first);
                    bytes.advance(1);
                    if first == b'\n' {
                        let head = std::mem::take(head);
                        self.begin(&head, out)?;
                    } else if head.len() > MAX_HEAD {
                        return Err(wrong("a length that is none"));
                    }
                }
                Place::Value(left) => {
                    let count = usize::try_from(*left)
                        .unwrap_or(usize::MAX)
                        .min(bytes.len());
                    *left -= count as u64;
                    let is_end = *left == 0;
                    self.pass(bytes.get(..count).unwrap_or(bytes), out)?;
                    bytes.advance(count);
                    if is_end {
                        self.ended();
                    }
                }
                Place::Skipped(left) => {
                    let count = usize::try_from(*left)
                        .unwrap_or(usize::MAX)
                        .min(bytes.len());
                    *left -= count as u64;
                    let is_end = *left == 0;
                    bytes.advance(count);
                    if is_end {
                        self.ended();
                    }
                }
            }
        }
        Ok(())
    }

    /// A value or an array begins; this is its head, type and line end included.
    fn begin(&mut self, head: &[u8], out: &mut BytesMut) -> io::Result<()> {
        let length = head.trim_ascii_end().get(1..).unwrap_or_default();
        let length: i64 = str::from_utf8(length)
            .ok()
            .and_then(|length| length.parse().ok())
            .ok_or_else(|| wrong("a length that is none"))?;
        let is_value = head.first() == Some(&b'$');
        let Ok(length) = u64::try_from(length) else {
            // Nothing.
            self.pass(head, out)?;
            self.ended();
            return Ok(());
        };
        if is_value && length > MAX_VALUE_LEN as u64 {
            self.pass(format!("-{TOO_LARGE} {length}\r\n").as_bytes(), out)?;
            self.place = Place::Skipped(length + LINE_END);
        } else if is_value {
            self.pass(head, out)?;
            self.place = Place::Value(length + LINE_END);
        } else {
            self.pass(head, out)?;
            if length == 0 {
                self.ended();
            } else if self.open.len() < MAX_DEPTH {
                self.open.push(length);
                self.place = Place::Begin;
            } else {
                return Err(wrong("too many arrays in each other"));
            }
        }
        Ok(())
    }

    /// An element has ended, and with it each array whose last one it was.
    fn ended(&mut self) {
        self.place = Place::Begin;
        while let Some(left) = self.open.last_mut() {
            *left -= 1;
            if *left > 0 {
                return;
            }
            self.open.pop();
        }
        self.size = 0;
    }

    fn pass(&mut self, bytes: &[u8], out: &mut BytesMut) -> io::Result<()> {
        self.size += bytes.len();
        if self.size > MAX_ANSWER {
            return Err(wrong("an answer that is too large"));
        }
        out.extend_from_slice(bytes);
        Ok(())
    }
}

const LINE_END: u64 = 2;

fn wrong(text: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is left of a stream that comes in pieces of this size.
    fn filtered(stream: &[u8], size: usize) -> Result<Vec<u8>, String> {
        let mut answers = Answers::default();
        let mut out = BytesMut::new();
        for piece in stream.chunks(size) {
            let result = answers.filter(piece, &mut out);
            result.map_err(|error| error.to_string())?;
        }
        assert!(
            answers.open.is_empty() && answers.size == 0,
            "all of it has come"
        );
        Ok(out.to_vec())
    }

    fn value(length: usize) -> Vec<u8> {
        let mut value = format!("${length}\r\n").into_bytes();
        value.resize(value.len() + length, b'\n');
        value.extend_from_slice(b"\r\n");
        value
    }

    #[test]
    fn answers_pass_as_they_are_however_they_come() {
        let stream = [
            &b"+OK\r\n-ERR wrong\r\n:12\r\n$-1\r\n*-1\r\n*0\r\n$0\r\n\r\n$5\r\na\r\n*b\r\n"[..],
            b"*2\r\n:1\r\n*2\r\n$1\r\na\r\n*0\r\n+OK\r\n",
            &value(MAX_VALUE_LEN),
        ]
        .concat();
        for size in [1, 2, 3, 7, stream.len()] {
            assert_eq!(filtered(&stream, size).as_ref(), Ok(&stream), "{size}");
        }
    }

    #[test]
    fn a_value_that_is_too_large_is_skipped_and_an_error_stands_for_it() {
        let large = value(MAX_VALUE_LEN + 1);
        let stream = [
            b"+OK\r\n*2\r\n:1\r\n",
            &large[..],
            b"+OK\r\n",
            &large,
            b":3\r\n",
        ]
        .concat();
        let left = b"+OK\r\n*2\r\n:1\r\n-TOOLARGE 1000001\r\n+OK\r\n-TOOLARGE 1000001\r\n:3\r\n";
        for size in [1, 1000, stream.len()] {
            assert_eq!(filtered(&stream, size), Ok(left.to_vec()), "{size}");
        }
    }

    #[test]
    fn what_has_no_end_ends_the_connection() {
        let long = vec![b'a'; 2 * MAX_ANSWER];
        let many = value(900_000).repeat(2);
        for (stream, fault) in [
            ([b"+", &long[..]].concat(), "an answer that is too large"),
            (
                [b"*3\r\n", &many[..]].concat(),
                "an answer that is too large",
            ),
            (b"*1\r\n".repeat(9), "too many arrays in each other"),
            (b"$".repeat(30), "a length that is none"),
            (b"$x\r\n".to_vec(), "a length that is none"),
            (
                b"HTTP/1.1 200 OK\r\n".to_vec(),
                "an answer that is none of Redis's",
            ),
            (b"%1\r\n".to_vec(), "an answer that is none of Redis's"),
        ] {
            assert_eq!(filtered(&stream, 4096), Err(fault.to_owned()));
        }
    }
}
