//! Filters in which a value is put, so that it stays a value.

use std::{fmt, str::FromStr};

/// A search filter with `%s` in the place of a value. `%%` is a percent sign.
///
/// ```
/// # fn main() -> Result<(), policy_store::InvalidFilter> {
/// let filter: policy_store::Filter = "(&(uid=%s)(active=1))".parse()?;
/// assert_eq!(filter.with(b"alice"), "(&(uid=alice)(active=1))");
/// // What would be a part of the filter is none (RFC 4515).
/// assert_eq!(filter.with(b"*)(uid=bob"), r"(&(uid=\2a\29\28uid=bob)(active=1))");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Eq, PartialEq)]
pub struct Filter(String);

impl Filter {
    /// The filter for a value.
    pub fn with(&self, value: &[u8]) -> String {
        let mut out = String::new();
        let mut parts = self.0.split('%');
        out.push_str(parts.next().unwrap_or_default());
        while let Some(part) = parts.next() {
            if let Some(rest) = part.strip_prefix('s') {
                out.push_str(&escaped(value));
                out.push_str(rest);
            } else {
                // An empty part: a second percent sign follows.
                out.push('%');
                out.push_str(parts.next().unwrap_or_default());
            }
        }
        out
    }
}

impl FromStr for Filter {
    type Err = InvalidFilter;

    fn from_str(text: &str) -> Result<Self, InvalidFilter> {
        let mut parts = text.split('%').skip(1);
        while let Some(part) = parts.next() {
            let is_percent = part.is_empty() && parts.next().is_some();
            if !is_percent && !part.starts_with('s') {
                return Err(InvalidFilter::Percent);
            }
        }
        let filter = Self(text.to_owned());
        ldap3::parse_filter(filter.with(b"x")).map_err(|_| InvalidFilter::Syntax)?;
        Ok(filter)
    }
}

impl fmt::Debug for Filter {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Filter({:?})", self.0)
    }
}

/// Why a filter was refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidFilter {
    /// A `%` that is neither `%s` nor `%%`.
    #[error("a `%` is followed by neither `s` nor `%`")]
    Percent,
    /// Not a filter as RFC 4515 has it.
    #[error("it is no filter: parentheses are missing, or an attribute")]
    Syntax,
}

/// Bytes that mean something in a filter, and those that are no text.
fn escaped(value: &[u8]) -> String {
    let mut out = String::new();
    for chunk in value.utf8_chunks() {
        for char in chunk.valid().chars() {
            match char {
                '*' | '(' | ')' | '\\' | '\0' => out.push_str(&format!("\\{:02x}", char as u32)),
                other => out.push(other),
            }
        }
        for byte in chunk.invalid() {
            out.push_str(&format!("\\{byte:02x}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_value_stays_a_value() {
        let filter: Filter = "(|(mail=%s)(note=100%%)(uid=%s))".parse().unwrap();
        for (value, text) in [
            (&b"a"[..], "(|(mail=a)(note=100%)(uid=a))"),
            (b"%s", "(|(mail=%s)(note=100%)(uid=%s))"),
            (b"\\", r"(|(mail=\5c)(note=100%)(uid=\5c))"),
            (b"\0\xff", r"(|(mail=\00\ff)(note=100%)(uid=\00\ff))"),
            ("Zoë".as_bytes(), "(|(mail=Zoë)(note=100%)(uid=Zoë))"),
        ] {
            assert_eq!(filter.with(value), text);
            assert!(ldap3::parse_filter(filter.with(value)).is_ok());
        }
    }

    #[test]
    fn what_is_no_filter_is_refused() {
        for (text, error) in [
            ("(uid=%d)", InvalidFilter::Percent),
            ("(uid=%", InvalidFilter::Percent),
            ("(uid=%s", InvalidFilter::Syntax),
            ("%s", InvalidFilter::Syntax),
            ("", InvalidFilter::Syntax),
        ] {
            assert_eq!(text.parse::<Filter>(), Err(error), "{text}");
        }
    }
}
