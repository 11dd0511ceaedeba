//! The tables of the record, for readers and for programs.

use std::time::Duration;

use policy_benches::{
    machine,
    report::{Report as Page, Table, number},
};

use crate::{
    client::Try,
    descriptors,
    load::{self, Request, Scenario},
    program::{HAPROXY, Program},
    table::{Cell, DURING, NEXT, Row},
    verdict::{Worth, seconds, text},
};

/// All that was measured.
pub(crate) struct Report {
    pub(crate) rows: Vec<Row>,
    pub(crate) load: Vec<(Scenario, Vec<load::Outcome>)>,
    pub(crate) descriptors: Vec<(Program, descriptors::Outcome)>,
}

impl Report {
    pub(crate) fn markdown(&self) -> String {
        self.page().to_string()
    }

    pub(crate) fn json(&self) -> String {
        self.page().json()
    }

    fn page(&self) -> Page {
        let perl = ["-W", "-f", "Perl ${Package} ${Version}\n", "hapolicy"];
        let versions = [
            machine::command("haproxy", &["-v"]),
            machine::command("dpkg-query", &perl),
        ];
        let mut page = Page::new(
            "Faults on real sockets",
            &versions,
            "benches/faults --record",
        );
        page.text(ABOUT);
        page.table(self.summary());
        page.table(self.each("## What the client got", |cell| {
            format!(
                "{} / {}",
                text(&cell.during, DURING),
                text(&cell.next, NEXT)
            )
        }));
        page.table(self.each("## Who was blamed", |cell| cell.blame.clone()));
        page.text(&format!("## Under load: {} connections", load::CONNECTIONS));
        for (scenario, outcomes) in &self.load {
            page.table(under_load(*scenario, outcomes));
        }
        page.table(self.few_descriptors());
        page.text(&format!("## HAProxy's configuration\n\n```\n{HAPROXY}```"));
        page
    }

    fn summary(&self) -> Table {
        let title = format!(
            "## In short\n\nOf the {} requests that met a fault, and of those right after them:",
            self.rows.len()
        );
        let head = [
            "answer at the first try",
            "at the second",
            "default action",
            "451",
            "wrong answer",
            "slowest s",
        ];
        let mut table = Table::new(title, head);
        for (column, program) in Program::ALL.iter().enumerate() {
            let cells = || {
                self.rows
                    .iter()
                    .filter_map(|row| row.cells[column].as_ref())
            };
            let during: Vec<_> = cells().map(|cell| (&cell.during, DURING)).collect();
            let next: Vec<_> = cells().map(|cell| (&cell.next, NEXT)).collect();
            for (which, requests) in [("", during), (", the next", next)] {
                let count = |worth: Worth, tries: &[usize]| {
                    let matching = requests.iter().filter(|(all, sender)| {
                        Worth::of(all, sender) == worth && tries.contains(&all.len())
                    });
                    matching.count().to_string()
                };
                let total = |tries: &[Try]| tries.iter().map(|one| one.took).sum::<Duration>();
                let slowest = requests.iter().map(|(tries, _)| total(tries)).max();
                let cells = [
                    count(Worth::Answer, &[1]),
                    count(Worth::Answer, &[2]),
                    count(Worth::Default, &[1, 2]),
                    count(Worth::Nothing, &[1, 2]),
                    count(Worth::Wrong, &[1, 2]),
                    seconds(slowest.unwrap_or_default()),
                ];
                table.row(format!("{}{which}", program.name()), cells);
            }
        }
        table
    }

    /// A row for each fault, a column for each program.
    fn each(&self, title: &str, of: impl Fn(&Cell) -> String) -> Table {
        let mut table = Table::of_words(title, Program::ALL.map(Program::name));
        for row in &self.rows {
            let cells = row
                .cells
                .iter()
                .map(|cell| cell.as_ref().map_or_else(|| "-".to_owned(), &of));
            table.row(row.name(), cells);
        }
        table
    }

    fn few_descriptors(&self) -> Table {
        let title = format!(
            "## {} descriptors and {} clients\n\nEach client asks once and stays. `hapolicy` keeps \
             descriptors for\nits services and closes clients over its limit at once; HAProxy has them wait \
             until others have\ngone, which it closes when they are idle. Under spawn(8) each client has a \
             process of its own.",
            descriptors::DESCRIPTORS,
            descriptors::CLIENTS,
        );
        let head = [
            "answer of a service",
            "slowest s",
            "default action",
            "closed",
            "nothing in 20 s",
            "well again",
        ];
        let mut table = Table::new(title, head);
        for (program, outcome) in &self.descriptors {
            let cells = [
                outcome.answered.to_string(),
                seconds(outcome.slowest),
                outcome.default.to_string(),
                outcome.closed.to_string(),
                outcome.waited.to_string(),
                if outcome.recovers { "yes" } else { "**no**" }.to_owned(),
            ];
            table.row(program.name(), cells);
        }
        table
    }
}

fn under_load(scenario: Scenario, outcomes: &[load::Outcome]) -> Table {
    let head = [
        "requests",
        "answered by a service",
        "default action",
        "451",
        "wrong",
        "second try needed",
        "median ms",
        "p99 ms",
        "slowest s",
        "blamed",
    ];
    let (first, rest) = scenario.name().split_at(1);
    let mut table = Table::new(format!("### {}{rest}", first.to_uppercase()), head);
    for (program, outcome) in Program::ALL.iter().zip(outcomes) {
        let kinds = [
            ("", &outcome.requests, &*outcome.blame),
            (", poison", &outcome.poisonous, ""),
        ];
        for (kind, requests, blame) in kinds {
            if !requests.is_empty() {
                table.row(format!("{}{kind}", program.name()), shares(requests, blame));
            }
        }
    }
    table
}

/// The outcome of many requests.
fn shares(requests: &[Request], blame: &str) -> [String; 10] {
    let mut times: Vec<_> = requests
        .iter()
        .map(|request| request.took.as_secs_f64())
        .collect();
    times.sort_unstable_by(f64::total_cmp);
    let count = |is: &dyn Fn(&&Request) -> bool| requests.iter().filter(is).count().to_string();
    let worth = |worth: Worth| count(&|request| request.worth == worth);
    // One in a hundred is slower.
    let [median, p99] = [times[times.len() / 2], times[times.len() * 99 / 100]];
    [
        times.len().to_string(),
        worth(Worth::Answer),
        worth(Worth::Default),
        worth(Worth::Nothing),
        worth(Worth::Wrong),
        count(&|request| request.tries > 1),
        number(median * 1e3, 1),
        number(p99 * 1e3, 1),
        number(times[times.len() - 1], 2),
        blame.to_owned(),
    ]
}

/// How to read it.
const ABOUT: &str = include_str!("about.md");
