//! The attributes that Postfix sends at each stage of an SMTP session, for policy servers that look at more than a few
//! attributes.

use std::{fmt, str::FromStr};

use clap::builder::{PossibleValuesParser, TypedValueParser};
use policy_proto::{ProtocolState, attr};

/// A stage of the SMTP session, in the words of `protocol_state`.
pub(crate) fn stage() -> impl TypedValueParser<Value = ProtocolState> {
    let names = [
        "connect",
        "ehlo",
        "helo",
        "mail",
        "rcpt",
        "data",
        "end-of-message",
        "vrfy",
        "etrn",
    ];
    let stage = |name: String| ProtocolState::parse(name.to_ascii_uppercase().as_bytes());
    PossibleValuesParser::new(names).try_map(move |name| stage(name).ok_or("no stage"))
}

/// All attributes that this Postfix sends at this stage, in its order, but for the instance: that is
/// the one that ties requests together, so each request has its own.
pub(crate) fn attributes(
    stage: ProtocolState,
    postfix: Version,
    instance: &str,
) -> Vec<(&'static str, String)> {
    let version = Some((postfix.major, postfix.minor));
    let known = attr::ALL.iter().filter(|name| attr::since(name) <= version);
    let attribute = |name: &&'static str| (*name, value(stage, name, postfix, instance));
    known.map(attribute).collect()
}

/// The value that Postfix sends there in a plain session of one message to one recipient.
fn value(stage: ProtocolState, name: &str, postfix: Version, instance: &str) -> String {
    use ProtocolState::{Connect, Data, Ehlo, EndOfMessage, Etrn, Helo, Mail, Rcpt, Vrfy};

    let value = match (name, stage) {
        (attr::REQUEST, _) => attr::SMTPD_ACCESS_POLICY,
        (attr::PROTOCOL_STATE, _) => stage.as_str(),
        // Postfix says SMTP until it has accepted an EHLO.
        (attr::PROTOCOL_NAME, Connect | Ehlo | Helo) => "SMTP",
        (attr::PROTOCOL_NAME, _) => "ESMTP",
        (attr::CLIENT_ADDRESS, _) => "192.0.2.1",
        (attr::CLIENT_NAME | attr::REVERSE_CLIENT_NAME, _) => "client.example.net",
        (attr::CLIENT_PORT, _) => "50123",
        (attr::SERVER_ADDRESS, _) => "198.51.100.1",
        (attr::SERVER_PORT, _) => "25",
        (attr::HELO_NAME, Ehlo | Helo | Mail | Rcpt | Data | EndOfMessage | Vrfy | Etrn) => {
            "client.example.net"
        }
        (attr::SENDER, Mail | Rcpt | Data | EndOfMessage) => "sender@example.net",
        (attr::RECIPIENT, Rcpt | Data | EndOfMessage | Vrfy) => "recipient@example.org",
        (attr::RECIPIENT_COUNT, Data | EndOfMessage) => "1",
        (attr::QUEUE_ID, Data | EndOfMessage) => "4F0B098E7FB",
        (attr::INSTANCE, Rcpt | Data | EndOfMessage) => instance,
        (attr::SIZE, Mail | Rcpt | Data | EndOfMessage) => "1234",
        (attr::ETRN_DOMAIN, Etrn) => "example.org",
        (attr::COMPATIBILITY_LEVEL, _) => "3.6",
        (attr::MAIL_VERSION, _) => return format!("{postfix}.0"),
        (attr::RECIPIENT_COUNT | attr::SIZE | attr::ENCRYPTION_KEYSIZE, _) => "0",
        _ => "",
    };
    value.to_owned()
}

/// A version of Postfix, `3.7`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Version {
    major: u8,
    minor: u8,
}

impl Version {
    pub(crate) const NEWEST: Self = Self::new(3, 12);

    pub(crate) const fn new(major: u8, minor: u8) -> Self {
        Self { major, minor }
    }
}

impl FromStr for Version {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = "a version of Postfix is 2.1 or later, such as 3.7";
        let (major, minor) = text.split_once('.').ok_or(invalid)?;
        let version = Self {
            major: major.parse().map_err(|_| invalid)?,
            minor: minor.parse().map_err(|_| invalid)?,
        };
        let is_known = (version.major, version.minor) >= FIRST;
        is_known.then_some(version).ok_or(invalid)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// The first Postfix that asked policy servers.
const FIRST: (u8, u8) = (2, 1);
