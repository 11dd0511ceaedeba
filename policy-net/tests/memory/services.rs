//! Backends whose answers share memory: none is to blame for want of it, and none has all of it.

use policy_ha::Mode;
use policy_net::{AttemptError, BackendConfig, Slot, Upstream, UpstreamOptions};
use policy_testing::pipe::{Manner, Server, errors, is_up, request, s};
use tokio::task::JoinSet;

use crate::world::quiet;

/// What one answer takes that is larger than usual.
const LARGE: usize = (128 + 16) << 10;

/// Two servers, of which the first has a minute for an answer, and this memory.
fn two(manners: [Manner; 2], memory: usize) -> ([Server; 2], Upstream<Server>, [Slot; 2]) {
    let servers = manners.map(Server::new);
    let mut options = UpstreamOptions::default();
    options.memory = Some(memory);
    let backends = (10..).zip(&servers).zip([s(60), s(5)]);
    let backends = backends.map(|((priority, server), timeout)| {
        BackendConfig::new(server.name(), server.clone())
            .priority(priority)
            .timeout(timeout)
    });
    let upstream = Upstream::new(options, backends).unwrap();
    let ids = [upstream.ids()[0], upstream.ids()[1]];
    (servers, upstream, ids)
}

/// An answer of so many bytes.
fn long(length: usize) -> &'static [u8] {
    format!("action={}\n\n", "x".repeat(length))
        .leak()
        .as_bytes()
}

/// What goes on for so long, and has no end.
fn endless(length: usize) -> &'static [u8] {
    "note=and so on\n".repeat(length / 15).leak().as_bytes()
}

#[tokio::test(start_paused = true)]
async fn a_backend_whose_answer_has_waited_for_memory_is_not_to_blame() {
    // Over a new connection, and over one that was kept.
    for is_kept in [false, true] {
        let manners = [Manner::Says(endless(50_000)), Manner::Answers];
        let ([_, server], upstream, [holder, other]) = two(manners, 1);
        if is_kept {
            upstream.set_mode(holder, Mode::Disabled);
            let asked = request("kept");
            upstream.ask(&asked).await.unwrap();
            upstream.set_mode(holder, Mode::Enabled);
        }
        let held = tokio::spawn({
            let upstream = upstream.clone();
            async move { upstream.ask(&request("held")).await.is_ok() }
        });
        quiet().await;
        upstream.set_mode(holder, Mode::Disabled);

        server.becomes(Manner::Says(long(2_000)));
        let asked = request("b");
        let failed = upstream.ask(&asked).await.unwrap_err();
        assert!(
            matches!(errors(&failed)[..], [AttemptError::NoMemory]),
            "{failed:?}"
        );
        assert!(is_up(&upstream, other));
        assert_eq!(server.connects(), 1);

        held.abort();
        quiet().await;
        let answer = upstream.ask(&asked).await;
        assert_eq!(answer.unwrap().response.as_bytes().len(), 2_000);
    }
}

#[tokio::test(start_paused = true)]
async fn answers_of_one_backend_that_do_not_end_leave_the_others_their_half() {
    let manners = [Manner::Says(endless(100_000)), Manner::Says(long(16_000))];
    let ([evil, _], upstream, [first, second]) = two(manners, 4 * LARGE);
    let mut evils = JoinSet::new();
    for mark in 0..20 {
        let upstream = upstream.clone();
        evils.spawn(async move {
            let asked = request(mark);
            upstream.ask(&asked).await.unwrap().backend
        });
    }
    evil.until_open(20).await;
    quiet().await;
    upstream.set_mode(first, Mode::Disabled);
    for mark in 0..5 {
        let asked = request(mark);
        let answer = upstream.ask(&asked).await.unwrap();
        assert_eq!(answer.response.as_bytes().len(), 16_000);
    }
    assert!(is_up(&upstream, second));
    assert!(evils.join_all().await.into_iter().all(|by| by == second));
    assert!(!is_up(&upstream, first), "who had memory has not answered");
}
