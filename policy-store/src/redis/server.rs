//! One server, or the one that sentinels name: its connection and its breaker.

use std::sync::Arc;

use redis::{FromRedisValue, cmd};

use super::{
    RedisOptions,
    job::Job,
    link::{Link, info, login, login_as},
};
use crate::{Breaker, Secret, StoreError, address::Address, guard::Guard};

const PORT: u16 = 6379;
const SENTINEL_PORT: u16 = 26379;

#[derive(Debug)]
pub(super) struct Server {
    link: Arc<Link>,
    guard: Arc<Guard>,
}

impl Server {
    pub(super) fn at(text: &str, options: &RedisOptions) -> Result<Self, StoreError> {
        let settings = login(options).set_db(options.database.into());
        let link = Link::to(address(text)?, settings, options.remote.deadline);
        Ok(Self::new(format!("redis {text}"), link, options))
    }

    pub(super) fn named(
        service: &str,
        sentinels: &[String],
        password: Option<&Secret>,
        options: &RedisOptions,
    ) -> Result<Self, StoreError> {
        let login_there = login_as(None, password);
        let sentinel = |text: &String| {
            let address = Address::parse(text, SENTINEL_PORT)?;
            info(address.into(), &login_there)
        };
        let sentinels: Result<Vec<_>, _> = sentinels.iter().map(sentinel).collect();
        let settings = login(options).set_db(options.database.into());
        let deadline = options.remote.deadline;
        let link = Link::named(sentinels?, service.to_owned(), settings, deadline);
        Ok(Self::new(
            format!("redis sentinel {service}"),
            link,
            options,
        ))
    }

    fn new(name: String, link: Link, options: &RedisOptions) -> Self {
        let link = Arc::new(link);
        let for_probe = link.clone();
        let probe = move || {
            let link = for_probe.clone();
            Box::pin(async move { link.ask::<()>(Job::command(&cmd("PING"))).await }) as _
        };
        let guard = Guard::new(name, options.remote.clone(), Box::new(probe));
        Self { link, guard }
    }

    pub(super) async fn run<T: FromRedisValue>(&self, job: Job<'_>) -> Result<T, StoreError> {
        self.guard.call(self.link.ask(job)).await
    }

    pub(super) fn breaker(&self) -> &Breaker {
        self.guard.breaker()
    }
}

pub(super) fn address(text: &str) -> Result<Address, StoreError> {
    Address::parse(text, PORT)
}
