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
//! text       = value with at least one octet that is not white
//!
//! command    = word [(SP / HTAB) *white rest] ; how Postfix reads the text of an action, access(5)
//! word       = *(OCTET except SP HTAB)
//! white      = SP / HTAB / VT / FF
//! ```
//!
//! `LF` may be written CR LF. Sources: `attr_scan_plain.c`, `attr_print_plain.c`, `smtpd_check.c`.
//!
//! The productions work on one whole line without its end: finding line ends, again and again as
//! bytes arrive, is the decoder's part. Its fast paths do not come here at all; the grammar speaks
//! when a line is wrong, for responses that are not plain, and for actions.

use nom::{
    IResult, Parser,
    bytes::complete::{tag, take_till, take_till1, take_while, take_while1},
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
    let parsed: IResult<&[u8], &[u8]> = (take_till(is_separator), take_while(is_white))
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
    text.iter().copied().all(is_white)
}

/// Whether a text is a message header, as PREPEND needs one: a name of printable characters without a colon, perhaps white
/// space, and a colon. Source: `is_header.c`.
pub(crate) fn is_header(text: &[u8]) -> bool {
    let parsed: IResult<&[u8], _> = (
        take_while1(|byte: u8| byte.is_ascii_graphic() && byte != b':'),
        take_while(is_separator),
        tag(":"),
    )
        .parse(text);
    parsed.is_ok()
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

/// A byte that ends a command word.
fn is_separator(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// A byte that Postfix skips after it: `ISSPACE`, but for the line ends that cannot come here.
fn is_white(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | 0x0b | 0x0c)
}

/// The error where the grammar stopped.
fn flaw(rest: &[u8], offset: usize) -> DecodeError {
    match rest.first() {
        None => DecodeError::NoEquals { offset },
        Some(b'=') => DecodeError::EmptyName { offset },
        Some(0) => DecodeError::Nul { offset },
        Some(_) => DecodeError::CarriageReturn { offset },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attribute_is_split_at_its_first_equal_sign() {
        assert_eq!(attribute(b"a=b=c", 0), Ok((&b"a"[..], &b"b=c"[..])));
    }

    #[test]
    fn a_value_may_be_empty() {
        assert_eq!(attribute(b"a=", 0), Ok((&b"a"[..], &b""[..])));
    }

    #[test]
    fn a_flaw_is_the_first_byte_that_the_grammar_forbids() {
        use DecodeError::{CarriageReturn, EmptyName, NoEquals, Nul};

        let offset = 7;
        for (line, flaw) in [
            (&b""[..], NoEquals { offset }),
            (b"abc", NoEquals { offset }),
            (b"=", EmptyName { offset }),
            (b"=\0", EmptyName { offset }),
            (b"\0=", Nul { offset }),
            (b"a\0", Nul { offset }),
            (b"a=\0\r", Nul { offset }),
            (b"\r", CarriageReturn { offset }),
            (b"a\r=", CarriageReturn { offset }),
            (b"a=\r\0", CarriageReturn { offset }),
            (b"a=\n", CarriageReturn { offset }),
        ] {
            assert_eq!(
                attribute(line, offset),
                Err(flaw),
                "{}",
                line.escape_ascii()
            );
        }
    }

    #[test]
    fn a_response_line_has_a_text_only_if_it_is_the_action() {
        assert_eq!(response_line(b"action= x ", 0), Ok(Some(&b" x "[..])));
        assert_eq!(response_line(b"actions=x", 0), Ok(None));
    }

    #[test]
    fn a_response_line_must_be_an_attribute_and_the_action_not_blank() {
        for (line, error) in [
            (&b""[..], DecodeError::NoAction { offset: 3 }),
            (b"action=", DecodeError::BlankAction { offset: 3 }),
            (
                b"action=\x0b\x0c \t",
                DecodeError::BlankAction { offset: 3 },
            ),
            (b"action", DecodeError::NoEquals { offset: 3 }),
        ] {
            assert_eq!(
                response_line(line, 3),
                Err(error),
                "{}",
                line.escape_ascii()
            );
        }
    }

    #[test]
    fn a_header_is_a_name_and_a_colon() {
        for (text, is_a_header) in [
            (&b"X-Grey: delayed"[..], true),
            (b"X-Grey:", true),
            (b"X-Grey \t: delayed", true),
            (b"", false),
            (b": delayed", false),
            (b"X-Grey", false),
            (b"X Grey: delayed", false),
            (b" X-Grey: delayed", false),
            (b"X-Gr\xe9y: delayed", false),
        ] {
            assert_eq!(is_header(text), is_a_header, "{}", text.escape_ascii());
        }
    }

    #[test]
    fn a_command_ends_at_the_first_space_or_tab_and_its_text_begins_behind_all_white_space() {
        for (text, parts) in [
            (&b""[..], (&b""[..], &b""[..])),
            (b"ok", (b"ok", b"")),
            (b"ok ", (b"ok", b"")),
            (b"a b c ", (b"a", b"b c ")),
            (b"a\t \x0b\x0cb", (b"a", b"b")),
            (b"a\x0bb", (b"a\x0bb", b"")),
            (b" a", (b"", b"a")),
        ] {
            assert_eq!(command(text), parts, "{}", text.escape_ascii());
        }
    }
}
