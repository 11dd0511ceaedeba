//! SPF (RFC 7208): whether a host may send mail in the name of a domain.
//!
//! ```
//! use policy_dns::{Table, spf::{self, SpfRequest, SpfResult}};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let dns: Table = r#"acme.test TXT "v=spf1 ip4:192.0.2.0/28 -all""#.parse()?;
//! let request = SpfRequest::mail_from("192.0.2.77".parse()?, "carol@acme.test", "mail.acme.test");
//! let verdict = spf::check(&dns, &request, &spf::SpfOptions::default()).await;
//! assert_eq!(verdict.result(), SpfResult::Fail);
//! assert_eq!(verdict.mechanism(), Some("-all"));
//! assert_eq!(
//!     verdict.local_explanation(),
//!     "acme.test: Sender is not authorized by default to use 'carol@acme.test' in 'mfrom' identity \
//!      (mechanism '-all' matched)"
//! );
//! # Ok(()) }
//! ```
//!
//! Explanations have the words of Perl's Mail::SPF 2.009, which mail administrators know from logs. Where that
//! differs from the RFC, this follows the RFC: an IPv4 client is in no `ip6:` network, more than ten hosts of an
//! `mx` are an error, and an explanation that is not ASCII does not count.
//!
//! # Limits
//!
//! A check asks at most 123 questions, whatever the records say: one for the first record, eleven for each of ten
//! terms (`mx` asks for ten hosts), eleven for the name of the client, which is found out once, and one for the
//! explanation. All of them together take [`SpfOptions::timeout`] at most; then the result is
//! [`SpfResult::TempError`]. What a macro expands to is at most 4096 bytes.

mod evaluate;
mod header;
mod macros;
mod options;
mod problem;
mod record;
mod request;
mod scan;
mod verdict;

use crate::Resolver;

pub use options::SpfOptions;
pub use request::{Scope, SpfRequest};
pub use verdict::{SpfResult, Verdict};

/// Whether the client may use the identity of a request.
///
/// A check does not fail: errors of DNS and of records are results. Dropping the future gives it up.
pub async fn check(
    resolver: &impl Resolver,
    request: &SpfRequest,
    options: &SpfOptions,
) -> Verdict {
    let deadline = tokio::time::Instant::now().checked_add(options.timeout);
    match deadline {
        Some(deadline) => evaluate::evaluate(&resolver.until(deadline), request, options).await,
        None => evaluate::evaluate(resolver, request, options).await,
    }
}
