//! The search for the primary that most sentinels name, and that says of itself that it is one.
//!
//! All sentinels are asked at once: one that hangs would otherwise cost each search its deadline.

use std::{collections::HashMap, io, time::Duration};

use redis::{ConnectionAddr, ConnectionInfo, aio::MultiplexedConnection};
use tokio::{task::JoinSet, time::timeout};

use super::{error::error, open::open};
use crate::{StoreError, shared::Driven};

/// Connects to the primary; `wait` bounds the question to the sentinels, and each try to connect.
pub(super) async fn connect_primary(
    sentinels: &[ConnectionInfo],
    service: &str,
    server: impl Fn(ConnectionAddr) -> Result<ConnectionInfo, StoreError>,
    wait: Duration,
) -> Result<Driven<MultiplexedConnection>, StoreError> {
    let mut last = StoreError::NotServing(format!("no sentinel names a primary of `{service}`"));
    for address in named(sentinels, service, wait).await {
        let (host, port) = &address;
        let info = server(ConnectionAddr::Tcp(host.clone(), *port))?;
        let tried = timeout(wait, connect_if_primary(info, wait)).await;
        match tried.unwrap_or_else(|_| Err(io::Error::from(io::ErrorKind::TimedOut).into())) {
            Ok(connection) => return Ok(connection),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// The addresses that sentinels name, those that most name first.
async fn named(sentinels: &[ConnectionInfo], service: &str, wait: Duration) -> Vec<(String, u16)> {
    let mut questions = JoinSet::new();
    for sentinel in sentinels {
        let (sentinel, service) = (sentinel.clone(), service.to_owned());
        questions.spawn(async move { timeout(wait, ask(sentinel, &service, wait)).await });
    }
    let mut votes = HashMap::new();
    while let Some(answer) = questions.join_next().await {
        if let Ok(Ok(Ok(Some(address)))) = answer {
            *votes.entry(address).or_insert(0_u32) += 1;
        }
    }
    let mut votes: Vec<_> = votes.into_iter().collect();
    votes.sort_by(|(one, more), (other, less)| less.cmp(more).then_with(|| one.cmp(other)));
    votes.into_iter().map(|(address, _)| address).collect()
}

async fn ask(
    sentinel: ConnectionInfo,
    service: &str,
    wait: Duration,
) -> Result<Option<(String, u16)>, StoreError> {
    let mut sentinel = open(sentinel, wait).await?;
    let mut question = redis::cmd("SENTINEL");
    question.arg("get-master-addr-by-name").arg(service);
    question
        .query_async(&mut sentinel.connection)
        .await
        .map_err(error)
}

async fn connect_if_primary(
    server: ConnectionInfo,
    wait: Duration,
) -> Result<Driven<MultiplexedConnection>, StoreError> {
    let mut server = open(server, wait).await?;
    let role: Vec<redis::Value> = redis::cmd("ROLE")
        .query_async(&mut server.connection)
        .await
        .map_err(error)?;
    let role = role
        .into_iter()
        .next()
        .and_then(|role| redis::from_redis_value(role).ok());
    match role {
        Some(role) if role == "master" => Ok(server),
        role => {
            let role: String = role.unwrap_or_default();
            Err(StoreError::NotServing(format!(
                "the primary that sentinels name is a {role}"
            )))
        }
    }
}
