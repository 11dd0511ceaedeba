//! The ring that tells which server has a key: each has many places on it, and a key belongs to the next place.

use crate::window::fingerprint;

/// Places for each server, so that their shares differ by a few percent.
const PLACES: u32 = 160;

#[derive(Debug)]
pub(super) struct Ring {
    /// A place and the number of its server, in order. One server alone has all keys, and needs none.
    places: Vec<(u64, usize)>,
}

impl Ring {
    pub(super) fn new<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        let places = |(number, name): (usize, &str)| {
            let place = |place| fingerprint(format!("{place} {name}").as_bytes());
            (0..PLACES)
                .map(|at| (place(at), number))
                .collect::<Vec<_>>()
        };
        let mut places: Vec<_> = names.into_iter().enumerate().map(places).collect();
        if places.len() == 1 {
            places.clear();
        }
        let mut places = places.concat();
        places.sort_unstable();
        Self { places }
    }

    pub(super) fn server(&self, key: &[u8]) -> usize {
        if self.places.is_empty() {
            return 0;
        }
        let place = fingerprint(key);
        let next = self.places.partition_point(|(at, _)| *at < place);
        let found = self.places.get(next).or_else(|| self.places.first());
        found.map_or(0, |(_, server)| *server)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owners(names: &[&'static str]) -> Vec<&'static str> {
        let ring = Ring::new(names.iter().copied());
        (0..10_000_u32)
            .map(|key| names[ring.server(&key.to_be_bytes())])
            .collect()
    }

    #[test]
    fn each_server_has_its_share() {
        let owners = owners(&["a", "b", "c", "d"]);
        for name in ["a", "b", "c", "d"] {
            let share = owners.iter().filter(|owner| **owner == name).count();
            assert!((2000..3000).contains(&share), "{name}: {share}");
        }
    }

    #[test]
    fn a_server_that_leaves_moves_its_own_keys_only() {
        let before = owners(&["a", "b", "c"]);
        // Their order does not matter either.
        let after = owners(&["c", "a"]);
        for (before, after) in before.iter().zip(after) {
            assert!(*before == "b" || *before == after);
        }
    }
}
