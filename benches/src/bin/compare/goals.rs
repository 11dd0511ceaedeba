//! The goals, and what has been reached.

use crate::{
    contest::Outcome,
    contestant::Contestant,
    figures::{Figure, Sample, Table},
    options::{Part, Place},
};

/// One figure of ours in relation to HAProxy's, and how far it should be.
#[derive(Debug)]
pub(crate) struct Goal {
    pub(crate) name: String,
    pub(crate) reached: f64,
    pub(crate) bound: Bound,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Bound {
    AtMost(f64),
    AtLeast(f64),
}

impl Goal {
    pub(crate) fn is_met(&self) -> bool {
        match self.bound {
            Bound::AtMost(bound) => self.reached <= bound,
            Bound::AtLeast(bound) => self.reached >= bound,
        }
    }
}

/// Those for which there are figures. They are stated for one worker, with all on one CPU.
pub(crate) fn reached(outcome: &Outcome) -> Vec<Goal> {
    let mut goals = Vec::new();
    for table in &outcome.tables {
        if table.case.place == Place::Pinned {
            goals.extend(of(table));
        }
    }
    for (case, idle) in &outcome.idle {
        let find = |is: fn(&Contestant) -> bool| idle.iter().find(|idle| is(&idle.contestant));
        let ours = find(Contestant::is_ours);
        let theirs = find(|contestant| *contestant == Contestant::HAPROXY);
        if let (Place::Pinned, Some(ours), Some(theirs)) = (case.place, ours, theirs) {
            goals.push(Goal {
                name: format!("{}, memory per idle connection", case.transport),
                reached: ours.bytes() / theirs.bytes(),
                bound: Bound::AtMost(0.35),
            });
        }
    }
    goals
}

fn of(table: &Table) -> Vec<Goal> {
    use Bound::{AtLeast, AtMost};
    let case = &table.case;
    let goals: &[(Figure, Bound)] = match (case.part, case.connections) {
        (Part::Kept, 1) => &[(Sample::CPU, AtMost(0.80)), (Sample::ADDED, AtMost(0.8))],
        (Part::Kept, 16 | 256) => &[
            (Sample::CPU, AtMost(0.95)),
            (Sample::REQUESTS, AtLeast(1.05)),
        ],
        (Part::New, _) => &[(Sample::CPU, AtMost(0.5)), (Sample::REQUESTS, AtLeast(1.8))],
        _ => &[],
    };
    let Some(ours) = table.rows.iter().find(|row| row.contestant.is_ours()) else {
        return Vec::new();
    };
    let goal = |(figure, bound): &(Figure, Bound)| Goal {
        name: format!("{}, {}", case.short(), figure.name),
        reached: table.ratio(ours, figure),
        bound: *bound,
    };
    goals.iter().map(goal).collect()
}
