//! Blanks, as Perl's `\s` has them for bytes.

/// Space, tab, line feed, vertical tab, form feed and carriage return.
pub(super) const fn is_blank(char: char) -> bool {
    matches!(char, ' ' | '\t' | '\n' | '\x0b' | '\x0c' | '\r')
}

pub(super) fn trim(text: &str) -> &str {
    text.trim_matches(is_blank)
}

pub(super) fn trim_start(text: &str) -> &str {
    text.trim_start_matches(is_blank)
}

pub(super) fn trim_end(text: &str) -> &str {
    text.trim_end_matches(is_blank)
}
