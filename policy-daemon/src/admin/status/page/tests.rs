//! What is on the page, and that nothing comes from elsewhere.

use std::time::{Instant, UNIX_EPOCH};

use super::*;
use crate::{admin::Sample, metrics::Histogram};

#[test]
fn the_policy_names_the_style_of_the_page() {
    use sha2::{Digest, Sha256};
    let hash = base64(&Sha256::digest(STYLE));
    assert!(POLICY.contains(&format!("'sha256-{hash}'")), "{hash}");
}

#[test]
fn a_page_has_each_part_once_and_nothing_from_elsewhere() {
    let page = rendered();
    for part in [
        "<title>! a&lt;b: every service is down</title>",
        "<h1>a&lt;b</h1>",
        "<span class=\"bad\">not ready: every service is down</span>",
        "clients: 3 of 100",
        "<span class=\"bad\">log lines lost: 7</span>",
        "<h2>Services &amp; more</h2>",
        "<th>Name</th><th>State</th><th class=\"number\">Answered</th>",
        "<td class=\"text\">&lt;script&gt;x&lt;/script&gt;</td>",
        "<td class=\"bad\">down: &quot;refused&quot;</td>",
        "<td class=\"number\">12</td>",
        "25.0 %",
        " 1 ms, 100 ms</td>",
        "<span class=\"dim\">(1 h 1 min)</span>",
        "<h2>Last changes</h2>",
        "<td class=\"text\">&#39;a&#39; is down</td>",
        "<b>Requests</b> <span class=\"one\">now 2.0/s</span>",
        "<span class=\"two\">99 % 100 ms</span>",
        "<b>Errors</b> <span class=\"red\">now 0.5/s</span>",
        "content=\"10\"",
    ] {
        assert_eq!(page.matches(part).count(), 1, "{part}\n{page}");
    }
    for foreign in [
        "<script", "http:", "https:", "src=", "url(", "style=", "@import", "onload",
    ] {
        assert!(!page.contains(foreign), "{foreign}\n{page}");
    }
}

/// Each element that begins has its end, in order.
#[test]
fn a_page_is_well_formed() {
    let page = rendered();
    let mut open = Vec::new();
    for part in page.split('<').skip(1) {
        let (tag, _) = part.split_once('>').unwrap();
        let name = tag.split(' ').next().unwrap();
        match name.strip_prefix('/') {
            Some(end) => assert_eq!(open.pop(), Some(end), "{tag}"),
            None if tag.ends_with('/') || ["!DOCTYPE", "meta"].contains(&name) => {}
            None => open.push(name),
        }
    }
    assert_eq!(open, [""; 0]);
}

#[test]
fn a_page_without_anything_is_whole() {
    let (history, start) = (History::default(), UNIX_EPOCH);
    let page = Page {
        name: "a",
        version: None,
        not_ready: None,
        start,
        clients: 0,
        max_clients: 1,
        log_lines_lost: 0,
        history: &history,
        sections: Vec::new(),
        changes: Vec::new(),
    };
    let page = page.render(start);
    for part in [
        "<span class=\"good\">ready</span>",
        "now –",
        "<td class=\"text\">started</td>",
    ] {
        assert!(page.contains(part), "{part}\n{page}");
    }
}

fn rendered() -> String {
    let (history, begin) = (History::default(), Instant::now());
    let took = |fast, slow| Histogram {
        sum: 0.0,
        buckets: vec![(0.001, fast), (0.1, slow)],
        above: 0,
    };
    history.add(begin, Sample::new(100, 1, took(99, 1)));
    let end = begin + Duration::from_secs(10);
    history.add(end, Sample::new(120, 6, took(118, 2)));
    let now = UNIX_EPOCH + Duration::from_secs(1_000_000);
    let mut section = Section::new(
        "Services & more",
        ["Name", "State", "Answered", "Share", "Time", "Since"],
    );
    section.row([
        Cell::text("<script>x</script>"),
        Cell::bad("down: \"refused\""),
        Cell::Number(12),
        Cell::Share(0.25),
        Cell::Durations(took(10, 1)),
        Cell::Since(now - Duration::from_secs(3700)),
    ]);
    let page = Page {
        name: "a<b",
        version: Some("1.2"),
        not_ready: Some("every service is down".to_owned()),
        start: now - Duration::from_secs(5),
        clients: 3,
        max_clients: 100,
        log_lines_lost: 7,
        history: &history,
        sections: vec![section],
        changes: vec![(now, "'a' is down".to_owned())],
    };
    page.render(now)
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let mut bits = 0_u32;
        for index in 0..3 {
            bits = bits << 8 | u32::from(three.get(index).copied().unwrap_or_default());
        }
        for digit in 0..4 {
            let is_there = digit <= three.len();
            let value = (bits >> (18 - 6 * digit)) & 63;
            text.push(if is_there {
                char::from(DIGITS[value as usize])
            } else {
                '='
            });
        }
    }
    text
}
