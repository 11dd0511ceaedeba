//! The differences that are allowed, each with its reason, and what would be wrong with the table of cases itself.

use std::collections::BTreeSet;

use crate::case::Case;
use crate::compare::stated;

/// The script's defects that ours does not have, and what is decided beside them. Each is shown by a case.
#[rustfmt::skip]
pub const REASONS: &[(&str, &str)] = &[
    ("defect 1", "time-outs add up; ours: a budget for the whole request"),
    ("defect 2", "a silent server costs its time-out each time; ours: it rests while another answers"),
    ("defect 3", "prio compared as text; ours: as a number, and 0 is 0"),
    ("defect 4", "name=addr:port refused; no service left: silence; ours: accepted; an error is logged"),
    ("defect 5", "no answer to another type of request; ours: the default action at once"),
    ("defect 6", "attributes of an ignored request leak into the next; ours: not"),
    ("defect 7", "time-outs that are no whole number never end; ours: fractions, or a warning and 30 s"),
    ("defect 8", "looking up a name takes as long as it takes; ours: within the time-out"),
    ("defect 9", "cut answers, CR, NUL, blanks, any length accepted; ours: refused, one CR dropped"),
    ("defect 10", "attributes before action= make it invalid; ours: skipped"),
    ("defect 11", "a weight that is no number ends the script; ours: a warning, and 1"),
    ("defect 12", "IPv6 and odd addresses are misread; ours: [v6]:port, or invalid"),
    ("defect 13", "-L dies in taint mode or loses lines and answers; ours: prints"),
    ("defect 14", "names and values cut to 512 bytes; ours: whole"),
    ("defect 15", "weights ignored for a process's first choice; ours: a weighted start"),
    ("defect 16", "standard error and usage get into the protocol; ours: nothing but replies"),
    ("defect 17", "left-over words are files, odd forms are taken; ours: a wrong command line"),
    ("defect 18", "a syslogd that hangs blocks; ours: lines are dropped"),
    ("defect 19", "% doubled, control characters raw, 59.9999999999999 queries; ours: as is, ?, 60"),
    ("defect 20", "SIGPIPE, random order of attributes, silence about odd services; ours: none of it"),
    ("duplicates", "all go on as they came, the first is used; Perl: the last"),
    ("a NUL in a line", "garbage; Perl: forwarded"),
    ("a CR within a line", "garbage, noticed; Perl: dropped silently"),
    ("an empty name", "garbage; Perl: the = is skipped"),
    ("blank lines", "skipped before a request; Perl: a notice"),
    ("oversized requests", "a warning and the end; Perl: cut and answered"),
    ("the action 0", "an answer; Perl: invalid"),
    ("an answer that is not UTF-8", "passed on with one warning; Perl: silently"),
    ("control characters in the log", "?; Perl: raw"),
    ("other characters that command a terminal", r"\xNN in the log; Perl: raw"),
    ("bytes that are not UTF-8 in the log", r"\xNN; Perl: raw"),
    ("a line's own syntax in the values it tells", r"\xNN in the log; Perl: raw"),
    ("at most 64 services", "the others are left out with a warning; Perl: any number"),
    ("unreadable addresses", "left out at the start; Perl: tried at each request"),
    ("the ranges of fields", "a warning and the default; Perl: anything goes"),
    ("inet: and unix:", "addresses; Perl: hosts of that name"),
];

/// Numbers given twice, too few cases, reasons that are unknown or not used, differences that are none.
pub fn faults_of_the_table(cases: &[Case]) -> Vec<String> {
    let mut faults = Vec::new();
    let numbers: BTreeSet<&str> = cases.iter().map(Case::number).collect();
    if numbers.len() < cases.len() {
        faults.push("a number is given twice".to_owned());
    }
    let kept = numbers.iter().filter(|number| number.starts_with("3."));
    let kept = kept.count();
    if kept < 260 {
        faults.push(format!("only {kept} cases of what is kept"));
    }
    let used = cases.iter().flat_map(|case| &case.reasons).copied();
    let used: BTreeSet<&str> = used.collect();
    let allowed = REASONS.iter().map(|(reason, _)| *reason).collect();
    for reason in used.symmetric_difference(&allowed) {
        faults.push(format!("{reason}: used but not listed, or the reverse"));
    }
    let badly = |case: &Case| declared_badly(case).map(|wrong| format!("{}: {wrong}", case.name));
    faults.extend(cases.iter().filter_map(badly));
    faults
}

/// A difference must be one: stated for both sides, not the same, and with a reason.
fn declared_badly(case: &Case) -> Option<String> {
    let (perl, ours) = (stated(&case.perl), stated(&case.ours));
    let same = perl
        .iter()
        .any(|aspect| ours.get(aspect.0) == Some(aspect.1));
    let stated_by =
        |stated: &crate::compare::Stated| stated.keys().map(|(aspect, _)| *aspect).collect();
    let (perl, ours): (BTreeSet<_>, BTreeSet<_>) = (stated_by(&perl), stated_by(&ours));
    if perl != ours {
        return Some(format!("{perl:?} for Perl, {ours:?} for ours"));
    }
    if same {
        return Some("a difference that is none".to_owned());
    }
    if perl.is_empty() != case.reasons.is_empty() && case.by_check.is_empty() {
        return Some("differences without reasons, or the reverse".to_owned());
    }
    None
}
