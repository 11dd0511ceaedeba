//! Regular expressions of command lines and files, over bytes.

use regex::bytes::{Regex, RegexBuilder};

/// The words of an action and of most attributes are ASCII, so that the tables of Unicode would weigh for nothing.
pub(crate) fn expression(text: &str) -> Result<Regex, String> {
    let mut builder = RegexBuilder::new(text);
    let regex = builder.unicode(false).build();
    regex.map_err(|error| error.to_string())
}
