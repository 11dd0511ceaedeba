//! Sample requests for the benchmarks: those of a real Postfix, and what they can grow to.

use policy_proto::{Request, attr};

/// The smallest request: a client that has connected, and nothing is known of it. 499 bytes.
pub const CONNECT: &[u8] = include_bytes!("../../policy-proto/tests/data/000-connect-plain.req");
/// The most frequent one: a recipient, with TLS.
pub const RCPT: &[u8] = include_bytes!("../../policy-proto/tests/data/010-rcpt-tls.req");
/// One with certificates and a login.
pub const CERTIFICATE: &[u8] =
    include_bytes!("../../policy-proto/tests/data/102-rcpt-tls-ccert-sasl.req");
/// One with addresses as long as SMTP lets them be. 3.4 kB.
pub const LONG: &[u8] = include_bytes!("../../policy-proto/tests/data/039-rcpt-plain.req");

/// The samples by name, the smallest first.
#[must_use]
pub fn samples() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("connect", CONNECT.to_vec()),
        ("rcpt", RCPT.to_vec()),
        ("certificate", CERTIFICATE.to_vec()),
        ("long", LONG.to_vec()),
        ("64k", huge()),
    ]
}

/// Sixteen values of 4 kB: half of what the default limits let pass.
fn huge() -> Vec<u8> {
    let value = [b'v'; 4000];
    let attributes = [(attr::REQUEST, attr::SMTPD_ACCESS_POLICY.as_bytes())];
    let long = [(attr::POLICY_CONTEXT, &value[..]); 16];
    let request = Request::from_attributes(attributes.into_iter().chain(long));
    request.expect("valid attributes").as_bytes().to_vec()
}
