//! The protocol decoded the naive way: all bytes at once, split at each line feed. Nothing is kept
//! from read to read, since there is one read only; nothing here comes from the crate but its types.

use policy_proto::Limits;

use super::{Flaw, Outcome};

/// What a stream of requests holds.
pub(crate) fn requests(stream: &[u8], limits: Limits, lenient: bool) -> Outcome {
    let mut messages = Vec::new();
    let (mut kept, mut more) = (Vec::new(), 0);
    let mut message = Vec::new();
    let mut left_out = 0;
    let mut offset = 0;
    let error = 'stream: {
        for raw in stream.split_inclusive(|byte| *byte == b'\n') {
            if let Some(error) = crossed(raw, offset, limits) {
                break 'stream Some(error);
            }
            let Some(line) = whole(raw) else {
                break;
            };
            if line.is_empty() {
                if message.is_empty() && offset > 0 {
                    // Behind lines that are left out it belongs to the message.
                    offset += raw.len();
                    continue;
                }
                if !message.is_empty() {
                    messages.push([&message[..], b"\n"].concat());
                }
                message.clear();
                (left_out, offset) = (0, 0);
                continue;
            }
            match flaw(line, offset) {
                None => message.extend([line, b"\n"].concat()),
                Some(_) if lenient => {
                    left_out += 1;
                    match left_out {
                        ..=8 => kept.push(line[..line.len().min(512)].to_vec()),
                        _ => more += 1,
                    }
                }
                Some(error) => break 'stream Some(error),
            }
            offset += raw.len();
        }
        None
    };
    Outcome {
        messages,
        ignored: (kept, more),
        end: error.map_or_else(|| at_end(stream, offset), Err),
    }
}

/// What a stream of responses holds.
pub(crate) fn responses(stream: &[u8], limits: Limits) -> Outcome {
    let mut messages = Vec::new();
    let mut answered = false;
    let mut offset = 0;
    let error = 'stream: {
        for raw in stream.split_inclusive(|byte| *byte == b'\n') {
            if let Some(error) = crossed(raw, offset, limits) {
                break 'stream Some(error);
            }
            let Some(line) = whole(raw) else {
                break;
            };
            if !answered {
                if line.is_empty() {
                    break 'stream Some(Flaw::NoAction { offset });
                }
                if let Some(error) = flaw(line, offset) {
                    break 'stream Some(error);
                }
                if let Some(text) = line.strip_prefix(b"action=") {
                    if text.iter().all(|byte| b" \t\x0b\x0c".contains(byte)) {
                        break 'stream Some(Flaw::BlankAction { offset });
                    }
                    messages.push(text.to_vec());
                    answered = true;
                }
            }
            offset += raw.len();
            if line.is_empty() {
                (answered, offset) = (false, 0);
            }
        }
        None
    };
    let end = match error {
        Some(error) => Err(error),
        None if answered => Ok(()),
        None => at_end(stream, offset),
    };
    Outcome {
        messages,
        ignored: Default::default(),
        end,
    }
}

/// Whether a stream may end here: after a blank line, or when nothing came at all.
fn at_end(stream: &[u8], offset: usize) -> Result<(), Flaw> {
    if stream.is_empty() || offset == 0 && stream.ends_with(b"\n") {
        Ok(())
    } else {
        Err(Flaw::UnexpectedEnd)
    }
}

/// The limit that this line crosses, if it does; the one whose first byte too many comes first.
fn crossed(raw: &[u8], offset: usize, limits: Limits) -> Option<Flaw> {
    let line = raw.strip_suffix(b"\n").unwrap_or(raw);
    let line_room = (line.len() > limits.line).then_some(limits.line);
    let message_room = (offset + raw.len() > limits.message).then(|| limits.message - offset);
    match (line_room, message_room) {
        (None, None) => None,
        (Some(line), Some(message)) if message < line => Some(Flaw::MessageTooLong {
            limit: limits.message,
        }),
        (None, Some(_)) => Some(Flaw::MessageTooLong {
            limit: limits.message,
        }),
        (Some(_), _) => Some(Flaw::LineTooLong { limit: limits.line }),
    }
}

/// The line without its end; `None` where the stream ends first.
fn whole(raw: &[u8]) -> Option<&[u8]> {
    let line = raw.strip_suffix(b"\n")?;
    Some(line.strip_suffix(b"\r").unwrap_or(line))
}

/// Why a line is no attribute: the first byte that cannot stand where it stands.
fn flaw(line: &[u8], offset: usize) -> Option<Flaw> {
    let mut named = false;
    for (at, byte) in line.iter().enumerate() {
        match byte {
            0 => return Some(Flaw::Nul { offset }),
            b'\r' => return Some(Flaw::CarriageReturn { offset }),
            b'=' if at == 0 => return Some(Flaw::EmptyName { offset }),
            b'=' => named = true,
            _ => {}
        }
    }
    (!named).then_some(Flaw::NoEquals { offset })
}
