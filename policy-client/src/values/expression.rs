//! Regular expressions of command lines and files, over bytes.

use regex::bytes::{Regex, RegexBuilder};

/// The words of an action and of most attributes are ASCII, so that the tables of Unicode would weigh for nothing.
pub(crate) fn expression(text: &str) -> Result<Regex, String> {
    let mut builder = RegexBuilder::new(text);
    let regex = builder.unicode(false).build();
    regex.map_err(|error| {
        // The last of several lines says what is wrong; those before it show where.
        let text = error.to_string();
        let last = text.lines().next_back().unwrap_or_default();
        last.trim_start_matches("error: ").to_owned()
    })
}

/// An expression of a longer text; an error quotes it.
pub(crate) fn quoted(text: &str) -> Result<Regex, String> {
    expression(text).map_err(|error| format!("'{text}': {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_said_in_one_line() {
        for (text, said) in [
            ("(", "unclosed group"),
            (
                "a{9999}{9999}",
                "Compiled regex exceeds size limit of 10485760 bytes.",
            ),
        ] {
            assert_eq!(expression(text).unwrap_err(), said);
        }
    }
}
