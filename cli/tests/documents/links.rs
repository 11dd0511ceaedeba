//! Links between the documents lead somewhere.

use std::{fs, path::Path};

use crate::block::{documents, root};

#[test]
fn each_link_leads_to_a_file_and_to_a_heading_in_it() {
    let mut broken = Vec::new();
    let mut count = 0;
    for (name, text) in documents() {
        let directory = root().join(&name);
        let directory = directory.parent().unwrap_or_else(|| Path::new("/"));
        let links = text
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split(')').next());
        for link in links.filter(|link| !link.starts_with("https://")) {
            count += 1;
            let (file, heading) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() {
                root().join(&name)
            } else {
                directory.join(file)
            };
            let leads = match fs::read_to_string(&target) {
                Ok(text) => heading.is_empty() || anchors(&text).any(|anchor| anchor == heading),
                Err(_) => target.is_dir(),
            };
            if !leads {
                broken.push(format!("{name}: {link}"));
            }
        }
    }
    assert!(count > 20, "{count}");
    assert_eq!(broken, [""; 0]);
}

/// The names of headings, as GitHub makes them.
fn anchors(text: &str) -> impl Iterator<Item = String> {
    let headings = text.lines().filter(|line| line.starts_with('#'));
    headings.map(|line| {
        let heading = line.trim_start_matches('#').trim().to_lowercase();
        let kept = heading
            .chars()
            .filter(|c| c.is_alphanumeric() || [' ', '-', '_'].contains(c));
        kept.map(|c| if c == ' ' { '-' } else { c }).collect()
    })
}
