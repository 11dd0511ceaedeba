//! Lines that are held back, and when they are written.

use super::*;

#[test]
fn a_line_is_said_once_in_ten_seconds_with_the_count_of_those_held_back() {
    let suppressor = Suppressor::new(Log::buffered());
    let start = Instant::now();
    let ask = |kind, about, after| {
        let now = start + Duration::from_secs(after);
        suppressor.ask((kind, about), now, warning("text"))
    };
    let text = Some(warning("text"));
    let more = |count| Some(warning(&format!("text (and {count} more like it before)")));
    assert_eq!(ask("timeout", 0, 0), text);
    assert_eq!(ask("timeout", 0, 1), None);
    assert_eq!(ask("timeout", 0, 9), None);
    assert_eq!(ask("timeout", 1, 9), text, "of another service");
    assert_eq!(ask("connect", 0, 9), text, "of another kind");
    assert_eq!(ask("timeout", 0, 10), more(2));
    assert_eq!(ask("timeout", 0, 19), None);
    assert_eq!(ask("timeout", 0, 20), more(1));
}

#[test]
fn what_was_held_back_is_said_after_a_minute_or_at_the_end() {
    let suppressor = Suppressor::new(Log::buffered());
    let start = Instant::now();
    let at = |after| start + Duration::from_secs(after);
    let ask = |after, text: &str| suppressor.ask(("timeout", 0), at(after), warning(text));
    let none: Vec<Entry> = Vec::new();
    assert!(ask(0, "first").is_some());
    assert_eq!(
        suppressor.take_pending(at(60), true),
        none,
        "none was held back"
    );
    for (after, text) in [(1, "a"), (2, "b"), (3, "last")] {
        assert_eq!(ask(after, text), None);
    }
    assert_eq!(suppressor.take_pending(at(59), false), none);
    let three = vec![warning("last (and 2 more like it before)")];
    assert_eq!(suppressor.take_pending(at(60), false), three);
    assert_eq!(
        suppressor.take_pending(at(200), true),
        none,
        "it has been said"
    );
    assert_eq!(ask(61, "one"), None, "it was said a second ago");
    assert_eq!(suppressor.take_pending(at(62), false), none);
    assert_eq!(
        suppressor.take_pending(at(62), true),
        vec![warning("one")],
        "the end"
    );
}

#[test]
fn a_service_that_comes_and_goes_is_said_once_in_ten_seconds_and_in_the_end_as_it_is() {
    let suppressor = Suppressor::new(Log::buffered());
    let start = Instant::now();
    let at = |after| start + Duration::from_millis(after);
    let texts = |lines: Vec<Entry>| -> Vec<String> {
        let text = |entry: Entry| String::from_utf8(entry.text).unwrap();
        lines.into_iter().map(text).collect()
    };
    let change = |after, state: &'static str| {
        let text = format!("{state} {after}");
        texts(suppressor.changed(0, state, at(after), info(&text)))
    };
    assert_eq!(change(0, DOWN), ["down 0"]);
    assert_eq!(change(1, UP), ["up 1"]);
    for after in (2..100).step_by(2) {
        assert_eq!(change(after, DOWN), [""; 0]);
        suppressor.ask(("timeout", 0), at(after), warning("timeout"));
        assert_eq!(change(after + 1, UP), [""; 0]);
    }
    assert_eq!(change(9_999, DOWN), [""; 0]);
    // It stays so.
    assert_eq!(texts(suppressor.take_pending(at(9_999), false)), [""; 0]);
    let down = texts(suppressor.take_pending(at(10_000), false));
    assert_eq!(down, ["down 9999 (and 49 more like it before)"]);
    assert_eq!(
        texts(suppressor.take_pending(at(20_000), false)),
        [""; 0],
        "nor is it up"
    );
    assert_eq!(
        change(20_000, UP),
        [
            "timeout (and 47 more like it before)",
            "up 20000 (and 49 more like it before)"
        ]
    );
    // What was held back of the state before is said first.
    assert_eq!(change(20_001, DOWN), ["down 20001"]);
    assert_eq!(change(20_002, UP), [""; 0]);
    assert_eq!(change(30_001, DOWN), ["up 20002", "down 30001"]);
}

#[test]
fn what_is_over_is_said_before_that_or_forgotten() {
    let suppressor = Suppressor::new(Log::buffered());
    let start = Instant::now();
    let ask = |kind, about| suppressor.ask((kind, about), start, warning(kind));
    for _ in 0..3 {
        ask("timeout", 0);
        ask("timeout", 1);
        ask("no answer", 9);
    }
    let said = suppressor.changed(0, UP, start, info("up"));
    let timeout = warning("timeout (and 1 more like it before)");
    assert_eq!(said, [timeout.clone(), info("up")]);
    suppressor.forget("no answer", 9);
    assert_eq!(suppressor.take_pending(start, true), [timeout]);
    assert!(suppressor.take_pending(start, true).is_empty());
}

fn warning(text: &str) -> Entry {
    Entry::new(Level::Warning, text)
}

fn info(text: &str) -> Entry {
    Entry::new(Level::Info, text)
}
