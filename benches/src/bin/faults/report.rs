//! All of it as Markdown, and as JSON.

use std::{fmt::Write, time::Duration};

use policy_benches::machine;
use serde_json::{Value, json};

use crate::{
    client::Try,
    descriptors,
    load::{self, Scenario},
    program::{HAPROXY, Program},
    share::Share,
    table::{DURING, NEXT, Row},
    verdict::{Worth, seconds, text, what},
};

/// All that was measured.
pub(crate) struct Report {
    pub(crate) rows: Vec<Row>,
    pub(crate) load: Vec<(Scenario, Vec<load::Outcome>)>,
    pub(crate) descriptors: Vec<(Program, descriptors::Outcome)>,
}

impl Report {
    pub(crate) fn markdown(&self) -> String {
        let mut page = format!(
            "# Faults on real sockets, {}\n\n{}. {}; {}.\n`benches/faults --record`\n\n{ABOUT}",
            machine::today(),
            machine::description(),
            machine::command("haproxy", &["-v"]),
            machine::command(
                "dpkg-query",
                &["-W", "-f", "Perl ${Package} ${Version}\n", "hapolicy"]
            ),
        );
        for part in [
            self.summary(),
            self.answers(),
            self.blames(),
            self.under_load(),
            self.few_descriptors(),
        ] {
            page += &part;
        }
        page + &format!("## HAProxy's configuration\n\n```\n{HAPROXY}```\n")
    }

    fn summary(&self) -> String {
        let mut part = format!(
            "## In short\n\nOf the {} requests that met a fault, and of those right behind them:\n\n",
            self.rows.len()
        );
        part += "| | answer at the first try | at the second | default action | 451 | wrong answer | slowest s |\n";
        part += "| --- | ---: | ---: | ---: | ---: | ---: | ---: |\n";
        for (column, program) in Program::ALL.iter().enumerate() {
            for (which, behind) in [("", false), (", the next", true)] {
                let tries = self.tries(column, behind);
                let count = |worth: Worth, number: Option<usize>| {
                    let matching = tries.iter().filter(|(tries, sender)| {
                        Worth::of(tries, sender) == worth
                            && number.is_none_or(|number| tries.len() == number)
                    });
                    matching.count()
                };
                let total = |tries: &[Try]| tries.iter().map(|one| one.took).sum::<Duration>();
                let slowest = tries.iter().map(|(tries, _)| total(tries)).max();
                writeln!(
                    part,
                    "| {}{which} | {} | {} | {} | {} | {} | {} |",
                    program.name(),
                    count(Worth::Answer, Some(1)),
                    count(Worth::Answer, Some(2)),
                    count(Worth::Default, None),
                    count(Worth::Nothing, None),
                    count(Worth::Wrong, None),
                    seconds(slowest.unwrap_or_default()),
                )
                .expect("a string takes all");
            }
        }
        part + "\n"
    }

    fn tries(&self, column: usize, behind: bool) -> Vec<(&[Try], &'static str)> {
        let cells = self
            .rows
            .iter()
            .filter_map(|row| row.cells[column].as_ref());
        let tries = cells.map(|cell| match behind {
            false => (&cell.during[..], DURING),
            true => (&cell.next[..], NEXT),
        });
        tries.collect()
    }

    fn answers(&self) -> String {
        let mut part = "## What the client got\n\n".to_owned() + &heading("fault");
        for row in &self.rows {
            write!(part, "| {} |", row.name()).expect("a string takes all");
            for cell in &row.cells {
                let text = cell.as_ref().map(|cell| {
                    let (during, next) = (text(&cell.during, DURING), text(&cell.next, NEXT));
                    format!("{during} / {next}")
                });
                let text = text.as_deref().unwrap_or("-");
                write!(part, " {text} |").expect("a string takes all");
            }
            part += "\n";
        }
        part + "\n"
    }

    fn blames(&self) -> String {
        let mut part = "## Who was blamed\n\n".to_owned() + &heading("fault");
        for row in &self.rows {
            write!(part, "| {} |", row.name()).expect("a string takes all");
            for cell in &row.cells {
                let blame = cell.as_ref().map_or("-", |cell| &cell.blame);
                write!(part, " {blame} |").expect("a string takes all");
            }
            part += "\n";
        }
        part + "\n"
    }

