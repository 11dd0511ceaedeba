//! Sessions and their locks.

use std::time::Duration;

use mtpolicyd::session::SessionError;
use tokio::time::{Instant, advance, sleep};

use super::{hosts::pass_on_a_session, world::World};

fn world(parameters: &str) -> World {
    let connections = format!("<SessionCache>\nmodule=Memory\n{parameters}</SessionCache>\n");
    World::new(
        &connections,
        "<Plugin a>\nmodule=Action\naction=ok\n</Plugin>\n",
    )
}

#[tokio::test(start_paused = true)]
async fn a_session_is_kept_for_as_long_as_expire_says() {
    let world = world("expire=60\n");
    let sessions = &world.config.sessions;
    for (after, expected) in [(0, None), (59, Some("yes")), (59, Some("yes")), (61, None)] {
        advance(Duration::from_secs(after)).await;
        let mut held = sessions.open(Some("1")).await.unwrap();
        assert_eq!(held.session.get("mark"), expected, "after {after} s");
        held.session.set("mark", "yes");
        sessions.close(held).await.unwrap();
    }
}

#[tokio::test]
async fn without_an_instance_nothing_is_kept() {
    let world = world("");
    let sessions = &world.config.sessions;
    for instance in [None, Some("")] {
        for _ in 0..2 {
            let mut held = sessions.open(instance).await.unwrap();
            assert_eq!(held.session.get("mark"), None, "{instance:?}");
            held.session.set("mark", "yes");
            sessions.close(held).await.unwrap();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_lock_is_waited_for_until_the_tries_are_over() {
    let world = world("");
    let sessions = &world.config.sessions;
    let held = sessions.open(Some("1")).await.unwrap();
    let busy = sessions.open(Some("1")).await;
    assert!(matches!(busy, Err(SessionError::Busy(_))), "{busy:?}");
    let later = async {
        sleep(Duration::from_millis(1)).await;
        sessions.close(held).await.unwrap();
    };
    let (waited, ()) = tokio::join!(sessions.open(Some("1")), later);
    waited.unwrap();
}

#[tokio::test(start_paused = true)]
async fn how_often_and_how_long_a_lock_is_waited_for_can_be_set() {
    // One try less than it says, and after each a pause of one unit more: 1 + 2 + 3 s.
    for (parameters, seconds) in [
        ("lock_wait=1000000\nlock_max_retry=4\n", 6),
        ("lock_wait=2000000\nlock_max_retry=4\n", 12),
        ("lock_wait=1000000\nlock_max_retry=3\n", 3),
    ] {
        let world = world(&format!("lock_timeout=3600\n{parameters}"));
        let sessions = &world.config.sessions;
        let _held = sessions.open(Some("1")).await.unwrap();
        let begin = Instant::now();
        let busy = sessions.open(Some("1")).await;
        assert!(matches!(busy, Err(SessionError::Busy(_))), "{busy:?}");
        assert_eq!(begin.elapsed().as_secs(), seconds, "{parameters}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_lock_is_anybody_s_after_lock_timeout() {
    let world = world("lock_timeout=60\n");
    let sessions = &world.config.sessions;
    let _held = sessions.open(Some("1")).await.unwrap();
    for (after, is_busy) in [(0, true), (59, true), (1, false)] {
        advance(Duration::from_secs(after)).await;
        let opened = sessions.open(Some("1")).await;
        let found = matches!(opened, Err(SessionError::Busy(_)));
        assert_eq!(found, is_busy, "{after} s later");
    }
}

#[tokio::test]
async fn a_database_keeps_sessions_for_two_hosts() {
    let connections = "<Connection other>\nmodule=Sql\ndsn=dbi:SQLite:dbname=@TMP@/db\n</Connection>\n\
        <SessionCache>\nmodule=Sql\ndb=other\n</SessionCache>\n";
    let plugins = "<Plugin a>\nmodule=Action\naction=ok\n</Plugin>\n";
    let one = World::new(connections, plugins);
    let path = one.directory.path().display().to_string();
    let other = World::new(&connections.replace("@TMP@", &path), plugins);
    pass_on_a_session([&one, &other]).await;
}

#[tokio::test(start_paused = true)]
async fn a_session_that_is_too_large_gives_its_lock_back() {
    let world = world("");
    let sessions = &world.config.sessions;
    let mut held = sessions.open(Some("1")).await.unwrap();
    for number in 0..100 {
        held.session.set(&format!("f{number}"), "x".repeat(100_000));
    }
    sessions.close(held).await.unwrap_err();
    sessions.open(Some("1")).await.unwrap();
}
