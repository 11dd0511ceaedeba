//! The option that was probably meant.

/// The option that was probably meant by a word that is no bundle of one-letter options: `-listen` by `--listen`.
pub(crate) fn long_option(word: &[u8], known: impl Iterator<Item = String>) -> Option<String> {
    let name = word
        .strip_prefix(b"-")?
        .split(|byte| *byte == b'=')
        .next()?;
    let is_meant = |long: &String| name.len() > 1 && long.as_bytes() == name;
    known.into_iter().find(is_meant)
}
