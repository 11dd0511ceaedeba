//! The names of all documented attributes, in the order in which Postfix sends them.
//!
//! A value that Postfix does not know is empty, `0`, or the attribute is absent. Attributes without
//! a version are there since Postfix 2.1. Source: `SMTPD_POLICY_README` and `smtpd_check.c`.
//!
//! ```
//! use policy_proto::{Request, attr};
//!
//! let request = Request::from_attributes([(attr::SENDER, "alice@example.net")])?;
//! assert_eq!(request.get(attr::SENDER), Some(&b"alice@example.net"[..]));
//! # Ok::<(), policy_proto::InvalidAttribute>(())
//! ```

/// The kind of request: always [`SMTPD_ACCESS_POLICY`]. The one required attribute.
pub const REQUEST: &str = "request";
/// The SMTP stage: see [`ProtocolState`](crate::ProtocolState).
pub const PROTOCOL_STATE: &str = "protocol_state";
/// `SMTP` or `ESMTP`; before the HELO it is `SMTP`.
pub const PROTOCOL_NAME: &str = "protocol_name";
/// The client's IPv4 or IPv6 address; `unknown` where there is none.
pub const CLIENT_ADDRESS: &str = "client_address";
/// The client's verified host name, or `unknown`.
pub const CLIENT_NAME: &str = "client_name";
/// The client's TCP port. Postfix 3.0.
pub const CLIENT_PORT: &str = "client_port";
/// The client's host name from its address alone, not verified, or `unknown`.
pub const REVERSE_CLIENT_NAME: &str = "reverse_client_name";
/// The address that the client connected to. Postfix 3.2.
pub const SERVER_ADDRESS: &str = "server_address";
/// The port that the client connected to. Postfix 3.2.
pub const SERVER_PORT: &str = "server_port";
/// The name that the client gave in HELO or EHLO: any bytes.
pub const HELO_NAME: &str = "helo_name";
/// The envelope sender; empty for a bounce, and before MAIL.
pub const SENDER: &str = "sender";
/// The envelope recipient; empty before RCPT, and at DATA and END-OF-MESSAGE of several recipients.
pub const RECIPIENT: &str = "recipient";
/// How many recipients were accepted: at DATA and END-OF-MESSAGE only, else `0`. Postfix 2.3.
pub const RECIPIENT_COUNT: &str = "recipient_count";
/// The message's queue ID: from the first accepted recipient on.
pub const QUEUE_ID: &str = "queue_id";
/// Ties the requests about one message together; empty until MAIL is accepted.
pub const INSTANCE: &str = "instance";
/// The size in bytes that the client announced; at END-OF-MESSAGE the real one. Postfix 2.2.
pub const SIZE: &str = "size";
/// The domain of an ETRN command. Postfix 2.3.
pub const ETRN_DOMAIN: &str = "etrn_domain";
/// `yes` when all server processes are busy, else empty. Postfix 2.5.
pub const STRESS: &str = "stress";
/// The SASL mechanism of an authenticated client. Postfix 2.2.
pub const SASL_METHOD: &str = "sasl_method";
/// The login name of an authenticated client. Postfix 2.2.
pub const SASL_USERNAME: &str = "sasl_username";
/// The `AUTH=` parameter of MAIL FROM. Postfix 2.2.
pub const SASL_SENDER: &str = "sasl_sender";
/// The verified client certificate's common name, as xtext. Postfix 2.2.
pub const CCERT_SUBJECT: &str = "ccert_subject";
/// The common name of that certificate's issuer, as xtext. Postfix 2.2.
pub const CCERT_ISSUER: &str = "ccert_issuer";
/// The client certificate's fingerprint. Postfix 2.2.
pub const CCERT_FINGERPRINT: &str = "ccert_fingerprint";
/// The fingerprint of the client certificate's public key. Postfix 2.9.
pub const CCERT_PUBKEY_FINGERPRINT: &str = "ccert_pubkey_fingerprint";
/// The TLS protocol, such as `TLSv1.3`; empty without TLS. Postfix 2.3.
pub const ENCRYPTION_PROTOCOL: &str = "encryption_protocol";
/// The TLS cipher. Postfix 2.3.
pub const ENCRYPTION_CIPHER: &str = "encryption_cipher";
/// The TLS cipher's key size in bits; `0` without TLS. Postfix 2.3.
pub const ENCRYPTION_KEYSIZE: &str = "encryption_keysize";
/// The server name that the client asked for in TLS. Postfix 3.12.
pub const TLS_SNI: &str = "tls_sni";
/// A word of the administrator's, `smtpd_policy_service_policy_context`. Postfix 3.1.
pub const POLICY_CONTEXT: &str = "policy_context";
/// Postfix's `compatibility_level`. Postfix 3.8.
pub const COMPATIBILITY_LEVEL: &str = "compatibility_level";
/// Postfix's version. Postfix 3.8.
pub const MAIL_VERSION: &str = "mail_version";

