//! Weighted rendezvous: who is asked for a key, in a way that needs no table and no talk.
//!
//! Each backend draws a number `u` from 0 to 1, by a hash of the key and of who it is; the lowest
//! `-ln(u) / weight` wins. Draws of others do not matter to its own, so that when one leaves only
//! the keys that it had won go elsewhere, each to its second best. `-ln(u)` is exponentially
//! distributed, and the least of several such numbers, each divided by its weight, is the one of a
//! backend in proportion to that weight.
//!
//! All of it is integer arithmetic: floating point logarithms differ in the last bit between
//! machines, and then two of them would not agree on some key.

use std::cmp::Ordering;

use crate::{
    bits::ones,
    hash::{hash, mix},
};

#[derive(Clone, Debug)]
pub(crate) struct Rendezvous {
    seats: Box<[Seat]>,
}

#[derive(Clone, Copy, Debug)]
struct Seat {
    /// Who it is, spread over all bits.
    salt: u64,
    weight: u64,
}

impl Rendezvous {
    /// Of identities, which must differ from each other, and weights.
    pub(crate) fn new(backends: impl IntoIterator<Item = (u64, u16)>) -> Self {
        let seats = backends.into_iter().map(|(identity, weight)| Seat {
            salt: hash(identity, 0),
            weight: weight.into(),
        });
        Self {
            seats: seats.collect(),
        }
    }

    /// Who of these candidates is asked for the key.
    pub(crate) fn winner(&self, key: u64, candidates: u64) -> Option<usize> {
        let mut candidates = ones(candidates);
        let mut winner = candidates.next()?;
        let mut best = self.seats.get(winner)?.draw(key);
        for index in candidates {
            let draw = self.seats.get(index)?.draw(key);
            if draw.beats(&best) {
                (winner, best) = (index, draw);
            }
        }
        Some(winner)
    }
}

impl Seat {
    const fn draw(self, key: u64) -> Draw {
        Draw {
            number: mix(key ^ self.salt),
            seat: self,
        }
    }
}

struct Draw {
    /// `u` in units of 2^-64.
    number: u64,
    seat: Seat,
}

impl Draw {
    fn beats(&self, other: &Self) -> bool {
        let (weight, others) = (self.seat.weight, other.seat.weight);
        // The logarithm of most need not be known: less of both never wins.
        if self.number < other.number && weight <= others {
            return false;
        }
        // Below 2^38 each, and a weight is below 2^10.
        let [mine, theirs] = [self.number, other.number].map(minus_log2);
        let by_score = (theirs * weight).cmp(&(mine * others));
        // The logarithm is rounded. It never falls where the number rises, so that this order too is
        // the same whoever takes part.
        let by_number = by_score.then(self.number.cmp(&other.number));
        by_number.then(self.seat.salt.cmp(&other.seat.salt)) == Ordering::Greater
    }
}

/// `-log2(number / 2^64)` in units of 2^-32, to about 12 of these bits: of the logarithm's mantissa 8 bits
/// are looked up and the others interpolated.
const fn minus_log2(number: u64) -> u64 {
    let number = number | 1;
    let zeros = number.leading_zeros();
    let mantissa = number << zeros;
    let index = (mantissa >> 55 & 0xff) as usize;
    let part = mantissa >> 23 & 0xffff_ffff;
    let (from, to) = (LOG2[index], LOG2[index + 1]);
    ((zeros as u64 + 1) << 32) - from - (((to - from) * part) >> 32)
}

/// `log2(1 + index / 256)` in units of 2^-32, rounded down.
static LOG2: [u64; 257] = {
    let mut table = [0; 257];
    let mut index = 0;
    while index < 256 {
        table[index] = log2(256 + index as u64);
        index += 1;
    }
    table[256] = 1 << 32;
    table
};

/// `log2(of / 256)` in units of 2^-32, for a number from 256 to 511: a bit per squaring.
const fn log2(of: u64) -> u64 {
    // From 1 to below 2, in units of 2^-63.
    let mut x = (of as u128) << 55;
    let mut log = 0;
    let mut bit = 32;
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
