//! Weighted rendezvous: who is asked for a key, in a way that needs no table and no talk.
//!
//! Each backend draws a number `u` from 0 to 1, by a hash of the key and of who it is; the lowest
//! `-ln(u) / weight` wins. What others draw does not matter to it, so that when one leaves only
//! the keys that it had won go elsewhere, each to its second best. `-ln(u)` is exponentially
//! distributed, and the least of several such numbers, each divided by its weight, is that of a
//! backend with a probability in proportion to the weight.
//!
//! All of it is integer arithmetic: floating point logarithms differ in the last bit between
//! machines, and then two of them would not agree on some key.

use std::cmp::Reverse;

use crate::{
    bits::ones,
    hash::{hash, mix},
};

#[derive(Clone, Debug)]
pub(crate) struct Rendezvous {
    /// The identity of each, spread over all bits.
    salts: Box<[u64]>,
    /// The weights that occur, the highest first, and who has them.
    by_weight: Box<[(u64, u64)]>,
}

impl Rendezvous {
    /// Of identities, which must differ from each other, and of weights.
    pub(crate) fn new(identities: &[u64], weights: &[u16]) -> Self {
        Self {
            salts: identities.iter().map(|&id| hash(id, 0)).collect(),
            by_weight: by_weight(weights),
        }
    }

    /// Changes the weights.
    pub(crate) fn set_weights(&mut self, weights: &[u16]) {
        self.by_weight = by_weight(weights);
    }

    /// The one of these candidates that is asked for the key.
    pub(crate) fn winner(&self, key: u64, candidates: u64) -> Option<usize> {
        // Keys and salts are hashed by a bijection: no two draw the same number.
        let draw = |index| (mix(key ^ self.salts[index]), index);
        let mut best: Option<(Draw, usize)> = None;
        for &(weight, members) in &self.by_weight {
            // Among equal weights it is the highest number: one logarithm for all of them.
            let draws = ones(candidates & members).map(draw);
            let Some((number, index)) = draws.max_by_key(|&(number, _)| number) else {
                continue;
            };
            if best.is_none_or(|(best, _)| best.is_beaten_by(number, weight)) {
                best = Some((Draw::new(number, weight), index));
            }
        }
        best.map(|(_, index)| index)
    }
}

/// The weights that occur, the highest first, and who has them.
fn by_weight(weights: &[u16]) -> Box<[(u64, u64)]> {
    let mut by_weight: Vec<(u64, u64)> = Vec::new();
    for (index, &weight) in weights.iter().enumerate() {
        let weight = u64::from(weight);
        match by_weight.iter_mut().find(|(known, _)| *known == weight) {
            Some((_, members)) => *members |= 1 << index,
            None => by_weight.push((weight, 1 << index)),
        }
    }
    by_weight.sort_unstable_by_key(|&(weight, _)| Reverse(weight));
    by_weight.into()
}

#[derive(Clone, Copy)]
struct Draw {
    /// `u` in units of 2^-64.
    number: u64,
    weight: u64,
    minus_log2: u64,
}

impl Draw {
    fn new(number: u64, weight: u64) -> Self {
        Self {
            number,
            weight,
            minus_log2: minus_log2(number),
        }
    }

    /// By the draw of one that is lighter.
    ///
    /// The logarithm is rounded, but never falls where the number rises: of two that are equal
    /// after rounding the higher number wins, and so the order of draws is one and the same,
    /// whichever backends take part.
    fn is_beaten_by(self, number: u64, weight: u64) -> bool {
        // Logarithms are at most 2^46, and weights below 2^10.
        self.number < number && minus_log2(number) * self.weight <= self.minus_log2 * weight
    }
}

/// `-log2(number / 2^64)` in units of 2^-40, too high by at most 3 in a million, and by a
/// thousandth of itself: a weight's share is as exact as that.
fn minus_log2(number: u64) -> u64 {
    let number = number | 1;
    let zeros = number.leading_zeros();
    // From 1 to below 2: eight bits for the place in the table, and 31 to interpolate.
    let mantissa = number << zeros;
    let index = (mantissa >> 55) & 0xff;
    let part = (mantissa >> 24) & 0x7fff_ffff;
    let (log, rise) = LOG2[index as usize];
    ((u64::from(zeros) + 1) << FRACTION) - log - ((rise * part) >> 31)
}

