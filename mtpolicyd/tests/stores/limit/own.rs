//! Limits of single users and of classes.

use super::{FRAME, Frame};

/// A user with `0/1h` is denied at once, one with `1/1h` at the second mail, and so on.
const DENIED: &str = "reject over";

/// How many mails pass before one is denied, at most 4.
async fn passed(world: &super::super::world::World, changes: &str) -> usize {
    for count in 0..4 {
        let instance = format!("{changes}{count}");
        let request = format!("instance={} {changes}", instance.replace([' ', '='], "."));
        if world.ask(&request).await == DENIED {
            return count;
        }
    }
    4
}

const ALWAYS: &str = "limits=1/1h\ncount_at=RCPT\naction=\"reject over\"";

#[tokio::test]
async fn a_class_has_its_members_and_their_limits() {
    let classes = "<Class news>\nmembers=\"news@x, @lists.example\"\nlimits=3/1h\n</Class>\n\
        <Class net>\nmembers=192.0.2.0/24\nlimits=2/1h\n</Class>\n\
        <Class free>\nmembers=free@x\nlimits=unlimited\n</Class>";
    let world = FRAME.world(&format!("{ALWAYS}\n{classes}")).await;
    for (changes, expected) in [
        ("sender=a@x", 1),
        ("sender=news@x", 3),
        ("sender=any@lists.example", 3),
        ("sender=b@x client_address=192.0.2.1", 2),
        ("sender=free@x", 4),
        // The first class of which somebody is a member.
        ("sender=news@lists.example client_address=192.0.2.1", 3),
    ] {
        assert_eq!(passed(&world, changes).await, expected, "{changes}");
    }
}

#[tokio::test]
async fn a_user_has_limits_in_a_file_a_database_or_a_store() {
    let classes = "<Class two>\nlimits=2/1h\n</Class>\n";
    let frame = Frame {
        sql: &[
            "CREATE TABLE users (login TEXT, limits TEXT)",
            "INSERT INTO users VALUES ('three@x', '3/1h'), ('two@x', 'two'), ('free@x', 'unlimited'), \
            ('null@x', NULL), ('empty@x', ''), ('bad@x', '3 an hour'), ('file@x', '3/1h')",
        ],
        ..FRAME
    };
    for (name, parameters) in [
        ("a file", "limits_file=texthash:@TMP@/users"),
        (
            "a database",
            "limits_query=\"SELECT limits FROM users WHERE login=?\"",
        ),
        (
            "another database",
            "limits_db=db\nlimits_query=\"SELECT limits FROM users WHERE login=?\"",
        ),
        ("a store", "limits_store=db"),
        (
            "a store with another prefix",
            "limits_store=db\nlimits_prefix=u/",
        ),
    ] {
        let world = frame
            .world(&format!("{ALWAYS}\n{classes}{parameters}"))
            .await;
        let text = "three@x 3/1h\ntwo@x two\nfree@x unlimited\nbad@x 3 an hour\n";
        std::fs::write(world.path("users"), text).unwrap();
        let store = world.config.connections.store("db").unwrap();
        let store = store.get().await.unwrap();
        for line in text.lines() {
            let (user, limits) = line.split_once(' ').unwrap();
            for prefix in ["limits:", "u/"] {
                let key = format!("{prefix}{user}");
                let set = store.set(key.as_bytes(), limits.as_bytes(), None);
                set.await.unwrap();
            }
        }
        for (changes, expected) in [
            ("sender=other@x", 1),
            ("sender=three@x", 3),
            ("sender=two@x", 2),
            ("sender=free@x", 4),
            ("sender=null@x", 1),
            ("sender=empty@x", 1),
            ("sender=bad@x", 1),
        ] {
            assert_eq!(passed(&world, changes).await, expected, "{name}: {changes}");
        }
        let log = world.log();
        assert!(log.contains("limits of sender=bad@x: "), "{name}: {log}");
    }
}

#[tokio::test]
async fn a_file_comes_before_a_database_and_a_user_before_a_class() {
    let frame = Frame {
        sql: &[
            "CREATE TABLE users (login TEXT, limits TEXT)",
            "INSERT INTO users VALUES ('a@x', '3/1h'), ('b@x', '3/1h')",
        ],
        ..FRAME
    };
    let world = frame
        .world(&format!(
            "{ALWAYS}\nlimits_file=@TMP@/users\nlimits_query=\"SELECT limits FROM users WHERE login=?\"\n\
            <Class all>\nmembers=@x\nlimits=0/1h\n</Class>"
        ))
        .await;
    std::fs::write(world.path("users"), "a@x 2/1h\n").unwrap();
    for (changes, expected) in [("sender=a@x", 2), ("sender=b@x", 3), ("sender=c@x", 0)] {
        assert_eq!(passed(&world, changes).await, expected, "{changes}");
    }
}

#[tokio::test]
async fn what_was_looked_up_is_kept_for_a_while_or_not() {
    let frame = Frame {
        sql: &[
            "CREATE TABLE users (login TEXT, limits TEXT)",
            "INSERT INTO users VALUES ('a@x', '0/1h')",
        ],
        ..FRAME
    };
    for (cache, expected) in [("", DENIED), ("limits_cache=0", super::PASSED)] {
        let query = "limits_query=\"SELECT limits FROM users WHERE login=?\"";
        let world = frame.world(&format!("{ALWAYS}\n{query}\n{cache}")).await;
        assert_eq!(world.ask("instance=1 sender=a@x").await, DENIED);
        world.execute("UPDATE users SET limits='5/1h'").await;
        assert_eq!(
            world.ask("instance=2 sender=a@x").await,
            expected,
            "{cache}"
        );
    }
}

#[tokio::test]
async fn where_nothing_can_be_looked_up_the_limits_of_everybody_hold() {
    for parameters in [
        "limits_query=\"SELECT limits FROM nowhere WHERE login=?\"",
        "limits_file=@TMP@/missing",
    ] {
        let world = FRAME.world(&format!("{ALWAYS}\n{parameters}")).await;
        assert_eq!(passed(&world, "sender=a@x").await, 1, "{parameters}");
        let log = world.log();
        assert!(log.contains("limits of sender=a@x: "), "{log}");
    }
}

#[tokio::test]
async fn a_text_that_is_empty_and_a_server_behind_a_file_are_no_errors() {
    let frame = Frame {
        sql: &[
            "CREATE TABLE users (login TEXT, limits TEXT)",
            "INSERT INTO users VALUES ('empty@x', ' ')",
        ],
        ..FRAME
    };
    for parameters in [
        "limits_query=\"SELECT limits FROM users WHERE login=?\"",
        "limits_file=@TMP@/users\nlimits_query=\"SELECT limits FROM nowhere WHERE login=?\"",
    ] {
        let world = frame.world(&format!("{ALWAYS}\n{parameters}")).await;
        std::fs::write(world.path("users"), "empty@x 1/1h\n").unwrap();
        assert_eq!(passed(&world, "sender=empty@x").await, 1, "{parameters}");
        assert_eq!(world.log(), "", "{parameters}");
    }
}
