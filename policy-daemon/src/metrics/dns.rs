//! The metrics of DNS lists and of questions to DNS, for servers that ask with `policy-dns`.

use std::{collections::BTreeMap, fmt, time::SystemTime};

use policy_dns::{
    DnsCounts,
    list::{DnsList, ListCounts, Status},
};

use super::{
    Families,
    section::{Cell, Section},
};

/// Writes `list_checks`, `list_up` and `list_state`. Lists of the same zone, as with other codes, are one row.
///
/// # Errors
///
/// The page cannot be written.
pub fn write_lists<'a>(
    lists: impl IntoIterator<Item = &'a DnsList>,
    families: &mut Families<'_>,
) -> fmt::Result {
    let mut rows = BTreeMap::<&str, ([u64; 4], usize)>::new();
    for list in lists {
        let (counts, state) = rows.entry(list.zone()).or_default();
        for (sum, count) in counts.iter_mut().zip(numbers(list.counts())) {
            *sum += count;
        }
        *state = (*state).max(rank(list.status()));
    }
    let checks = rows.iter().flat_map(|(zone, (counts, _))| {
        let of_zone = RESULTS.into_iter().zip(*counts);
        of_zone.map(move |(result, count)| ([("list", *zone), ("result", result)], count))
    });
    let help = "Checks of a DNS list, by what came of them";
    families.counters("list_checks", help, checks)?;
    let up = rows.iter().map(|(zone, (_, state))| {
        let is_up = f64::from(u8::from(*state < FIRST_DOWN));
        ([("list", *zone)], is_up)
    });
    let help = "Whether a DNS list is asked, 1 or 0";
    families.gauges("list_up", help, None, up)?;
    let states = rows.iter().flat_map(|(zone, (_, state))| {
        STATES.into_iter().enumerate().map(move |(rank, name)| {
            let is_state = f64::from(u8::from(rank == *state));
            ([("list", *zone), ("state", name)], is_state)
        })
    });
    let help =
        "The state of a DNS list by its self-test and its errors: 1 for the state that it has";
    families.gauges("list_state", help, None, states)
}

/// Writes `dns_questions`, `dns_up` and `dns_cached_answers`. Whether name servers answer may be known better than
/// [`DnsCounts::is_answering`] tells it.
///
/// # Errors
///
/// The page cannot be written.
pub fn write_questions(
    counts: DnsCounts,
    is_answering: bool,
    cached: usize,
    families: &mut Families<'_>,
) -> fmt::Result {
    let is_up = usize::from(is_answering);
    let counts = [
        ("cached", counts.cached),
        ("records", counts.records),
        ("empty", counts.empty),
        ("failed", counts.failed),
        ("timeout", counts.timeout),
        ("unreachable", counts.unreachable),
    ];
    let counts = counts.map(|(outcome, count)| ([("outcome", outcome)], count));
    let help = "Questions to DNS, by what came of them";
    families.counters("dns_questions", help, counts)?;
    families.gauge("dns_up", "Whether name servers answer, 1 or 0", is_up)?;
    families.gauge("dns_cached_answers", "Answers of DNS that are kept", cached)
}

/// The lists as a table: how often each was asked, what came of it, and its last self-test. One that is `skipped` has had
/// too many errors in a row.
#[must_use]
pub fn section<'a>(lists: impl IntoIterator<Item = &'a DnsList>) -> Section {
    rows(lists.into_iter().map(|list| (list, None)))
}

/// The same, with the names of what each list is used for.
#[must_use]
pub fn section_with_uses<'a>(lists: impl IntoIterator<Item = (&'a DnsList, String)>) -> Section {
    let mut section = rows(lists.into_iter().map(|(list, uses)| (list, Some(uses))));
    section.columns.insert(1, "Uses".to_owned());
    section
}

fn rows<'a>(lists: impl Iterator<Item = (&'a DnsList, Option<String>)>) -> Section {
    let columns = [
        "DNS list",
        "State",
        "Asked",
        "Listed",
        "Not listed",
        "Errors",
        "Skipped",
        "Tested",
        "Test",
    ];
    let mut section = Section::new("DNS lists", columns);
    for (list, uses) in lists {
        let (status, [listed, not_listed, errors, skipped]) =
            (list.status(), numbers(list.counts()));
        let why = match status {
            Status::Failing(failing) => format!(": {failing}"),
            _ => String::new(),
        };
        let state = format!("{}{why}", state_name(status));
        let tested = list.last_test().map(|test| {
            let at = SystemTime::now().checked_sub(test.at.elapsed());
            let at = at.map_or_else(|| Cell::text(""), Cell::Since);
            (at, Cell::text(test.outcome.to_string()))
        });
        let (tested, test) = tested.unwrap_or_else(|| (Cell::text(""), Cell::text("")));
        let mut row = vec![Cell::text(list.zone())];
        row.extend(uses.map(Cell::Text));
        row.extend([
            Cell::State(is_up(status), state),
            Cell::Number(listed + not_listed + errors),
            Cell::Number(listed),
            Cell::Number(not_listed),
            Cell::Number(errors),
            Cell::Number(skipped),
            tested,
            test,
        ]);
        section.rows.push(row);
    }
    section
}

/// The name of a list's state, as a label.
#[must_use]
pub fn state_name(status: Status) -> &'static str {
    STATES.get(rank(status)).copied().unwrap_or_default()
}

/// Whether checks ask a list in this state.
#[must_use]
pub fn is_up(status: Status) -> bool {
    rank(status) < FIRST_DOWN
}

fn numbers(counts: ListCounts) -> [u64; 4] {
    [
        counts.listed,
        counts.not_listed,
        counts.errors,
        counts.skipped,
    ]
}

/// The place in [`STATES`], where worse ones come later. A state that is not known is one that is not asked.
fn rank(status: Status) -> usize {
    match status {
        Status::Good => 0,
        Status::Untested => 1,
        Status::Failing(_) => 3,
        Status::Dead(_) => 4,
        _ => FIRST_DOWN,
    }
}

const RESULTS: [&str; 4] = ["listed", "not_listed", "error", "skipped"];
const STATES: [&str; 5] = ["good", "untested", "skipped", "failing", "dead"];
/// The first of the states in which a list is not asked.
const FIRST_DOWN: usize = 2;
