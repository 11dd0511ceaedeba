//! More clients than the program has descriptors for.

use std::{error::Error, path::Path, time::Duration};

use policy_testing::{faults::well, stub::Stub};

use crate::{
    client::{Got, Postfix, Try},
    program::{Program, Setting},
    syslog::Syslog,
};

/// What came of the clients of one program.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// Had an answer of a service, and kept their connection.
    pub(crate) answered: usize,
    /// Had the default action.
    pub(crate) default: usize,
    /// Were closed without an answer.
    pub(crate) closed: usize,
    /// Waited for twenty seconds; no more than one of them is waited for.
    pub(crate) waited: usize,
    /// The longest that one of those waited who were answered.
    pub(crate) slowest: Duration,
    /// Whether a client has an answer once the others have gone.
    pub(crate) recovers: bool,
}

/// Each client asks once and stays.
pub(crate) fn run(
    program: Program,
    home: &Path,
    syslog: &Syslog,
) -> Result<Outcome, Box<dyn Error>> {
    let (first, second) = (Stub::tcp(well("first")), Stub::tcp(well("second")));
    let (first, second) = (first.address(), second.address());
    let running = program.start(Setting {
        home,
        number: 10,
        syslog,
        first: &first,
        second: &second,
        shared: false,
        descriptors: Some(DESCRIPTORS),
    })?;
    let mut outcome = Outcome::default();
    let mut clients = Vec::new();
    for number in 0..CLIENTS {
        let mut client = Postfix::new(&running)?;
        let Try { got, took } = client.attempt(&number.to_string());
        match got {
            Got::Action(action) if action == "default" => outcome.default += 1,
            Got::Action(_) => {
                outcome.answered += 1;
                outcome.slowest = outcome.slowest.max(took);
            }
            Got::Silence => outcome.waited += 1,
            _ => outcome.closed += 1,
        }
        clients.push(client);
        if outcome.waited > 0 {
            // So would all that are behind it.
            outcome.waited += CLIENTS - clients.len();
            break;
        }
    }
    drop(clients);
    let mut client = Postfix::new(&running)?;
    let tries = client.ask("last");
    let last = tries.last().map(|last| &last.got);
    outcome.recovers = matches!(last, Some(Got::Action(action)) if action != "default");
    Ok(outcome)
}

pub(crate) const CLIENTS: usize = 300;
/// HAProxy does not start with fewer than 219.
pub(crate) const DESCRIPTORS: u32 = 256;
