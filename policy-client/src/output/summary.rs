//! A request in one line.

use std::fmt::Write;

use policy_daemon::log::escaped;
use policy_proto::{Request, attr};

/// What tells requests apart, each value without a blank.
pub(crate) fn summary(request: &Request) -> String {
    let value = |name: &str| {
        let value = request.get(name).unwrap_or_default();
        escaped(value, MAX_VALUE, |c| c.is_whitespace() || c == '\\')
    };
    let names = [
        attr::CLIENT_ADDRESS,
        attr::HELO_NAME,
        attr::SENDER,
        attr::RECIPIENT,
    ];
    let mut text = value(attr::PROTOCOL_STATE);
    for name in names {
        _ = write!(text, " {name}={}", value(name));
    }
    text
}

/// The longest value in a line, in bytes.
pub(crate) const MAX_VALUE: usize = 1024;
