//! The request of a check: a client's address and the identity that it uses.

use std::{fmt, net::IpAddr};

/// Which identity is checked (RFC 7208, 2.3 and 2.4).
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Scope {
    /// The name in HELO or EHLO.
    Helo,
    /// The address in MAIL FROM.
    MailFrom,
}

/// `helo` or `mfrom`, as Mail::SPF says.
impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Helo => "helo",
            Self::MailFrom => "mfrom",
        })
    }
}

/// A client's address and the identity that it uses.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SpfRequest {
    pub(super) client: IpAddr,
    pub(super) scope: Scope,
    pub(super) identity: Vec<u8>,
    pub(super) local_part: Vec<u8>,
    /// In lower case, without a dot at the end.
    pub(super) domain: Vec<u8>,
    pub(super) helo: Vec<u8>,
}

impl SpfRequest {
    /// For the address in MAIL FROM. The null sender stands for `postmaster` at the name in HELO (2.4).
    #[must_use]
    pub fn mail_from(client: IpAddr, sender: impl AsRef<[u8]>, helo: impl AsRef<[u8]>) -> Self {
        let (sender, helo) = (sender.as_ref(), helo.as_ref());
        let identity = if sender.is_empty() {
            [b"postmaster@", helo].concat()
        } else {
            sender.to_vec()
        };
        let at = identity.iter().rposition(|&byte| byte == b'@');
        let (local_part, domain) = match at {
            Some(at) => (identity.get(..at), identity.get(at + 1..)),
            None => (None, Some(&*identity)),
        };
        let local_part = local_part
            .filter(|part| !part.is_empty())
            .unwrap_or(POSTMASTER)
            .to_vec();
        let domain = normal(domain.unwrap_or_default());
        Self {
            client: client.to_canonical(),
            scope: Scope::MailFrom,
            identity,
            local_part,
            domain,
            helo: helo.into(),
        }
    }

    /// For the name in HELO or EHLO.
    #[must_use]
    pub fn helo(client: IpAddr, helo: impl AsRef<[u8]>) -> Self {
        let helo = helo.as_ref();
        Self {
            client: client.to_canonical(),
            scope: Scope::Helo,
            identity: helo.into(),
            local_part: POSTMASTER.into(),
            domain: normal(helo),
            helo: helo.into(),
        }
    }

    /// Which identity is checked.
    #[must_use]
    pub fn scope(&self) -> Scope {
        self.scope
    }

    /// The identity as it was given, or `postmaster` at the name in HELO.
    #[must_use]
    pub fn identity(&self) -> &[u8] {
        &self.identity
    }
}

/// Lower case, without a dot at the end.
pub(super) fn normal(domain: &[u8]) -> Vec<u8> {
    domain
        .strip_suffix(b".")
        .unwrap_or(domain)
        .to_ascii_lowercase()
}

const POSTMASTER: &[u8] = b"postmaster";
