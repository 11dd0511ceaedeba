//! Which lines about requests a log takes, and how many it has left out.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::Sample;

/// Takes the lines of a [`Sample`], and counts the others.
#[derive(Debug, Default)]
pub(super) struct Sampler {
    left_out: AtomicU64,
    /// Requests so far whose message has no name.
    unnamed: AtomicU64,
}

impl Sampler {
    /// Whether a line about a request of the message of this `instance` is taken. Requests without one are chosen one by
    /// one.
    pub(super) fn takes(&self, sample: Sample, instance: &[u8]) -> bool {
        if sample.is_all() {
            return true;
        }
        let is_taken = if instance.is_empty() {
            sample.takes(&self.unnamed.fetch_add(1, Relaxed).to_be_bytes())
        } else {
            sample.takes(instance)
        };
        if !is_taken {
            self.left_out.fetch_add(1, Relaxed);
        }
        is_taken
    }

    /// The lines that were left out since the start.
    pub(super) fn left_out(&self) -> u64 {
        self.left_out.load(Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_sample_leaves_out_is_counted() {
        let sampler = Sampler::default();
        let half: Sample = "50%".parse().unwrap();
        let taken = |instance: &dyn Fn(u32) -> String| {
            let instances = (0..1000).map(instance);
            instances
                .filter(|name| sampler.takes(half, name.as_bytes()))
                .count()
        };
        let named = taken(&|n| format!("{n:x}.0"));
        assert!((400..600).contains(&named), "{named}");
        assert_eq!(sampler.left_out(), 1000 - named as u64);
        assert!(
            [0, 1000].contains(&taken(&|_| "1.2.3".to_owned())),
            "one message"
        );
        let unnamed = taken(&|_| String::new());
        assert!((400..600).contains(&unnamed), "{unnamed}");
        assert!(sampler.takes(Sample::ALL, b""));
    }
}
