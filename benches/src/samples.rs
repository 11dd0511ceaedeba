//! Sample requests: those of a real Postfix, what they can grow to, and any number of typical ones.

use std::slice::Chunks;

use policy_proto::{Request, attr};

/// A small one: HELO without TLS. 511 bytes.
pub const HELO: &[u8] = include_bytes!("../../policy-proto/tests/data/019-helo-plain.req");
/// The most frequent one: a recipient, with TLS. 592 bytes.
pub const RCPT: &[u8] = include_bytes!("../../policy-proto/tests/data/010-rcpt-tls.req");
/// One with certificates and a login. 830 bytes.
pub const CERTIFICATE: &[u8] =
    include_bytes!("../../policy-proto/tests/data/102-rcpt-tls-ccert-sasl.req");

/// The size of each [`typical`] request in bytes.
pub const TYPICAL: usize = 697;
/// How many attributes each has.
pub const ATTRIBUTES: usize = 29;

/// The samples by name, the smallest first.
#[must_use]
pub fn by_size() -> [(&'static str, Vec<u8>); 5] {
    [
        ("HELO", HELO.to_vec()),
        ("RCPT with TLS", RCPT.to_vec()),
        ("certificates", CERTIFICATE.to_vec()),
        ("4 kB addresses", long_addresses()),
        ("64 kB", huge()),
    ]
}

/// As many different requests, one after the other, each of the same size.
#[must_use]
pub fn typical(requests: usize) -> Vec<u8> {
    (0..requests).flat_map(typical_one).collect()
}

fn typical_one(number: usize) -> Vec<u8> {
    let port = 1024 + number % 60_000;
    let client = format!("203.0.{}.{}", number / 256 % 256, number % 256);
    let host = format!("mx{}.out.example.net", number % 97);
    let sender = format!("bounces+{number}@news.example.net");
    let recipient = format!("user.{}@mail.example.org", number * 7919 % 10_000);
    let instance = format!("{:x}.6b0160eb.{:x}.0", 0x3000 + number, number * 7919);
    let fill = |length: usize| {
        let [port, size] = [port, number * 31].map(|number| number.to_string());
        let instance = format!("{}{instance}", "0".repeat(length));
        let attributes = [
            (attr::REQUEST, attr::SMTPD_ACCESS_POLICY),
            (attr::PROTOCOL_STATE, "RCPT"),
            (attr::PROTOCOL_NAME, "ESMTP"),
            (attr::CLIENT_ADDRESS, &client),
            (attr::CLIENT_NAME, &host),
            (attr::CLIENT_PORT, &port),
            (attr::REVERSE_CLIENT_NAME, &host),
            (attr::SERVER_ADDRESS, "192.0.2.25"),
            (attr::SERVER_PORT, "25"),
            (attr::HELO_NAME, &host),
            (attr::SENDER, &sender),
            (attr::RECIPIENT, &recipient),
            (attr::RECIPIENT_COUNT, "0"),
            (attr::QUEUE_ID, ""),
            (attr::INSTANCE, &instance),
            (attr::SIZE, &size),
            (attr::ETRN_DOMAIN, ""),
            (attr::STRESS, ""),
            (attr::SASL_METHOD, ""),
            (attr::SASL_USERNAME, ""),
            (attr::SASL_SENDER, ""),
            (attr::CCERT_SUBJECT, ""),
            (attr::CCERT_ISSUER, ""),
            (attr::CCERT_FINGERPRINT, ""),
            (attr::CCERT_PUBKEY_FINGERPRINT, ""),
            (attr::ENCRYPTION_PROTOCOL, "TLSv1.3"),
            (attr::ENCRYPTION_CIPHER, "TLS_AES_256_GCM_SHA384"),
            (attr::ENCRYPTION_KEYSIZE, "256"),
            (attr::POLICY_CONTEXT, "submission"),
        ];
        debug_assert_eq!(attributes.len(), ATTRIBUTES);
        encoded(attributes)
    };
    // The instance is filled up with zeros, so that all have one size.
    fill(TYPICAL - fill(0).len())
}

/// The same fields as HTTP, one request for each.
///
/// # Panics
///
/// On what is no sequence of whole requests.
#[must_use]
pub fn as_http(stream: &[u8]) -> Vec<u8> {
    let mut http = Vec::new();
    let mut begins = true;
    for line in stream.split_inclusive(|byte| *byte == b'\n') {
        if begins {
            http.extend_from_slice(b"POST / HTTP/1.1\r\n");
        }
        begins = line == b"\n";
        if !begins {
            let equals = line.iter().position(|byte| *byte == b'=');
            let (name, value) = line.split_at(equals.expect("an attribute"));
            http.extend_from_slice(name);
            http.extend_from_slice(b": ");
            http.extend_from_slice(&value[1..value.len() - 1]);
        }
        http.extend_from_slice(b"\r\n");
    }
    assert!(begins, "whole requests");
    http
}

/// A stream of requests as it arrives: none of the pieces holds bytes of two, unless it holds whole ones.
#[derive(Clone, Debug)]
pub struct Pieces<'a> {
    requests: Chunks<'a, u8>,
    pieces: Chunks<'a, u8>,
    size: usize,
}

impl<'a> Pieces<'a> {
    /// Requests of one length, in pieces of this size.
    #[must_use]
    pub fn of(stream: &'a [u8], request: usize, size: usize) -> Self {
        Self {
            requests: stream.chunks(size.max(request)),
            pieces: [].chunks(size),
            size,
        }
    }
}

impl<'a> Iterator for Pieces<'a> {
    type Item = &'a [u8];

    #[inline]
    fn next(&mut self) -> Option<&'a [u8]> {
        loop {
            if let Some(piece) = self.pieces.next() {
                return Some(piece);
            }
            self.pieces = self.requests.next()?.chunks(self.size);
        }
    }
}

/// Both addresses of 4 kB.
fn long_addresses() -> Vec<u8> {
    let address = [&[b'a'; 4000 - 12][..], b"@example.com"].concat();
    let request = Request::from_attributes(parts(RCPT).map(|(name, value)| match name {
        b"sender" | b"recipient" => (name, address.as_slice()),
        _ => (name, value),
    }));
    request.expect("valid attributes").as_bytes().to_vec()
}

fn parts(wire: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    let lines = wire.split(|byte| *byte == b'\n');
    lines.filter_map(|line| {
        let equals = line.iter().position(|byte| *byte == b'=')?;
        Some((&line[..equals], &line[equals + 1..]))
    })
}

/// Sixteen values of 4 kB: half of what the default limits let pass.
fn huge() -> Vec<u8> {
    let value = "v".repeat(4000);
    let long = [(attr::POLICY_CONTEXT, value.as_str()); 16];
    encoded(
        [(attr::REQUEST, attr::SMTPD_ACCESS_POLICY)]
            .into_iter()
            .chain(long),
    )
}

fn encoded<'a>(attributes: impl IntoIterator<Item = (&'a str, &'a str)>) -> Vec<u8> {
    let request = Request::from_attributes(attributes);
    request.expect("valid attributes").as_bytes().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typical_requests_are_of_one_size_and_differ() {
        let stream = typical(1000);
        let mut requests: Vec<_> = stream.chunks(TYPICAL).collect();
        assert!(
            requests
                .iter()
                .all(|request| request.ends_with(b"=submission\n\n"))
        );
        assert!(
            requests
                .iter()
                .all(|request| parts(request).count() == ATTRIBUTES)
        );
        requests.sort_unstable();
        requests.dedup();
        assert_eq!(requests.len(), 1000);
    }
}
