//! The fast path: one look at each byte proves a whole request valid.
//!
//! Blocks of 64 bytes become two words of 64 bits, one that marks the line feeds and one that marks
//! the equal signs; what has to be known about lines is then a few operations on these words. Whatever
//! is not plainly valid is left to the decoder, which goes through it line by line and knows why.

use std::slice;

use memchr::{memchr, memrchr};

use crate::{
    Limits,
    bitmap::{BLOCK, Bitmap, has_nul_or_cr, is_in_value, with_tail},
    metering::looked_at,
};

/// How far the message at the beginning of a buffer has been proved valid.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scan {
    /// Where the next block begins: all before has been judged.
    block: usize,
    /// Where a line begins, as far back as the scan has had to know.
    line: usize,
    /// Bytes that have been looked at for a line feed.
    seen: usize,
    /// While the buffer is shorter than this, only a line feed can change the verdict.
    quiet: usize,
    carry: Carry,
}

/// The verdict on the bytes so far.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Verdict {
    /// A valid request, up to the line feed of its blank line, which is here.
    End(usize),
    /// Valid so far, and not complete.
    More,
    /// Perhaps not valid, or beyond a limit.
    Doubt,
}

/// The carry of a block to the next one: 0 or 1 each.
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
        let quiet = match unseen {
            // What one byte is, is asked quicker than where it is.
            [byte] => *byte != b'\n',
            // What is more than a block is judged as quickly.
            _ => unseen.len() <= BLOCK && memchr(b'\n', unseen).is_none(),
        };
        if quiet {
            self.seen = buf.len();
        }
        quiet
    }

    /// Goes on where the last call stopped; `buf` is the same as then, or has grown.
    pub(crate) fn advance(&mut self, buf: &[u8], limits: Limits) -> Verdict {
        loop {
            let reach = self.reach(limits);
            let near = &buf[..buf.len().min(reach)];
            let verdict = self.judge(near);
            self.seen = near.len();
            self.quiet = 0;
            match verdict {
                Verdict::More if near.len() < buf.len() => {
                    if !self.extend(near) {
                        return Verdict::Doubt;
                    }
                    continue;
                }
                Verdict::More => self.quiet = reach,
                Verdict::End(_) | Verdict::Doubt => {}
            }
            return verdict;
        }
    }

    /// No line that ends within so many bytes crosses a limit.
    fn reach(&self, Limits { line, message }: Limits) -> usize {
        self.line.saturating_add(line).min(message)
    }

    /// Lets the scan go on behind its reach, from the last line that begins within it; whether there is
    /// another one.
    #[cold]
    fn extend(&mut self, near: &[u8]) -> bool {
        let lines = &near[self.line..];
        let last = memrchr(b'\n', lines);
        looked_at(lines.len() - last.unwrap_or(0));
        self.line += last.map_or(0, |feed| feed + 1);
        last.is_some()
    }

    fn judge(&mut self, buf: &[u8]) -> Verdict {
        let (blocks, tail) = buf[self.block..].as_chunks();
        let mut carry = self.carry;
        let mut rest = blocks.iter();
        while let Some(block) = rest.next() {
            let marks = Bitmap::of(block);
            match marks.judge(carry) {
                Some(next) if !has_nul_or_cr(block) => carry = next,
                _ => {
                    let judged = blocks.len() - rest.len() - 1;
                    return marks.verdict(block, self.block + judged * BLOCK, carry);
                }
            }
            if marks.feeds == 0 && carry.equals == 1 {
                skip_value(&mut rest);
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
            line: 0,
            seen: 0,
            quiet: 0,
            carry,
        }
    }
}

impl Bitmap {
    /// The carry to the next block if every line that ends in this one is an attribute. A blank line
    /// is none.
    #[inline(always)]
    fn judge(self, carry: Carry) -> Option<Carry> {
        let Self { feeds, equals } = self;
        // The bits between two line feeds are ones, so an equal sign added to them carries into the line
        // feed behind it, and no further. Where that bit stays zero, the line has no equal sign. One of a
        // line that began before this block counts as if it were the first byte here.
        let (sum, over) = (!feeds).overflowing_add(equals | carry.equals);
        let without_equals = feeds & !sum;
        let without_name = equals & self.begins(carry);
        let next = Carry {
            begins: feeds >> (BLOCK - 1),
            equals: u64::from(over),
        };
        (without_equals | without_name == 0).then_some(next)
    }

    /// Where lines begin.
    #[inline(always)]
    fn begins(self, carry: Carry) -> u64 {
        self.feeds << 1 | carry.begins
    }

    /// The verdict if not all lines of this block, which begins at `offset`, are attributes.
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

/// Skips blocks that only make a value longer. This is quicker than to judge them, and few requests
/// have such values.
#[cold]
#[inline(never)]
fn skip_value(blocks: &mut slice::Iter<'_, [u8; BLOCK]>) {
    while let [block, ..] = blocks.as_slice()
        && is_in_value(block)
    {
        blocks.next();
    }
}

#[cfg(test)]
mod tests;
