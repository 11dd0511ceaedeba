//! The comparison of two outcomes with each other, and with what a case expects.

use std::collections::BTreeMap;

use crate::case::{Aspect, Case};
use crate::expect::Expect;
use crate::program::Outcome;

/// Everything that is wrong with a case, a paragraph each.
pub fn compare(case: &Case, perl: &Outcome, ours: &Outcome) -> Vec<String> {
    let mut wrong = against_expected("perl", case, &case.perl, perl);
    wrong.extend(against_expected("ours", case, &case.ours, ours));
    wrong.extend(against_each_other(case, perl, ours));
    // Ours is silent there, except when it is to end because of a wrong command line.
    let status = case.ours.status.as_ref().or(case.common.status.as_ref());
    let complains = status.is_some_and(|status| status == "exit 1");
    if ours.stderr.is_empty() == complains {
        wrong.push(format!("ours: on standard error: {}", show(&ours.stderr)));
    }
    let checks = case.checks.iter().map(|check| check(perl, ours));
    wrong.extend(checks.filter_map(Result::err));
    wrong
}

/// Aspects, each with the name of its stub, as lists of texts.
pub type Stated = BTreeMap<(Aspect, &'static str), Vec<Vec<u8>>>;

/// What an expectation states, apart from times.
pub fn stated(expect: &Expect) -> Stated {
    let mut stated = Stated::new();
    if let Some(stdout) = &expect.stdout {
        stated.insert((Aspect::Stdout, ""), vec![stdout.clone()]);
    }
    if let Some(status) = &expect.status {
        stated.insert((Aspect::Status, ""), vec![status.clone().into()]);
    }
    if let Some(log) = &expect.log {
        let log = sort_attributes(log);
        let log = log.into_iter().map(String::into_bytes).collect();
        stated.insert((Aspect::Log, ""), log);
    }
    for (stub, requests) in &expect.received {
        stated.insert((Aspect::Received, stub), requests.clone());
    }
    for (stub, count) in &expect.connections {
        let count = count.to_string().into_bytes();
        stated.insert((Aspect::Connections, stub), vec![count]);
    }
    if let Some((least, most)) = &expect.seconds {
        let seconds = format!("{least} to {most}").into_bytes();
        stated.insert((Aspect::Seconds, ""), vec![seconds]);
    }
    stated
}

fn against_expected(side: &str, case: &Case, own: &Expect, outcome: &Outcome) -> Vec<String> {
    let complaints = outcome.complaints.iter();
    let mut wrong: Vec<String> = complaints.map(|c| format!("{side}: {c}")).collect();
    let expected = case.common.clone().and(own.clone());
    let elapsed = outcome.elapsed.as_secs_f64();
    if let Some((least, most)) = expected.seconds
        && !(least..=most).contains(&elapsed)
    {
        wrong.push(format!("{side}: {elapsed:.2} s, not {least} to {most}"));
    }
    let (mut expected, mut seen) = (stated(&expected), stated(&outcome.seen));
    expected.remove(&(Aspect::Seconds, ""));
    if side == "perl" {
        sort_requests(&mut expected);
        sort_requests(&mut seen);
    }
    for (key @ (aspect, stub), expected) in &expected {
        let seen = seen.get(key).unwrap_or_else(|| panic!("no stub {stub}"));
        let is_text = matches!(aspect, Aspect::Stdout | Aspect::Log);
        let same = |(pattern, text): (&Vec<u8>, &Vec<u8>)| {
            pattern == text || is_text && matches(pattern, text)
        };
        if expected.len() != seen.len() || !expected.iter().zip(seen).all(same) {
            let (expected, seen) = (show_all(expected), show_all(seen));
            wrong.push(format!(
                "{side}: {aspect:?} {stub}\n    expected: {expected}\n    seen:     {seen}"
            ));
        }
    }
    wrong
}

/// The two programs with each other, wherever no difference is declared.
fn against_each_other(case: &Case, perl: &Outcome, ours: &Outcome) -> Vec<String> {
    let (mut perl, mut ours) = (stated(&perl.seen), stated(&ours.seen));
    sort_requests(&mut perl);
    sort_requests(&mut ours);
    let (differing, common) = (stated(&case.perl), stated(&case.common));
    let mut wrong = Vec::new();
    for ((aspect, stub), perl) in &perl {
        let ours = &ours[&(*aspect, *stub)];
        // A pattern that both match leaves something open, on purpose.
        let gap = common
            .iter()
            .any(|((of, _), texts)| of == aspect && texts.iter().any(|t| has_gap(t)));
        let is_free =
            gap || differing.keys().any(|(of, _)| of == aspect) || case.by_check.contains(aspect);
        if !is_free && perl != ours {
            let (perl, ours) = (show_all(perl), show_all(ours));
            wrong.push(format!(
                "{aspect:?} {stub} differ\n    perl: {perl}\n    ours: {ours}"
            ));
        }
    }
    wrong
}

fn has_gap(pattern: &[u8]) -> bool {
    pattern.windows(GAP.len()).any(|window| window == GAP)
}

/// Whether a text is as the pattern says; `…` stands for any bytes.
fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let Some(place) = pattern.windows(GAP.len()).position(|w| w == GAP) else {
        return pattern == text;
    };
    let Some(rest) = text.strip_prefix(&pattern[..place]) else {
        return false;
    };
    let after = &pattern[place + GAP.len()..];
    (0..=rest.len()).any(|skip| matches(after, &rest[skip..]))
}

/// Puts the lines of each request into one order: Perl sends them in that of its hash (defect 20).
fn sort_requests(stated: &mut Stated) {
    for ((aspect, _), requests) in stated {
        if *aspect != Aspect::Received {
            continue;
        }
        for request in requests {
            let mut lines: Vec<&[u8]> = request.split_inclusive(|b| *b == b'\n').collect();
            // The blank line stays where it is: anywhere else would be a fault.
            let end = lines.len().saturating_sub(1);
            lines[..end].sort_unstable();
            *request = lines.concat();
        }
    }
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

fn show_all(texts: &[Vec<u8>]) -> String {
    if let [text] = texts {
        return show(text);
    }
    let shown = texts.iter().map(|text| format!("\n      {}", show(text)));
    format!("{} of{}", texts.len(), shown.collect::<String>())
}

/// Readable, and short: the middle of a long text tells nothing.
fn show(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let chars: Vec<char> = text.chars().collect();
    if chars.len() <= 700 {
        return format!("{text:?}");
    }
    let head = String::from_iter(&chars[..300]);
    let tail = String::from_iter(&chars[chars.len() - 200..]);
    format!("{head:?} ... {tail:?} ({} bytes)", bytes.len())
}

const GAP: &[u8] = "…".as_bytes();
