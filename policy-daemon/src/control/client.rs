//! The client of a control socket: it sends one command, and has the answer.

use std::{io, os::unix::net::UnixStream, path::Path, time::Duration};

use thiserror::Error;

use super::protocol::{read_answer, read_lines, words_to_bytes, write};

/// A command that was not carried out.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AskError {
    /// The daemon's own answer, in one line.
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
        let stream = UnixStream::connect(path)?;
        write(&stream, &words_to_bytes(words))?;
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
        let stream = UnixStream::connect(path)?;
        write(&stream, &words_to_bytes(words))?;
        read_lines(&stream, time, on_line)
    };
    answer(path, exchange())
}

fn answer<T>(path: &Path, answer: io::Result<Result<T, String>>) -> Result<T, AskError> {
    match answer {
        Ok(answer) => answer.map_err(AskError::Refused),
        Err(error) => {
            use io::ErrorKind::{ConnectionReset, InvalidData, TimedOut, WouldBlock};
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
