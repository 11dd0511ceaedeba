//! The global keys of mtpolicyd 1.x: where each value goes.

use super::world::World;

const PLUGIN: &str = "<Plugin a>\nmodule=Action\naction=ok\n</Plugin>\n";

/// A configuration with these global keys.
fn world(keys: &str) -> World {
    World::new(keys, PLUGIN)
}

#[test]
fn the_servers_of_memcached_keep_sessions_whatever_else_is_given() {
    for (keys, expected) in [
        ("", "SessionCache { store: None,"),
        ("session_lock_wait=7\n", "SessionCache { store: None,"),
        (
            "memcached_servers=127.0.0.1:1\n",
            "SessionOptions { expire: 300s, lock_wait: 50µs, lock_max_retry: 50, lock_timeout: 10s }",
        ),
        (
            "memcached_namespace=x-\nmemcached_expire=60\n",
            "SessionOptions { expire: 60s, lock_wait: 50µs, lock_max_retry: 50, lock_timeout: 10s }",
        ),
        (
            "memcached_servers=127.0.0.1:1\nmemcached_expire=60\nsession_lock_wait=7\n\
             session_lock_max_retry=8\nsession_lock_timeout=9\n",
            "SessionOptions { expire: 60s, lock_wait: 7µs, lock_max_retry: 8, lock_timeout: 9s }",
        ),
    ] {
        let sessions = format!("{:?}", world(keys).config.sessions);
        assert!(sessions.contains(expected), "{keys}{sessions}");
    }
}

#[test]
fn a_key_that_means_something_is_not_said_to_mean_nothing() {
    for (keys, said) in [
        ("memcached_namespace=x-\nmemcached_expire=60\n", None),
        (
            "memcached_expire=60\n",
            Some("`memcached_expire` means nothing without memcached_servers"),
        ),
        ("db_dsn=dbi:SQLite:dbname=@TMP@/db\ndb_user=x\n", None),
        (
            "db_user=x\n",
            Some("`db_user` means nothing without db_dsn"),
        ),
        ("ldap_host=localhost\nldap_port=1\n", None),
        (
            "ldap_port=1\n",
            Some("`ldap_port` means nothing without ldap_host"),
        ),
    ] {
        let findings = World::found(keys, PLUGIN, false);
        let mut found = findings
            .iter()
            .map(|finding| finding.trim_start_matches("warning: "));
        let found = found.find(|text| text.contains(" means nothing without "));
        assert_eq!(found, said, "{keys}{findings:?}");
    }
}
