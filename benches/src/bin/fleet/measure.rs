//! Counts second by second and server by server, and the figures that follow from them.

use std::{ops::Range, time::Duration};

use policy_simulation::{Attempt, End, Request, Watch};

use crate::scene::{SECONDS, SERVERS, Scene, WORK};

#[derive(Clone, Debug)]
pub(crate) struct Measures {
    seconds: Vec<Second>,
    /// How many were under way at each server at each sample; until [`Self::complete`] by how many more
    /// than at the one before.
    under_way: Vec<[i32; SERVERS]>,
    /// Requests that no server answered.
    pub(crate) given_up: u64,
    /// Of the balancer that is at work, when each request arrived.
    arrived: Vec<Duration>,
}

#[derive(Clone, Debug, Default)]
struct Second {
    arrived: u32,
    /// Attempts that failed, by when they began.
    wasted: u32,
    /// Requests that arrived then and were answered late.
    late: u32,
    attempts: Vec<u32>,
}

impl Measures {
    pub(crate) fn new() -> Self {
        let second = Second {
            attempts: vec![0; SERVERS],
            ..Second::default()
        };
        Self {
            seconds: vec![second; SECONDS],
            under_way: vec![[0; SERVERS]; SECONDS * SAMPLES],
            given_up: 0,
            arrived: Vec::new(),
        }
    }

    /// Another balancer begins. The balancers do not know of each other, and a server answers as soon however many
    /// ask it: so each lives through the scene by itself, and what they do is added up.
    pub(crate) fn begin(&mut self) {
        self.arrived.clear();
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

    pub(crate) fn requests(&self) -> u64 {
        self.sum(0..SECONDS, |second| second.arrived)
    }

    /// Attempts that failed.
    pub(crate) fn wasted(&self, during: Range<usize>) -> u64 {
        self.sum(during, |second| second.wasted)
    }

    /// Requests whose answer took more than a second.
    pub(crate) fn late(&self) -> u64 {
        self.sum(0..SECONDS, |second| second.late)
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
        let weights: f64 = well.iter().map(|&server| scene.weight(server)).sum();
        let error = |&server: &usize| {
            let fair = all * scene.weight(server) / weights;
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
            f64::from(most.unwrap_or_default()) / WORK.as_secs_f64()
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
        let weights = answering.iter().map(|&server| scene.weight(server));
        let each = f64::from(self.seconds[second].arrived) / weights.sum::<f64>();
        let ratios = answering
            .iter()
            .map(|&server| of(server) / (each * scene.weight(server)));
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

impl Watch for Measures {
    fn requested(&mut self, request: &Request) {
        self.seconds[request.began.as_secs() as usize].arrived += 1;
        self.arrived.push(request.began);
    }

    fn attempted(&mut self, attempt: &Attempt) {
        let &Attempt {
            server,
            began,
            ended,
            end,
            ..
        } = attempt;
        let is_answered = end == End::Answered;
        // The last requests go on for longer than is looked at.
        if let Some(second) = self.seconds.get_mut(began.as_secs() as usize) {
            second.attempts[server] += 1;
            second.wasted += u32::from(!is_answered);
        }
        // It is no work for a server that is lost to it.
        let changes = if is_answered {
            &[(began, 1), (ended, -1)][..]
        } else {
            &[]
        };
        for (at, change) in changes {
            // It is seen by the samples between.
            let sample = at.as_millis() as usize / (1000 / SAMPLES) + 1;
            if let Some(sample) = self.under_way.get_mut(sample) {
                sample[server] += change;
            }
        }
    }

    fn ended(&mut self, request: usize, at: Duration, is_answered: bool) {
        let arrived = self.arrived[request];
        self.given_up += u64::from(!is_answered);
        let is_late = is_answered && at - arrived > LATE;
        self.seconds[arrived.as_secs() as usize].late += u32::from(is_late);
    }
}

/// How often in a second the requests under way are looked at.
const SAMPLES: usize = 10;
/// A request that takes longer is late.
const LATE: Duration = Duration::from_secs(1);
