//! The requests of a measurement: messages, each of which is asked about several times over one connection.

use std::{fmt::Write, ops::Range};

use fastrand::Rng;
use policy_proto::{ProtocolState, Request, attr};

use crate::{
    input::NO_REQUEST,
    input::{capture::Captured, lines::Fault},
    request::preset::{Version, attributes},
};

/// Requests as they go over the wire, in messages.
#[derive(Debug, Default)]
pub(crate) struct Mix {
    bytes: Vec<u8>,
    requests: Vec<Sample>,
    /// Which requests each message has.
    messages: Vec<Range<usize>>,
}

#[derive(Debug)]
struct Sample {
    bytes: Range<usize>,
    /// Where the number of the message is written into its instance; captured requests stay as they are.
    number: Option<Range<usize>>,
}

/// How messages are made.
#[derive(Debug)]
pub(crate) struct Manner<'a> {
    pub(crate) seed: u64,
    /// The stages at which the server is asked about each message: RCPT once for each recipient.
    pub(crate) stages: &'a [ProtocolState],
    pub(crate) postfix: Version,
    /// How many recipients a message has: from and to.
    pub(crate) recipients: (u8, u8),
    /// Makes the instances of this run different from those of another.
    pub(crate) run: &'a str,
}

impl Mix {
    /// Messages of so many clients and senders as a server has to keep apart, the same for the same seed.
    pub(crate) fn from_seed(manner: &Manner<'_>) -> Result<Self, String> {
        let mut chance = Rng::with_seed(manner.seed);
        let mut mix = Self::default();
        for _ in 0..MESSAGES {
            let message = Message::new(manner, &mut chance);
            let first = mix.requests.len();
            for stage in manner.stages {
                let times = match stage {
                    ProtocolState::Rcpt => message.recipients.len(),
                    _ => 1,
                };
                for place in 0..times {
                    mix.push(&message.request(*stage, place)?, Some(&message.instance));
                }
            }
            mix.messages.push(first..mix.requests.len());
        }
        Ok(mix)
    }

    /// Captured requests, one after the other, without the notes of `tap` between them. Those that follow each other with the
    /// same instance are of one message.
    pub(crate) fn from_captured(
        captured: impl Iterator<Item = Result<Captured, Fault>>,
    ) -> Result<Self, String> {
        let mut mix = Self::default();
        let mut last: Option<Vec<u8>> = None;
        for captured in captured {
            let request = captured.map_err(|fault| fault.to_string())?.request;
            if mix.bytes.len() + request.as_bytes().len() > MAX_CAPTURED {
                return Err(format!("more than {MAX_CAPTURED} bytes of requests"));
            }
            let instance = request.get(attr::INSTANCE).unwrap_or_default();
            let number = mix.requests.len();
            match mix.messages.last_mut() {
                Some(message) if !instance.is_empty() && last.as_deref() == Some(instance) => {
                    message.end = number + 1;
                }
                _ => mix.messages.push(number..number + 1),
            }
            last = Some(instance.to_vec());
            mix.push(&request, None);
        }
        if mix.requests.is_empty() {
            return Err(NO_REQUEST.to_owned());
        }
        Ok(mix)
    }

    /// The requests of a message; the first one follows the last one.
    pub(crate) fn message(&self, number: u64) -> Range<usize> {
        let count = self.messages.len().max(1) as u64;
        let message = usize::try_from(number % count).ok();
        let message = message.and_then(|place| self.messages.get(place));
        message.cloned().unwrap_or_default()
    }

    /// A request of the message with this number. So each message has an instance of its own, as in Postfix.
    pub(crate) fn request(&mut self, place: usize, message: u64) -> &[u8] {
        let Some(sample) = self.requests.get(place) else {
            return &[];
        };
        if let Some(number) = sample.number.clone()
            && let Some(digits) = self.bytes.get_mut(number)
        {
            for (shift, digit) in (0..).step_by(4).zip(digits.iter_mut().rev()) {
                *digit = HEX[(message >> shift) as usize & 0xf];
            }
        }
        self.bytes.get(sample.bytes.clone()).unwrap_or_default()
    }

    fn push(&mut self, request: &Request, instance: Option<&str>) {
        let begin = self.bytes.len();
        self.bytes.extend_from_slice(request.as_bytes());
        let number = instance.and_then(|instance| {
            let line = format!("\n{}={instance}\n", attr::INSTANCE);
            let at = memchr::memmem::find(request.as_bytes(), line.as_bytes())?;
            let end = begin + at + line.len() - 1;
            Some(end - DIGITS..end)
        });
        self.requests.push(Sample {
            bytes: begin..self.bytes.len(),
            number,
        });
    }
}

/// What the requests of one message have in common.
struct Message<'a> {
    manner: &'a Manner<'a>,
    instance: String,
    client: u16,
    sender: String,
    recipients: Vec<String>,
    size: u32,
}

impl<'a> Message<'a> {
    fn new(manner: &'a Manner<'a>, chance: &mut Rng) -> Self {
        let (from, to) = manner.recipients;
        let address = |chance: &mut Rng, domain: &str| {
            format!("user{}@{}.{domain}", chance.u16(..1000), chance.u16(..100))
        };
        Self {
            manner,
            instance: format!("{}.{:0DIGITS$}", manner.run, 0),
            client: chance.u16(..1000),
            sender: address(chance, "example.net"),
            recipients: (0..chance.u8(from..=to.max(from)))
                .map(|_| address(chance, "example.org"))
                .collect(),
            size: chance.u32(1_000..100_000),
        }
    }

