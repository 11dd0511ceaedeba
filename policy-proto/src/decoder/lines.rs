//! One whole line of a request, checked and cleaned.

use bytes::{Bytes, BytesMut};
use memchr::{memchr, memchr2, memchr3};

use crate::{DecodeError, grammar, metering::looked_at};

/// Whether the line is an attribute, which is proved here; what is wrong with it the grammar explains.
pub(crate) fn check(line: &[u8], offset: usize) -> Result<(), DecodeError> {
    looked_at(line.len());
    if is_attribute(line) {
        Ok(())
    } else {
        grammar::attribute(line, offset).map(|_| ())
    }
}

/// The text of an action's line, if it is one as all servers send it.
pub(crate) fn plain_action(line: &[u8]) -> Option<&[u8]> {
    let text = line.strip_prefix(grammar::ACTION)?;
    (memchr2(0, b'\r', text).is_none() && !grammar::is_blank(text)).then_some(text)
}

/// The text of an action whose line these bytes begin with, if it is one as all servers send it and whole.
pub(crate) fn leading_action(bytes: &[u8]) -> Option<&[u8]> {
    let rest = bytes.strip_prefix(grammar::ACTION)?;
    let end = memchr3(0, b'\r', b'\n', rest)?;
    looked_at(grammar::ACTION.len() + end + 1);
    let (text, rest) = rest.split_at_checked(end)?;
    (rest.first() == Some(&b'\n') && !grammar::is_blank(text)).then_some(text)
}

/// The line without one CR at its end, and whether there was one.
pub(crate) fn without_cr(line: &[u8]) -> (&[u8], bool) {
    match line.strip_suffix(b"\r") {
        Some(line) => (line, true),
        None => (line, false),
    }
}

/// The attributes of a message, each with a plain line feed, and a blank line: the one copy.
pub(crate) fn rewritten(message: &[u8]) -> Bytes {
    let mut wire = BytesMut::with_capacity(message.len());
    looked_at(message.len());
    for line in message.split(|byte| *byte == b'\n') {
        let (line, _) = without_cr(line);
        if is_attribute(line) {
            wire.extend_from_slice(line);
            wire.extend_from_slice(b"\n");
        }
    }
    wire.extend_from_slice(b"\n");
    wire.freeze()
}

/// Whether the line is `name "=" value`.
fn is_attribute(line: &[u8]) -> bool {
    memchr(b'=', line).is_some_and(|equals| equals > 0) && memchr2(0, b'\r', line).is_none()
}
