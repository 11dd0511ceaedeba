//! Each fault, in front of each program: what its client got, and who was blamed.

use std::{collections::VecDeque, path::Path, sync::Mutex, thread, time::Duration};

use policy_testing::{
    faults::{FAULTS, Fault, First, Means, well},
    stub::Stub,
};

use crate::{
    client::{Postfix, Try},
    lock::lock,
    program::{Program, Setting},
    syslog::Syslog,
    verdict::blame,
};

/// A fault on a new connection or on a kept one.
pub(crate) struct Row {
    pub(crate) fault: &'static Fault,
    pub(crate) kept: bool,
    /// One for each program; `None` where it could not be started, which is said.
    pub(crate) cells: Vec<Option<Cell>>,
}

impl Row {
    pub(crate) fn name(&self) -> String {
        let Fault { name, fresh, .. } = self.fault;
        match (self.kept, fresh) {
            (true, Some(_)) => format!("{name}; kept connection"),
            _ => (*name).to_owned(),
        }
    }
}

pub(crate) struct Cell {
    /// Of the request that met the fault.
    pub(crate) during: Vec<Try>,
    /// Of the one right after it.
    pub(crate) next: Vec<Try>,
    pub(crate) blame: String,
}

/// Some at a time, since most of it is waiting.
pub(crate) fn run(home: &Path, syslog: &Syslog, only: &str) -> Vec<Row> {
    let faults = FAULTS.iter().filter(|fault| fault.name.contains(only));
    let cases = faults.flat_map(|fault| {
        let fresh = fault.fresh.map(|_| (fault, false));
        fresh.into_iter().chain(fault.kept.map(|_| (fault, true)))
    });
    let row = |(fault, kept)| Row {
        fault,
        kept,
        cells: Program::ALL.map(|_| None).into(),
    };
    let rows: Vec<Row> = cases.map(row).collect();
    let jobs =
        (0..rows.len()).flat_map(|row| (0..Program::ALL.len()).map(move |column| (row, column)));
    let jobs: Mutex<VecDeque<_>> = Mutex::new(jobs.collect());
    let rows = Mutex::new(rows);
    thread::scope(|scope| {
        for number in 0..AT_A_TIME {
            let (jobs, rows) = (&jobs, &rows);
            scope.spawn(move || {
                while let Some((row, column)) = { lock(jobs).pop_front() } {
                    let (fault, kept) = {
                        let rows = lock(rows);
                        (rows[row].fault, rows[row].kept)
                    };
                    let program = Program::ALL[column];
                    match meet(fault, kept, program, home, 10 + number, syslog) {
                        Ok(cell) => lock(rows)[row].cells[column] = Some(cell),
                        Err(error) => eprintln!("{}: {}: {error}", fault.name, program.name()),
                    }
                }
            });
        }
    });
    rows.into_inner().expect("no panic under the lock")
}

fn meet(
    fault: &'static Fault,
    kept: bool,
    program: Program,
    home: &Path,
    number: u8,
    syslog: &Syslog,
) -> Result<Cell, Box<dyn std::error::Error>> {
    let policy_client = &home.join("policy-client");
    let means = Means {
        home,
        policy_client,
        number,
    };
    let first = First::start(fault, means);
    let second = Stub::tcp(well("second"));
    let second_address = second.address();
    let running = program.start(Setting {
        home,
        number,
        syslog,
        first: first.address(),
        second: &second_address,
        shared: false,
        descriptors: None,
    })?;
    let mut client = Postfix::new(&running)?;
    if kept {
        client.ask("before");
    }
    // What it says at its start may be about a service, too.
    let from_start = first.is_always_in_trouble() || !program.is_daemon();
    let said = if from_start { 0 } else { running.log().len() };
    first.begin();
    let during = client.ask(DURING);
    let next = client.ask(NEXT);
    drop(client);
    // Sessions are logged at their end.
    thread::sleep(SAID);
    // Where the programs are is nobody's concern.
    let home = home.display().to_string();
    let log = running.log().split_off(said);
    let log: Vec<_> = log.iter().map(|line| line.replace(&home, "")).collect();
    let blame = blame(program, &log);
    drop(running);
    first.end();
    Ok(Cell {
        during,
        next,
        blame,
    })
}

/// The senders of the two requests.
pub(crate) const DURING: &str = "during";
pub(crate) const NEXT: &str = "next";
const AT_A_TIME: u8 = 8;
const SAID: Duration = Duration::from_millis(300);
