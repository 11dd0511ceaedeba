//! Text from anywhere as a part of one line: what a terminal, a pager or the journal could take for
//! something else than text is escaped.

use std::{borrow::Cow, fmt::Write};

/// A text as one line that can be shown: always UTF-8, and at most 8 KiB.
///
/// - Control characters of ASCII become `?`.
/// - Other control characters (U+0080 to U+009F), marks that change the direction of writing, line
///   separators, and bytes that are not UTF-8 become `\xNN`, each byte of them.
/// - What is longer is cut, and ends in `...`.
///
/// ```
/// use policy_daemon::log::printable;
///
/// assert_eq!(printable("grün [2001:db8::1]"), "grün [2001:db8::1]");
/// assert_eq!(printable(b"a\nb\x1b[2J \xe9 \xe2\x80\xae"), r"a?b?[2J \xe9 \xe2\x80\xae");
/// ```
#[must_use]
pub fn printable(text: impl AsRef<[u8]>) -> String {
    escaped(text, MAX_LINE, |_| false)
}

/// A JSON text so that it can be shown: what could do something else than be seen becomes `\uNNNN`. It
/// means the same.
///
/// ```
/// let shown = policy_daemon::log::printable_json("[\"gr\u{fc}n \u{9b}2J \u{202e}\"]");
/// assert_eq!(shown, "[\"gr\u{fc}n \\u009b2J \\u202e\"]");
/// ```
#[must_use]
pub fn printable_json(json: &str) -> String {
    let mut shown = String::with_capacity(json.len());
    for c in json.chars() {
        match c {
            // Each is one unit of UTF-16. Within JSON they stand in strings only.
            '\u{7f}'.. if c == '\u{7f}' || is_misleading(c) => {
                _ = write!(shown, "\\u{:04x}", u32::from(c));
            }
            c => shown.push(c),
        }
    }
    shown
}

/// A text as [`printable`] gives it, in at most `limit` bytes, or the three of `...` where `limit` is less. The characters that `is_syntax` names are written as `\xNN` as
/// well: those that delimit the text where it will stand.
///
/// The cut is made after a whole character and a whole escape.
///
/// ```
/// assert_eq!(policy_daemon::log::escaped("a=b c", 20, |c| c == ' '), r"a=b\x20c");
/// assert_eq!(policy_daemon::log::escaped("a=b c", 8, |c| c == ' '), r"a=b\x20c");
/// assert_eq!(policy_daemon::log::escaped("a=b c", 7, |c| c == ' '), "a=b...");
/// assert_eq!(policy_daemon::log::escaped("a=b c", 2, |c| c == ' '), "...");
/// ```
#[must_use]
pub fn escaped(text: impl AsRef<[u8]>, limit: usize, is_syntax: impl Fn(char) -> bool) -> String {
    let text = text.as_ref();
    if let Some(plain) = plain(text, limit)
        && !text.iter().any(|byte| is_syntax(char::from(*byte)))
    {
        return plain.to_owned();
    }
    let mut line = String::with_capacity(text.len().min(limit) + CUT.len());
    // The last place where the mark of a cut still fits.
    let mut cut = 0;
    for chunk in text.utf8_chunks() {
        let characters = chunk.valid().chars().map(Piece::Character);
        let bytes = chunk.invalid().iter().copied().map(Piece::Byte);
        for piece in characters.chain(bytes) {
            piece.append(&mut line, &is_syntax);
            if line.len() > limit {
                shorten(&mut line, cut);
                return line;
            }
            if line.len() + CUT.len() <= limit {
                cut = line.len();
            }
        }
    }
    line
}

/// A text as [`printable`] gives it, without a copy where it is one already, as nearly every line is.
pub(super) fn shown(text: &[u8]) -> Cow<'_, str> {
    plain(text, MAX_LINE).map_or_else(|| Cow::Owned(printable(text)), Cow::Borrowed)
}

fn plain(text: &[u8], limit: usize) -> Option<&str> {
    let is_plain = text.len() <= limit && is_plain(text);
    is_plain.then(|| str::from_utf8(text).ok())?
}

/// Whether all of it is printable ASCII, as nearly every line is: looked at in blocks, of which the compiler makes a few
/// instructions each.
fn is_plain(text: &[u8]) -> bool {
    let is_plain = |is_plain: bool, byte: &u8| is_plain & (b' '..=b'~').contains(byte);
    text.chunks(BLOCK)
        .all(|block| block.iter().fold(true, is_plain))
}

enum Piece {
    Character(char),
    /// A byte that is no part of a character.
    Byte(u8),
}

impl Piece {
    fn append(self, line: &mut String, is_syntax: impl Fn(char) -> bool) {
        match self {
            Self::Character(c) if c.is_ascii_control() => line.push('?'),
            Self::Character(c) if is_misleading(c) || is_syntax(c) => {
                let mut bytes = [0; 4];
                for byte in c.encode_utf8(&mut bytes).bytes() {
                    append_escape(line, byte);
                }
            }
            Self::Character(c) => line.push(c),
            Self::Byte(byte) => append_escape(line, byte),
        }
    }
}

fn append_escape(line: &mut String, byte: u8) {
    // Writing to a string does not fail.
    _ = write!(line, "\\x{byte:02x}");
}

