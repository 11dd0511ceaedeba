//! Policy servers made of pipes, well-behaved and not, and how tests ask them.

mod manner;
pub use manner::Manner;

mod server;
pub use server::Server;

use std::{fmt::Display, time::Duration};

use policy_net::{
    Answer, AttemptError, BackendConfig, Exhausted, Slot, Status, Upstream, UpstreamOptions,
};
use policy_proto::{Request, attr};
use tokio::time::Instant;

/// One server by this name, for requests of 10 s at most.
pub fn backend(server: &Server, name: &str) -> BackendConfig<Server> {
    BackendConfig::new(name, server.clone())
}

/// A request that can be told from all others, and so can its answer.
pub fn request(mark: impl Display) -> Request {
    Request::from_attributes([
        (attr::REQUEST, attr::SMTPD_ACCESS_POLICY),
        (attr::INSTANCE, &mark.to_string()),
    ])
    .unwrap()
}

pub fn mark_of(request: &Request) -> String {
    let mark = request.get(attr::INSTANCE).unwrap_or_default();
    String::from_utf8_lossy(mark).into_owned()
}

/// These servers, to be asked in this order while they are up.
pub fn upstream(
    options: UpstreamOptions,
    timeout: Duration,
    servers: &[&Server],
) -> Upstream<Server> {
    upstream_of(
        options,
        timeout,
        servers.iter().map(|&server| (server, None)),
    )
}

/// The same, each with the actions that it may answer with.
pub fn upstream_of<'a>(
    options: UpstreamOptions,
    timeout: Duration,
    servers: impl IntoIterator<Item = (&'a Server, Option<&'a str>)>,
) -> Upstream<Server> {
    upstream_keeping(s(60), options, timeout, servers)
}

/// The same, with connections that are kept for this time.
pub fn upstream_keeping<'a>(
    keep: Duration,
    options: UpstreamOptions,
    timeout: Duration,
    servers: impl IntoIterator<Item = (&'a Server, Option<&'a str>)>,
) -> Upstream<Server> {
    let backends = (10..).zip(servers).map(|(priority, (server, accepts))| {
        let backend = backend(server, &format!("mx{priority}"))
            .priority(priority)
            .timeout(timeout)
            .keep(keep);
        match accepts {
            Some(list) => backend.accepts(list.parse().unwrap()),
            None => backend,
        }
    });
    Upstream::new(options, backends).unwrap()
}

/// As hapolicy runs under spawn(8): a time-out per service covers all, nothing is kept.
pub fn drop_in(timeout: Duration, servers: &[&Server]) -> Upstream<Server> {
    let mut options = UpstreamOptions::default();
    options.connect = None;
    let servers = servers.iter().map(|&server| (server, None));
    upstream_keeping(Duration::ZERO, options, timeout, servers)
}

/// Who answered, after checking that the answer is this request's own.
pub async fn ask(upstream: &Upstream<Server>, mark: impl Display) -> Result<usize, Exhausted> {
    let answer = upstream.ask(&request(&mark)).await?;
    let Answer {
        backend, response, ..
    } = answer;
    assert_eq!(response.as_bytes(), mark.to_string().as_bytes());
    Ok(backend.index())
}

/// What `work` came to, and how long it took on the paused clock: to the millisecond, the unit of
/// tokio's timers.
pub async fn timed<T>(work: impl Future<Output = T>) -> (T, Duration) {
    let begin = Instant::now();
    let done = work.await;
    let took = begin.elapsed().as_micros().div_ceil(1000);
    (done, ms(u64::try_from(took).unwrap()))
}

/// The errors of all attempts, in order.
pub fn errors(exhausted: &Exhausted) -> Vec<&AttemptError> {
    exhausted
        .attempts
        .iter()
        .map(|attempt| &attempt.error)
        .collect()
}

pub fn is_up(upstream: &Upstream<Server>, backend: Slot) -> bool {
    upstream.status(backend) == Some(Status::Up)
}

pub fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}
