//! Results of tests, printed as they come: as text, TAP, JUnit or objects.

use std::{io, time::Duration};

use clap::ValueEnum;
use policy_daemon::log::printable_json;
use serde_json::{Map, Value, json};

use crate::output::print;

mod junit;
mod tap;
mod text;

/// The result of one test.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    /// The heading that it stands under.
    pub(crate) group: String,
    /// Only together with its heading does the title say what is tested.
    pub(crate) is_named_by_group: bool,
    /// Its number, or the line of a file.
    pub(crate) id: String,
    /// One line that says what holds.
    pub(crate) title: String,
    pub(crate) outcome: Outcome,
    /// Lines that are shown where the test has not passed.
    pub(crate) notes: Vec<String>,
    pub(crate) elapsed: Duration,
    /// What an object says besides.
    pub(crate) fields: Map<String, Value>,
}

impl Record {
    /// Its title where no heading stands above it.
    fn full_title(&self) -> String {
        let Self { id, title, .. } = self;
        if self.is_named_by_group {
            format!("{id} {}: {title}", self.group)
        } else {
            format!("{id} {title}")
        }
    }
}

/// How a test ended; a text says why.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Outcome {
    Passed,
    Failed(String),
    /// Not as it should be, but the test does not fail by that.
    Warned(String),
    /// It could not be told.
    Skipped(String),
}

impl Outcome {
    /// Its name in objects, and its text.
    fn parts(&self) -> (&'static str, Option<&str>) {
        match self {
            Self::Passed => ("passed", None),
            Self::Failed(reason) => ("failed", Some(reason)),
            Self::Warned(reason) => ("warned", Some(reason)),
            Self::Skipped(reason) => ("skipped", Some(reason)),
        }
    }
}

/// The form of a report.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum Format {
    /// For people
    Text,
    /// The Test Anything Protocol, version 13, as prove(1) reads it
    Tap,
    /// JUnit's XML, as build servers read it
    Junit,
    /// An object a line: what `--json` asks for.
    #[value(skip)]
    Json,
}

/// How many tests ended in which way.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Counts {
    pub(crate) passed: usize,
    pub(crate) failed: usize,
    pub(crate) warned: usize,
    pub(crate) skipped: usize,
}

impl Counts {
    pub(crate) const fn total(self) -> usize {
        self.passed + self.failed + self.warned + self.skipped
    }

    fn add(&mut self, outcome: &Outcome) {
        let count = match outcome {
            Outcome::Passed => &mut self.passed,
            Outcome::Failed(_) => &mut self.failed,
            Outcome::Warned(_) => &mut self.warned,
            Outcome::Skipped(_) => &mut self.skipped,
        };
        *count += 1;
    }
}

/// Prints results in one of the forms.
#[derive(Debug)]
pub(crate) struct Reporter {
    format: Format,
    /// What is tested.
    subject: String,
    counts: Counts,
    group: String,
    /// A JUnit file begins with its totals.
    records: Vec<Record>,
}

impl Reporter {
    /// Begins a report of so many tests.
    pub(crate) fn new(format: Format, subject: String, planned: usize) -> io::Result<Self> {
        if format == Format::Tap {
            print(tap::plan(planned).as_bytes())?;
        }
        Ok(Self {
            format,
            subject,
            counts: Counts::default(),
            group: String::new(),
            records: Vec::new(),
        })
    }

    pub(crate) fn add(&mut self, record: Record) -> io::Result<()> {
        self.counts.add(&record.outcome);
        match self.format {
            Format::Text => {
                let is_first = self.group != record.group;
                self.group.clone_from(&record.group);
                print(text::lines(&record, is_first).as_bytes())
            }
            Format::Tap => print(tap::lines(&record, self.counts.total()).as_bytes()),
            Format::Json => print(format!("{}\n", object(&record)).as_bytes()),
            Format::Junit => {
                self.records.push(record);
                Ok(())
            }
        }
    }

    /// Ends the report of the tests that were added.
    pub(crate) fn finish(self) -> io::Result<Counts> {
        match self.format {
            Format::Text => print(text::summary(&self.subject, self.counts).as_bytes())?,
            Format::Junit => {
                print(junit::document(&self.subject, &self.records, self.counts).as_bytes())?;
            }
            Format::Tap | Format::Json => {}
        }
        Ok(self.counts)
    }
}

fn object(record: &Record) -> String {
    let (outcome, reason) = record.outcome.parts();
    let mut object = record.fields.clone();
    let title = object.entry("title");
    title.or_insert_with(|| json!(record.title));
    object.insert("outcome".to_owned(), json!(outcome));
    object.insert("reason".to_owned(), json!(reason));
    let elapsed = record.elapsed.as_micros() as f64 / 1000.0;
    object.insert("elapsed_ms".to_owned(), json!(elapsed));
    printable_json(&Value::Object(object).to_string())
}
