//! What has been measured, as Markdown.

use std::fmt::Write;

use crate::{
    calls::Calls,
    contestant::Contestant,
    figures::{Case, Row, Sample, Table},
    goals::{Bound, Goal},
    idle::Idle,
    options::Place,
};

pub(crate) fn table(table: &Table) -> String {
    let mut text = title(&table.case, &table.load);
    text += &rule(&Sample::FIGURES.map(|figure| figure.name));
    for row in &table.rows {
        let cells = Sample::FIGURES.map(|figure| {
            let median = number(row.median(&figure), figure.decimals);
            with_ratio(median, table.ratio(row, &figure))
        });
        text += &line(&row.contestant.name(), &cells);
    }
    text
}

pub(crate) fn calls(calls: &[Calls]) -> String {
    let Some(first) = calls.first() else {
        return String::new();
    };
    let mut text = format!("\n### {}: system calls per request\n\n", first.case);
    text += &rule(&["all", "of them"]);
    let haproxy = calls
        .iter()
        .find(|calls| calls.contestant == Contestant::HAPROXY);
    let theirs = haproxy.map_or(f64::NAN, |calls| calls.all);
    for calls in calls {
        let each = calls
            .each
            .iter()
            .map(|(name, count)| format!("{name} {count:.2}"));
        let all = with_ratio(number(calls.all, 2), calls.all / theirs);
        let cells = [all, each.collect::<Vec<_>>().join(", ")];
        text += &line(&calls.contestant.name(), &cells);
    }
    text
}

pub(crate) fn idle(case: &Case, idle: &[Idle]) -> String {
    let mut text = format!("\n### {case}\n\n");
    text += &rule(&[
        "idle",
        "RSS kB with none",
        "with all",
        "bytes each",
        "CPU us/request with none",
        "with all",
        "x of none",
    ]);
    let haproxy = idle
        .iter()
        .find(|idle| idle.contestant == Contestant::HAPROXY);
    let theirs = haproxy.map_or(f64::NAN, Idle::bytes);
    for idle in idle {
        let resident = |place: Option<&(usize, u64)>| place.map_or(f64::NAN, |(_, kb)| *kb as f64);
        let [none, all, ratio] = idle.cpu();
        let cells = [
            idle.connections().to_string(),
            number(resident(idle.resident.first()), 0),
            number(resident(idle.resident.last()), 0),
            with_ratio(number(idle.bytes(), 0), idle.bytes() / theirs),
            number(none, 2),
            number(all, 2),
            number(ratio, 2),
        ];
        text += &line(&idle.contestant.name(), &cells);
    }
    text
}

pub(crate) fn goals(goals: &[Goal]) -> String {
    if goals.is_empty() {
        return String::new();
    }
    let mut text =
        "\n### Goals: hapolicy with one worker, x HAProxy with one thread\n\n".to_owned();
    text += &rule(&["goal", "reached", ""]);
    for goal in goals {
        let bound = match goal.bound {
            Bound::AtMost(bound) => format!("at most {bound:.2}"),
            Bound::AtLeast(bound) => format!("at least {bound:.2}"),
        };
        let met = if goal.is_met() { "met" } else { "not met" };
        text += &line(
            &goal.name,
            &[bound, number(goal.reached, 2), met.to_owned()],
        );
    }
    text
}

/// What more workers give, where there is more than one CPU for them.
pub(crate) fn workers(tables: &[Table]) -> String {
    let figures = [Sample::REQUESTS, Sample::CPU];
    let mut lines = String::new();
    let unpinned = |table: &&Table| table.case.place == Place::Unpinned;
    for table in tables.iter().filter(unpinned) {
        for more in &table.rows {
            let is_one = |one: &&Row| more.contestant.has_more_workers_than(&one.contestant);
            let Some(one) = table.rows.iter().find(is_one) else {
                continue;
            };
            let cells = figures.each_ref().map(|figure| {
                let [before, after] =
                    [one, more].map(|row| number(row.median(figure), figure.decimals));
                let ratio = number(more.ratio_to(one, figure), 2);
                format!("{before} → {after} (x {ratio})")
            });
            let name = format!("{}: {}", table.case.short(), more.contestant.name());
            lines += &line(&name, &cells);
        }
    }
    if lines.is_empty() {
        return lines;
    }
    let title = "\n### More workers: one → all, and the ratio round by round; not pinned\n\n\
                 The load and the servers have the same CPUs.\n\n";
    title.to_owned() + &rule(&figures.map(|figure| figure.name)) + &lines
}

fn title(case: &Case, load: &str) -> String {
    format!("\n### {case} (load {load})\n\n")
}

fn rule(head: &[&str]) -> String {
    let mut text = format!("| | {} |\n| --- |", head.join(" | "));
    for _ in head {
        text += " ---: |";
    }
    text + "\n"
}

fn line(name: &str, cells: &[String]) -> String {
    let mut text = format!("| {name} ");
    for cell in cells {
        write!(text, "| {cell} ").expect("a string takes all");
    }
    text + "|\n"
}

/// In relation to HAProxy, in brackets.
fn with_ratio(value: String, ratio: f64) -> String {
    match ratio.is_finite() {
        true => format!("{value} ({ratio:.2})"),
        false => value,
    }
}

fn number(value: f64, decimals: usize) -> String {
    match value.is_finite() {
        true => format!("{value:.decimals$}"),
        false => String::new(),
    }
}
