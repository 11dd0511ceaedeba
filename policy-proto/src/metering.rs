//! The bytes that the decoder looks at, counted by tests: work is told in bytes, since a time says little.

use memchr::memchr;

/// Said of bytes that are looked at once, or a fixed number of times in a row. Only the crate's own tests
/// count; else this is nothing.
#[inline(always)]
pub(crate) fn looked_at(_bytes: usize) {
    #[cfg(test)]
    tests::LOOKED_AT.set(tests::LOOKED_AT.get() + _bytes);
}

/// Where the first line feed is: what is behind it is not looked at.
#[inline(always)]
pub(crate) fn line_feed(bytes: &[u8]) -> Option<usize> {
    let found = memchr(b'\n', bytes);
    looked_at(found.map_or(bytes.len(), |found| found + 1));
    found
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use bytes::BytesMut;

    use super::line_feed;
    use crate::{DecodeError, MessageDecoder};

    thread_local! {
        pub(super) static LOOKED_AT: Cell<usize> = const { Cell::new(0) };
    }

    /// Of every stream here; what is quadratic would look at half of it for each byte.
    const LENGTH: usize = 128 * 1024;

    #[test]
    fn a_request_that_comes_whole_is_looked_at_once() {
        for line in [&b"recipient=bob@example.org\n"[..], b"a=\n"] {
            let stream = message(line);
            let work = work(
                &stream,
                LENGTH,
                MessageDecoder::new(),
                MessageDecoder::request,
            );
            assert!(work <= LENGTH + 1024, "{work}");
        }
    }

    #[test]
    fn a_request_in_pieces_is_linear_work() {
        let stream = message(b"recipient=bob@example.org\n");
        for size in [1, 16, 128, 1000, LENGTH] {
            let work = work(
                &stream,
                size,
                MessageDecoder::new(),
                MessageDecoder::request,
            );
            assert!(work <= 6 * LENGTH, "pieces of {size}: {work}");
        }
    }

    /// The decoder looks back for the last line each time that as many bytes have come as a line may have.
    #[test]
    fn a_long_line_in_pieces_is_linear_work() {
        for length in [100, 1000, 8000, 16_000, 16_382] {
            let line = [b"a=", &vec![b'v'; length][..], b"\n"].concat();
            let stream = message(&line);
            for size in [1, 16, 128, 1000, LENGTH] {
                let work = work(
                    &stream,
                    size,
                    MessageDecoder::new(),
                    MessageDecoder::request,
                );
                assert!(work <= 4 * LENGTH, "{length} in pieces of {size}: {work}");
            }
        }
    }

    /// Each line feed makes the decoder look at its block of 64 bytes again: no request is more work.
    #[test]
    fn the_shortest_lines_in_pieces_are_linear_work() {
        let stream = message(b"a=\n");
        for size in [1, 2, 3, 16, 128, 1000, LENGTH] {
            let work = work(
                &stream,
                size,
                MessageDecoder::new(),
                MessageDecoder::request,
            );
            assert!(work <= 24 * LENGTH, "pieces of {size}: {work}");
        }
    }

    #[test]
    fn cr_lf_and_garbage_in_pieces_are_linear_work() {
        for line in [
            &b"recipient=bob@example.org\r\n"[..],
            b"a=\r\n",
            b"a=\nx\n",
            b"x\n",
            b"\0\n",
            b"\r\r\n",
        ] {
            let stream = message(&[b"a=b\n", line].concat());
            for size in [1, 16, LENGTH] {
                let lenient = MessageDecoder::new().lenient();
                let work = work(&stream, size, lenient, MessageDecoder::request);
                let line = line.escape_ascii();
                assert!(work <= 4 * LENGTH, "{line} in pieces of {size}: {work}");
            }
        }
    }

    /// Each is a message of its own, that is begun with a block.
    #[test]
    fn blank_lines_in_pieces_are_linear_work() {
        let stream = [&[b'\n'; LENGTH - 5][..], b"a=b\n\n"].concat();
        for size in [1, 16, LENGTH] {
            let work = work(
                &stream,
                size,
                MessageDecoder::new(),
                MessageDecoder::request,
            );
            assert!(work <= 66 * LENGTH, "pieces of {size}: {work}");
        }
    }

    #[test]
    fn a_response_in_pieces_is_linear_work() {
        for line in [&b"version=1\n"[..], b"a=\r\n"] {
            let mut stream = message(line);
            stream.truncate(LENGTH - b"action=dunno\n".len() - line.len());
            let end = stream.iter().rposition(|byte| *byte == b'\n').unwrap();
            stream.truncate(end + 1);
            stream.extend_from_slice(b"action=dunno\n");
            for size in [1, 16, LENGTH] {
                let work = work(
                    &stream,
                    size,
                    MessageDecoder::new(),
                    MessageDecoder::response,
                );
                assert!(work <= 2 * LENGTH, "pieces of {size}: {work}");
            }
        }
    }

    #[test]
    fn the_rest_of_a_response_in_pieces_is_linear_work() {
        let stream = [&b"action=dunno\n"[..], &message(b"note=x\n")].concat();
        let stream = [&stream[..LENGTH - 100], b"\n\naction=ok\n"].concat();
        for size in [1, 16, LENGTH] {
            let mut answers = 0;
            let work = work(&stream, size, MessageDecoder::new(), |decoder, buf| {
                // The second answer comes behind the rest of the first.
                while decoder.response(buf)?.is_some() {
                    answers += 1;
                }
                Ok((answers == 2).then_some(()))
            });
            assert!(work <= 2 * LENGTH, "pieces of {size}: {work}");
        }
    }

    /// As many of these lines as a message may have, and its end.
    fn message(line: &[u8]) -> Vec<u8> {
        let lines = line.repeat((LENGTH - 1) / line.len());
        [&lines[..], b"\n"].concat()
    }

    /// How many bytes the decoder looks at until it has found the one message of the stream.
    fn work<T>(
        stream: &[u8],
        size: usize,
        mut decoder: MessageDecoder,
        mut next: impl FnMut(&mut MessageDecoder, &mut BytesMut) -> Result<Option<T>, DecodeError>,
    ) -> usize {
        LOOKED_AT.set(0);
        let mut buf = BytesMut::with_capacity(LENGTH);
        let mut found = 0;
        for piece in stream.chunks(size) {
            buf.extend_from_slice(piece);
            found += usize::from(next(&mut decoder, &mut buf).unwrap().is_some());
        }
        assert_eq!(found, 1);
        let looked_at = LOOKED_AT.get();
        assert!(
            looked_at >= stream.len(),
            "what is not counted is not bounded"
        );
        looked_at
    }

    #[test]
    fn a_line_feed_costs_what_is_before_it_and_itself() {
        for (bytes, found, looked_at) in [
            (&b""[..], None, 0),
            (b"ab", None, 2),
            (b"\nab\n", Some(0), 1),
            (b"ab\n", Some(2), 3),
        ] {
            LOOKED_AT.set(0);
            assert_eq!(line_feed(bytes), found);
            assert_eq!(LOOKED_AT.get(), looked_at, "{}", bytes.escape_ascii());
        }
    }
}
