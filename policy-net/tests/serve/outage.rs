//! A whole chain: clients, a proxy, and services of which one dies and comes back.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::SeqCst},
};

use policy_ha::Config;
use policy_net::{
    BackendConfig, Client, Connector, Endpoint, ServeOptions, Upstream, UpstreamOptions,
};
use policy_testing::pipe::{ms, request, s};
use tokio::{sync::watch, task::JoinSet};

use crate::{Server, echo, tcp};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_request_gets_its_own_answer_while_a_service_dies_and_comes_back() {
    const CLIENTS: usize = 100;
    const REQUESTS: usize = 150;
    const ALL: usize = CLIENTS * REQUESTS;

    let counts = [(); 2].map(|()| Arc::new(AtomicUsize::new(0)));
    let backend = |endpoint: Endpoint, index: usize| {
        let count = Arc::clone(&counts[index]);
        async move {
            Server::start(&endpoint, ServeOptions::default(), move |request| {
                count.fetch_add(1, SeqCst);
                async move { echo(request) }
            })
            .await
        }
    };
    let first = backend(tcp(), 0).await;
    let second = backend(tcp(), 1).await;
    let mut options = UpstreamOptions::default();
    options.balancer = Config::default()
        .with_min_backoff(ms(5))
        .with_max_backoff(ms(5));
    let services = [&first, &second].map(|server| {
        let connector = Connector::new(server.endpoint.clone());
        BackendConfig::new(server.endpoint.to_string(), connector)
    });
    let upstream = Upstream::new(options, services).unwrap();
    let proxy = Server::start(&tcp(), ServeOptions::default(), move |request| {
        let upstream = upstream.clone();
        async move {
            let answer = upstream.ask(&request).await?;
            Ok(answer.response)
        }
    })
    .await;

    let (progress, mut done) = watch::channel(0);
    let progress = Arc::new(progress);
    let mut clients = JoinSet::new();
    for client in 0..CLIENTS {
        let (endpoint, progress) = (proxy.endpoint.clone(), Arc::clone(&progress));
        clients.spawn(async move {
            let io = Connector::new(endpoint).connect(s(10)).await.unwrap();
            let mut io = Client::new(io);
            for number in 0..REQUESTS {
                let mark = format!("{client}.{number}");
                let answer = io.ask(&request(&mark)).await.unwrap();
                assert_eq!(answer.as_str(), Some(&mark[..]));
                assert!(io.settle().await);
                progress.send_modify(|done| *done += 1);
            }
        });
    }

    done.wait_for(|done| *done >= ALL * 3 / 10).await.unwrap();
    let endpoint = first.endpoint.clone();
    first.task.abort();
    assert!(first.task.await.unwrap_err().is_cancelled());
    let before = counts.each_ref().map(|count| count.load(SeqCst));
    done.wait_for(|done| *done >= ALL * 6 / 10).await.unwrap();
    let halfway = counts.each_ref().map(|count| count.load(SeqCst));
    let _first = backend(endpoint, 0).await;
    while let Some(client) = clients.join_next().await {
        client.unwrap();
    }
    let after = counts.each_ref().map(|count| count.load(SeqCst));

    assert_eq!(*done.borrow(), ALL);
    assert!(before.iter().all(|count| *count > ALL / 10), "{before:?}");
    assert!(
        after[0] - halfway[0] > ALL / 10 && after[1] - halfway[1] > ALL / 10,
        "{halfway:?} {after:?}"
    );
}
