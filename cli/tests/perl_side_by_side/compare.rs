//! Holds two outcomes against each other and against what a case expects.

use std::collections::BTreeSet;

use super::case::{Aspect, Case};
use super::expect::Expect;
use super::program::Outcome;

/// Everything that is wrong with a case, a paragraph each.
pub fn compare(case: &Case, perl: &Outcome, ours: &Outcome) -> Vec<String> {
    let mut wrong = Vec::new();
    let sides = [("perl", perl, &case.perl), ("ours", ours, &case.ours)];
    for (side, outcome, own) in sides {
        let expected = case.common.clone().and(own.clone());
        let is_perl = side == "perl";
        wrong.extend(check_expected(&expected, outcome, is_perl).map(|w| format!("{side}: {w}")));
        let complaints = outcome.complaints.iter().map(|c| format!("{side}: {c}"));
        wrong.extend(complaints);
    }
    wrong.extend(check_equal(case, perl, ours));
    wrong.extend(check_stderr(case, ours));
    for check in &case.checks {
        if let Err(text) = check(perl, ours) {
            wrong.push(text);
        }
    }
    wrong.extend(declared_badly(case));
    wrong
}

fn check_expected(
    expected: &Expect,
    outcome: &Outcome,
    is_perl: bool,
) -> impl Iterator<Item = String> {
    let mut wrong = Vec::new();
    if let Some(stdout) = &expected.stdout
        && !matches(stdout, &outcome.stdout)
    {
        wrong.push(differ("stdout", &show(stdout), &show(&outcome.stdout)));
    }
    if let Some(status) = &expected.status
        && *status != outcome.status
    {
        wrong.push(differ("status", status, &outcome.status));
    }
    if let Some(log) = &expected.log {
        let (expected, seen) = (sort_attributes(log), sort_attributes(&outcome.log));
        let same = expected.len() == seen.len()
            && expected
                .iter()
                .zip(&seen)
                .all(|(e, s)| matches(e.as_bytes(), s.as_bytes()));
        if !same {
            wrong.push(differ("log", &lines(&expected), &lines(&seen)));
        }
    }
    for (stub, requests) in &expected.received {
        let mut expected = requests.clone();
        let mut seen = outcome.requests_of(stub).to_vec();
        if is_perl {
            expected = sort_requests(&expected);
            seen = sort_requests(&seen);
        }
        if expected != seen {
            let what = format!("received by {stub}");
            wrong.push(differ(&what, &show_all(&expected), &show_all(&seen)));
        }
    }
    for (stub, count) in &expected.connections {
        let seen = outcome.connections_of(stub);
        if *count != seen {
            let what = format!("connections to {stub}");
            wrong.push(differ(&what, &count.to_string(), &seen.to_string()));
        }
    }
    if let Some((least, most)) = expected.seconds {
        let seen = outcome.elapsed.as_secs_f64();
        if seen < least || seen > most {
            let expected = format!("{least} to {most}");
            wrong.push(differ("seconds", &expected, &format!("{seen:.2}")));
        }
    }
    wrong.into_iter()
}

/// The two programs with each other, wherever no difference is declared.
fn check_equal(case: &Case, perl: &Outcome, ours: &Outcome) -> Vec<String> {
    let mut wrong = Vec::new();
    let free = |aspect| {
        differing(case).contains(&aspect)
            || case.by_check.contains(&aspect)
            || has_gaps(&case.common, aspect)
    };
    let mut unequal = |what: &str, perl: &str, ours: &str| {
        wrong.push(format!("{what} differ\n    perl: {perl}\n    ours: {ours}"));
    };
    if !free(Aspect::Stdout) && perl.stdout != ours.stdout {
        unequal("bytes on stdout", &show(&perl.stdout), &show(&ours.stdout));
    }
    if !free(Aspect::Status) && perl.status != ours.status {
        unequal("statuses", &perl.status, &ours.status);
    }
    let (p, o) = (sort_attributes(&perl.log), sort_attributes(&ours.log));
    if !free(Aspect::Log) && p != o {
        unequal("logs", &lines(&p), &lines(&o));
    }
    for (stub, requests) in &perl.requests {
        let (p, o) = (
            sort_requests(requests),
            sort_requests(ours.requests_of(stub)),
        );
        if !free(Aspect::Received) && p != o {
            unequal(&format!("requests to {stub}"), &show_all(&p), &show_all(&o));
        }
    }
    for (stub, count) in &perl.connections {
        let seen = ours.connections_of(stub);
        if !free(Aspect::Connections) && *count != seen {
            let what = format!("connections to {stub}");
            unequal(&what, &count.to_string(), &seen.to_string());
        }
    }
    wrong
}

