//! Each block says what it is.

use crate::block::{self, Kind, blocks, of_markdown};

#[test]
fn every_block_is_of_a_kind_that_is_tested() {
    let unknown: Vec<_> = blocks()
        .iter()
        .filter_map(|block| {
            let kind = block.kind.as_ref().err()?;
            Some(format!("{block}: '{kind}'"))
        })
        .collect();
    assert_eq!(unknown, [""; 0]);
}

/// A document that is not looked at would be one that is not tested.
#[test]
fn every_document_is_looked_at() {
    let documents = block::documents();
    for name in [
        "README.md",
        "docs/hapolicy.md",
        "docs/hapolicy.1",
        "docs/policy-client.1",
        "docs/policy-client.md",
    ] {
        assert!(documents.iter().any(|(known, _)| known == name), "{name}");
    }
    let blocks = blocks();
    for (name, text) in documents {
        let found = blocks.iter().filter(|block| block.document == name).count();
        let is_fence = |line: &&str| line.trim_start().starts_with("```");
        let fences = text.lines().filter(is_fence).count();
        let displays = text.lines().filter(|line| line.starts_with(".Bd")).count();
        assert_eq!(found, fences / 2 + displays, "{name}");
    }
}

#[test]
fn a_block_is_its_lines_without_the_indent_of_its_fence() {
    let text = "# a\n\n1. b\n\n   ```sh\n   c\n     d\n   ```\n\n```\ne\n```\n";
    let blocks = of_markdown("x.md", text);
    assert_eq!(blocks.len(), 2);
    assert_eq!(blocks[0].text, "c\n  d\n");
    assert_eq!(blocks[0].kind, Ok(Kind::Shell));
    assert_eq!((blocks[0].line, blocks[0].section), (5, 1));
    assert_eq!(blocks[1].kind, Err(String::new()));
}
