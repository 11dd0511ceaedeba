//! What is counted, second by second and server by server, and what follows from it.

use std::ops::Range;

use crate::{
    run::WORK,
    scene::{SECOND, SECONDS, SERVERS, Scene, weight},
};

#[derive(Clone, Debug)]
pub(crate) struct Measures {
    seconds: Vec<Second>,
    /// How many were under way at each server at each [`SAMPLE`]; until [`Self::complete`] by how many more
    /// than at the one before.
    under_way: Vec<[i32; SERVERS]>,
    /// Requests that no server answered.
    pub(crate) given_up: u64,
}

#[derive(Clone, Debug)]
struct Second {
    arrived: u32,
    /// Attempts that failed, by when they began.
    wasted: u32,
    /// Requests that arrived then and were answered late.
    late: u32,
    attempts: [u32; SERVERS],
}

impl Measures {
    pub(crate) fn new() -> Self {
        let second = Second {
            arrived: 0,
            wasted: 0,
            late: 0,
            attempts: [0; SERVERS],
        };
        Self {
            seconds: vec![second; SECONDS as usize],
            under_way: vec![[0; SERVERS]; SECONDS as usize * SAMPLES],
            given_up: 0,
        }
    }

    pub(crate) fn arrived(&mut self, now: u64) {
        self.second(now).arrived += 1;
    }

    pub(crate) fn attempted(&mut self, server: usize, began: u64, ends: u64, is_answered: bool) {
        let second = self.second(began);
        second.attempts[server] += 1;
        second.wasted += u32::from(!is_answered);
        if !is_answered {
            // It is no work for a server that is lost to it.
            return;
        }
        // It is seen by the samples between.
        for (at, change) in [(began, 1), (ends, -1)] {
            if let Some(sample) = self.under_way.get_mut((at / SAMPLE) as usize + 1) {
                sample[server] += change;
            }
        }
    }

    pub(crate) fn answered(&mut self, arrived: u64, now: u64) {
        self.second(arrived).late += u32::from(now - arrived > LATE);
    }

    pub(crate) const fn gave_up(&mut self) {
        self.given_up += 1;
    }

    /// All has been counted.
    pub(crate) fn complete(&mut self) {
        let mut sums = [0; SERVERS];
        for sample in &mut self.under_way {
            for (sum, sample) in sums.iter_mut().zip(sample) {
                *sum += *sample;
                *sample = *sum;
            }
        }
    }

    fn second(&mut self, at: u64) -> &mut Second {
        &mut self.seconds[(at / SECOND) as usize]
    }

    pub(crate) fn requests(&self) -> u64 {
        self.sum(0..SECONDS as usize, |second| second.arrived)
    }

    /// Attempts that failed.
    pub(crate) fn wasted(&self, during: Range<usize>) -> u64 {
        self.sum(during, |second| second.wasted)
    }

    /// Requests whose answer took more than a second.
    pub(crate) fn late(&self) -> u64 {
        self.sum(0..SECONDS as usize, |second| second.late)
    }

    /// By how much the share of any server that was well all the while differs from its weight, as a
    /// part of that.
    pub(crate) fn share_error(&self, scene: &Scene, during: Range<usize>) -> f64 {
        let is_well = |server: &usize| {
            let mut seconds = during.clone();
            !scene.is_slow(*server) && seconds.all(|second| scene.answers(*server, second))
        };
        let well: Vec<_> = (0..SERVERS).filter(is_well).collect();
        let attempts = |server: usize| self.attempts(server, during.clone()) as f64;
        let all: f64 = well.iter().map(|&server| attempts(server)).sum();
        let weights: f64 = well.iter().map(|&server| f64::from(weight(server))).sum();
        let error = |&server: &usize| {
            let fair = all * f64::from(weight(server)) / weights;
            (attempts(server) / fair - 1.0).abs()
        };
        well.iter().map(error).fold(0.0, f64::max)
    }

    /// The most requests that any server got in this second, as a multiple of its fair share: what came
    /// then, by weight among those that answered.
    pub(crate) fn most_requests(&self, scene: &Scene, second: usize) -> f64 {
        let attempts = &self.seconds[second].attempts;
        self.most(scene, second, |server| f64::from(attempts[server]))
    }

    /// The same for requests under way; fair is what its share of the requests is at any time if it
    /// takes as long as ever.
    pub(crate) fn most_under_way(&self, scene: &Scene, second: usize) -> f64 {
        let samples = &self.under_way[second * SAMPLES..][..SAMPLES];
        self.most(scene, second, |server| {
            let most = samples.iter().map(|sample| sample[server]).max();
            f64::from(most.unwrap_or_default()) * SECOND as f64 / WORK
        })
    }

    /// The time from the start of this phase until each server that answers throughout gets, in every
    /// five seconds, what it gets in the last 100 s of the phase: give or take 5 % and five standard
    /// deviations of chance. `None` if there is no such server.
    pub(crate) fn until_steady(&self, scene: &Scene, phase: Range<usize>) -> Option<usize> {
        let last = phase.end - 100..phase.end;
        let answers = |server: &usize| phase.clone().all(|second| scene.answers(*server, second));
        let servers: Vec<_> = (0..SERVERS).filter(answers).collect();
        let is_steady = |from: usize| {
            servers.iter().all(|&server| {
                let expected = self.attempts(server, last.clone()) as f64 / 20.0;
                let is = self.attempts(server, from..from + 5) as f64;
                (is - expected).abs() <= expected * 0.05 + expected.sqrt() * 5.0
            })
        };
        let mut windows = phase.clone().step_by(5).rev();
        let restless = windows.find(|&from| !is_steady(from));
        let steady = restless.map_or(0, |from| from + 5 - phase.start);
        (!servers.is_empty()).then_some(steady)
    }

    fn most(&self, scene: &Scene, second: usize, of: impl Fn(usize) -> f64) -> f64 {
        let answers = |server: &usize| scene.answers(*server, second);
        let answering: Vec<_> = (0..SERVERS).filter(answers).collect();
        let weights = answering.iter().map(|&server| f64::from(weight(server)));
        let each = f64::from(self.seconds[second].arrived) / weights.sum::<f64>();
        let ratios = answering
            .iter()
            .map(|&server| of(server) / (each * f64::from(weight(server))));
        ratios.fold(0.0, f64::max)
    }

    fn attempts(&self, server: usize, during: Range<usize>) -> u64 {
        self.sum(during, |second| second.attempts[server])
    }

    fn sum(&self, during: Range<usize>, of: impl Fn(&Second) -> u32) -> u64 {
        self.seconds[during]
            .iter()
            .map(|second| u64::from(of(second)))
            .sum()
    }
}

/// Microseconds between two looks at what is under way, and how many there are in a second.
const SAMPLE: u64 = 100_000;
const SAMPLES: usize = (SECOND / SAMPLE) as usize;
/// A request that takes longer is late.
const LATE: u64 = SECOND;
