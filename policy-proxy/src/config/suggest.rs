//! The word that was probably meant.

/// The one of these words that is most like this one, if it is like enough.
pub(super) fn meant<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let alike = |known: &&str| strsim::normalized_damerau_levenshtein(word, known);
    let best = known
        .into_iter()
        .max_by(|a, b| alike(a).total_cmp(&alike(b)));
    best.filter(|best| alike(best) >= ENOUGH)
}

/// As a help.
pub(super) fn did_you_mean<'a>(
    word: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> Option<String> {
    meant(word, known).map(|meant| format!("did you mean `{meant}`?"))
}

/// Two of five letters may be wrong.
const ENOUGH: f64 = 0.6;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_understood_and_other_words_are_not() {
        let known = ["deadline", "default", "drain", "max-clients", "listen"];
        for (word, expected) in [
            ("deadlin", Some("deadline")),
            ("max_clients", Some("max-clients")),
            ("lisetn", Some("listen")),
            ("darin", Some("drain")),
            ("colour", None),
            ("", None),
        ] {
            assert_eq!(meant(word, known), expected, "{word}");
        }
    }
}
