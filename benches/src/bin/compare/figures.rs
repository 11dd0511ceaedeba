//! Figures of each contestant, round by round, and what is made of them.

use policy_benches::report::median;

use crate::{case::Case, contestant::Contestant};

/// The figures of one contestant in one round, in the order of [`FIGURES`].
pub(crate) type Sample = [f64; 9];

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

/// A figure: its name, with how many decimals it is shown, and its place in a sample.
#[derive(Clone, Copy)]
pub(crate) struct Figure {
    pub(crate) name: &'static str,
    pub(crate) decimals: usize,
    place: usize,
}

/// In the order in which they are shown.
pub(crate) const FIGURES: [Figure; 9] = [
    REQUESTS,
    P50,
    P99,
    figure("p99.9 us", 0, 3),
    ADDED,
    CPU,
    // With the load and the servers: on one CPU that nobody else uses, the throughput.
    figure("of all", 2, 6),
    // Context switches of the proxy.
    figure("switches/request", 2, 7),
    // Memory of the proxy, with the connections open.
    figure("RSS kB", 0, 8),
];
pub(crate) const REQUESTS: Figure = figure("requests/s", 0, 0);
pub(crate) const P50: Figure = figure("p50 us", 1, 1);
pub(crate) const P99: Figure = figure("p99 us", 0, 2);
/// How much more the p50 is than without a proxy in the same round.
pub(crate) const ADDED: Figure = figure("added p50 us", 1, 4);
/// User and system time of the proxy.
pub(crate) const CPU: Figure = figure("CPU us/request", 2, 5);

impl Comparison {
    /// Fills in how much latency each adds to that of the requests that go to a server directly.
    pub(crate) fn compare_with_direct(&mut self) {
        let direct = self.row(&Contestant::Direct).map(|row| row.samples.clone());
        for row in &mut self.rows {
            for (sample, direct) in row.samples.iter_mut().zip(direct.iter().flatten()) {
                sample[ADDED.place] = sample[P50.place] - direct[P50.place];
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
        median(self.samples.iter().map(|sample| sample[figure.place]))
    }

    /// The median of the ratios to another one round by round.
    pub(crate) fn ratio_to(&self, other: &Self, figure: &Figure) -> f64 {
        let pairs = self.samples.iter().zip(&other.samples);
        median(pairs.map(|(one, other)| one[figure.place] / other[figure.place]))
    }
}

const fn figure(name: &'static str, decimals: usize, place: usize) -> Figure {
    Figure {
        name,
        decimals,
        place,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::{Part, Place, Transport};

    fn row(contestant: Contestant, samples: &[(f64, f64)]) -> Row {
        let sample = |&(cpu, p50): &(f64, f64)| [1.0, p50, 0.0, 0.0, f64::NAN, cpu, cpu, 0.0, 0.0];
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
        assert_eq!(nginx.median(&CPU), 2.0);
        assert_eq!(table.ratio(nginx, &CPU), 1.0);
        assert_eq!(nginx.median(&ADDED), 10.0);
        assert_eq!(table.ratio(nginx, &ADDED), 0.5);
    }
}
