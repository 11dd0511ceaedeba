//! The attributes of a request, one after the other, and the search for one.

use memchr::memchr;

use crate::bitmap::{BLOCK, Bitmap};

/// The attributes of a [`Request`](crate::Request), each a name and a value, in wire order:
/// [`Request::attributes`](crate::Request::attributes).
/// A walk is linear in the bytes, and allocates nothing.
///
/// ```
/// use policy_proto::Request;
///
/// let request = Request::from_attributes([("a", "1"), ("b", "2")])?;
/// let mut attributes = request.attributes();
/// assert_eq!(attributes.next(), Some((&b"a"[..], &b"1"[..])));
/// assert_eq!(attributes.map(|(name, _)| name).collect::<Vec<_>>(), [b"b"]);
/// # Ok::<(), policy_proto::InvalidAttribute>(())
/// ```
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
        let Bitmap { feeds, equals } = Bitmap::at(self.wire, self.next_block)?;
        (self.feeds, self.equals) = (feeds, equals);
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
pub(crate) fn find<'a>(wire: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    find_and_rest(wire, name).map(|(value, _)| value)
}

/// The value of the last attribute of this name in a valid request.
pub(crate) fn find_last<'a>(wire: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let (mut last, mut rest) = find_and_rest(wire, name)?;
    while let Some((value, behind)) = find_and_rest(rest, name) {
        (last, rest) = (value, behind);
    }
    Some(last)
}

/// The value of the first attribute of this name, and the lines behind it.
///
/// Where the name can be, an equal sign stands behind a line feed at the name's distance: few lines
/// have names of the same length, and only these are compared.
#[inline(always)]
fn find_and_rest<'a>(wire: &'a [u8], name: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let distance = name.len() + 1;
    if distance >= BLOCK {
        let mut attributes = Attributes::of(wire);
        let (_, value) = attributes.find(|(found, _)| *found == name)?;
        return Some((value, wire.get(attributes.line..)?));
    }
    let mut offset = 0;
    // The first line begins as if behind a line feed.
    let mut feeds_before = 1 << (BLOCK - 1);
    loop {
        let Bitmap { feeds, equals } = Bitmap::at(wire, offset)?;
        let mut candidates = equals & (feeds << distance | feeds_before >> (BLOCK - distance));
        while candidates != 0 {
            let (line, rest) =
                wire.split_at_checked(offset + candidates.trailing_zeros() as usize)?;
            // An equal sign of a value may stand there, but then the name in question has one too.
            if line.last() == name.last() && line.ends_with(name) && !name.contains(&b'=') {
                let rest = rest.get(1..)?;
                let behind = feeds & !(candidates ^ candidates.wrapping_sub(1));
                let end = match behind {
                    0 => memchr(b'\n', rest)?,
                    _ => (behind.trailing_zeros() - candidates.trailing_zeros()) as usize - 1,
                };
                return Some((rest.get(..end)?, rest.get(end + 1..)?));
            }
            candidates &= candidates - 1;
        }
        feeds_before = feeds;
        offset += BLOCK;
    }
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
    fn the_last_of_several_is_found_wherever_the_blocks_divide_them() {
        let long = "n".repeat(2 * BLOCK);
        for name in ["a", "name", &long] {
            for pad in 0..2 * BLOCK {
                for count in 1..4 {
                    let line = |number| format!("{name}={number}\np={}\n", "x".repeat(pad));
                    let wire: String = (1..=count).map(line).collect();
                    let wire = wire + "\n";
                    let (first, last) = (b"1", count.to_string());
                    assert_eq!(find(wire.as_bytes(), name.as_bytes()), Some(&first[..]));
                    let found = find_last(wire.as_bytes(), name.as_bytes());
                    assert_eq!(found, Some(last.as_bytes()), "{pad} {count}");
                    assert_eq!(find_last(wire.as_bytes(), b"b"), None);
                }
            }
        }
    }

    #[test]
    fn what_is_no_name_is_not_found() {
        let wire = b"a=b=c\nab=ab=\n\n";
        let long = [b'n'; 2 * BLOCK];
        for name in [
            &b""[..],
            &long,
            b"b",
            b"a=b",
            b"=",
            b"c",
            b"\nab",
            b"a=b=c\nab",
        ] {
            assert_eq!(find(wire, name), None, "{}", name.escape_ascii());
        }
    }
}