/// Ours is silent there, except when it ends because of a wrong command line.
fn check_stderr(case: &Case, ours: &Outcome) -> Option<String> {
    let silent = ours.stderr.is_empty();
    match case.complains {
        true if silent => Some("ours: no message on standard error".to_owned()),
        false if !silent => Some(format!("ours: on standard error: {}", show(&ours.stderr))),
        _ => None,
    }
}

/// A difference must be one: stated for both sides, not the same, and with a reason.
fn declared_badly(case: &Case) -> Vec<String> {
    let mut wrong = Vec::new();
    let (perl, ours) = (aspects(&case.perl), aspects(&case.ours));
    if perl != ours {
        wrong.push(format!(
            "the case states {perl:?} for Perl, {ours:?} for ours"
        ));
    }
    let same = case.perl.stdout.is_some() && case.perl.stdout == case.ours.stdout
        || case.perl.status.is_some() && case.perl.status == case.ours.status
        || case.perl.log.is_some() && case.perl.log == case.ours.log;
    if same {
        wrong.push("the case declares a difference that is none".to_owned());
    }
    if perl.is_empty() != case.reasons.is_empty() && case.by_check.is_empty() {
        wrong.push("the case gives differences without reasons, or the reverse".to_owned());
    }
    wrong
}

fn differing(case: &Case) -> BTreeSet<Aspect> {
    aspects(&case.perl)
}

fn aspects(expect: &Expect) -> BTreeSet<Aspect> {
    let all = [
        (Aspect::Stdout, expect.stdout.is_some()),
        (Aspect::Status, expect.status.is_some()),
        (Aspect::Log, expect.log.is_some()),
        (Aspect::Received, !expect.received.is_empty()),
        (Aspect::Connections, !expect.connections.is_empty()),
        (Aspect::Seconds, expect.seconds.is_some()),
    ];
    all.into_iter()
        .filter(|(_, stated)| *stated)
        .map(|(aspect, _)| aspect)
        .collect()
}

/// Whether the pattern that both match leaves something open, on purpose.
fn has_gaps(expect: &Expect, aspect: Aspect) -> bool {
    match aspect {
        Aspect::Log => expect.log.iter().flatten().any(|line| line.contains('…')),
        Aspect::Stdout => {
            let stdout = expect.stdout.as_deref().unwrap_or_default();
            stdout.windows("…".len()).any(|w| w == "…".as_bytes())
        }
        _ => false,
    }
}

/// Whether a text is as the pattern says; `…` stands for any bytes.
fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let gap = "…".as_bytes();
    let Some(place) = pattern.windows(gap.len()).position(|w| w == gap) else {
        return pattern == text;
    };
    let Some(rest) = text.strip_prefix(&pattern[..place]) else {
        return false;
    };
    let after = &pattern[place + gap.len()..];
    (0..=rest.len()).any(|skip| matches(after, &rest[skip..]))
}

/// Lines of a request in one order: Perl sends them in that of its hash (defect 20).
fn sort_requests(requests: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let sort = |request: &Vec<u8>| {
        let mut lines: Vec<&[u8]> = request.split_inclusive(|b| *b == b'\n').collect();
        // The blank line stays where it is: anywhere else would be a fault.
        let end = lines.len().saturating_sub(1);
        lines[..end].sort_unstable();
        lines.concat()
    };
    requests.iter().map(sort).collect()
}

/// The same for the lines that name one attribute each.
fn sort_attributes(log: &[String]) -> Vec<String> {
    let is_attribute = |line: &String| line.starts_with("info: Attribute: ");
    let mut sorted = log.to_vec();
    for block in sorted.chunk_by_mut(|a, b| is_attribute(a) && is_attribute(b)) {
        block.sort_unstable();
    }
    sorted
}

fn differ(what: &str, expected: &str, seen: &str) -> String {
    format!("{what}\n    expected: {expected}\n    seen:     {seen}")
}

fn show_all(requests: &[Vec<u8>]) -> String {
    let shown: Vec<String> = requests.iter().map(|request| show(request)).collect();
    format!("{} requests: {}", requests.len(), shown.join(" "))
}

/// Readable, and short: the middle of a long text tells nothing.
pub fn show(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes).into_owned();
    let count = text.chars().count();
    if count <= 700 {
        return format!("{text:?}");
    }
    let head: String = text.chars().take(300).collect();
    let tail: String = text.chars().skip(count - 200).collect();
    format!("{head:?} ... {tail:?} ({} bytes)", bytes.len())
}

fn lines(log: &[String]) -> String {
    let shown: Vec<String> = log.iter().map(|line| show(line.as_bytes())).collect();
    format!("{} lines\n      {}", log.len(), shown.join("\n      "))
}
