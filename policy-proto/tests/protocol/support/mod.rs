//! Parts that the tests and the fuzz targets share: a naive decoder as oracle, and a driver for the real one.

pub(crate) mod drive;
pub(crate) mod flaw;
pub(crate) mod naive;

pub(crate) use flaw::Flaw;

/// All that a decoder can be seen to do with a stream, from its first byte to its end.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Outcome {
    /// Requests as they are on the wire, or the texts of responses.
    pub(crate) messages: Vec<Vec<u8>>,
    /// Lines that a lenient decoder left out and kept, and how many more there were.
    pub(crate) ignored: (Vec<Vec<u8>>, u64),
    /// The first error, or what the decoder says at the end of the stream.
    pub(crate) end: Result<(), Flaw>,
}
