//! The protocol of the control socket: the words of a command, and its answer.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    os::unix::net::UnixStream,
    time::{Duration, Instant},
};

/// Reads the words of a command.
///
/// # Errors
///
/// A client that is slow or leaves, too many bytes, bytes that are no UTF-8, or no word at all.
pub(super) fn read_words(stream: &UnixStream) -> io::Result<Vec<String>> {
    let bytes = read_until(stream, MAX_COMMAND, |bytes| bytes.ends_with(b"\n\n"))?;
    let text = bytes
        .strip_suffix(b"\n\n")
        .ok_or(io::ErrorKind::UnexpectedEof)?;
    let text = std::str::from_utf8(text).map_err(|_| io::ErrorKind::InvalidData)?;
    if text.is_empty() {
        return Err(io::ErrorKind::InvalidData.into());
    }
    Ok(text.split('\n').map(str::to_owned).collect())
}

/// The bytes of a command. No word can hold a line feed or be empty: such a word ends up as several, or ends the command.
pub(super) fn words_to_bytes(words: &[String]) -> Vec<u8> {
    let mut bytes = words.join("\n").into_bytes();
    bytes.extend_from_slice(b"\n\n");
    bytes
}

/// The bytes of an answer.
pub(super) fn answer_to_bytes(answer: &Result<String, String>) -> Vec<u8> {
    match answer {
        Ok(text) => format!("{OK}\n{text}"),
        Err(text) => format!("{FAILED}\n{text}"),
    }
    .into_bytes()
}

/// Reads an answer to its end.
pub(super) fn read_answer(stream: &UnixStream) -> io::Result<Result<String, String>> {
    let bytes = read_until(stream, MAX_ANSWER, |_| false)?;
    let text = String::from_utf8(bytes).map_err(|_| io::ErrorKind::InvalidData)?;
    match text.split_once('\n') {
        Some((OK, text)) => Ok(Ok(text.to_owned())),
        Some((FAILED, text)) => Ok(Err(text.to_owned())),
        _ => Err(io::ErrorKind::InvalidData.into()),
    }
}

