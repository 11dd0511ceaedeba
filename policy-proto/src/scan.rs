//! The fast path: one look at each byte proves a whole request valid.
//!
//! Blocks of 64 bytes become two words of 64 bits, one that marks the line feeds and one that marks
//! the equal signs; what has to be known about lines is then a few operations on these words. Whatever
//! is not plainly valid is left to the decoder, which goes through it line by line and knows why.

use crate::{
    marks::{BLOCK, Marks, has_nul_or_cr, with_tail},
    work::looked_at,
};

/// How far the message at the beginning of a buffer has been proved valid.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scan {
    /// Where the next block begins: all before has been judged.
    block: usize,
    /// Bytes that have been looked at for a line feed.
    seen: usize,
    /// While the buffer is shorter than this, only a line feed can change the verdict.
    quiet: usize,
    carry: Carry,
}

/// What is found.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Verdict {
    /// A valid request, up to the line feed of its blank line, which is here.
    End(usize),
    /// Valid so far, and not complete.
    More,
    /// Perhaps not valid, or longer than the scan may go.
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

impl Scan {
    /// Whether the bytes that have come since the last call decide nothing: they end no line. A request
    /// that comes byte by byte costs no more than this for most of them.
    #[inline]
    pub(crate) fn is_quiet(&mut self, buf: &[u8]) -> bool {
        if buf.len() >= self.quiet {
            return false;
        }
        let unseen = buf.get(self.seen..).unwrap_or_default();
        looked_at(unseen.len());
        let quiet = !unseen.contains(&b'\n');
        if quiet {
            self.seen = buf.len();
        }
        quiet
    }

    /// Goes on where the last call stopped, no further than `reach` bytes; `buf` is the same as then,
    /// or has grown.
    pub(crate) fn advance(&mut self, buf: &[u8], reach: usize) -> Verdict {
        let near = &buf[..buf.len().min(reach)];
        let verdict = self.judge(near);
        self.seen = near.len();
        self.quiet = 0;
        match verdict {
            Verdict::More if buf.len() > reach => return Verdict::Doubt,
            Verdict::More => self.quiet = reach.min(self.block + BLOCK),
            Verdict::End(_) | Verdict::Doubt => {}
        }
        verdict
    }

    fn judge(&mut self, buf: &[u8]) -> Verdict {
        let (blocks, tail) = buf[self.block..].as_chunks();
        let mut carry = self.carry;
        for (index, block) in blocks.iter().enumerate() {
            let marks = Marks::of(block);
            match marks.judge(carry) {
                Some(next) if !has_nul_or_cr(block) => carry = next,
                _ => return marks.verdict(block, self.block + index * BLOCK, carry),
            }
        }
        self.carry = carry;
        self.block = buf.len() - tail.len();
        // What is less than a block is judged as well, and again when it is complete.
        if tail.is_empty() {
            return Verdict::More;
        }
        with_tail(buf, tail.len(), |block, marks| match marks.judge(carry) {
            Some(_) if !has_nul_or_cr(block) => Verdict::More,
            _ => marks.verdict(block, self.block, carry),
        })
    }
}

impl Default for Scan {
    fn default() -> Self {
        let carry = Carry {
            begins: 1,
            equals: 0,
        };
        Self {
            block: 0,
            seen: 0,
            quiet: 0,
            carry,
        }
    }
}

impl Marks {
    /// What follows for the next block if every line that ends in this one is an attribute. A blank line
    /// is none.
    #[inline(always)]
    fn judge(self, carry: Carry) -> Option<Carry> {
        let Self { feeds, equals } = self;
        // The bits between two line feeds are ones, so an equal sign added to them carries into the line
        // feed behind it, and no further. Where that bit stays zero, the line has no equal sign.
        let (sum, over) = (!feeds).overflowing_add(equals);
        let (sum, over_too) = sum.overflowing_add(carry.equals);
        let without_equals = feeds & !sum;
        let without_name = equals & self.begins(carry);
        let next = Carry {
            begins: feeds >> (BLOCK - 1),
            equals: u64::from(over | over_too),
        };
        (without_equals | without_name == 0).then_some(next)
    }

    /// Where lines begin.
    #[inline(always)]
    fn begins(self, carry: Carry) -> u64 {
        self.feeds << 1 | carry.begins
    }

    /// What it means that not all lines of this block, which begins at `offset`, are attributes.
    #[cold]
    #[inline(never)]
    fn verdict(self, block: &[u8; BLOCK], offset: usize, carry: Carry) -> Verdict {
        // A line feed at the beginning of a line is the end of the message. What stands behind the first
        // one belongs to the next message, and is not judged here.
        let blank = self.feeds & self.begins(carry);
        let message = blank.wrapping_sub(1) & !blank;
        let lines = Self {
            feeds: self.feeds & message,
            equals: self.equals & message,
        };
        if blank == 0 || lines.judge(carry).is_none() || has_nul_or_cr(block) {
            return Verdict::Doubt;
        }
        match offset + blank.trailing_zeros() as usize {
            // A blank line before the first attribute ends no request.
            0 => Verdict::Doubt,
            end => Verdict::End(end),
        }
    }
}
