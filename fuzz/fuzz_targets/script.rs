//! An input as the balancer's target reads it: its bytes one after the other, and zeros when they are over.

use std::time::Duration;

use policy_ha::{Backend, Config};

pub(crate) struct Script<'a>(pub(crate) &'a [u8]);

impl Script<'_> {
    pub(crate) fn next(&mut self) -> Option<u8> {
        let (&first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(first)
    }

    pub(crate) fn byte(&mut self) -> u8 {
        self.next().unwrap_or(0)
    }

    pub(crate) fn number(&mut self) -> u64 {
        (0..8).fold(0, |number, _| number << 8 | u64::from(self.byte()))
    }

    /// Mostly of the order of what matters, and now and then beyond all clocks.
    pub(crate) fn duration(&mut self) -> Duration {
        match self.byte() {
            0 => Duration::ZERO,
            byte @ 1..128 => Duration::from_millis(u64::from(byte) * 97),
            byte @ 128..250 => Duration::from_secs(u64::from(byte - 127)),
            250..=254 => Duration::from_nanos(self.number()),
            255 => Duration::MAX,
        }
    }

    pub(crate) fn config(&mut self) -> Config {
        Config::default()
            .with_max_failures(u32::from(self.byte() % 4) + 1)
            .with_min_backoff(self.duration())
            .with_max_backoff(self.duration())
            .with_seed(u64::from(self.byte()))
    }

    /// Weights are within limits: that they are refused otherwise is for other tests.
    pub(crate) fn backends(&mut self) -> Vec<Backend> {
        let len = match self.byte() {
            byte @ 0..250 => byte % 8 + 1,
            _ => 64,
        };
        let backend = |script: &mut Self| {
            let byte = script.byte();
            let weight = [1, 2, 5, 1000][usize::from(byte >> 2 & 3)];
            let backend = Backend::new(u16::from(byte & 3), weight);
            let key = Some(script.byte()).filter(|_| byte & 16 != 0);
            key.map_or(backend, |key| backend.with_key(u64::from(key)))
        };
        (0..len).map(|_| backend(self)).collect()
    }
}
