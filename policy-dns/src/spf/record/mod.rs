//! Records: `v=spf1` and its terms (RFC 7208, 4.6 and 12).

use super::{
    macros::MacroString,
    problem::Problem,
    scan::{self, printable},
};

mod arguments;
mod mechanism;
mod network;

pub(super) use mechanism::{Mechanism, Test};
pub(super) use network::{within_v4, within_v6};

use arguments::domain_spec;

/// A record, read.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(in crate::spf) struct Record {
    pub(in crate::spf) mechanisms: Vec<Mechanism>,
    pub(in crate::spf) redirect: Option<MacroString>,
    pub(in crate::spf) explanation: Option<MacroString>,
}

impl Record {
    /// Reads a text; none if it is no SPF record.
    pub(in crate::spf) fn parse(text: &[u8]) -> Option<Result<Self, Problem>> {
        let (version, terms) = text.split_at_checked(VERSION.len())?;
        let is_spf =
            version.eq_ignore_ascii_case(VERSION) && matches!(terms.first(), None | Some(b' '));
        is_spf.then(|| Self::parse_terms(text, terms))
    }

    fn parse_terms(text: &[u8], terms: &[u8]) -> Result<Self, Problem> {
        let mut record = Self::default();
        for term in terms
            .split(|&byte| byte == b' ')
            .filter(|term| !term.is_empty())
        {
            let qualifier = usize::from(matches!(term.first(), Some(b'+' | b'-' | b'~' | b'?')));
            let name = scan::name(term.get(qualifier..).unwrap_or_default());
            let after = term.get(qualifier + name);
            if name > 0 && matches!(after, None | Some(b':' | b'/')) {
                record
                    .mechanisms
                    .push(Mechanism::parse(term, qualifier, name)?);
            } else if name > 0 && qualifier == 0 && after == Some(&b'=') {
                record.add_modifier(term, name)?;
            } else {
                return Err(Problem::JunkInRecord(printable(text)));
            }
        }
        Ok(record)
    }

    fn add_modifier(&mut self, term: &[u8], name: usize) -> Result<(), Problem> {
        let (name, value) = (
            term.get(..name).unwrap_or_default(),
            term.get(name + 1..).unwrap_or_default(),
        );
        let (known, place) = if name.eq_ignore_ascii_case(b"redirect") {
            ("redirect", &mut self.redirect)
        } else if name.eq_ignore_ascii_case(b"exp") {
            ("exp", &mut self.explanation)
        } else if scan::macro_string(value) == value.len() {
            return Ok(());
        } else {
            return Err(Problem::InvalidMacroString(printable(term)));
        };
        let length =
            scan::domain_spec(value).ok_or_else(|| Problem::MissingDomain(printable(term)))?;
        let (domain, rest) = value.split_at_checked(length).unwrap_or_default();
        let domain = domain_spec(domain)?;
        if !rest.is_empty() {
            return Err(Problem::JunkInModifier(printable(term)));
        }
        if place.replace(domain).is_some() {
            return Err(Problem::DuplicateModifier(known));
        }
        Ok(())
    }
}

const VERSION: &[u8] = b"v=spf1";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_begins_with_its_version() {
        for (text, is_spf) in [
            ("v=spf1", true),
            ("V=SPF1 ", true),
            ("v=spf1 -all", true),
            ("v=spf10", false),
            ("v=spf1\t-all", false),
            (" v=spf1", false),
            ("v=spf", false),
            ("", false),
        ] {
            assert_eq!(Record::parse(text.as_bytes()).is_some(), is_spf, "{text}");
        }
    }

    #[test]
    fn errors_are_named_as_by_mail_spf() {
        for (terms, expected) in [
            (
                "redirect=a.test redirect=b.test",
                "Duplicate global modifier 'redirect' encountered",
            ),
            (
                "exp=a.test EXP=b.test",
                "Duplicate global modifier 'exp' encountered",
            ),
            ("exp=", "Missing required domain-spec in 'exp='"),
            (
                "redirect=a.test/24",
                "Junk encountered in modifier 'redirect=a.test/24'",
            ),
            ("foo=%abc", "Invalid macro string encountered in 'foo=%abc'"),
            ("-foo=bar", "Junk encountered in record 'v=spf1 -foo=bar'"),
            ("1up=foo", "Junk encountered in record 'v=spf1 1up=foo'"),
            ("=all", "Junk encountered in record 'v=spf1 =all'"),
            ("-", "Junk encountered in record 'v=spf1 -'"),
            ("\u{1}all", "Junk encountered in record 'v=spf1 \\x01all'"),
        ] {
            let record = Record::parse(format!("v=spf1 {terms}").as_bytes()).unwrap();
            assert_eq!(record.unwrap_err().to_string(), expected);
        }
    }

    #[test]
    fn unknown_modifiers_are_passed_over() {
        let record = Record::parse(b"v=spf1  a  foo=%{d}x/:  moo.cow-far_out=  redirect=%{d}  ")
            .unwrap()
            .unwrap();
        assert_eq!(
            (
                record.mechanisms.len(),
                record.redirect.is_some(),
                record.explanation
            ),
            (1, true, None)
        );
    }
}
