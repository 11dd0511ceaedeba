//! A way to feed a stream to a decoder, and the stream: what an input means to the targets that decode.
//!
//! The first four bytes choose the way, the rest is the stream. A captured request is a seed as it
//! is: `requ` stands for a strict decoder with the default limits, and what is left is still a request.

use policy_proto::{Limits, MessageDecoder};

pub(crate) struct Way {
    pub(crate) stream: Vec<u8>,
    pub(crate) limits: Limits,
    pub(crate) lenient: bool,
    /// The fourth byte, for the cuts.
    pub(crate) cuts: u8,
}

impl Way {
    /// `None` for an input that is too short.
    pub(crate) fn of(input: &[u8]) -> Option<Self> {
        let (&[way, line, message, cuts], stream) = input.split_first_chunk()?;
        let (small_line, small_message) = (usize::from(line), usize::from(message));
        let limits = match way >> 1 & 3 {
            // So small that inputs of a fuzzer's size reach them.
            0 => Limits::default()
                .with_line(small_line % 32)
                .with_message(small_message % 128),
            // Within the first few blocks of 64 bytes, and near their ends.
            2 => Limits::default()
                .with_line(small_line)
                .with_message(2 * small_message),
            _ => Limits::default(),
        };
        // An attribute of any length, so that short inputs too meet the ends of blocks everywhere.
        let stream = match way & 8 {
            0 => stream.to_vec(),
            _ => [b"pad=", &vec![b'x'; small_message][..], b"\n", stream].concat(),
        };
        Some(Self {
            stream,
            limits,
            lenient: way & 1 != 0,
            cuts,
        })
    }

    pub(crate) fn decoder(&self) -> MessageDecoder {
        let decoder = MessageDecoder::new().with_limits(self.limits);
        match self.lenient {
            true => decoder.lenient(),
            false => decoder,
        }
    }

    /// The stream whole, byte by byte, and in pieces of one byte to 16, or to 128, in an order that the
    /// fourth byte gives.
    #[allow(dead_code, reason = "not for the codecs")]
    pub(crate) fn all_cuts(&self) -> [Vec<&[u8]>; 3] {
        let sizes = match self.cuts & 1 {
            0 => 16,
            _ => 128,
        };
        let mut pieces = Vec::new();
        let mut state = u32::from(self.cuts);
        let mut rest = &self.stream[..];
        while !rest.is_empty() {
            // Numerical Recipes' generator; its high bits are good enough here.
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let size = (state >> 24) as usize % sizes + 1;
            let (piece, tail) = rest.split_at(size.min(rest.len()));
            pieces.push(piece);
            rest = tail;
        }
        [
            vec![&self.stream[..]],
            self.stream.chunks(1).collect(),
            pieces,
        ]
    }
}
