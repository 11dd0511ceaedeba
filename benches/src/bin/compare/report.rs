//! Tables of what was measured, the goals, and what is kept: a page and a plot.

use std::{env, error::Error, path::Path};

use policy_benches::{
    machine,
    plot::{Axis, Plot, page},
    report::{Report, Table, number},
};

use crate::{
    calls::Calls,
    case::Case,
    contestant::Contestant,
    figures::{ADDED, CPU, Comparison, FIGURES, Figure, P99, REQUESTS, Row},
    idle::Idle,
    options::{Part, Place},
    outcome::Outcome,
};

/// One case.
pub(crate) fn comparison(comparison: &Comparison) -> Table {
    let title = format!("### {} (load {})", comparison.case, comparison.load);
    let mut table = Table::new(title, FIGURES.map(|figure| figure.name));
    for row in &comparison.rows {
        let cells = FIGURES.map(|figure| {
            let median = number(row.median(&figure), figure.decimals);
            with_ratio(median, comparison.ratio(row, &figure))
        });
        table.row(row.contestant.name(), cells);
    }
    table
}

/// System calls in one case.
pub(crate) fn calls(calls: &[Calls]) -> Table {
    let case = calls
        .first()
        .map(|calls| calls.case.to_string())
        .unwrap_or_default();
    let mut table = Table::new(
        format!("### {case}: system calls per request"),
        ["all", "of them"],
    );
    let haproxy = calls
        .iter()
        .find(|calls| calls.contestant == Contestant::HAPROXY);
    let theirs = haproxy.map_or(f64::NAN, |calls| calls.all);
    for calls in calls {
        let each = calls
            .each
            .iter()
            .map(|(name, count)| format!("{name} {count:.2}"));
        let each: Vec<_> = each.collect();
        let all = with_ratio(number(calls.all, 2), calls.all / theirs);
        table.row(calls.contestant.name(), [all, each.join(", ")]);
    }
    table
}

/// Idle connections in one case.
pub(crate) fn idle(case: &Case, idle: &[Idle]) -> Table {
    let head = [
        "idle",
        "RSS kB with none",
        "with all",
        "bytes each",
        "CPU us/request with none",
        "with all",
        "x of none",
    ];
    let mut table = Table::new(format!("### {case}"), head);
    let haproxy = idle
        .iter()
        .find(|idle| idle.contestant == Contestant::HAPROXY);
    let theirs = haproxy.map_or(f64::NAN, Idle::bytes);
    for idle in idle {
        let [none, all, ratio] = idle.cpu();
        let cells = [
            idle.connections.to_string(),
            idle.resident[0].to_string(),
            idle.resident[1].to_string(),
            with_ratio(number(idle.bytes(), 0), idle.bytes() / theirs),
            number(none, 2),
            number(all, 2),
            number(ratio, 2),
        ];
        table.row(idle.contestant.name(), cells);
    }
    table
}

/// The goals, and whether they are met; and what more workers give.
pub(crate) fn summary(outcome: &Outcome) -> Report {
    let mut report = Report::default();
    let title = "### Goals: hapolicy with one worker, x HAProxy with one thread";
    let mut goals = Table::new(title, ["goal", "reached", ""]);
    for (name, reached, bound) in reached(outcome) {
        let (text, is_met) = match bound {
            Bound::AtMost(bound) => (format!("at most {bound:.2}"), reached <= bound),
            Bound::AtLeast(bound) => (format!("at least {bound:.2}"), reached >= bound),
        };
        let met = if is_met { "met" } else { "not met" };
        goals.row(name, [text, number(reached, 2), met.to_owned()]);
    }
    report.table(goals);
    report.table(workers(&outcome.comparisons));
    report
}

#[derive(Clone, Copy)]
enum Bound {
    AtMost(f64),
    AtLeast(f64),
}

/// Those for which there are figures. They are stated for one worker, with all on one CPU.
fn reached(outcome: &Outcome) -> Vec<(String, f64, Bound)> {
    use Bound::{AtLeast, AtMost};
    let mut goals = Vec::new();
    let pinned = |case: &Case| case.place == Place::Pinned;
    for comparison in outcome
        .comparisons
        .iter()
        .filter(|comparison| pinned(&comparison.case))
    {
        let case = &comparison.case;
        let bounds: &[(Figure, Bound)] = match (case.part, case.connections) {
            (Part::Kept, 1) => &[(CPU, AtMost(0.80)), (ADDED, AtMost(0.8))],
            (Part::Kept, 16 | 256) => &[(CPU, AtMost(0.95)), (REQUESTS, AtLeast(1.05))],
            (Part::New, _) => &[(CPU, AtMost(0.5)), (REQUESTS, AtLeast(1.8))],
            _ => &[],
        };
        let ours = comparison.rows.iter().find(|row| row.contestant.is_ours());
        for (ours, (figure, bound)) in ours
            .iter()
            .flat_map(|row| bounds.iter().map(move |bound| (row, bound)))
        {
            let name = format!("{}, {}", case.short(), figure.name);
            goals.push((name, comparison.ratio(ours, figure), *bound));
        }
    }
    for (case, idle) in outcome.idle.iter().filter(|(case, _)| pinned(case)) {
        let ours = idle.iter().find(|idle| idle.contestant.is_ours());
        let theirs = idle
            .iter()
            .find(|idle| idle.contestant == Contestant::HAPROXY);
        if let (Some(ours), Some(theirs)) = (ours, theirs) {
            let name = format!("{}, memory per idle connection", case.transport);
            goals.push((name, ours.bytes() / theirs.bytes(), AtMost(0.35)));
        }
    }
    goals
}

