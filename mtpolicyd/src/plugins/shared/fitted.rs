//! A value of a request as a key of a limited length.

use std::borrow::Cow;

use sha2::{Digest as _, Sha256};

/// The value itself where it has at most so many characters (66 or more). Of a longer one the beginning is kept, and a hash of
/// all of it, so that two never share what is counted for them. What is made here stays what it is when it is given again.
pub(in crate::plugins) fn fitted(value: &str, longest: usize) -> Cow<'_, str> {
    if value.chars().nth(longest).is_none() {
        return Cow::Borrowed(value);
    }
    let mut short: String = value.chars().take(longest - HASH).collect();
    short.push('#');
    for byte in Sha256::digest(value) {
        short.push_str(&format!("{byte:02x}"));
    }
    Cow::Owned(short)
}

/// `#` and the hash in hexadecimal digits.
const HASH: usize = 65;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_value_stays_and_long_ones_differ_as_they_did() {
        for value in ["", "a@b.example", &"é".repeat(100)] {
            assert_eq!(fitted(value, 100), value);
        }
        let long = |end: &str| fitted(&("é".repeat(100) + end), 100).into_owned();
        assert_ne!(long("a"), long("b"));
        let [short, again] = [long("a"), fitted(&long("a"), 100).into_owned()];
        assert_eq!(short, again);
        assert_eq!(short.chars().count(), 100);
        assert!(short.starts_with(&("é".repeat(35) + "#")), "{short}");
    }
}
