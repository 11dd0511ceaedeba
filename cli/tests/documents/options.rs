//! Options in the running text, each `-s` among them: hapolicy takes them as they stand there.

use policy_testing::process::{hapolicy, run};

use crate::block::{Kind, Span, blocks, spans};

#[test]
fn options_in_the_documents_are_taken_as_they_stand() {
    let mut failures = Vec::new();
    let mut checked = 0;
    for (place, text) in options().into_iter().chain(option_blocks()) {
        let Some(words) = words(&text) else {
            continue;
        };
        checked += 1;
        let has = |option: &str| words.iter().any(|word| word == option);
        let mut args = vec!["--check".to_owned()];
        args.extend(words.iter().cloned());
        // What it needs besides.
        let needed = [
            ("--listen", "inet:127.0.0.1:10030"),
            ("-s", "grey1=192.0.2.10:10031"),
        ];
        for (option, value) in needed {
            if !has(option) {
                args.extend([option, value].map(str::to_owned));
            }
        }
        let ended = run(hapolicy(), &args);
        // What the span is about.
        let mut warnings = ended.err.lines();
        let expected = [
            "it was given before",
            "warning: -d 'close '",
            "every service is disabled",
        ];
        let is_expected =
            warnings.all(|line| expected.iter().any(|expected| line.contains(expected)));
        if ended.code != Some(0) || !is_expected {
            failures.push(format!("{place}: `{text}`: {ended:?}"));
        }
    }
    assert!(checked > 20, "{checked}");
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// Blocks of options.
fn option_blocks() -> Vec<(String, String)> {
    let blocks = blocks().into_iter();
    let blocks = blocks.filter(|block| block.kind == Ok(Kind::Options));
    blocks
        .map(|block| (block.to_string(), block.text))
        .collect()
}

/// Code in the running text that begins with an option of hapolicy.
fn options() -> Vec<(String, String)> {
    let mut spans = spans();
    // Those of the other programs are tested with them.
    let others = ["docs/mtpolicyd", "docs/policy-client"];
    let is_ours = |place: &str| {
        !place.contains(".1:") && !others.iter().any(|other| place.starts_with(other))
    };
    spans.retain(|span| span.text.starts_with('-') && is_ours(&span.place));
    let pair = |span: Span| (span.place, span.text);
    spans.into_iter().map(pair).collect()
}

/// The words of a command line with values; `None` where a word stands for a value, or an option is
/// named without one.
fn words(text: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut quote = false;
    let mut word = String::new();
    for character in text.chars().chain([' ']) {
        match character {
            '\'' => quote = !quote,
            ' ' | '\n' if !quote => {
                words.extend(Some(std::mem::take(&mut word)).filter(|word| !word.is_empty()))
            }
            _ => word.push(character),
        }
    }
    let placeholder = |word: &String| {
        let letters = word.trim_end_matches(':');
        let shouted = letters.chars().any(|c| c.is_ascii_uppercase()) && !word.contains(' ');
        shouted || word.ends_with(':') || ["...", "[", "|"].iter().any(|sign| word.contains(sign))
    };
    let is_whole = words.len() > 1 && !words.iter().any(placeholder);
    is_whole.then_some(words)
}
