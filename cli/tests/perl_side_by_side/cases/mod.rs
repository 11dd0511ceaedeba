//! The cases, a module a subject, a function a table.

mod answers;
mod command_line;
mod failover;
mod invalid_answers;
mod log;
mod log_on_stdout;
mod log_values;
mod odd_requests;
mod requests;
mod selection;
mod service_values;
mod services;
mod spawn;
mod time;

use crate::case::Case;

pub fn all() -> Vec<Case> {
    let subjects = [
        command_line::TABLES,
        services::TABLES,
        service_values::TABLES,
        requests::TABLES,
        odd_requests::TABLES,
        answers::TABLES,
        invalid_answers::TABLES,
        failover::TABLES,
        time::TABLES,
        selection::TABLES,
        log::TABLES,
        log_values::TABLES,
        log_on_stdout::TABLES,
        spawn::TABLES,
    ];
    subjects
        .concat()
        .into_iter()
        .flat_map(|table| table())
        .collect()
}

/// The tables of a subject.
type Tables = &'static [fn() -> Vec<Case>];
