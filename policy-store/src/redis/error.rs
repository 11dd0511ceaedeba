//! Errors of Redis as those of a store.

use redis::{ErrorKind, RedisError, ServerErrorKind};

use crate::StoreError;

pub(super) fn error(error: RedisError) -> StoreError {
    let text = || error.to_string();
    // While a connection is set up, this is the reason of another error.
    if text().contains("Authentication required") {
        return StoreError::Login(text());
    }
    match error.kind() {
        ErrorKind::AuthenticationFailed => StoreError::Login(text()),
        ErrorKind::Parse | ErrorKind::UnexpectedReturnType => StoreError::Protocol(text()),
        ErrorKind::InvalidClientConfig => StoreError::Refused(text()),
        ErrorKind::Server(kind) => match kind {
            ServerErrorKind::NoPerm => StoreError::Login(text()),
            ServerErrorKind::ResponseError
            | ServerErrorKind::ExecAbort
            | ServerErrorKind::NoScript
            | ServerErrorKind::CrossSlot => StoreError::Refused(text()),
            _ => StoreError::NotServing(text()),
        },
        ErrorKind::Extension => match error.code() {
            Some("NOAUTH" | "WRONGPASS") => StoreError::Login(text()),
            Some("OOM" | "MISCONF" | "NOREPLICAS" | "UNKILLABLE" | "BUSY") => {
                StoreError::NotServing(text())
            }
            _ => StoreError::Refused(text()),
        },
        // A connection, a name that the sentinels do not know yet, a cluster without a node.
        _ => StoreError::from(std::io::Error::other(text())),
    }
}
