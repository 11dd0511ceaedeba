//! What a case says must be seen.

use std::collections::BTreeMap;

/// What may be seen of a run; what is `None` is only compared.
#[derive(Clone, Default)]
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

impl Expect {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn stdout(self, stdout: impl AsRef<[u8]>) -> Self {
        Self {
            stdout: Some(stdout.as_ref().to_vec()),
            ..self
        }
    }

    pub fn status(self, status: &str) -> Self {
        Self {
            status: Some(status.to_owned()),
            ..self
        }
    }

    pub fn log<L: Into<String>>(self, log: impl IntoIterator<Item = L>) -> Self {
        Self {
            log: Some(log.into_iter().map(Into::into).collect()),
            ..self
        }
    }

    pub fn received<R: AsRef<[u8]>>(
        mut self,
        stub: &'static str,
        requests: impl IntoIterator<Item = R>,
    ) -> Self {
        let requests = requests.into_iter().map(|r| r.as_ref().to_vec()).collect();
        self.received.insert(stub, requests);
        self
    }

    pub fn connections(mut self, stub: &'static str, count: usize) -> Self {
        self.connections.insert(stub, count);
        self
    }

    pub fn seconds(self, least: f64, most: f64) -> Self {
        Self {
            seconds: Some((least, most)),
            ..self
        }
    }

    /// `other` wins where it says something.
    pub fn and(self, other: Self) -> Self {
        let (mut received, mut connections) = (self.received, self.connections);
        received.extend(other.received);
        connections.extend(other.connections);
        Self {
            stdout: other.stdout.or(self.stdout),
            status: other.status.or(self.status),
            log: other.log.or(self.log),
            received,
            connections,
            seconds: other.seconds.or(self.seconds),
        }
    }
}
