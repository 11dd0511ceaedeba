//! One set of paths: what a reader copies has the programs where the install section puts them.

use std::fs;

use crate::block::{blocks, root};

#[test]
fn each_path_of_a_program_is_that_of_the_install_section() {
    let units = ["hapolicy.service", "hapolicy.socket"].map(|name| {
        let text = fs::read_to_string(root().join("contrib/systemd").join(name)).unwrap();
        (name.to_owned(), text)
    });
    let copied = blocks()
        .into_iter()
        .map(|block| (block.to_string(), block.text));
    let mut paths = 0;
    for (place, text) in copied.chain(units) {
        // Debian's package of the Perl script owns that path, and there it is taken over.
        let is_switch = text.contains("dpkg-divert");
        let words = text.split(|c: char| c.is_whitespace() || "='\"".contains(c));
        for word in
            words.filter(|word| word.contains("bin/hapolicy") || word.contains("bin/policy-client"))
        {
            paths += 1;
            let word = word
                .strip_suffix(".new")
                .or_else(|| word.strip_suffix(".old"))
                .unwrap_or(word);
            let known =
                ["/usr/local/sbin/hapolicy", "/usr/local/bin/policy-client"].contains(&word);
            let is_perls = ["/usr/sbin/hapolicy", "/usr/sbin/hapolicy.perl"].contains(&word);
            assert!(known || is_switch && is_perls, "{place}: {word}");
        }
    }
    assert!(paths > 20, "{paths}");
}
