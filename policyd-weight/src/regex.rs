//! Regular expressions that mean what Perl's do, with a limit on each match.

use pcre2::bytes::{Regex as Compiled, RegexBuilder};

/// A regular expression. A match that takes too many steps counts as none.
#[derive(Clone, Debug)]
pub struct Regex(Compiled);

/// Reads a regular expression.
///
/// # Errors
///
/// What PCRE2 says of it; one that sets limits of its own.
pub fn compile(pattern: &str) -> Result<Regex, String> {
    if pattern.starts_with("(*") {
        return Err("it must not begin with (*".to_owned());
    }
    let limited = format!("{LIMIT}{pattern}");
    let regex = RegexBuilder::new().jit_if_available(true).build(&limited);
    regex.map(Regex).map_err(|error| {
        // With the place in the pattern itself.
        let own = RegexBuilder::new().build(pattern).err();
        own.unwrap_or(error).to_string()
    })
}

impl Regex {
    /// Whether it matches somewhere.
    #[must_use]
    pub fn is_match(&self, text: &[u8]) -> bool {
        self.0.is_match(text).unwrap_or(false)
    }
}

/// Some milliseconds at most.
const LIMIT: &str = "(*LIMIT_MATCH=100000)";
