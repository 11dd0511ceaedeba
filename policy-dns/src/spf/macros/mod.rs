//! Texts with macros: `%{i}`, `%{ir}.%{d2}` (RFC 7208, 7).

use super::{
    problem::Problem,
    scan::{macro_expand, printable},
};

mod expression;

pub(super) use expression::Values;

use expression::Macro;

/// A text with macros, read.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct MacroString {
    text: Vec<u8>,
    parts: Vec<Part>,
}

#[derive(Clone, Debug, Eq, PartialEq)]
enum Part {
    Literal(Vec<u8>),
    Macro(Macro),
}

impl MacroString {
    /// Reads a text.
    pub(super) fn parse(text: &[u8]) -> Result<Self, Problem> {
        let (mut parts, mut literal, mut rest) = (vec![], vec![], text);
        while let Some((&first, tail)) = rest.split_first() {
            if first != b'%' {
                literal.push(first);
                rest = tail;
                continue;
            }
            let position = text.len() - rest.len();
            let invalid = || Problem::InvalidMacro(position, printable(text));
            let (expression, tail) = rest
                .split_at_checked(macro_expand(rest).ok_or_else(invalid)?)
                .ok_or_else(invalid)?;
            match expression {
                [_, b'%'] => literal.push(b'%'),
                [_, b'_'] => literal.push(b' '),
                [_, b'-'] => literal.extend(b"%20"),
                [_, _, letter, transformers @ .., _] => {
                    parts.push(Part::Literal(std::mem::take(&mut literal)));
                    parts.push(Part::Macro(Macro::parse(
                        *letter,
                        transformers,
                        position,
                        text,
                    )?));
                }
                _ => return Err(invalid()),
            }
            rest = tail;
        }
        parts.push(Part::Literal(literal));
        Ok(Self {
            text: text.into(),
            parts,
        })
    }

    /// The text as it was read.
    pub(super) fn text(&self) -> &[u8] {
        &self.text
    }

    /// Whether the macro `p` is there, whose value takes look-ups.
    pub(super) fn needs_client_name(&self) -> bool {
        self.macros().any(|each| each.letter == b'p')
    }

    /// A macro that is for explanations, if there is one.
    pub(super) fn illegal_outside_explanations(&self) -> Result<(), Problem> {
        match self
            .macros()
            .find(|each| matches!(each.letter, b'c' | b'r' | b't'))
        {
            Some(each) => Err(Problem::IllegalMacro(
                each.letter.into(),
                printable(&self.text),
            )),
            None => Ok(()),
        }
    }

    /// The text with the values of its macros.
    pub(super) fn expand(&self, values: &Values<'_>) -> Result<Vec<u8>, Problem> {
        if !values.explanation {
            self.illegal_outside_explanations()?;
        }
        let mut text = Vec::new();
        for part in &self.parts {
            match part {
                Part::Literal(literal) => text.extend_from_slice(literal),
                Part::Macro(each) => text.extend(each.value(values)),
            }
            if text.len() > MAX_EXPANSION {
                return Err(Problem::Expansion(printable(&self.text)));
            }
        }
        Ok(text)
    }

    fn macros(&self) -> impl Iterator<Item = &Macro> {
        self.parts.iter().filter_map(|part| match part {
            Part::Macro(each) => Some(each),
            Part::Literal(_) => None,
        })
    }
}

