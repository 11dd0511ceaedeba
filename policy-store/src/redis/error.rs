//! Errors of Redis as those of a store.

use redis::{ErrorKind, RedisError, ServerErrorKind};

use super::bounded::TOO_LARGE;
use crate::{MAX_VALUE_LEN, StoreError};

pub(super) fn error(error: RedisError) -> StoreError {
    let text = || error.to_string();
    // While a connection is set up, this is the reason of another error.
    if text().contains("Authentication required") {
        return StoreError::Login(text());
    }
    match error.kind() {
        ErrorKind::AuthenticationFailed => StoreError::Login(text()),
        // The text has the answer in it.
        ErrorKind::Parse | ErrorKind::UnexpectedReturnType => {
            StoreError::Protocol(error.category().into())
        }
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
            Some(TOO_LARGE) => StoreError::TooLarge {
                size: size(&error),
                limit: MAX_VALUE_LEN,
                unit: "bytes",
            },
            Some("OOM" | "MISCONF" | "NOREPLICAS" | "UNKILLABLE" | "BUSY") => {
                StoreError::NotServing(text())
            }
            _ => StoreError::Refused(text()),
        },
        // A connection, a name that the sentinels do not know yet, a cluster without a node.
        _ => StoreError::from(std::io::Error::other(text())),
    }
}

/// How large a value is for which an error stands.
fn size(error: &RedisError) -> usize {
    let size = error.detail().and_then(|detail| detail.trim().parse().ok());
    size.unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use redis::{Value, from_redis_value};

    use super::*;

    #[test]
    fn an_answer_of_another_type_is_not_shown() {
        let answer = Value::BulkString(b"geheim".to_vec());
        let found = from_redis_value::<bool>(answer).unwrap_err();
        let error = error(found.into());
        let shown = format!("{error} {error:?}");
        assert!(matches!(error, StoreError::Protocol(_)), "{shown}");
        assert!(!shown.contains("geheim"), "{shown}");
    }
}
