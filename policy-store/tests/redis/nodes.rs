//! Nodes of a cluster that hang, end, or take the place of others.

use policy_store::{
    BreakerState, RedisOptions, RedisServers, RedisStore, Secret, Store, StoreError,
};

use crate::{
    cluster::{ask, key, state, store, three},
    suite::{self, LONG},
    support::{faults, redis as servers},
};

#[tokio::test]
async fn a_node_that_hangs_harms_no_key_of_the_others() {
    let (store, nodes) = three(faults::remote()).await;
    nodes[0].stop();
    let breakers = store.breakers();
    let others: Vec<_> = breakers
        .iter()
        .filter(|breaker| !breaker.name().ends_with(nodes[0].address()))
        .map(|breaker| (breaker.clone(), breaker.watch()))
        .collect();
    let others_answer = async || {
        for node in 1..3 {
            store.set(&key(node), b"after", LONG).await.unwrap();
        }
    };
    // Until its breaker is open, and then until the others know that it is away.
    let mut refused = 0;
    let is_known = suite::eventually(async || {
        others_answer().await;
        let error = faults::by_deadline(store.get(&key(0))).await.unwrap_err();
        let is_away = matches!(error, StoreError::Away(_));
        assert!(is_away || refused == 0, "{error:?}");
        refused += u32::from(is_away);
        let known: String = ask(&nodes[1], "CLUSTER NODES").await;
        refused > 0 && known.contains("master,fail ")
    });
    assert!(
        is_known.await,
        "the node is still asked, after {refused} refusals"
    );
    assert_ne!(state(&store, &nodes[0]), Some(BreakerState::Closed));
    for (breaker, watch) in others {
        assert_eq!(breaker.state(), BreakerState::Closed, "{breaker:?}");
        assert!(!watch.has_changed().unwrap(), "{breaker:?}");
    }

    // A store that is new meets it so.
    let new = self::store(&nodes, faults::remote());
    for node in 1..3 {
        let got = new.get(&key(node)).await.unwrap();
        assert_eq!(got.as_deref(), Some(&b"after"[..]));
    }

    nodes[0].go_on();
    let is_back = async || {
        others_answer().await;
        store.get(&key(0)).await.is_ok()
    };
    assert!(
        suite::eventually(is_back).await,
        "the node is not asked again"
    );
    assert_eq!(state(&store, &nodes[0]), Some(BreakerState::Closed));
    assert_eq!(store.breakers().len(), 3);
}

#[tokio::test]
async fn nodes_that_hang_are_not_waited_for_before_one_has_answered() {
    let nodes = servers::cluster();
    for node in &nodes {
        node.stop();
    }
    let store = store(&nodes, faults::remote());
    let is_refused = suite::eventually(async || {
        let error = faults::by_deadline(store.get(&key(0))).await.unwrap_err();
        matches!(error, StoreError::Away(_))
    });
    assert!(is_refused.await, "nodes that hang are asked each time");
    for node in &nodes {
        node.go_on();
    }
    let is_back = suite::eventually(async || store.set(&key(0), b"1", LONG).await.is_ok());
    assert!(is_back.await, "no node is asked again");
}

#[tokio::test]
async fn a_replica_that_takes_the_place_of_its_primary_is_written_to() {
    let (store, mut nodes) = three(faults::remote()).await;
    let replica = servers::node();
    let primary: String = ask(&nodes[0], "CLUSTER MYID").await;
    let meet = format!("CLUSTER MEET 127.0.0.1 {}", nodes[0].port());
    ask::<()>(&replica, &meet).await;
    let is_met = suite::eventually(async || {
        let known: String = ask(&replica, "CLUSTER NODES").await;
        known.lines().count() == 4 && known.matches(" connected").count() == 4
    });
    assert!(is_met.await, "the nodes do not know each other");
    ask::<()>(&replica, &format!("CLUSTER REPLICATE {primary}")).await;
    let is_known = suite::eventually(async || {
        let is_linked: String = ask(&replica, "INFO replication").await;
        let known: String = ask(&nodes[1], "CLUSTER NODES").await;
        is_linked.contains("master_link_status:up") && known.contains(" slave ")
    });
    assert!(is_known.await, "the replica has no primary");
    // The last node is not the one that was told of.
    assert_eq!(state(&store, &replica), None);

    nodes[0].kill();
    let is_written = suite::eventually(async || {
        // The cluster may have no majority for a moment.
        let _ = store.set(&key(1), b"after", LONG).await;
        store.set(&key(0), b"after", LONG).await.is_ok()
    });
    assert!(is_written.await, "nothing is written again");
    let is_followed = suite::eventually(async || {
        let _ = store.get(&key(0)).await;
        state(&store, &nodes[0]).is_none() && state(&store, &replica).is_some()
    });
    assert!(is_followed.await, "{:?}", store.breakers());
    assert_eq!(store.breakers().len(), 3);

    // It comes back as a replica, and nothing is asked of it.
    nodes[0].start_again();
    let is_replica = suite::eventually(async || {
        let info: String = ask(&nodes[0], "INFO replication").await;
        info.contains("role:slave")
    });
    assert!(is_replica.await, "it has no primary");
    for node in 0..3 {
        store.set(&key(node), b"later", LONG).await.unwrap();
    }
}

#[tokio::test]
async fn a_node_that_sees_no_other_is_away_until_it_does() {
    let (store, mut nodes) = three(faults::remote()).await;
    for node in &mut nodes[1..] {
        node.kill();
    }
    let is_away = suite::eventually(async || {
        let error = store.get(&key(0)).await.err();
        let is_said = error.is_some_and(|error| error.to_string().contains("the cluster is down"));
        is_said && state(&store, &nodes[0]) != Some(BreakerState::Closed)
    });
    assert!(is_away.await, "{:?}", store.breakers());
    for node in &mut nodes[1..] {
        node.start_again();
    }
    let is_back = suite::eventually(async || {
        let mut all = true;
        for node in 0..3 {
            all &= store.get(&key(node)).await.is_ok();
        }
        all
    });
    assert!(is_back.await, "{:?}", store.breakers());
}

#[tokio::test]
async fn the_nodes_that_are_found_are_logged_in_to() {
    let (_, nodes) = three(suite::patient()).await;
    for node in &nodes {
        ask::<()>(node, "CONFIG SET requirepass geheim-7").await;
    }
    let addresses = vec![nodes[0].address().to_owned()];
    let mut options = RedisOptions::new(RedisServers::Cluster(addresses));
    options.remote = suite::patient();
    for (password, is_right) in [
        (None, false),
        (Some("geheim-8"), false),
        (Some("geheim-7"), true),
    ] {
        options.password = password.map(Secret::from);
        let store = RedisStore::new(options.clone()).unwrap();
        for node in 0..3 {
            let result = store.get(&key(node)).await;
            let shown = format!("{result:?} {store:?} {:?}", store.breakers());
            assert!(!shown.contains("geheim"), "{shown}");
            match result {
                Ok(got) => assert!(is_right && got.is_some()),
                Err(error) => {
                    let is_refused = matches!(error, StoreError::Login(_) | StoreError::Away(_));
                    assert!(!is_right && is_refused, "{error:?}");
                }
            }
        }
    }
}

#[test]
fn a_cluster_without_a_server_is_refused() {
    for addresses in [vec![], vec!["redis://user:geheim@host".to_owned()]] {
        let error = RedisStore::new(RedisOptions::new(RedisServers::Cluster(addresses)));
        let error = error.unwrap_err();
        assert!(matches!(error, StoreError::Refused(_)), "{error:?}");
        assert!(!error.to_string().contains("geheim"), "{error}");
    }
}