/// The RFC bounds names by 253 bytes; an explanation has to fit into a reply.
const MAX_EXPANSION: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spf::SpfRequest;

    fn expand(text: &str, client: &str) -> Result<String, Problem> {
        let request = SpfRequest::mail_from(
            client.parse().unwrap(),
            "strong-bad@email.example.com",
            "mx.example.org",
        );
        let values = Values {
            request: &request,
            authority: b"email.example.com",
            client_name: b"mx.example.org",
            receiver: b"",
            explanation: false,
        };
        let text = MacroString::parse(text.as_bytes())?.expand(&values)?;
        Ok(String::from_utf8(text).unwrap())
    }

    /// In an explanation, of a sender and a HELO name.
    fn explained(text: &str, sender: &str, helo: &str) -> String {
        let request = SpfRequest::mail_from([192, 0, 2, 3].into(), sender, helo);
        let values = Values {
            request: &request,
            authority: b"acme.test",
            client_name: b"unknown",
            receiver: b"",
            explanation: true,
        };
        let text = MacroString::parse(text.as_bytes()).unwrap();
        String::from_utf8(text.expand(&values).unwrap()).unwrap()
    }

    #[test]
    fn values_that_are_not_known_and_dots_at_the_end_are_told() {
        assert_eq!(explained("%{h} %{r}", "a@acme.test", ""), "unknown unknown");
        assert_eq!(explained("%{h}", "a@acme.test", "mx.test"), "mx.test");
        // As it came, unless it is to be taken apart.
        assert_eq!(explained("%{l} %{lr}", "b.a.@acme.test", ""), "b.a. a.b");
    }

    #[test]
    fn the_time_is_in_seconds_since_the_epoch() {
        let seconds = || std::time::UNIX_EPOCH.elapsed().unwrap().as_secs();
        let before = seconds();
        let told: u64 = explained("%{t}", "a@acme.test", "").parse().unwrap();
        assert!((before..=seconds()).contains(&told));
    }

    #[test]
    fn an_expansion_has_a_limit() {
        let most = "a".repeat(MAX_EXPANSION);
        assert_eq!(expand(&most, "192.0.2.3"), Ok(most.clone()));
        assert!(matches!(
            expand(&format!("{most}a"), "192.0.2.3"),
            Err(Problem::Expansion(_))
        ));
    }

    #[test]
    fn the_examples_of_the_rfc_expand_as_it_says() {
        for (text, expected) in [
            ("%{s}", "strong-bad@email.example.com"),
            ("%{o}", "email.example.com"),
            ("%{d}", "email.example.com"),
            ("%{d4}", "email.example.com"),
            ("%{d3}", "email.example.com"),
            ("%{d2}", "example.com"),
            ("%{d1}", "com"),
            ("%{dr}", "com.example.email"),
            ("%{d2r}", "example.email"),
            ("%{l}", "strong-bad"),
            ("%{l-}", "strong.bad"),
            ("%{lr}", "strong-bad"),
            ("%{lr-}", "bad.strong"),
            ("%{l1r-}", "strong"),
            (
                "%{ir}.%{v}._spf.%{d2}",
                "3.2.0.192.in-addr._spf.example.com",
            ),
            ("%{lr-}.lp._spf.%{d2}", "bad.strong.lp._spf.example.com"),
            (
                "%{ir}.%{v}.%{l1r-}.lp._spf.%{d2}",
                "3.2.0.192.in-addr.strong.lp._spf.example.com",
            ),
            (
                "%{d2}.trusted-domains.example.net",
                "example.com.trusted-domains.example.net",
            ),
            ("%{h}%%%_%-%{p}", "mx.example.org% %20mx.example.org"),
            ("%{S}", "strong-bad%40email.example.com"),
            ("%{d99999999999999999999999R}", "com.example.email"),
        ] {
            assert_eq!(expand(text, "192.0.2.3").as_deref(), Ok(expected), "{text}");
        }
        let nibbles = "1.0.b.c.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2";
        let expected = format!("{nibbles}.ip6._spf.example.com");
        assert_eq!(
            expand("%{ir}.%{v}._spf.%{d2}", "2001:db8::cb01"),
            Ok(expected)
        );
    }

    #[test]
    fn errors_name_the_place() {
        for (text, expected) in [
            (
                "a%{x}b",
                "Unknown macro character 'x' at pos 1 in macro string 'a%{x}b'",
            ),
            (
                "%{d0}",
                "Illegal selection of 0 (zero) right-hand parts at pos 0 in macro string '%{d0}'",
            ),
            (
                "x.%{R}",
                "Illegal 'r' macro in non-explanation macro string 'x.%{R}'",
            ),
            (
                "ab%c",
                "Invalid macro expression at pos 2 in macro string 'ab%c'",
            ),
        ] {
            assert_eq!(expand(text, "192.0.2.3").unwrap_err().to_string(), expected);
        }
    }

    #[test]
    fn an_expansion_has_a_bound() {
        assert!(matches!(
            expand(&"%{s}".repeat(147), "192.0.2.3"),
            Err(Problem::Expansion(_))
        ));
        assert!(expand(&"%{s}".repeat(146), "192.0.2.3").is_ok());
    }
}
