//! The statements for a store's table, in each database's own words.

use crate::{Dialect, StoreError};

/// The order of placeholders is the same everywhere.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) create: &'static [&'static str],
    /// id, now
    pub(super) get: &'static str,
    /// id, data, expires
    pub(super) set: &'static str,
    /// id, data, expires, now as often as said next
    pub(super) insert: &'static str,
    pub(super) times_of_insert: usize,
    /// data, expires, id, expected data, now
    pub(super) update: &'static str,
    /// data, id, expected data, now
    pub(super) replace: &'static str,
    /// id, now
    pub(super) delete: &'static str,
    /// id, now, expected data
    pub(super) delete_value: &'static str,
    /// now. Some of them at a time: after a long time all would take longer than a call may, and none would leave.
    pub(super) clean: &'static str,
}

impl Table {
    pub(super) fn of(dialect: Dialect) -> Result<&'static Self, StoreError> {
        match dialect {
            Dialect::Mysql => Ok(&MYSQL),
            Dialect::Postgres => Ok(&POSTGRES),
            Dialect::Sqlite => Err(StoreError::Refused(
                "a file of SQLite has a store of its own".into(),
            )),
        }
    }
}

const GET: &str = "SELECT data FROM policy_store WHERE id = ? AND expires > ?";

/// `changes` has every write change its row: MySQL counts the rows that were changed, not those that were found.
const UPDATE: &str = "UPDATE policy_store SET data = ?, expires = ?, changes = changes + 1 \
    WHERE id = ? AND data = ? AND expires > ?";
const REPLACE: &str = "UPDATE policy_store SET data = ?, changes = changes + 1 \
    WHERE id = ? AND data = ? AND expires > ?";
const DELETE: &str = "DELETE FROM policy_store WHERE id = ? AND expires > ?";
const DELETE_VALUE: &str = "DELETE FROM policy_store WHERE id = ? AND expires > ? AND data = ?";

static MYSQL: Table = Table {
    create: &[
        "CREATE TABLE IF NOT EXISTS policy_store (id VARBINARY(255) PRIMARY KEY, \
        data MEDIUMBLOB NOT NULL, expires BIGINT NOT NULL, changes BIGINT NOT NULL, \
        KEY policy_store_expires (expires)) ENGINE=InnoDB",
    ],
    get: GET,
    set: "INSERT INTO policy_store (id, data, expires, changes) VALUES (?, ?, ?, 0) \
        ON DUPLICATE KEY UPDATE data = VALUES(data), expires = VALUES(expires), \
        changes = changes + 1",
    // From left to right: the end is compared before it is set.
    insert: "INSERT INTO policy_store (id, data, expires, changes) VALUES (?, ?, ?, 0) \
        ON DUPLICATE KEY UPDATE changes = IF(expires <= ?, changes + 1, changes), \
        data = IF(expires <= ?, VALUES(data), data), \
        expires = IF(expires <= ?, VALUES(expires), expires)",
    times_of_insert: 3,
    update: UPDATE,
    replace: REPLACE,
    delete: DELETE,
    delete_value: DELETE_VALUE,
    clean: "DELETE FROM policy_store WHERE expires <= ? ORDER BY expires LIMIT 8192",
};

static POSTGRES: Table = Table {
    create: &[
        "CREATE TABLE IF NOT EXISTS policy_store (id BYTEA PRIMARY KEY, data BYTEA NOT NULL, \
        expires BIGINT NOT NULL, changes BIGINT NOT NULL)",
        "CREATE INDEX IF NOT EXISTS policy_store_expires ON policy_store (expires)",
    ],
    get: GET,
    set: "INSERT INTO policy_store (id, data, expires, changes) VALUES (?, ?, ?, 0) \
        ON CONFLICT (id) DO UPDATE SET data = excluded.data, expires = excluded.expires",
    insert: "INSERT INTO policy_store (id, data, expires, changes) VALUES (?, ?, ?, 0) \
        ON CONFLICT (id) DO UPDATE SET data = excluded.data, expires = excluded.expires \
        WHERE policy_store.expires <= ?",
    times_of_insert: 1,
    update: UPDATE,
    replace: REPLACE,
    delete: DELETE,
    delete_value: DELETE_VALUE,
    clean: "DELETE FROM policy_store WHERE id IN \
        (SELECT id FROM policy_store WHERE expires <= ? ORDER BY expires LIMIT 8192)",
};