    fn under_load(&self) -> String {
        let mut part = format!("## Under load: {} connections\n\n", load::CONNECTIONS);
        for (scenario, outcomes) in &self.load {
            writeln!(part, "### {}\n\n{}", capital(scenario.name()), Share::HEAD)
                .expect("a string takes all");
            for (program, outcome) in Program::ALL.iter().zip(outcomes) {
                let kinds = [("", &outcome.requests), (", poison", &outcome.poisonous)];
                for (kind, requests) in kinds.iter().filter(|(_, all)| !all.is_empty()) {
                    let blame = if kind.is_empty() { &*outcome.blame } else { "" };
                    let name = program.name();
                    writeln!(part, "| {name}{kind} | {} | {blame} |", Share::of(requests))
                        .expect("a string takes all");
                }
            }
            part += "\n";
        }
        part
    }

    fn few_descriptors(&self) -> String {
        let mut part = format!(
            "## {} descriptors and {} clients\n\nEach client asks once and stays. `hapolicy` keeps \
             descriptors for\nits services and closes clients over its limit at once; HAProxy has them wait \
             until others have\ngone, which it closes when they are idle. Under spawn(8) each client has a \
             process of its own.\n\n\
             | | answer of a service | slowest s | default action | closed | nothing in 20 s | well again |\n\
             | --- | ---: | ---: | ---: | ---: | ---: | --- |\n",
            descriptors::DESCRIPTORS,
            descriptors::CLIENTS,
        );
        for (program, outcome) in &self.descriptors {
            let recovers = if outcome.recovers { "yes" } else { "**no**" };
            writeln!(
                part,
                "| {} | {} | {} | {} | {} | {} | {recovers} |",
                program.name(),
                outcome.answered,
                seconds(outcome.slowest),
                outcome.default,
                outcome.closed,
                outcome.waited
            )
            .expect("a string takes all");
        }
        part + "\n"
    }

    /// One object, a line for each thing that was measured.
    pub(crate) fn json(&self) -> String {
        let tries = |tries: &[Try], sender: &str| -> Value {
            let one = |one: &Try| json!({ "got": what(&one.got, sender), "seconds": one.took.as_secs_f64() });
            tries.iter().map(one).collect()
        };
        let rows = self.rows.iter().flat_map(|row| {
            let cells = Program::ALL.iter().zip(&row.cells);
            cells.filter_map(move |(program, cell)| {
                let cell = cell.as_ref()?;
                Some(json!({
                    "fault": row.fault.name,
                    "kept": row.kept,
                    "program": program.name(),
                    "during": tries(&cell.during, DURING),
                    "next": tries(&cell.next, NEXT),
                    "blame": cell.blame,
                }))
            })
        });
        let load = self.load.iter().flat_map(|(scenario, outcomes)| {
            let outcomes = Program::ALL.iter().zip(outcomes);
            outcomes.map(|(program, outcome)| {
                json!({
                    "scenario": scenario.name(),
                    "program": program.name(),
                    "requests": Share::of(&outcome.requests).json(),
                    "poisonous": Share::of(&outcome.poisonous).json(),
                    "blame": outcome.blame,
                })
            })
        });
        let descriptors = self.descriptors.iter().map(|(program, outcome)| {
            json!({
                "program": program.name(),
                "answered": outcome.answered,
                "slowest_seconds": outcome.slowest.as_secs_f64(),
                "default": outcome.default,
                "closed": outcome.closed,
                "waited": outcome.waited,
                "recovers": outcome.recovers,
            })
        });
        let lines = |values: Vec<Value>| {
            let lines: Vec<_> = values.iter().map(Value::to_string).collect();
            lines.join(",\n")
        };
        format!(
            "{{\"date\":{},\"machine\":{},\n\"faults\":[\n{}\n],\n\"load\":[\n{}\n],\n\
             \"descriptors\":[\n{}\n]}}\n",
            json!(machine::today()),
            json!(machine::description()),
            lines(rows.collect()),
            lines(load.collect()),
            lines(descriptors.collect()),
        )
    }
}

fn heading(first: &str) -> String {
    let names = Program::ALL.map(Program::name).join(" | ");
    format!("| {first} | {names} |\n| --- | --- | --- | --- | --- |\n")
}

fn capital(text: &str) -> String {
    let (first, rest) = text.split_at(1);
    first.to_uppercase() + rest
}

/// What this page says of itself.
const ABOUT: &str = include_str!("about.md");
