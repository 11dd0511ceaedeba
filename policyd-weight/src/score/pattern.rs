//! The Perl program's patterns of names, read once.

use std::sync::LazyLock;

use crate::regex::{Regex, compile};

/// Whether a name looks like one of a mail server.
pub(super) fn is_like_mail(name: &str) -> bool {
    is_match(&MAIL, name)
}

/// Whether a name looks like one of a client that is dialled in.
pub(super) fn is_like_dialup(name: &str) -> bool {
    is_match(&DIALUP, name)
}

/// Whether a name has four numbers with points, dashes or underscores between them.
pub(super) fn has_four_numbers(name: &str) -> bool {
    is_match(&NUMBERS, name)
}

/// Whether a sender has five consonants or four vowels in a row before an `@`.
pub(super) fn is_like_random(sender: &str) -> bool {
    is_match(&CONSONANTS, sender) || is_match(&VOWELS, sender)
}

fn is_match(regex: &Option<Regex>, text: &str) -> bool {
    regex
        .as_ref()
        .is_some_and(|regex| regex.is_match(text.as_bytes()))
}

type Pattern = LazyLock<Option<Regex>>;

static MAIL: Pattern =
    LazyLock::new(|| compile(r"(?i)(mx|smtp|mail|dedicated|(\b|[^n])stat).*?\..*?\.").ok());
static DIALUP: Pattern = LazyLock::new(|| {
    compile(r"(?i)(\.dip|cable|ppp|dial|dsl|dyn|client|rev.*?(ip|home)).*?\..*?\.").ok()
});
static NUMBERS: Pattern =
    LazyLock::new(|| compile(r"(?i)[a-z._-]+\d{1,3}[-._]\d{1,3}[-._]\d{1,3}[-._]\d{1,3}").ok());
static CONSONANTS: Pattern = LazyLock::new(|| compile(r"(?i)[bcdfgjklmnpqrtvwxz]{5,}.*@").ok());
static VOWELS: Pattern = LazyLock::new(|| compile(r"(?i)[aeiou]{4,}.*@").ok());

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_sorted() {
        for (name, mail, dialup, numbers) in [
            ("mail.acme.test", true, false, false),
            ("p5077.dip.dialin.test", false, true, false),
            ("dsl-5-78.pool.dialin.test", false, true, false),
            ("host-203-0-113-60.carrier.test", false, false, true),
            ("static1.acme.test", true, false, false),
            ("nstat.acme.test", false, false, false),
            ("revhome.acme.test", false, true, false),
            ("mail.test", false, false, false),
            ("203-0-113-60.test", false, false, false),
            ("h203_0.113-60", false, false, true),
        ] {
            let found = (
                is_like_mail(name),
                is_like_dialup(name),
                has_four_numbers(name),
            );
            assert_eq!(found, (mail, dialup, numbers), "{name}");
        }
    }

    #[test]
    fn random_senders_have_rows_of_letters() {
        for (sender, expected) in [
            ("xkcdqwrt@acme.test", true),
            ("aeio@acme.test", true),
            ("carol@acme.test", false),
            ("carol@bcdfg.test", false),
            ("strength@acme.test", false),
        ] {
            assert_eq!(is_like_random(sender), expected, "{sender}");
        }
    }
}
