//! The attributes of a request that a score depends on.

/// The attributes of a request that count, as they came. The Perl program takes all of them in lower case: each is brought into
/// it where it is used, since most requests use few.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[expect(missing_docs, reason = "each is the attribute of its name")]
pub struct Attributes<'a> {
    pub request: &'a [u8],
    pub protocol_state: &'a [u8],
    pub client_address: &'a [u8],
    pub client_name: &'a [u8],
    pub helo_name: &'a [u8],
    pub sender: &'a [u8],
    pub recipient: &'a [u8],
    pub instance: &'a [u8],
}

impl<'a> Attributes<'a> {
    /// Takes an attribute. The last one of a name counts.
    pub fn set(&mut self, name: &[u8], value: &'a [u8]) {
        if let Some(place) = self.place(name) {
            // The end of a longer value is cut: no name and no address is so long.
            *place = value.get(..MAX_VALUE).unwrap_or(value);
        }
    }

    fn place(&mut self, name: &[u8]) -> Option<&mut &'a [u8]> {
        Some(match name {
            b"request" => &mut self.request,
            b"protocol_state" => &mut self.protocol_state,
            b"client_address" => &mut self.client_address,
            b"client_name" => &mut self.client_name,
            b"helo_name" => &mut self.helo_name,
            b"sender" => &mut self.sender,
            b"recipient" => &mut self.recipient,
            b"instance" => &mut self.instance,
            _ => {
                // One that does not count, or in other letters: Postfix has none of these.
                let mut names = NAMES.iter();
                let known = names.find(|known| known.eq_ignore_ascii_case(name))?;
                return self.place(known);
            }
        })
    }

    /// Whether it is a bounce. A sender with an extension keeps its `@`, so that none becomes empty by that.
    #[must_use]
    pub fn has_no_sender(&self) -> bool {
        matches!(self.sender, b"" | b"0")
    }

    /// The client, HELO name, sender and recipient, as in lines of the log.
    pub(crate) fn trace(&self, debug: bool) -> Vec<u8> {
        let instance = if debug {
            [b"<instance=", self.instance, b"> "].concat()
        } else {
            Vec::new()
        };
        // Not by `format!`: each request costs this.
        let mut trace = [
            &*instance,
            b"<client=",
            self.client_name,
            b"[",
            self.client_address,
            b"]> <helo=",
            self.helo_name,
            b"> <from=",
            self.sender,
            b"> <to=",
            self.recipient,
            b">",
        ]
        .concat();
        trace.make_ascii_lowercase();
        trace
    }
}

/// The attributes that count.
const NAMES: [&[u8]; 8] = [
    b"request",
    b"protocol_state",
    b"client_address",
    b"client_name",
    b"helo_name",
    b"sender",
    b"recipient",
    b"instance",
];
/// How much of a value counts.
const MAX_VALUE: usize = 2048;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_value_of_a_name_in_any_letters_counts_up_to_its_limit() {
        let mut attributes = Attributes::default();
        let long = [b'a'; MAX_VALUE + 1];
        for value in [&b"b"[..], &long] {
            attributes.set(b"Helo_Name", value);
        }
        attributes.set(b"helo", b"c");
        assert_eq!(attributes.helo_name, &long[1..]);
    }
}