const FRACTION: u32 = 40;

/// `log2(1 + index / 256)` in units of 2^-40, and how much higher the next one is.
static LOG2: [(u64, u64); 256] = {
    let mut table = [(0, 0); 256];
    let mut index = 256;
    let mut next = 1 << FRACTION;
    while index > 0 {
        index -= 1;
        let log = log2(256 + index as u64);
        table[index] = (log, next - log);
        next = log;
    }
    table
};

/// `log2(of / 256)` in units of 2^-40, rounded down, for a number from 256 to 511: each squaring
/// gives a bit.
const fn log2(of: u64) -> u64 {
    // From 1 to below 2, in units of 2^-63.
    let mut x = (of as u128) << 55;
    let mut log = 0;
    let mut bit = FRACTION;
    while bit > 0 {
        bit -= 1;
        x = (x * x) >> 63;
        if x >> 64 != 0 {
            x >>= 1;
            log |= 1 << bit;
        }
    }
    log
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exact(number: u64) -> f64 {
        64.0 - (number as f64).log2()
    }

    #[test]
    fn the_table_is_that_of_the_logarithm() {
        for (index, (log, rise)) in LOG2.iter().enumerate() {
            let unit = (1_u64 << FRACTION) as f64;
            let at = |index| (1.0 + index as f64 / 256.0).log2() * unit;
            assert!((*log as f64 - at(index)).abs() <= 1.0, "{index}");
            assert!((*rise as f64 - (at(index + 1) - at(index))).abs() <= 1.0);
        }
    }

    #[test]
    fn logarithms_are_right_to_three_in_a_million_and_to_a_thousandth() {
        let numbers = (0..100_000).map(|n| mix(n) >> (n % 64));
        let near_the_top = (1..100_000).map(|n| u64::MAX - (mix(n) >> (n % 40 + 10)));
        for number in numbers
            .chain(near_the_top)
            .filter(|&number| number > 1 << 40)
        {
            let got = minus_log2(number) as f64 / (1_u64 << FRACTION) as f64;
            let exact = exact(number);
            assert!(
                (-1e-11..3e-6).contains(&(got - exact)),
                "{number}: {got}, {exact}"
            );
        }
        // Where few keys decide: a backend of weight 1 among many of weight 1000.
        for part in [100.0, 1_000.0, 10_000.0, 100_000.0, 1_000_000.0_f64] {
            let number = (-1.0 / part).exp2() * 2.0_f64.powi(64);
            let got = minus_log2(number as u64) as f64 / (1_u64 << FRACTION) as f64;
            assert!((got * part - 1.0).abs() < 0.001, "1 / {part}: {got}");
        }
    }

    #[test]
    fn logarithms_never_fall_where_numbers_rise() {
        assert_eq!(minus_log2(0), 64 << FRACTION);
        assert_eq!(minus_log2(1), 64 << FRACTION);
        assert_eq!(minus_log2(1 << 63), 1 << FRACTION);
        assert!(minus_log2(u64::MAX) <= 2);
        for exponent in 8..64 {
            for index in 256..512_u64 {
                let border = index << exponent >> 8;
                for step in [1, 2, 1 << 20, 1 << 30] {
                    let [below, at, above] = [border.saturating_sub(step), border, border + step];
                    assert!(minus_log2(below) >= minus_log2(at), "{border}");
                    assert!(minus_log2(at) >= minus_log2(above), "{border}");
                }
            }
        }
    }

    #[test]
    fn no_candidates_have_no_winner() {
        let rendezvous = Rendezvous::new(&[7, 8], &[1, 2]);
        assert_eq!(rendezvous.winner(1, 0), None);
        for key in 0..100 {
            assert_eq!(rendezvous.winner(key, 0b01), Some(0));
            assert_eq!(rendezvous.winner(key, 0b10), Some(1));
        }
    }
}
