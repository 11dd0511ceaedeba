//! Expectations: what must be seen of one program, or of both.

use std::collections::BTreeMap;

/// What may be seen of a run; an aspect that is not stated is only compared.
#[derive(Clone, Debug, Default)]
pub struct Expect {
    /// `…` in it stands for any bytes.
    pub stdout: Option<Vec<u8>>,
    pub status: Option<String>,
    /// `level: text`, with `…` as above.
    pub log: Option<Vec<String>>,
    pub received: BTreeMap<&'static str, Vec<Vec<u8>>>,
    pub connections: BTreeMap<&'static str, usize>,
    /// From the first byte sent to the end, in seconds.
    pub seconds: Option<(f64, f64)>,
}

/// Expects nothing yet.
pub fn expect() -> Expect {
    Expect::default()
}

/// What can be expected, of a case (by both programs) or of one program in it.
pub trait Expecting: Sized {
    fn expected(&mut self) -> &mut Expect;

    fn stdout(mut self, stdout: impl AsRef<[u8]>) -> Self {
        self.expected().stdout = Some(stdout.as_ref().to_vec());
        self
    }

    /// Nothing on standard output but replies with these actions.
    fn answers<A: AsRef<str>>(self, actions: impl IntoIterator<Item = A>) -> Self {
        let replies = actions.into_iter().map(|action| reply(action.as_ref()));
        self.stdout(replies.collect::<String>())
    }

    /// Nothing on standard output but the reply with this action.
    fn answer(self, action: &str) -> Self {
        self.answers([action])
    }

    fn status(mut self, status: &str) -> Self {
        self.expected().status = Some(status.to_owned());
        self
    }

    fn log<L: Into<String>>(mut self, log: impl IntoIterator<Item = L>) -> Self {
        self.expected().log = Some(log.into_iter().map(Into::into).collect());
        self
    }

    /// An empty log.
    fn quiet(self) -> Self {
        self.log([""; 0])
    }

    fn received<R>(mut self, stub: &'static str, requests: impl IntoIterator<Item = R>) -> Self
    where
        R: AsRef<[u8]>,
    {
        let requests = requests.into_iter().map(|r| r.as_ref().to_vec()).collect();
        self.expected().received.insert(stub, requests);
        self
    }

    fn connections(mut self, stub: &'static str, count: usize) -> Self {
        self.expected().connections.insert(stub, count);
        self
    }

    /// One request in one connection.
    fn asked(self, stub: &'static str, request: impl AsRef<[u8]>) -> Self {
        self.received(stub, [request]).connections(stub, 1)
    }

    fn not_asked(self, stub: &'static str) -> Self {
        self.received(stub, [""; 0]).connections(stub, 0)
    }

    fn seconds(mut self, least: f64, most: f64) -> Self {
        self.expected().seconds = Some((least, most));
        self
    }
}

impl Expecting for Expect {
    fn expected(&mut self) -> &mut Expect {
        self
    }
}

impl Expect {
    /// `other` wins where it states something.
    pub fn and(mut self, other: Self) -> Self {
        self.received.extend(other.received);
        self.connections.extend(other.connections);
        Self {
            stdout: other.stdout.or(self.stdout),
            status: other.status.or(self.status),
            log: other.log.or(self.log),
            seconds: other.seconds.or(self.seconds),
            ..self
        }
    }
}

/// A reply to Postfix.
pub fn reply(action: &str) -> String {
    format!("action={action}\n\n")
}