/// The only value of [`REQUEST`] that Postfix sends.
pub const SMTPD_ACCESS_POLICY: &str = "smtpd_access_policy";

/// All of them, in Postfix's order, the same in every version.
///
/// ```
/// use policy_proto::attr;
///
/// assert_eq!(attr::ALL.first(), Some(&attr::REQUEST));
/// assert!(attr::ALL.contains(&"sasl_username"));
/// ```
pub const ALL: &[&str] = &[
    REQUEST,
    PROTOCOL_STATE,
    PROTOCOL_NAME,
    CLIENT_ADDRESS,
    CLIENT_NAME,
    CLIENT_PORT,
    REVERSE_CLIENT_NAME,
    SERVER_ADDRESS,
    SERVER_PORT,
    HELO_NAME,
    SENDER,
    RECIPIENT,
    RECIPIENT_COUNT,
    QUEUE_ID,
    INSTANCE,
    SIZE,
    ETRN_DOMAIN,
    STRESS,
    SASL_METHOD,
    SASL_USERNAME,
    SASL_SENDER,
    CCERT_SUBJECT,
    CCERT_ISSUER,
    CCERT_FINGERPRINT,
    CCERT_PUBKEY_FINGERPRINT,
    ENCRYPTION_PROTOCOL,
    ENCRYPTION_CIPHER,
    ENCRYPTION_KEYSIZE,
    TLS_SNI,
    POLICY_CONTEXT,
    COMPATIBILITY_LEVEL,
    MAIL_VERSION,
];

/// The Postfix version, major and minor, that sent this attribute first; `None` for a name that
/// Postfix does not send.
///
/// A Postfix that is built without SASL or TLS leaves some out all the same.
///
/// ```
/// use policy_proto::attr;
///
/// assert_eq!(attr::since(attr::SENDER), Some((2, 1)));
/// assert_eq!(attr::since(attr::TLS_SNI), Some((3, 12)));
/// assert_eq!(attr::since("colour"), None);
/// ```
#[must_use]
pub fn since(name: &str) -> Option<(u8, u8)> {
    match name {
        SASL_METHOD | SASL_USERNAME | SASL_SENDER | SIZE | CCERT_SUBJECT | CCERT_ISSUER
        | CCERT_FINGERPRINT => Some((2, 2)),
        RECIPIENT_COUNT | ETRN_DOMAIN | ENCRYPTION_PROTOCOL | ENCRYPTION_CIPHER
        | ENCRYPTION_KEYSIZE => Some((2, 3)),
        STRESS => Some((2, 5)),
        CCERT_PUBKEY_FINGERPRINT => Some((2, 9)),
        CLIENT_PORT => Some((3, 0)),
        POLICY_CONTEXT => Some((3, 1)),
        SERVER_ADDRESS | SERVER_PORT => Some((3, 2)),
        COMPATIBILITY_LEVEL | MAIL_VERSION => Some((3, 8)),
        TLS_SNI => Some((3, 12)),
        name if ALL.contains(&name) => Some((2, 1)),
        _ => None,
    }
}
