//! What is kept: a page for readers, all figures of all rounds as JSON, and a plot.

use std::{env, error::Error, fs, path::Path};

use policy_benches::{
    machine,
    plot::{Axis, Plot, page},
};
use serde_json::{Map, Value, json};

use crate::{
    contest::Outcome,
    figures::{Sample, Table},
    goals,
    options::Part,
    report,
};

/// Writes the three files into a directory.
pub(crate) fn write(outcome: &Outcome, folder: &Path) -> Result<(), Box<dyn Error>> {
    fs::create_dir_all(folder)?;
    let name = format!("{}-compare", machine::today());
    for (extension, text) in [
        ("md", markdown(outcome, &name)),
        ("json", serde_json::to_string(&json(outcome))? + "\n"),
        ("svg", svg(&outcome.tables)),
    ] {
        let file = folder.join(format!("{name}.{extension}"));
        fs::write(&file, text)?;
        eprintln!("written to {}", file.display());
    }
    Ok(())
}

fn markdown(outcome: &Outcome, name: &str) -> String {
    let mut text = format!(
        "# The daemon beside its peers, {}\n\n{}.\n{}.\n`{}`\n\n{ABOUT}\n![plot]({name}.svg)\n",
        machine::today(),
        machine::description(),
        versions().join("; "),
        command(),
    );
    text += &report::goals(&goals::reached(outcome));
    text += &report::workers(&outcome.tables);
    for table in &outcome.tables {
        text += &report::table(table);
    }
    for calls in outcome.calls.chunk_by(|a, b| a.case == b.case) {
        text += &report::calls(calls);
    }
    for (case, idle) in &outcome.idle {
        text += &report::idle(case, idle);
    }
    text
}

/// All that is needed to do it again.
fn command() -> String {
    let arguments: Vec<_> = env::args().skip(1).collect();
    format!("benches/compare {}", arguments.join(" "))
}

fn versions() -> [String; 3] {
    [
        machine::command("haproxy", &["-v"]),
        machine::command("nginx", &["-v"]),
        machine::command(
            "dpkg-query",
            &["-f", "Perl hapolicy ${Version}", "-W", "hapolicy"],
        ),
    ]
}

fn json(outcome: &Outcome) -> Value {
    let tables = outcome.tables.iter().map(|table| {
        let rows = table.rows.iter().map(|row| {
            let figures = Sample::FIGURES.iter().map(|figure| {
                let rounds: Vec<_> = row.samples.iter().map(figure.of).map(short).collect();
                let values = json!({
                    "median": short(row.median(figure)),
                    "ratio": short(table.ratio(row, figure)),
                    "rounds": rounds,
                });
                (figure.name.to_owned(), values)
            });
            (row.contestant.name(), Value::Object(figures.collect()))
        });
        let rows: Map<_, _> = rows.collect();
        json!({ "case": table.case.to_string(), "load": table.load, "contestants": rows })
    });
    let calls = outcome.calls.iter().map(|calls| {
        json!({
            "case": calls.case.to_string(),
            "contestant": calls.contestant.name(),
            "all": calls.all,
            "each": calls.each,
        })
    });
    let idle = outcome.idle.iter().flat_map(|(case, idle)| {
        idle.iter().map(move |idle| {
            json!({
                "case": case.to_string(),
                "contestant": idle.contestant.name(),
                "resident_kb": idle.resident,
                "bytes_each": idle.bytes(),
                "cpu_us_per_request": idle.cpu,
            })
        })
    });
    json!({
        "date": machine::today(),
        "machine": machine::description(),
        "versions": versions(),
        "command": command(),
        "connections": tables.collect::<Vec<_>>(),
        "system_calls": calls.collect::<Vec<_>>(),
        "idle": idle.collect::<Vec<_>>(),
    })
}

/// Nobody needs more than three decimals.
fn short(value: f64) -> f64 {
    (value * 1e3).round() / 1e3
}

/// A row of panels for each place and transport, each figure over the number of connections.
fn svg(tables: &[Table]) -> String {
    let kept: Vec<&Table> = tables
        .iter()
        .filter(|table| table.case.part == Part::Kept)
        .collect();
    let groups =
        kept.chunk_by(|a, b| (a.case.place, a.case.transport) == (b.case.place, b.case.transport));
    let mut plots = Vec::new();
    for group in groups {
        let place = format!("{}, {}", group[0].case.place, group[0].case.transport);
        plots.push(panel(
            group,
            &place,
            "CPU per request, x HAProxy",
            |table, row| table.ratio(&table.rows[row], &Sample::CPU),
        ));
        plots.push(panel(
            group,
            &place,
            "requests/s, x HAProxy",
            |table, row| table.ratio(&table.rows[row], &Sample::REQUESTS),
        ));
        plots.push(panel(group, &place, "p99 latency, ms", |table, row| {
            table.rows[row].median(&Sample::P99) / 1e3
        }));
    }
    page("The daemon beside its peers", 3, &plots)
}

fn panel(tables: &[&Table], place: &str, figure: &str, value: fn(&Table, usize) -> f64) -> Plot {
    let y = match figure.ends_with("ms") {
        true => Axis::log(figure),
        // Perl is far beyond.
        false => Axis::linear(figure).to(2.5),
    };
    let mut plot = Plot::new(place, Axis::log("connections"), y);
    let contestants = tables
        .iter()
        .flat_map(|table| &table.rows)
        .map(|row| &row.contestant);
    let mut names: Vec<String> = Vec::new();
    for name in contestants.map(|contestant| contestant.name()) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    for name in names {
        let points = tables.iter().filter_map(|table| {
            let row = table
                .rows
                .iter()
                .position(|row| row.contestant.name() == name)?;
            Some((table.case.connections as f64, value(table, row)))
        });
        let points: Vec<_> = points
            .filter(|(_, value)| value.is_finite() && *value > 0.0)
            .collect();
        plot = plot.line(name, points);
    }
    plot
}

const ABOUT: &str = "\
Medians of interleaved rounds; in brackets the median of the ratios to HAProxy (one thread) round by round. CPU is user and system
time of the proxy alone; `of all` is that of the load and the servers too: on one CPU it tells the throughput, whoever else uses that CPU.
Requests of 697 bytes, answers of 20; each client sends its next request when the answer to its last is there. Two policy servers
behind each, the same for all, over the same transport as in front. HAProxy: TCP mode, roundrobin, no log, no checks, else its
defaults. nginx: stream, one worker, no log. Perl hapolicy: as spawn(8) runs it, a process for each connection over a socket pair,
which is why there are no more than 16; it knows no servers on UNIX sockets. hapolicy: its defaults.
";
