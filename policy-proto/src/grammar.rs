//! The protocol's grammar, and the only place where it is written down.
//!
//! ```text
//! request    = 1*attribute LF                ; Postfix to server
//! response   = *attribute action LF          ; server to Postfix; what stands between the action
//!              *any LF                       ; and the blank line is ignored
//!
//! attribute  = name "=" value LF
//! action     = "action=" text LF
//! name       = 1*(OCTET except "=" NUL CR LF)
//! value      = *(OCTET except NUL CR LF)
//! text       = value with at least one octet that is not white space
//!
//! command    = word [blanks rest]            ; how Postfix reads the text of an action, access(5)
//! word       = *(OCTET except SP HTAB)
//! blanks     = 1*(SP / HTAB)
//! ```
//!
//! `LF` may be written CR LF. Sources: `attr_scan_plain.c`, `attr_print_plain.c`, `smtpd_check.c`.
//!
//! The productions work on one whole line without its end: finding line ends, again and again as
//! bytes arrive, is the decoder's part. Its fast path does not come here at all; the grammar speaks
//! when a line is wrong, and for responses and actions.

use nom::{
    IResult, Parser,
    bytes::complete::{tag, take_till, take_till1, take_while},
    combinator::all_consuming,
    sequence::separated_pair,
};

use crate::DecodeError;

/// `name "=" value`, or which byte forbids it. `offset` is where the line begins in its message.
pub(crate) fn attribute(line: &[u8], offset: usize) -> Result<(&[u8], &[u8]), DecodeError> {
    match all_consuming(separated_pair(name, tag("="), value)).parse(line) {
        Ok((_, pair)) => Ok(pair),
        Err(nom::Err::Error(error) | nom::Err::Failure(error)) => Err(flaw(error.input, offset)),
        // Complete parsers never ask for more.
        Err(nom::Err::Incomplete(_)) => Err(DecodeError::UnexpectedEnd),
    }
}

/// One line of a response: its action's text, or `None` for another attribute, which is skipped.
pub(crate) fn response_line(line: &[u8], offset: usize) -> Result<Option<&[u8]>, DecodeError> {
    if line.is_empty() {
        return Err(DecodeError::NoAction { offset });
    }
    match attribute(line, offset)? {
        (b"action", text) if is_blank(text) => Err(DecodeError::BlankAction { offset }),
        (b"action", text) => Ok(Some(text)),
        _ => Ok(None),
    }
}

/// An action's command word and what follows the white space behind it.
pub(crate) fn command(text: &[u8]) -> (&[u8], &[u8]) {
    let parsed: IResult<&[u8], &[u8]> = (take_till(is_space), take_while(is_space))
        .map(|(word, _)| word)
        .parse(text);
    match parsed {
        Ok((rest, word)) => (word, rest),
        // Both productions accept nothing, so they cannot fail.
        Err(_) => (text, b""),
    }
}

/// `action=` before a text: the prefix on the wire.
pub(crate) const ACTION: &[u8] = b"action=";

pub(crate) fn is_blank(text: &[u8]) -> bool {
    text.iter().all(u8::is_ascii_whitespace)
}

fn name(input: &[u8]) -> IResult<&[u8], &[u8]> {
    take_till1(|byte| byte == b'=' || is_forbidden(byte)).parse(input)
}

fn value(input: &[u8]) -> IResult<&[u8], &[u8]> {
    take_till(is_forbidden).parse(input)
}

fn is_forbidden(byte: u8) -> bool {
    matches!(byte, 0 | b'\r' | b'\n')
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// What is wrong where the grammar stopped.
fn flaw(rest: &[u8], offset: usize) -> DecodeError {
    match rest.first() {
        None => DecodeError::NoEquals { offset },
        Some(b'=') => DecodeError::EmptyName { offset },
        Some(0) => DecodeError::Nul { offset },
        Some(_) => DecodeError::CarriageReturn { offset },
    }
}
