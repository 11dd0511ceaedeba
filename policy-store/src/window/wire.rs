//! A state as bytes: a letter for the kind, then numbers of seven bits a byte.
//!
//! ```text
//! 'A'  windows  { length  slots  { number  amount } }
//! 'D'  values   { fingerprint, 8 bytes  at }
//! ```
//! Numbers of slots are given as what is to be added to the one before, and times likewise to the earliest.

use super::{
    MAX_DISTINCT, MAX_WINDOWS, WindowState,
    amounts::{Amounts, Slot},
    distinct::{Distinct, Seen},
    state::Kind,
};

/// More slots than a window can have at a time, also after the clock was set back.
const MAX_SLOTS: u64 = 256;

impl WindowState {
    /// The state that was written. What is none is an empty one: a limiter goes on with what it can count.
    pub fn decode(bytes: &[u8]) -> Self {
        Reader(bytes).state().unwrap_or_default()
    }

    /// The bytes to write.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        match &self.0 {
            Kind::Empty => {}
            Kind::Amounts(amounts) => {
                out.push(b'A');
                put(&mut out, amounts.windows.len() as u64);
                for (length, slots) in &amounts.windows {
                    put(&mut out, *length);
                    put(&mut out, slots.len() as u64);
                    let mut last = 0;
                    for slot in slots {
                        put(&mut out, slot.number.wrapping_sub(last));
                        put(&mut out, slot.amount);
                        last = slot.number;
                    }
                }
            }
            Kind::Distinct(distinct) => {
                out.push(b'D');
                put(&mut out, distinct.seen.len() as u64);
                let first = distinct
                    .seen
                    .iter()
                    .map(|seen| seen.at)
                    .min()
                    .unwrap_or_default();
                put(&mut out, first);
                for seen in &distinct.seen {
                    out.extend_from_slice(&seen.fingerprint.to_be_bytes());
                    put(&mut out, seen.at - first);
                }
            }
        }
        out
    }
}

fn put(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn state(mut self) -> Option<WindowState> {
        let state = match self.bytes::<1>()? {
            [b'A'] => Kind::Amounts(self.amounts()?),
            [b'D'] => Kind::Distinct(self.distinct()?),
            _ => return None,
        };
        self.0.is_empty().then_some(WindowState(state))
    }

    fn amounts(&mut self) -> Option<Amounts> {
        let count = self.number_to(MAX_WINDOWS as u64)?;
        let mut windows = Vec::new();
        for _ in 0..count {
            let length = self.number()?;
            let mut slots: Vec<Slot> = Vec::new();
            let mut last = 0_u64;
            for _ in 0..self.number_to(MAX_SLOTS)? {
                last = last.wrapping_add(self.number()?);
                slots.push(Slot {
                    number: last,
                    amount: self.number()?,
                });
            }
            windows.push((length, slots));
        }
        Some(Amounts { windows })
    }

    fn distinct(&mut self) -> Option<Distinct> {
        let count = self.number_to(MAX_DISTINCT as u64)?;
        let first = self.number()?;
        let mut seen: Vec<Seen> = Vec::new();
        for _ in 0..count {
            let fingerprint = u64::from_be_bytes(self.bytes()?);
            let at = first.checked_add(self.number()?)?;
            // They are searched for by halves.
            if seen
                .last()
                .is_some_and(|last| last.fingerprint >= fingerprint)
            {
                return None;
            }
            seen.push(Seen { fingerprint, at });
        }
        Some(Distinct { seen })
    }

    fn number_to(&mut self, most: u64) -> Option<u64> {
        self.number().filter(|number| *number <= most)
    }

    fn number(&mut self) -> Option<u64> {
        let mut number = 0_u64;
        for shift in (0..64).step_by(7) {
            let [byte] = self.bytes()?;
            let bits = u64::from(byte & 0x7f);
            // The tenth byte has room for one bit.
            if (bits << shift) >> shift != bits {
                return None;
            }
            number |= bits << shift;
            if byte < 0x80 {
                return Some(number);
            }
        }
        None
    }

    fn bytes<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (bytes, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*bytes)
    }
}