/// What more workers give, where there is more than one CPU for them.
fn workers(comparisons: &[Comparison]) -> Table {
    let figures = [REQUESTS, CPU];
    let title = "### More workers: one → all, and the ratio round by round; not pinned\n\n\
                 The load and the servers have the same CPUs.";
    let mut table = Table::new(title, figures.each_ref().map(|figure| figure.name));
    for comparison in comparisons
        .iter()
        .filter(|comparison| comparison.case.place == Place::Unpinned)
    {
        for more in &comparison.rows {
            let is_one = |one: &&Row| more.contestant.has_more_workers_than(&one.contestant);
            let Some(one) = comparison.rows.iter().find(is_one) else {
                continue;
            };
            let cells = figures.each_ref().map(|figure| {
                let [before, after] =
                    [one, more].map(|row| number(row.median(figure), figure.decimals));
                format!(
                    "{before} → {after} (x {})",
                    number(more.ratio_to(one, figure), 2)
                )
            });
            table.row(
                format!("{}: {}", comparison.case.short(), more.contestant.name()),
                cells,
            );
        }
    }
    table
}

/// Writes the page, its tables as JSON, and the plot into a directory.
pub(crate) fn write(outcome: &Outcome, folder: &Path) -> Result<(), Box<dyn Error>> {
    let versions = [
        machine::command("haproxy", &["-v"]),
        machine::command("nginx", &["-v"]),
        machine::command(
            "dpkg-query",
            &["-f", "Perl hapolicy ${Version}", "-W", "hapolicy"],
        ),
    ];
    let arguments: Vec<_> = env::args().skip(1).collect();
    // All that is needed to do it again.
    let command = format!("benches/compare {}", arguments.join(" "));
    let mut report = Report::new(
        "The daemon beside its peers",
        &[versions.join("; ")],
        &command,
    );
    report.text(&format!(
        "{ABOUT}\n![plot]({}-compare.svg)",
        machine::today()
    ));
    report.append(summary(outcome));
    outcome
        .comparisons
        .iter()
        .for_each(|one| report.table(comparison(one)));
    for one in outcome.calls.chunk_by(|a, b| a.case == b.case) {
        report.table(calls(one));
    }
    outcome
        .idle
        .iter()
        .for_each(|(case, one)| report.table(idle(case, one)));
    report.write(folder, "compare", &[("svg", &svg(&outcome.comparisons)?)])?;
    Ok(())
}

/// Of a contestant in a case.
type Value = fn(&Comparison, &Row) -> f64;

/// A row of panels for each place and transport, each figure over the number of connections.
fn svg(comparisons: &[Comparison]) -> Result<String, Box<dyn Error>> {
    let kept = comparisons
        .iter()
        .filter(|comparison| comparison.case.part == Part::Kept);
    let kept: Vec<&Comparison> = kept.collect();
    let of = |comparison: &Comparison| (comparison.case.place, comparison.case.transport);
    let mut plots = Vec::new();
    for group in kept.chunk_by(|a, b| of(a) == of(b)) {
        let place = format!("{}, {}", group[0].case.place, group[0].case.transport);
        let ratio = |label: &str| Axis::linear(label).to(2.5); // Perl is far beyond.
        let panels: [(Axis, Value); 3] = [
            (ratio("CPU per request, x HAProxy"), |all, row| {
                all.ratio(row, &CPU)
            }),
            (ratio("requests/s, x HAProxy"), |all, row| {
                all.ratio(row, &REQUESTS)
            }),
            (Axis::log("p99 latency, ms"), |_, row| {
                row.median(&P99) / 1e3
            }),
        ];
        for (y, value) in panels {
            let mut plot = Plot::new(&place, Axis::log("connections"), y);
            let mut names: Vec<String> = Vec::new();
            for name in group
                .iter()
                .flat_map(|all| &all.rows)
                .map(|row| row.contestant.name())
            {
                if names.contains(&name) {
                    continue;
                }
                let points = group.iter().filter_map(|all| {
                    let row = all.rows.iter().find(|row| row.contestant.name() == name)?;
                    Some((all.case.connections as f64, value(all, row)))
                });
                plot = plot.line(&name, points);
                names.push(name);
            }
            plots.push(plot);
        }
    }
    page("The daemon beside its peers", 3, &plots)
}

/// In relation to HAProxy, in brackets.
fn with_ratio(value: String, ratio: f64) -> String {
    if ratio.is_finite() {
        format!("{value} ({ratio:.2})")
    } else {
        value
    }
}

const ABOUT: &str = "\
Medians of interleaved rounds; in brackets the median of the ratios to HAProxy (one thread) round by round. CPU is user and system
time of the proxy alone; `of all` is that of the load and the servers too: on one CPU it tells the throughput, whatever else uses that CPU.
Requests of 697 bytes, answers of 20; each client sends its next request when the answer to its last is there. Two policy servers
behind each, the same for all, over the same transport as in front. HAProxy: TCP mode, roundrobin, no log, no checks, else its
defaults. nginx: stream, one worker, no log. Perl hapolicy: as spawn(8) runs it, a process for each connection over a socket pair,
which is why there are no more than 16; it knows no servers on UNIX sockets. hapolicy: its defaults.
";
