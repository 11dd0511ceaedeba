//! The SMTP stage at which Postfix asks.

/// The SMTP stage in which Postfix asks: the attribute `protocol_state`.
///
/// Source: `SMTPD_POLICY_README`, and `check_policy_service` in Postfix's `smtpd_check.c`.
///
/// ```
/// use policy_proto::ProtocolState;
///
/// assert_eq!(ProtocolState::parse(b"END-OF-MESSAGE"), Some(ProtocolState::EndOfMessage));
/// assert_eq!(ProtocolState::EndOfMessage.as_str(), "END-OF-MESSAGE");
/// assert_eq!(ProtocolState::parse(b"rcpt"), None);
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum ProtocolState {
    /// A client has connected: `smtpd_client_restrictions`.
    Connect,
    /// EHLO: `smtpd_helo_restrictions`.
    Ehlo,
    /// HELO: `smtpd_helo_restrictions`.
    Helo,
    /// MAIL FROM: `smtpd_sender_restrictions`.
    Mail,
    /// RCPT TO: `smtpd_recipient_restrictions` and `smtpd_relay_restrictions`.
    Rcpt,
    /// DATA or the first BDAT: `smtpd_data_restrictions`.
    Data,
    /// The message has been received: `smtpd_end_of_data_restrictions`.
    EndOfMessage,
    /// VRFY: as for a recipient.
    Vrfy,
    /// ETRN: `smtpd_etrn_restrictions`.
    Etrn,
}

impl ProtocolState {
    /// The stage of this name, exactly as Postfix writes it; `None` for any other.
    ///
    /// ```
    /// use policy_proto::ProtocolState;
    ///
    /// assert_eq!(ProtocolState::parse(b"RCPT"), Some(ProtocolState::Rcpt));
    /// assert_eq!(ProtocolState::parse(b"QUIT"), None);
    /// ```
    #[must_use]
    pub fn parse(name: &[u8]) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|state| state.as_str().as_bytes() == name)
    }

    /// The stage as Postfix writes it.
    ///
    /// ```
    /// assert_eq!(policy_proto::ProtocolState::Vrfy.as_str(), "VRFY");
    /// ```
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Connect => "CONNECT",
            Self::Ehlo => "EHLO",
            Self::Helo => "HELO",
            Self::Mail => "MAIL",
            Self::Rcpt => "RCPT",
            Self::Data => "DATA",
            Self::EndOfMessage => "END-OF-MESSAGE",
            Self::Vrfy => "VRFY",
            Self::Etrn => "ETRN",
        }
    }

    // The stage that is asked for most often comes first.
    const ALL: [Self; 9] = [
        Self::Rcpt,
        Self::Mail,
        Self::Data,
        Self::EndOfMessage,
        Self::Connect,
        Self::Ehlo,
        Self::Helo,
        Self::Vrfy,
        Self::Etrn,
    ];
}
