use memchr::memchr;

use crate::marks::{BLOCK, block, marks};

/// The attributes of a [`Request`](crate::Request), each a name and a value, in wire order:
/// [`Request::attributes`](crate::Request::attributes).
#[derive(Clone, Debug)]
pub struct Attributes<'a> {
    wire: &'a [u8],
    /// Where the next line begins.
    line: usize,
    /// Where the block behind the current one begins.
    next_block: usize,
    /// Line feeds and equal signs of the current block that are still ahead.
    feeds: u64,
    equals: u64,
}

impl<'a> Attributes<'a> {
    /// Of a valid request.
    pub(crate) const fn of(wire: &'a [u8]) -> Self {
        Self {
            wire,
            line: 0,
            next_block: 0,
            feeds: 0,
            equals: 0,
        }
    }

    fn load_block(&mut self) -> Option<()> {
        let block = block(self.wire, self.next_block)?;
        self.feeds = marks(&block, b'\n');
        self.equals = marks(&block, b'=');
        self.next_block += BLOCK;
        Some(())
    }

    /// Where the lowest of these marks of the current block is.
    const fn place(&self, marks: u64) -> usize {
        self.next_block - BLOCK + marks.trailing_zeros() as usize
    }
}

impl<'a> Iterator for Attributes<'a> {
    type Item = (&'a [u8], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        // The blank line has no equal sign: behind it the blocks end.
        while self.equals == 0 {
            self.load_block()?;
        }
        let equals = self.place(self.equals);
        while self.feeds == 0 {
            self.load_block()?;
        }
        let feed = self.place(self.feeds);
        // The line's other equal signs are a part of its value.
        let behind = !(self.feeds ^ self.feeds.wrapping_sub(1));
        self.feeds &= behind;
        self.equals &= behind;
        let name = self.wire.get(self.line..equals)?;
        let value = self.wire.get(equals + 1..feed)?;
        self.line = feed + 1;
        Some((name, value))
    }
}

/// The value of the first attribute of this name in a valid request.
///
/// Looks for an equal sign behind the name's last byte, which few lines have, and only there for the
/// name.
pub(crate) fn find<'a>(wire: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let last = *name.last().filter(|_| !name.contains(&b'='))?;
    let (mut offset, mut carry) = (0, 0);
    while let Some(block) = block(wire, offset) {
        let lasts = marks(&block, last);
        let mut candidates = marks(&block, b'=') & (lasts << 1 | carry);
        while candidates != 0 {
            let equals = offset + candidates.trailing_zeros() as usize;
            let line = wire.get(..equals)?.strip_suffix(name);
            if line.is_some_and(|before| before.last().is_none_or(|byte| *byte == b'\n')) {
                let rest = wire.get(equals + 1..)?;
                return rest.get(..memchr(b'\n', rest)?);
            }
            candidates &= candidates - 1;
        }
        carry = lasts >> (BLOCK - 1);
        offset += BLOCK;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_values_are_found_wherever_the_blocks_divide_them() {
        for pad in 0..2 * BLOCK {
            for length in [0, 1, 60, 64, 130] {
                let wire = format!(
                    "p={}\nname=v{}=x=\nb=\nname=2\n\n",
                    "=".repeat(pad),
                    "v".repeat(length)
                );
                let wire = wire.as_bytes();
                let value = format!("v{}=x=", "v".repeat(length));
                let value = value.as_bytes();
                assert_eq!(find(wire, b"name"), Some(value), "{pad} {length}");
                assert_eq!(find(wire, b"b"), Some(&b""[..]));
                let rest: Vec<_> = Attributes::of(wire).skip(1).collect();
                assert_eq!(rest, [(&b"name"[..], value), (b"b", b""), (b"name", b"2")]);
            }
        }
    }

    #[test]
    fn what_is_no_name_is_not_found() {
        let wire = b"a=b=c\nab=ab=\n\n";
        for name in [&b""[..], b"b", b"a=b", b"=", b"c", b"\nab", b"a=b=c\nab"] {
            assert_eq!(find(wire, name), None, "{}", name.escape_ascii());
        }
    }
}
