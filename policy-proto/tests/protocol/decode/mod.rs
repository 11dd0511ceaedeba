//! Streams and what the decoder makes of them, as a table: each row whole, byte by byte and cut in two at
//! every place.

use policy_proto::{Limits, MessageDecoder};

use crate::support::{Outcome, drive, naive};

macro_rules! cases {
    ($($name:ident: $way:expr, $stream:expr => $messages:expr, $end:expr $(, leaving out $ignored:expr)?;)+) => {$(
        #[test]
        fn $name() {
            let messages: &[&[u8]] = &$messages;
            #[allow(unused_mut, unused_assignments)]
            let mut ignored: &[&[u8]] = &[];
            $(ignored = &$ignored;)?
            $way.check($stream, &Outcome {
                messages: messages.iter().map(|message| message.to_vec()).collect(),
                ignored: (ignored.iter().map(|line| line.to_vec()).collect(), 0),
                end: $end,
            });
        }
    )+};
}

mod requests;
mod responses;

/// A way to read a stream.
struct Way {
    answers: bool,
    lenient: bool,
    line: usize,
    message: usize,
}

const STRICT: Way = Way {
    answers: false,
    lenient: false,
    line: 16 * 1024,
    message: 128 * 1024,
};
const LENIENT: Way = Way {
    lenient: true,
    ..STRICT
};
const ANSWER: Way = Way {
    answers: true,
    ..STRICT
};

const fn limits(line: usize, message: usize) -> Way {
    Way {
        line,
        message,
        ..STRICT
    }
}

const fn answer_limits(line: usize, message: usize) -> Way {
    Way {
        line,
        message,
        ..ANSWER
    }
}

impl Way {
    const fn lenient(self) -> Self {
        Self {
            lenient: true,
            ..self
        }
    }

    fn check(&self, stream: &[u8], expected: &Outcome) {
        let limits = Limits::default()
            .with_line(self.line)
            .with_message(self.message);
        let oracle = if self.answers {
            naive::responses(stream, limits)
        } else {
            naive::requests(stream, limits, self.lenient)
        };
        assert_eq!(&oracle, expected, "the naive decoder");
        for pieces in drive::every_cut(stream) {
            let decoder = MessageDecoder::new().with_limits(limits);
            let decoder = if self.lenient {
                decoder.lenient()
            } else {
                decoder
            };
            let found = if self.answers {
                drive::responses(decoder, pieces.iter().copied())
            } else {
                drive::requests(decoder, pieces.iter().copied())
            };
            assert_eq!(
                &found,
                expected,
                "in the pieces {:?}",
                pieces
                    .iter()
                    .map(|piece| piece.escape_ascii().to_string())
                    .collect::<Vec<_>>()
            );
        }
    }
}
