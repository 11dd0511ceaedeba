//! Smooth weighted round robin, as nginx does it, and where it starts.
//!
//! At each turn every candidate is credited with its weight; the one with the most credit wins and
//! pays for all of them. Weights 5, 1, 1 give `a a b a c a a`: exact over every full turn, and no
//! bursts.

use crate::{bits::ones, hash::hash};

/// The credits of all backends. Those of different tiers never meet.
#[derive(Clone, Debug)]
pub(crate) struct RoundRobin {
    shares: Box<[Share]>,
}

#[derive(Clone, Copy, Debug)]
struct Share {
    weight: i32,
    /// What all credits of a tier add up to is 0, whichever the candidates are.
    ///
    /// Nor can any of them drift away. Let `n` be the number of backends in the tier, `total` the
    /// sum of its weights and `s(k)` the sum of its `k` highest credits. A turn can only raise `s(k)`
    /// if it credits a backend that ends among the `k` while the winner does not, and the winner had
    /// at least as much before it paid: so what now separates place `k` from place `k + 1` is at most
    /// `total`, or `2 s(k) <= total + s(k - 1) + s(k + 1)`. As `s(0)` and `s(n)` are 0, it follows
    /// that `s(k) <= total * k * (n - k) / 2`: no credit exceeds `total * (n - 1) / 2`, 2 million
    /// or so at most, and no debt does either. A win costs `total`, so that is `(n - 1) / 2` requests.
    credit: i32,
}

impl RoundRobin {
    /// `tiers` are the sets of backends that share requests, which must be within `weights`.
    ///
    /// A seed other than 0 advances each tier by some part of a turn. All parts are equally likely,
    /// so that over many seeds even the first winner is shared by weight. It costs at most one
    /// full turn per tier, where weights count after division by what they have in common.
    pub(crate) fn new(weights: &[u16], tiers: &[u64], seed: u64) -> Self {
        let shares = weights.iter().map(|&weight| Share {
            weight: i32::from(weight),
            credit: 0,
        });
        let mut this = Self {
            shares: shares.collect(),
        };
        for (place, &tier) in (0..).zip(tiers) {
            let divisor = ones(tier).fold(0, |d, index| gcd(d, this.shares[index].weight));
            let mut turn = 0;
            for index in ones(tier) {
                this.shares[index].weight /= divisor.max(1);
                turn += u64::from(this.shares[index].weight.unsigned_abs());
            }
            if seed != 0 && turn > 1 {
                for _ in 0..hash(seed, place) % turn {
                    this.next(tier);
                }
            }
        }
        this
    }

    /// The weight, divided by what those of its tier have in common.
    pub(crate) fn weight(&self, index: usize) -> u64 {
        let share = self.shares.get(index);
        share.map_or(1, |share| u64::from(share.weight.unsigned_abs()))
    }

    /// The next one among these candidates of one tier; a tie goes to the lowest index.
    pub(crate) fn next(&mut self, candidates: u64) -> Option<usize> {
        let mut total = 0;
        let mut winner = None;
        let mut most = i32::MIN;
        for index in ones(candidates) {
            let share = self.shares.get_mut(index)?;
            total += share.weight;
            share.credit += share.weight;
            if share.credit > most {
                most = share.credit;
                winner = Some(index);
            }
        }
        self.shares.get_mut(winner?)?.credit -= total;
        winner
    }
}

fn gcd(a: i32, b: i32) -> i32 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sequence(weights: &[u16], seed: u64, len: usize) -> Vec<usize> {
        let all = (1 << weights.len()) - 1;
        let mut order = RoundRobin::new(weights, &[all], seed);
        (0..len).map(|_| order.next(all).unwrap()).collect()
    }

    #[test]
    fn heavy_backends_are_interleaved_with_light_ones() {
        assert_eq!(sequence(&[5, 1, 1], 0, 7), [0, 0, 1, 0, 2, 0, 0]);
        assert_eq!(sequence(&[1, 1, 1], 0, 6), [0, 1, 2, 0, 1, 2]);
        assert_eq!(sequence(&[1, 3], 0, 8), [1, 0, 1, 1, 1, 0, 1, 1]);
    }

    #[test]
    fn weights_count_by_their_ratio() {
        assert_eq!(sequence(&[500, 1000], 7, 30), sequence(&[1, 2], 7, 30));
        let order = RoundRobin::new(&[1000, 750, 7], &[0b011, 0b100], 0);
        let weights: Vec<_> = order.shares.iter().map(|share| share.weight).collect();
        assert_eq!(weights, [4, 3, 1]);
    }

    #[test]
    fn a_seed_moves_the_start_along_the_same_turn() {
        let plain = sequence(&[5, 2, 1], 0, 16);
        let mut starts = [false; 8];
        for seed in 1..100 {
            let seeded = sequence(&[5, 2, 1], seed, 8);
            let start = (0..8).find(|&at| seeded == plain[at..at + 8]);
            starts[start.expect("a part of the plain order")] = true;
        }
        assert_eq!(starts, [true; 8]);
    }

    #[test]
    fn seeded_starts_are_fixed_for_ever() {
        let firsts: Vec<_> = (0..12)
            .map(|seed| sequence(&[3, 2, 1], seed, 1)[0])
            .collect();
        assert_eq!(firsts, [0, 0, 1, 2, 1, 0, 0, 2, 1, 1, 1, 2]);
    }

    #[test]
    fn tiers_start_independently_and_never_meet() {
        let mut order = RoundRobin::new(&[1, 1, 1, 1], &[0b0101, 0b1010], 0);
        let winners = [0b0101, 0b0101, 0b1010, 0b0101, 0b1010].map(|tier| order.next(tier));
        assert_eq!(winners, [Some(0), Some(2), Some(1), Some(0), Some(3)]);
        let start = |seed, tier| RoundRobin::new(&[1; 4], &[0b0101, 0b1010], seed).next(tier);
        let same = (1..=1000)
            .filter(|&seed| (start(seed, 0b0101) == Some(0)) == (start(seed, 0b1010) == Some(1)));
        assert!((450..550).contains(&same.count()));
    }

    #[test]
    fn no_candidates_have_no_winner() {
        let mut order = RoundRobin::new(&[1, 1], &[0b11], 0);
        assert_eq!(order.next(0), None);
        assert_eq!(order.next(0b11), Some(0));
    }

    proptest! {
        #[test]
        fn no_one_is_owed_more_than_half_a_request_for_each_other_backend(
            weights in prop::collection::vec(1..=1000u16, 1..=8),
            candidates in prop::collection::vec(any::<u64>(), 0..500),
        ) {
            let all = (1 << weights.len()) - 1;
            let mut order = RoundRobin::new(&weights, &[all], 0);
            let turn: i32 = order.shares.iter().map(|share| share.weight).sum();
            for set in candidates {
                order.next(set & all);
                prop_assert_eq!(order.shares.iter().map(|share| share.credit).sum::<i32>(), 0);
                for share in &order.shares {
                    prop_assert!(2 * share.credit.abs() <= turn * (weights.len() as i32 - 1));
                }
            }
        }
    }
}
