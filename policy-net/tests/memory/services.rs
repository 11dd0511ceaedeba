//! Services whose answers share a budget: none is to blame for want of it, and none has all of it.

use policy_ha::Preference;
use policy_net::{AttemptError, Client, MemoryBudget, Upstream, UpstreamOptions};
use tokio::{
    io::{AsyncWriteExt, duplex},
    task::JoinSet,
};

use crate::{
    SMALL,
    support::{Manner, Server, errors, is_up, request, s, upstream},
    world::quiet,
};

/// A server that answers so, as the one service there is, and with this budget.
fn service(manner: Manner, budget: &MemoryBudget) -> (Server, Upstream<Server>) {
    let server = Server::new(manner);
    let mut options = UpstreamOptions::default();
    options.pool.memory = Some(budget.clone());
    let upstream = upstream(options, s(5), &[&server]);
    (server, upstream)
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
async fn a_service_whose_answer_has_waited_for_memory_is_not_to_blame() {
    // Over a new connection, and over one that was kept.
    for is_kept in [false, true] {
        let budget = MemoryBudget::new(SMALL);
        let (near, mut far) = duplex(1 << 20);
        let mut holder = Client::new(near).with_memory(budget.clone());
        far.write_all(endless(50_000)).await.unwrap();
        let held = tokio::spawn(async move { holder.ask(&request("held")).await });
        quiet().await;

        let (server, upstream) = service(Manner::Says(b"action=DUNNO\n\n"), &budget);
        if is_kept {
            let asked = request("a");
            let asked = upstream.ask(&asked, None, |_| {}).await;
            asked.unwrap();
        }
        server.becomes(Manner::Says(long(2_000)));
        let asked = request("b");
        let failed = upstream.ask(&asked, None, |_| {}).await;
        let failed = failed.unwrap_err();
        assert!(
            matches!(errors(&failed)[..], [AttemptError::NoMemory]),
            "{failed:?}"
        );
        assert!(is_up(&upstream, upstream.ids()[0]));
        assert_eq!(server.connects(), 1);

        held.abort();
        quiet().await;
        let answer = upstream.ask(&asked, None, |_| {}).await;
        assert_eq!(answer.unwrap().response.as_bytes().len(), 2_000);
    }
}

#[tokio::test(start_paused = true)]
async fn answers_of_one_service_that_do_not_end_leave_the_others_their_half() {
    let budget = MemoryBudget::new(2 * SMALL);
    let (evil_server, evil) = service(Manner::Says(endless(100_000)), &budget);
    let (_good_server, good) = service(Manner::Says(long(16_000)), &budget);
    let mut evils = JoinSet::new();
    for mark in 0..20 {
        let evil = evil.clone();
        evils.spawn(async move {
            let asked = request(mark);
            evil.ask(&asked, None, |_| {}).await.is_err()
        });
    }
    evil_server.until_open(20).await;
    quiet().await;
    assert_eq!(budget.waiting(), 19);
    for mark in 0..5 {
        let asked = request(mark);
        let answer = good.ask(&asked, None, |_| {}).await.unwrap();
        assert_eq!(answer.response.as_bytes().len(), 16_000);
        assert_eq!(budget.waiting(), 19);
    }
    assert!(is_up(&good, good.ids().next().unwrap()));
    assert!(evils.join_all().await.into_iter().all(|failed| failed));
    assert!(
        !is_up(&evil, evil.ids().next().unwrap()),
        "who had memory has not answered"
    );
    assert_eq!((budget.in_use(), budget.waiting()), (0, 0));
}
