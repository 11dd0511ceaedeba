//! The client of a control socket: it sends one command, and has the answer.

use std::{io, os::unix::net::UnixStream, path::Path, time::Duration};

use thiserror::Error;

use super::protocol::{MAX_COMMAND, read_answer, read_lines, words_to_bytes, write};

/// A command that was not carried out.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AskError {
    /// The daemon's own answer, in one line; or the command is too long to be sent.
    #[error("{0}")]
    Refused(String),
    /// No daemon answers there, or this user may not ask it.
    #[error("{0}: {1}")]
    Unavailable(String, #[source] io::Error),
}

/// Has the daemon behind this control socket carry out a command, and returns its text. Once
/// connected it takes a minute at most: 30 seconds to send the command, and as long to read the answer.
///
/// ```
/// use policy_daemon::control::{AskError, ask};
///
/// let error = ask("/nonexistent/control".as_ref(), &["status".to_owned()]).unwrap_err();
/// assert!(matches!(error, AskError::Unavailable(..)), "{error}");
/// ```
///
/// # Errors
///
/// [`AskError`].
pub fn ask(path: &Path, words: &[String]) -> Result<String, AskError> {
    let exchange = || {
        let stream = send(path, words)?;
        read_answer(&stream)
    };
    answer(path, exchange())
}

/// Has the daemon carry out a command whose answer comes line by line, and gives each to `on_line` as soon as it is there,
/// without its line feed. It ends with the answer, or where `on_line` says false. The command may take this long, and
/// half a minute more.
///
/// # Errors
///
/// [`AskError`].
pub fn follow(
    path: &Path,
    words: &[String],
    time: Duration,
    on_line: impl FnMut(&str) -> bool,
) -> Result<(), AskError> {
    let exchange = || {
        let stream = send(path, words)?;
        read_lines(&stream, time, on_line)
    };
    answer(path, exchange())
}

/// Connects, and sends a command. A daemon would close the connection on one that is too long, without a word.
fn send(path: &Path, words: &[String]) -> io::Result<UnixStream> {
    let bytes = words_to_bytes(words);
    if bytes.len() > MAX_COMMAND {
        return Err(io::ErrorKind::ArgumentListTooLong.into());
    }
    let stream = UnixStream::connect(path)?;
    write(&stream, &bytes)?;
    Ok(stream)
}

fn answer<T>(path: &Path, answer: io::Result<Result<T, String>>) -> Result<T, AskError> {
    match answer {
        Ok(answer) => answer.map_err(AskError::Refused),
        Err(error) => {
            use io::ErrorKind::{
                ArgumentListTooLong, ConnectionReset, InvalidData, TimedOut, WouldBlock,
            };
            if error.kind() == ArgumentListTooLong {
                let text = format!("the command has more than {MAX_COMMAND} bytes");
                return Err(AskError::Refused(text));
            }
            let text = match error.kind() {
                TimedOut | WouldBlock => "a daemon has it, which does not answer",
                ConnectionReset => {
                    "the daemon closed the connection: it serves eight commands at once, or is ending"
                }
                InvalidData => "what answers there takes no commands",
                _ => return Err(AskError::Unavailable(path.display().to_string(), error)),
            };
            let error = io::Error::new(error.kind(), text);
            Err(AskError::Unavailable(path.display().to_string(), error))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_that_is_too_long_is_refused_before_it_is_sent() {
        let words = |length| ["drain".to_owned(), "x".repeat(length)];
        let path = Path::new("/nonexistent/control");
        for error in [
            ask(path, &words(5000)).unwrap_err(),
            follow(path, &words(5000), Duration::ZERO, |_| true).unwrap_err(),
        ] {
            assert_eq!(error.to_string(), "the command has more than 4096 bytes");
        }
        let longest = ask(path, &words(4096 - "drain\n\n\n".len())).unwrap_err();
        assert!(matches!(longest, AskError::Unavailable(..)), "{longest}");
    }
}