/// Cuts a line there, or before an escape that would be cut: the text may hold some from before.
fn shorten(line: &mut String, mut cut: usize) {
    let last = line.as_bytes().get(..cut).unwrap_or_default();
    let last = &last[last.len().saturating_sub(ESCAPE - 1)..];
    if let Some(at) = last.iter().position(|byte| *byte == b'\\') {
        cut -= last.len() - at;
    }
    line.truncate(cut);
    line.push_str(CUT);
}

/// Whether a character can do something else than be seen: C1 controls, marks of direction, line
/// separators.
pub(super) const fn is_misleading(c: char) -> bool {
    matches!(
        c,
        '\u{80}'..='\u{9f}'
            | '\u{61c}'
            | '\u{200e}'
            | '\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2066}'..='\u{2069}'
    )
}

/// The longest printable line in bytes: syslogd implementations take 1 to 8 KiB.
pub const MAX_LINE: usize = 8192;
/// In bytes.
const BLOCK: usize = 32;
/// In the place of what was cut off.
const CUT: &str = "...";
/// `\xNN`.
const ESCAPE: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_do_something_else_than_be_seen_is_escaped() {
        let table: &[(&[u8], &str)] = &[
            (b"", ""),
            (
                b"plain, text 100% \\ 'quoted'",
                "plain, text 100% \\ 'quoted'",
            ),
            ("grün 例え 👍 ñ".as_bytes(), "grün 例え 👍 ñ"),
            (b"\0\t\n\r\x1b[2J\x1f\x7f", "?????[2J??"),
            // U+0080, U+0085, U+009B, U+009F, and their neighbour U+00A0
            (
                b"\xc2\x80\xc2\x85\xc2\x9b\xc2\x9f",
                r"\xc2\x80\xc2\x85\xc2\x9b\xc2\x9f",
            ),
            (b"\xc2\xa0", "\u{a0}"),
            ("\u{61c}".as_bytes(), r"\xd8\x9c"),
            (
                "\u{200d}\u{200e}\u{200f}\u{2010}".as_bytes(),
                "\u{200d}\\xe2\\x80\\x8e\\xe2\\x80\\x8f\u{2010}",
            ),
            (
                "\u{2027}\u{2028}\u{2029}".as_bytes(),
                "\u{2027}\\xe2\\x80\\xa8\\xe2\\x80\\xa9",
            ),
            (
                "\u{202a}\u{202e}\u{202f}".as_bytes(),
                "\\xe2\\x80\\xaa\\xe2\\x80\\xae\u{202f}",
            ),
            (
                "\u{2065}\u{2066}\u{2069}\u{206a}".as_bytes(),
                "\u{2065}\\xe2\\x81\\xa6\\xe2\\x81\\xa9\u{206a}",
            ),
            // No UTF-8: a lone byte, half a character, an overlong one, a surrogate, too large a one
            (b"5\xff0", r"5\xff0"),
            (b"\xe9t\xe9", r"\xe9t\xe9"),
            (b"a\xe2\x80", r"a\xe2\x80"),
            (b"\xc0\xaf", r"\xc0\xaf"),
            (b"\xed\xa0\x80", r"\xed\xa0\x80"),
            (b"\xf5\x80\x80\x80", r"\xf5\x80\x80\x80"),
        ];
        for (text, line) in table {
            assert_eq!(printable(text), *line, "{}", text.escape_ascii());
            let again = printable(line);
            assert_eq!(again, *line, "it stays as it is");
        }
    }

    #[test]
    fn a_cut_is_seen_and_is_never_within_a_character_or_an_escape() {
        let long = |unit: &[u8]| printable(unit.repeat(MAX_LINE + 1));
        for (unit, line) in [
            (&b"x"[..], "x"),
            ("例".as_bytes(), "例"),
            ("👍".as_bytes(), "👍"),
            (b"\xff", r"\xff"),
            ("\u{202e}".as_bytes(), r"\xe2\x80\xae"),
            (br"\xff", r"\xff"),
        ] {
            let cut = long(unit);
            let text = cut.strip_suffix(CUT).expect("it is cut");
            assert_eq!(text, line.repeat(text.len() / line.len()), "{line}");
            let room = MAX_LINE - cut.len();
            assert!(room < line.len() + ESCAPE, "{line}: {room} bytes of room");
        }
        assert_eq!(long(b"").len(), 0);
        let fits = "x".repeat(MAX_LINE);
        assert_eq!(printable(&fits), fits);
    }

    #[test]
    fn a_limit_holds_wherever_the_cut_falls() {
        let text = "aé\u{202e}\\x5c\u{9b}b";
        for limit in 0..40 {
            let line = escaped(text, limit, |c| c == 'b');
            assert!(line.len() <= limit.max(CUT.len()), "{limit}: {line}");
            let (text, _) = line.split_once(CUT).unwrap_or((&line, ""));
            let whole = escaped(text, 100, |_| false);
            assert_eq!(text, whole, "{limit}");
            assert!(
                r"aé\xe2\x80\xae\x5c\xc2\x9b\x62".starts_with(text),
                "{limit}: {line}"
            );
            for escape in text.split('\\').skip(1) {
                assert!(escape.len() >= 3, "{limit}: {line}");
            }
        }
    }
}
