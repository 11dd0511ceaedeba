//! The list of exit statuses in the manual page names what the one in the manual does.

use std::{collections::BTreeSet, fs};

use crate::block::root;

#[test]
fn each_status_has_the_same_options_and_variables_in_the_manual_and_in_its_page() {
    let manual = fs::read_to_string(root().join("docs/hapolicy.md")).unwrap();
    let page = fs::read_to_string(root().join("docs/hapolicy.1")).unwrap();
    let (_, page) = page.split_once("\n.Sh EXIT STATUS\n").expect("its section");
    let page = page.split("\n.Sh ").next().unwrap().replace("Fl -", "--");
    let (_, manual) = manual
        .split_once("\n## Exit statuses\n")
        .expect("its section");
    let manual = manual.split("\n## ").next().unwrap();
    let rows = manual.lines().filter_map(|line| line.strip_prefix("| "));
    let mut count = 0;
    for row in rows {
        let (status, when) = row.split_once(" | ").unwrap();
        if status.parse::<u8>().is_err() {
            continue;
        }
        let (_, item) = page.split_once(&format!("\n.It {status}\n")).expect(status);
        let item = item.split("\n.It ").next().unwrap();
        let item = item.split("\n.El").next().unwrap();
        // It has these in a paragraph of its own, where they stand for the mode.
        let mut named = names(when);
        named.remove("--help");
        named.remove("--version");
        assert_eq!(names(item), named, "{status}");
        count += 1;
    }
    assert_eq!(count, 5);
}

/// Options, and variables of the environment.
fn names(text: &str) -> BTreeSet<&str> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && !"-_".contains(c));
    let is_name = |word: &&str| word.starts_with("--") || word.contains('_');
    words.filter(is_name).collect()
}
