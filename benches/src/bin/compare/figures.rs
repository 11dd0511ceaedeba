//! Figures of each contestant, round by round, and what is made of them.

use std::fmt;

use policy_benches::report::median;

use crate::{
    contestant::Contestant,
    options::{Part, Place, Transport},
};

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

/// What one contestant did in one round.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    /// Per second.
    pub(crate) requests: f64,
    /// p50, p99 and p99.9 in microseconds.
    pub(crate) latency: [f64; 3],
    /// How much more the p50 is than without a proxy in the same round.
    pub(crate) added: f64,
    /// User and system time of the proxy in microseconds per request.
    pub(crate) cpu: f64,
    /// The same with the load and the servers: on one CPU that nobody else uses, the throughput.
    pub(crate) cpu_of_all: f64,
    /// Context switches of the proxy per request.
    pub(crate) switches: f64,
    /// Memory of the proxy in kB, with the connections open.
    pub(crate) resident: f64,
}

/// What one contestant did in all rounds.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) contestant: Contestant,
    pub(crate) samples: Vec<Sample>,
}

/// One case, and what all did.
#[derive(Debug)]
pub(crate) struct Comparison {
    pub(crate) case: Case,
    /// The machine's, when it was measured.
    pub(crate) load: String,
    pub(crate) rows: Vec<Row>,
}

/// A figure: what it is called, with how many decimals it is shown, and where it is.
pub(crate) struct Figure {
    pub(crate) name: &'static str,
    pub(crate) decimals: usize,
    pub(crate) of: fn(&Sample) -> f64,
}

impl Sample {
    pub(crate) const REQUESTS: Figure = figure("requests/s", 0, |sample| sample.requests);
    pub(crate) const P50: Figure = figure("p50 us", 1, |sample| sample.latency[0]);
    pub(crate) const P99: Figure = figure("p99 us", 0, |sample| sample.latency[1]);
    pub(crate) const P99_9: Figure = figure("p99.9 us", 0, |sample| sample.latency[2]);
    pub(crate) const ADDED: Figure = figure("added p50 us", 1, |sample| sample.added);
    pub(crate) const CPU: Figure = figure("CPU us/request", 2, |sample| sample.cpu);
    pub(crate) const CPU_OF_ALL: Figure = figure("of all", 2, |sample| sample.cpu_of_all);
    pub(crate) const SWITCHES: Figure = figure("switches/request", 2, |sample| sample.switches);
    pub(crate) const RESIDENT: Figure = figure("RSS kB", 0, |sample| sample.resident);
    /// In the order in which they are shown.
    pub(crate) const FIGURES: [Figure; 9] = [
        Self::REQUESTS,
        Self::P50,
        Self::P99,
        Self::P99_9,
        Self::ADDED,
        Self::CPU,
        Self::CPU_OF_ALL,
        Self::SWITCHES,
        Self::RESIDENT,
    ];
}

impl Comparison {
    /// Fills in how much latency each adds to that of the requests that go to a server directly.
    pub(crate) fn compare_with_direct(&mut self) {
        let direct = self.row(&Contestant::Direct).map(|row| row.samples.clone());
        for row in &mut self.rows {
            for (sample, direct) in row.samples.iter_mut().zip(direct.iter().flatten()) {
                sample.added = sample.latency[0] - direct.latency[0];
            }
        }
    }

    pub(crate) fn row(&self, contestant: &Contestant) -> Option<&Row> {
        self.rows.iter().find(|row| row.contestant == *contestant)
    }

    /// The median of the ratios to HAProxy round by round: what disturbs a machine disturbs all in
    /// that round.
    pub(crate) fn ratio(&self, row: &Row, figure: &Figure) -> f64 {
        let haproxy = self.row(&Contestant::HAPROXY);
        haproxy.map_or(f64::NAN, |haproxy| row.ratio_to(haproxy, figure))
    }
}

impl Row {
    pub(crate) fn median(&self, figure: &Figure) -> f64 {
        median(self.samples.iter().map(figure.of))
    }

    /// The median of the ratios to another one round by round.
    pub(crate) fn ratio_to(&self, other: &Self, figure: &Figure) -> f64 {
        let pairs = self.samples.iter().zip(&other.samples);
        median(pairs.map(|(one, other)| (figure.of)(one) / (figure.of)(other)))
    }
}

const fn figure(name: &'static str, decimals: usize, of: fn(&Sample) -> f64) -> Figure {
    Figure { name, decimals, of }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(contestant: Contestant, samples: &[(f64, f64)]) -> Row {
        let sample = |&(cpu, p50): &(f64, f64)| Sample {
            requests: 1.0,
            latency: [p50, 0.0, 0.0],
            added: f64::NAN,
            cpu,
            cpu_of_all: cpu,
            switches: 0.0,
            resident: 0.0,
        };
        Row {
            contestant,
            samples: samples.iter().map(sample).collect(),
        }
    }

    #[test]
    fn a_ratio_is_the_median_of_those_of_each_round() {
        let mut table = Comparison {
            case: Case {
                place: Place::Pinned,
                transport: Transport::Tcp,
                part: Part::Kept,
                connections: 1,
            },
            load: String::new(),
            rows: vec![
                row(Contestant::Direct, &[(0.0, 10.0), (0.0, 20.0), (0.0, 10.0)]),
                row(
                    Contestant::HAPROXY,
                    &[(1.0, 30.0), (10.0, 60.0), (2.0, 20.0)],
                ),
                row(Contestant::Nginx, &[(2.0, 20.0), (10.0, 30.0), (1.0, 60.0)]),
            ],
        };
        table.compare_with_direct();
        let nginx = &table.rows[2];
        assert_eq!(nginx.median(&Sample::CPU), 2.0);
        assert_eq!(table.ratio(nginx, &Sample::CPU), 1.0);
        assert_eq!(nginx.median(&Sample::ADDED), 10.0);
        assert_eq!(table.ratio(nginx, &Sample::ADDED), 0.5);
    }
}
