//! The page on log lines has each line of the manual's table.

use std::{collections::BTreeSet, fs};

use crate::block::root;

#[test]
fn each_line_of_the_log_has_a_row_that_says_what_to_do() {
    let manual = fs::read_to_string(root().join("docs/hapolicy.md")).unwrap();
    let (_, log) = manual.split_once("\n## The log\n").expect("its section");
    let log = log.split("\n## ").next().unwrap();
    let levels = ["fatal", "error", "warning", "notice", "info"];
    let in_manual: BTreeSet<String> = rows(log)
        .filter(|cells| levels.contains(&cells[0].as_str()))
        .map(|cells| cells[1].clone())
        .collect();
    assert!(!in_manual.is_empty());

    let page = fs::read_to_string(root().join("docs/log.md")).unwrap();
    let in_page: BTreeSet<String> = rows(&page)
        .filter(|cells| cells[0].starts_with('`'))
        .map(|cells| {
            assert!(!cells[1].is_empty(), "{}", cells[0]);
            cells[0].clone()
        })
        .collect();
    let without_row: Vec<_> = in_manual.difference(&in_page).collect();
    let without_line: Vec<_> = in_page.difference(&in_manual).collect();
    assert_eq!((without_row, without_line), (Vec::new(), Vec::new()));
}

/// The cells of each row of the tables of a text.
fn rows(text: &str) -> impl Iterator<Item = Vec<String>> {
    let rows = text.lines().filter_map(|line| line.strip_prefix("| "));
    rows.map(|row| {
        let row = row.trim_end().trim_end_matches('|');
        row.split(" | ")
            .map(|cell| cell.trim().to_owned())
            .collect()
    })
}
