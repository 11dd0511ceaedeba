//! A case: what is measured, and where.

use std::fmt;

use crate::options::{Part, Place, Transport};

/// All that is the same for those who are measured side by side.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Case {
    pub(crate) place: Place,
    pub(crate) transport: Transport,
    pub(crate) part: Part,
    pub(crate) connections: usize,
}

impl Case {
    /// Without what does not matter to the goals.
    pub(crate) fn short(&self) -> String {
        let transport = self.transport;
        match self.part {
            Part::New => format!("{transport}, a new connection per request"),
            _ => format!("{transport}, {}", connections(self.connections)),
        }
    }
}

fn connections(number: usize) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} connection{plural}")
}

/// As a heading.
impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (place, transport, connections) = (self.place, self.transport, self.connections);
        match (self.part, connections) {
            (Part::Idle, _) => write!(
                f,
                "{place}, {transport}, {connections} at work beside idle ones"
            ),
            (Part::New, _) => write!(
                f,
                "{place}, {transport}, {connections} at a time, a new one per request"
            ),
            _ => write!(f, "{place}, {}", self.short()),
        }
    }
}
