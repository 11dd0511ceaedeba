//! Reports of made-up measurements, beside what they are to look like.

use std::time::Duration;

use super::*;
use crate::snapshot::{assert_object, assert_snapshot};

#[test]
fn a_report_in_text() {
    assert_snapshot("src/bench/snapshots/closed.txt", &closed().text(72, true));
    assert_snapshot("src/bench/snapshots/open.txt", &open().text(72, false));
}

#[test]
fn a_report_as_an_object() {
    for (name, report) in [("closed", closed()), ("open", open())] {
        assert_object(&format!("src/bench/snapshots/{name}.json"), &report.json());
    }
}

#[test]
fn a_measurement_without_an_answer_has_no_latency_and_no_plot() {
    let report = Report {
        latency: Latency::of(&histogram(&[])),
        life: "kept",
        ..Report::default()
    };
    let text = report.text(72, true);
    assert!(
        text.contains("answers     0   0/s\n") && !text.contains("latency"),
        "{text}"
    );
    assert_eq!(report.json()["latency_us"]["p99_99"], 0.0);
}

#[test]
fn what_is_missing_counts_more_than_what_is_wrong() {
    let status = |wrong, closed| {
        let mut counts = Counts {
            wrong,
            ..Counts::default()
        };
        counts.missing[Loss::Closed as usize] = closed;
        Report {
            counts,
            ..Report::default()
        }
        .status()
    };
    assert_eq!(status(0, 0), Status::Success);
    assert_eq!(status(1, 0), Status::Unexpected);
    assert_eq!(status(1, 1), Status::Unavailable);
}

/// One of a thousand takes a hundred times as long.
fn closed() -> Report {
    let latencies: Vec<u64> = (0..20_000)
        .map(|number| {
            if number % 1000 == 0 {
                20_000_000
            } else {
                200_000 + number * 5
            }
        })
        .collect();
    Report {
        endpoint: "inet:127.0.0.1:10031".to_owned(),
        connections: 16,
        life: "kept",
        source: "seed 1".to_owned(),
        warm_up: 1.0,
        elapsed: 10.0,
        counts: Counts {
            warm_up: 1999,
            requests: 20_000,
            answers: 20_000,
            connections: 16,
            ..Counts::default()
        },
        actions: vec![("DUNNO".to_owned(), 19_000), ("REJECT".to_owned(), 1000)],
        latency: Latency::of(&histogram(&latencies)),
        ..Report::default()
    }
}

fn open() -> Report {
    let latencies: Vec<u64> = (1..=900).map(|number| number * 1_000_000).collect();
    let mut counts = Counts {
        requests: 1005,
        answers: 900,
        wrong: 7,
        by_default: 8,
        repeated: 2,
        excess: 3,
        connections: 500,
        late: 400,
        latest: Duration::from_millis(1234),
        ..Counts::default()
    };
    counts.missing = [90, 5, 4, 3, 2];
    Report {
        endpoint: "unix:/run/policy".to_owned(),
        rate: Some(500.0),
        connections: 1,
        life: "message",
        source: "captured.txt".to_owned(),
        elapsed: 2.0,
        counts,
        under_way: 1,
        was_interrupted: true,
        knows_default: true,
        actions: vec![("OK".to_owned(), 900)],
        latency: Latency::of(&histogram(&latencies)),
        ..Report::default()
    }
}

fn histogram(latencies: &[u64]) -> Histogram<u64> {
    let mut histogram = Histogram::new_with_bounds(1, 3_600_000_000_000, 3).unwrap();
    for latency in latencies {
        histogram.record(*latency).unwrap();
    }
    histogram
}