/// Reads an answer line by line, until its end, or until `on_line` says false. A refusal is read to its end.
pub(super) fn read_lines(
    stream: &UnixStream,
    time: Duration,
    mut on_line: impl FnMut(&str) -> bool,
) -> io::Result<Result<(), String>> {
    let end = Instant::now() + time.saturating_add(PATIENCE);
    let mut reader = BufReader::new(stream);
    let mut line = Vec::new();
    let mut status = None;
    let mut refusal = Vec::new();
    loop {
        line.clear();
        // A line may come in parts, each of which waits for no longer than there is time.
        while !line.ends_with(b"\n") && line.len() <= MAX_LINE {
            stream.set_read_timeout(Some(left(end)?))?;
            let part = match reader.fill_buf() {
                Ok(part) => part,
                // Such as by a terminal that has stopped this process for a while.
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            if part.is_empty() {
                break;
            }
            let length = part
                .iter()
                .position(|byte| *byte == b'\n')
                .map_or(part.len(), |at| at + 1);
            line.extend_from_slice(part.get(..length).unwrap_or_default());
            reader.consume(length);
        }
        let text = str::from_utf8(&line).map_err(|_| io::ErrorKind::InvalidData)?;
        let text = text.trim_end_matches('\n');
        match status {
            None if text == OK => status = Some(true),
            None if text == FAILED => status = Some(false),
            None => return Err(io::ErrorKind::InvalidData.into()),
            Some(true) if line.is_empty() || !on_line(text) => return Ok(Ok(())),
            Some(true) => {}
            Some(false) if line.is_empty() || refusal.len() > MAX_REFUSAL => {
                return Ok(Err(refusal.join("\n")));
            }
            Some(false) => refusal.push(text.to_owned()),
        }
    }
}

/// Writes all of these bytes, in time.
pub(super) fn write(stream: &UnixStream, bytes: &[u8]) -> io::Result<()> {
    write_until(stream, bytes, Instant::now() + PATIENCE)
}

/// Writes all of these bytes until then.
pub(super) fn write_until(
    mut stream: &UnixStream,
    mut bytes: &[u8],
    end: Instant,
) -> io::Result<()> {
    while !bytes.is_empty() {
        stream.set_write_timeout(Some(left(end)?))?;
        match stream.write(bytes) {
            Ok(count) => bytes = bytes.get(count..).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Reads until the bytes are whole, or the other side has ended.
fn read_until(
    mut stream: &UnixStream,
    max: usize,
    is_whole: impl Fn(&[u8]) -> bool,
) -> io::Result<Vec<u8>> {
    let end = Instant::now() + PATIENCE;
    let (mut bytes, mut part) = (Vec::new(), [0; 4096]);
    while !is_whole(&bytes) {
        stream.set_read_timeout(Some(left(end)?))?;
        match stream.read(&mut part) {
            Ok(0) => break,
            Ok(count) => bytes.extend_from_slice(part.get(..count).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        if bytes.len() > max {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
    }
    Ok(bytes)
}

/// The time until then. A socket takes no time-out of zero.
fn left(end: Instant) -> io::Result<Duration> {
    let left = end.saturating_duration_since(Instant::now());
    if left < Duration::from_millis(1) {
        return Err(io::ErrorKind::TimedOut.into());
    }
    Ok(left)
}

const OK: &str = "ok";
const FAILED: &str = "failed";
/// In bytes: a command has few and short words.
pub(super) const MAX_COMMAND: usize = 4096;
/// In bytes: far more than the status of 64 services takes.
const MAX_ANSWER: usize = 4 << 20;
/// In bytes: a line of a log and what stands before it.
const MAX_LINE: usize = 16_384;
/// In lines: the faults of a configuration at worst.
const MAX_REFUSAL: usize = 1000;
/// The longest that reading a command, or writing an answer, may take. Reading an answer takes as long as the command,
/// which may wait for a service.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use std::net::Shutdown;

    use super::*;

    fn received(bytes: &[u8]) -> io::Result<Vec<String>> {
        let (near, far) = UnixStream::pair().unwrap();
        write(&far, bytes).unwrap();
        far.shutdown(Shutdown::Write).unwrap();
        read_words(&near)
    }

    #[test]
    fn a_command_arrives_as_it_was_sent() {
        let words = ["weight", "mx 1", "10"].map(str::to_owned).to_vec();
        assert_eq!(received(&words_to_bytes(&words)).unwrap(), words);
    }

    #[test]
    fn what_is_no_whole_command_is_none() {
        let long = [vec![b'x'; MAX_COMMAND], b"\n\n".to_vec()].concat();
        for bytes in [
            &b""[..],
            b"\n\n",
            b"status",
            b"status\n",
            b"\xff\n\n",
            &long,
        ] {
            assert!(received(bytes).is_err(), "{bytes:?}");
        }
    }

    #[test]
    fn an_answer_is_done_or_refused() {
        for answer in [
            Ok("two\nlines\n".to_owned()),
            Ok(String::new()),
            Err("no service 'x'".to_owned()),
        ] {
            let (near, far) = UnixStream::pair().unwrap();
            write(&far, &answer_to_bytes(&answer)).unwrap();
            drop(far);
            assert_eq!(read_answer(&near).unwrap(), answer);
        }
        let (near, far) = UnixStream::pair().unwrap();
        write(&far, b"HTTP/1.1 400 Bad Request\r\n").unwrap();
        drop(far);
        assert!(read_answer(&near).is_err());
    }
    #[test]
    fn lines_are_given_as_they_come_until_the_end() {
        for (bytes, lines, result) in [
            ("ok\na\nb\n", &["a", "b"][..], Some(Ok(()))),
            ("ok\na\n\nstop\nmore\n", &["a", "", "stop"], Some(Ok(()))),
            ("ok\n", &[], Some(Ok(()))),
            ("ok\nhalf a line", &["half a line"], Some(Ok(()))),
            ("failed\na\nb", &[], Some(Err("a\nb".to_owned()))),
            ("HTTP/1.1 400\n", &[], None),
            ("", &[], None),
        ] {
            let (near, far) = UnixStream::pair().unwrap();
            write(&far, bytes.as_bytes()).unwrap();
            drop(far);
            let mut read = Vec::new();
            let answer = read_lines(&near, Duration::ZERO, |line| {
                read.push(line.to_owned());
                line != "stop"
            });
            assert_eq!(
                (answer.ok(), &*read),
                (
                    result,
                    &lines.iter().map(|l| (*l).to_owned()).collect::<Vec<_>>()[..]
                ),
                "{bytes}"
            );
        }
    }
}
