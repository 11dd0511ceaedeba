//! The fast path: one look at each byte proves a whole request valid.
//!
//! Blocks of 64 bytes become two words of 64 bits, one that marks the line feeds and one that marks
//! the equal signs; what has to be known about lines is then a few operations on these words. Whatever
//! is not plainly valid is left to the decoder, which goes through it line by line and knows why.

use memchr::memchr;

use crate::marks::{BLOCK, block, has_any, marks};

/// How far the message at the beginning of a buffer has been proved valid.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scan {
    /// Where the next block begins: all before has been judged.
    block: usize,
    /// Bytes that have been looked at for a line feed.
    seen: usize,
    carry: Carry,
}

/// What is found.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Verdict {
    /// A valid request, up to the line feed of its blank line, which is here.
    End(usize),
    /// Valid so far, and not complete.
    More,
    /// Perhaps not valid.
    Doubt,
}

/// What a block passes on to the next one: 0 or 1 each.
#[derive(Clone, Copy, Debug)]
struct Carry {
    /// The next byte begins a line.
    begins: u64,
    /// The line that the next byte continues has an equal sign.
    equals: u64,
}

impl Default for Scan {
    fn default() -> Self {
        Self {
            block: 0,
            seen: 0,
            carry: Carry {
                begins: 1,
                equals: 0,
            },
        }
    }
}

impl Scan {
    /// Goes on where the last call stopped; `buf` is the same, or has grown.
    pub(crate) fn advance(&mut self, buf: &[u8]) -> Verdict {
        // A request that comes byte by byte has nothing to judge before the end of a line.
        if buf.len() < self.block + BLOCK && memchr(b'\n', &buf[self.seen..]).is_none() {
            self.seen = buf.len();
            return Verdict::More;
        }
        self.seen = buf.len();
        while let Some(block) = block(buf, self.block) {
            let (verdict, carry) = judge(&block, self.block, self.carry);
            // What is less than a block is judged as well, and again when it is complete.
            if verdict != Verdict::More || buf.len() < self.block + BLOCK {
                return verdict;
            }
            self.block += BLOCK;
            self.carry = carry;
        }
        Verdict::More
    }
}

/// Judges the lines that end in this block, which begins at `offset`.
fn judge(block: &[u8; BLOCK], offset: usize, carry: Carry) -> (Verdict, Carry) {
    let (feeds, equals) = (marks(block, b'\n'), marks(block, b'='));
    let begins = feeds << 1 | carry.begins;
    // A line feed at the beginning of a line is the end of the message; what stands behind the first
    // one is not judged.
    let blank = feeds & begins;
    let message = blank.wrapping_sub(1) & !blank;
    let (feeds, equals) = (feeds & message, equals & message);
    // The bits between two line feeds are ones, so an equal sign added to them carries into the line
    // feed behind it, and no further. Where that bit stays zero, the line has no equal sign.
    let (sum, over) = (!feeds).overflowing_add(equals);
    let (sum, over_too) = sum.overflowing_add(carry.equals);
    let without_equals = feeds & !sum;
    let without_name = equals & begins;
    let verdict = if has_any(block, [0, b'\r']) || (without_equals | without_name) != 0 {
        Verdict::Doubt
    } else if blank == 0 {
        Verdict::More
    } else {
        match offset + blank.trailing_zeros() as usize {
            // A blank line before the first attribute ends no request.
            0 => Verdict::Doubt,
            end => Verdict::End(end),
        }
    };
    (
        verdict,
        Carry {
            begins: feeds >> 63,
            equals: u64::from(over | over_too),
        },
    )
}
