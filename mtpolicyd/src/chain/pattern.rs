//! Regular expressions with Perl's meaning, none of which can hold up a request.

use pcre2::bytes::{Regex, RegexBuilder};

/// A regular expression: compiled once, with a limit of steps for each match and of what is looked at.
///
/// ```
/// use mtpolicyd::chain::Pattern;
///
/// let pattern = Pattern::compile(r"^dyn[0-9]+\.")?;
/// assert!(pattern.is_match(b"dyn12.carrier.example"));
/// assert!(Pattern::compile("(").is_err());
/// # Ok::<(), String>(())
/// ```
#[derive(Clone, Debug)]
pub struct Pattern(Regex);

impl Pattern {
    /// Compiles an expression.
    ///
    /// # Errors
    ///
    /// What is wrong with it, in words.
    pub fn compile(pattern: &str) -> Result<Self, String> {
        // The limit has to come first.
        if pattern.starts_with("(*") {
            return Err("an expression may not begin with a verb".to_owned());
        }
        let mut builder = RegexBuilder::new();
        builder
            .jit_if_available(true)
            .max_jit_stack_size(Some(MAX_STACK));
        let regex = builder.build(&format!("{LIMIT}{pattern}"));
        regex.map(Self).map_err(|error| error.to_string())
    }

    /// Whether it matches. A match that takes too many steps is none.
    #[must_use]
    pub fn is_match(&self, subject: &[u8]) -> bool {
        let subject = subject.get(..MAX_SUBJECT).unwrap_or(subject);
        self.0.is_match(subject).unwrap_or(false)
    }
}

/// How many steps a match may take: about 0.3 ms.
const LIMIT: &str = "(*LIMIT_MATCH=100000)";
const MAX_STACK: usize = 1 << 20;
/// How much of a text is looked at.
const MAX_SUBJECT: usize = 64 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_expression_holds_up_a_request() {
        // Each further byte would double the time.
        let pattern = Pattern::compile("^(a+)+$").unwrap();
        assert!(!pattern.is_match(&[&[b'a'; 64][..], b"!"].concat()));
        assert!(pattern.is_match(&[b'a'; 64]));
        assert!(Pattern::compile("(*LIMIT_MATCH=4000000000)a").is_err());
    }

    #[test]
    fn what_is_looked_at_has_a_bound() {
        let pattern = Pattern::compile("b").unwrap();
        let text = |length: usize| [&vec![b'a'; length][..], b"b"].concat();
        assert!(pattern.is_match(&text(MAX_SUBJECT - 1)));
        assert!(!pattern.is_match(&text(MAX_SUBJECT)));
    }
}
