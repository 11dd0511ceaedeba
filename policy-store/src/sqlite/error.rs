//! Errors of SQLite as those of a store.

use crate::StoreError;

/// An error of SQLite as one of a store.
pub(super) fn error(error: rusqlite::Error) -> StoreError {
    use rusqlite::ErrorCode as Code;
    let text = error.to_string();
    match error.sqlite_error_code() {
        Some(
            Code::DatabaseBusy
            | Code::DatabaseLocked
            | Code::SystemIoFailure
            | Code::DatabaseCorrupt
            | Code::DiskFull
            | Code::CannotOpen
            | Code::NotADatabase
            | Code::ReadOnly
            | Code::PermissionDenied
            | Code::OutOfMemory
            | Code::FileLockingProtocolFailed,
        ) => StoreError::NotServing(text),
        _ => StoreError::Refused(text),
    }
}

/// Whether another process has the file locked, which does the connection no harm.
pub(super) fn is_locked(error: &rusqlite::Error) -> bool {
    use rusqlite::ErrorCode::{DatabaseBusy, DatabaseLocked};
    matches!(
        error.sqlite_error_code(),
        Some(DatabaseBusy | DatabaseLocked)
    )
}

/// Whether the file, or one beside it, cannot be written or made.
pub(super) fn lacks_rights(error: &rusqlite::Error) -> bool {
    use rusqlite::ErrorCode::{CannotOpen, PermissionDenied, ReadOnly};
    matches!(
        error.sqlite_error_code(),
        Some(CannotOpen | PermissionDenied | ReadOnly)
    )
}