    /// All that Postfix sends, with the values of this message where it knows them.
    fn request(&self, stage: ProtocolState, place: usize) -> Result<Request, String> {
        let mut all = attributes(stage, self.manner.postfix, &self.instance);
        let count = self.recipients.len();
        let is_after = matches!(stage, ProtocolState::Data | ProtocolState::EndOfMessage);
        for (name, value) in &mut all {
            match *name {
                _ if value.is_empty() => {}
                attr::CLIENT_ADDRESS => {
                    let [high, low] = self.client.to_be_bytes();
                    *value = format!("198.18.{high}.{low}");
                }
                attr::CLIENT_NAME | attr::REVERSE_CLIENT_NAME | attr::HELO_NAME => {
                    value.clear();
                    _ = write!(value, "client{}.example.net", self.client);
                }
                attr::SENDER => value.clone_from(&self.sender),
                // Of several recipients Postfix names none once all are known.
                attr::RECIPIENT if is_after && count > 1 => value.clear(),
                attr::RECIPIENT => {
                    let recipient = self.recipients.get(place);
                    *value = recipient.cloned().unwrap_or_default();
                }
                attr::RECIPIENT_COUNT if is_after => *value = count.to_string(),
                attr::SIZE => *value = self.size.to_string(),
                _ => {}
            }
        }
        Request::from_attributes(all).map_err(|error| error.to_string())
    }
}

/// Enough that neither a server nor a processor knows them by heart, and few enough that they are made in no time.
const MESSAGES: usize = 1000;
/// Of captured requests, in bytes: all of them are kept in memory.
const MAX_CAPTURED: usize = 256 << 20;
/// The digits of a message's number.
const DIGITS: usize = 16;
const HEX: [u8; 16] = *b"0123456789abcdef";

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use bytes::BytesMut;
    use policy_proto::MessageDecoder;

    use super::*;
    use crate::input::{capture, lines::Lines};

    #[test]
    fn a_message_is_asked_about_once_for_each_recipient_and_then_once_at_other_stages() {
        let manner = manner(&[ProtocolState::Rcpt, ProtocolState::EndOfMessage], (3, 3));
        let mut mix = Mix::from_seed(&manner).unwrap();
        let places = mix.message(MESSAGES as u64 + 7);
        assert_eq!(places, mix.message(7));
        let asked: Vec<_> = places.map(|place| decoded(mix.request(place, 7))).collect();
        let value = |place: usize, name| text(&asked[place], name);
        assert_eq!(asked.len(), 4);
        for place in 0..3 {
            assert_eq!(value(place, "protocol_state"), "RCPT");
            assert!(value(place, "recipient").ends_with(".example.org"));
            assert_eq!(value(place, "recipient_count"), "0");
        }
        assert_eq!(value(3, "protocol_state"), "END-OF-MESSAGE");
        assert_eq!(
            (value(3, "recipient"), value(3, "recipient_count")),
            (String::new(), "3".into())
        );
        for place in 0..4 {
            assert_eq!(value(place, "sender"), value(0, "sender"));
            assert_eq!(value(place, "instance"), "r.0000000000000007");
        }
    }

    #[test]
    fn a_message_that_comes_again_has_another_instance() {
        let mut mix = Mix::from_seed(&manner(&[ProtocolState::Rcpt], (1, 1))).unwrap();
        for (number, instance) in [
            (0, "r.0000000000000000"),
            (0x12_3456_789a, "r.000000123456789a"),
        ] {
            let request = decoded(mix.request(0, number));
            assert_eq!(text(&request, "instance"), instance);
        }
    }

    #[test]
    fn the_same_seed_makes_the_same_messages_and_another_one_others() {
        let bytes = |seed| {
            let manner = Manner {
                seed,
                ..manner(&[ProtocolState::Rcpt], (1, 4))
            };
            Mix::from_seed(&manner).unwrap().bytes
        };
        assert_eq!(bytes(1), bytes(1));
        assert_ne!(bytes(1), bytes(2));
    }

    #[test]
    fn captured_requests_stay_as_they_are_and_those_of_an_instance_are_one_message() {
        // The empty line after the last request is easily lost.
        let captured = "#: time=1\ninstance=a\nx=1\n\ninstance=a\nx=2\n\ninstance=b\n\n#: time=2\nx=3\n\nx=4\n";
        let mut mix = Mix::from_captured(requests(captured)).unwrap();
        let messages: Vec<_> = (0..4).map(|number| mix.message(number)).collect();
        assert_eq!(messages, [0..2, 2..3, 3..4, 4..5]);
        assert_eq!(mix.request(1, 99), b"instance=a\nx=2\n\n");
        for (captured, error) in [
            ("", NO_REQUEST),
            ("instance=a\n\nrubbish\n", "line 3: no '='"),
        ] {
            let mix = Mix::from_captured(requests(captured));
            assert_eq!(mix.unwrap_err(), error);
        }
    }

    fn requests(text: &'static str) -> impl Iterator<Item = Result<Captured, Fault>> {
        capture::requests(Lines::of(Box::new(Cursor::new(text))))
    }

    fn manner(stages: &[ProtocolState], recipients: (u8, u8)) -> Manner<'_> {
        Manner {
            seed: 1,
            stages,
            postfix: "3.12".parse().unwrap(),
            recipients,
            run: "r",
        }
    }

    fn decoded(bytes: &[u8]) -> Request {
        let mut buffer = BytesMut::from(bytes);
        MessageDecoder::new().request(&mut buffer).unwrap().unwrap()
    }

    fn text(request: &Request, name: &str) -> String {
        String::from_utf8(request.get(name).unwrap().to_vec()).unwrap()
    }
}
