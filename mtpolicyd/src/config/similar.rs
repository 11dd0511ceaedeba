//! "Did you mean": the word that is most like another one.

/// The word that differs least, if it differs little.
pub(crate) fn similar<'w>(word: &str, words: impl Iterator<Item = &'w str>) -> Option<&'w str> {
    let distances =
        words.map(|other| (distance(&word.to_lowercase(), &other.to_lowercase()), other));
    let (least, other) = distances.min()?;
    (least <= 2 && least * 2 < word.len()).then_some(other)
}

/// How many characters have to be changed, left out or put in.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (index, from) in a.chars().enumerate() {
        let mut diagonal = index;
        let mut left = index + 1;
        if let Some(first) = row.first_mut() {
            *first = left;
        }
        for (cell, to) in row.iter_mut().skip(1).zip(&b) {
            let changed = diagonal + usize::from(from != *to);
            diagonal = *cell;
            left = changed.min(left + 1).min(*cell + 1);
            *cell = left;
        }
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::similar;

    #[test]
    fn a_slip_is_known_and_another_word_is_not() {
        let words = ["threshold", "match", "action", "score_field"];
        for (word, meant) in [
            ("treshold", Some("threshold")),
            ("Action", Some("action")),
            ("scorefield", Some("score_field")),
            ("keepalive", None),
            ("x", None),
        ] {
            assert_eq!(similar(word, words.into_iter()), meant, "{word}");
        }
    }
}
