//! `policy-client tap`: sits between Postfix and a policy server, and shows and records what passes.

use std::{
    fs,
    io::ErrorKind,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use clap::Args;
use policy_daemon::{ListenAddr, ListenSocket};
use policy_net::{Connector, Endpoint, Listener, ServeOptions, UnixListener, accept};
use tokio::net::TcpListener;

mod anonymise;
mod describe;
mod forward;
mod observer;
mod requests;
mod writer;

use anonymise::Anonymiser;
use forward::forward;
use observer::Observer;
use writer::{Settings, Writer};

use crate::{
    status::note::complain,
    status::{Status, fail, interrupted},
    values::{number, server, some_time},
};

/// Sits between Postfix and a policy server, and shows the requests and answers that pass.
///
/// All bytes are forwarded as they come; what is no request or no answer is forwarded, too, and a line says so. A line per
/// request tells the seconds since the first one, the number of the connection, the stage, who sends to whom, the answer
/// and its time. What cannot be shown or recorded in time is counted, since a slow terminal or disk must not delay an
/// answer.
///
/// It prints where it listens first. SIGINT and SIGTERM end it once the requests under way are answered, after two seconds
/// at most.
#[derive(Args, Debug)]
pub(crate) struct Tap {
    /// Where to listen.
    #[arg(
        help = "inet:host:port, or unix:/path[,mode=0660][,owner=USER][,group=GROUP]; port 0 is chosen"
    )]
    listen: String,
    /// The policy server.
    #[arg(help = "inet:host:port, host:port, [v6]:port or unix:/path")]
    upstream: String,
    /// How long a connection to the policy server may take
    #[arg(long, default_value = "10s", value_parser = some_time)]
    timeout: Duration,
    /// Connections at once; others wait
    #[arg(long, value_name = "NUMBER", default_value_t = 100, value_parser = number::<usize>(1..=u64::MAX))]
    max_connections: usize,
    /// Record requests and answers in this new file, for replay
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
    /// Replace addresses and names in what is shown and recorded, the same ones always by the same ones
    ///
    /// Addresses keep their networks, names their domains and last labels, and mail addresses their extensions apart.
    /// Loopback addresses stay. What is forwarded is left alone.
    #[arg(long)]
    anonymise: bool,
    /// The secret of --anonymise, so that several runs replace alike; without it each has its own
    #[arg(long, value_name = "FILE", requires = "anonymise")]
    key_file: Option<PathBuf>,
    /// Print an object per request
    #[arg(long)]
    json: bool,
    /// Show all attributes of each request
    #[arg(short, long)]
    verbose: bool,
    /// Show no requests
    #[arg(short, long, conflicts_with = "verbose")]
    quiet: bool,
}

impl Tap {
    pub(crate) async fn run(self) -> ExitCode {
        let wrong = |text: &str, error: &dyn std::fmt::Display| {
            fail(&format!("{text}: {error}"), Status::Usage)
        };
        let listen: ListenAddr = match self.listen.parse() {
            Ok(listen) => listen,
            Err(error) => return wrong(&self.listen, &error),
        };
        let upstream = match server(&self.upstream) {
            Ok(upstream) => upstream,
            Err(error) => return fail(&error, Status::Usage),
        };
        let anonymiser = match self.anonymiser() {
            Ok(anonymiser) => anonymiser,
            Err((text, status)) => return fail(&text, status),
        };
        let shutdown = match interrupted() {
            Ok(interrupted) => interrupted,
            Err(error) => {
                return fail(&format!("cannot wait for signals: {error}"), Status::System);
            }
        };
        let (bound, listener) = match bind(&listen) {
            Ok(bound) => bound,
            Err(error) => {
                let text = format!("cannot listen on {}: {error}", self.listen);
                return fail(&text, Status::System);
            }
        };
        let endpoint = listener
            .endpoint()
            .ok()
            .map(|endpoint| endpoint.to_string());
        let settings = Settings {
            json: self.json,
            is_verbose: self.verbose,
            is_quiet: self.quiet,
            anonymiser,
        };
        let writer = match Writer::start(settings, self.record.as_deref(), endpoint) {
            Ok(writer) => writer,
            Err((text, status)) => return fail(&text, status),
        };
        let mut options = ServeOptions::default();
        options.max_connections = self.max_connections;
        options.drain = forward::DRAIN + Duration::from_secs(1);
        let connector = Arc::new(Connector::new(upstream));
        let connection = |client, peer: policy_net::Peer, drain| {
            let observer = Observer::new(peer.connection(), writer.sink(), self.anonymise);
            forward(
                client,
                Arc::clone(&connector),
                self.timeout,
                observer,
                drain,
            )
        };
        // Nobody who connects from then on would be served.
        let shutdown = async move {
            shutdown.await;
            drop(bound);
        };
        accept(listener, &options, connection, shutdown).await;
        writer.end().into()
    }

    fn anonymiser(&self) -> Result<Option<Anonymiser>, (String, Status)> {
        if !self.anonymise {
            return Ok(None);
        }
        let anonymiser = match &self.key_file {
            Some(path) => {
                warn_of_readers(path);
                Anonymiser::from_file(path).map_err(|error| {
                    let status = match error.kind() {
                        ErrorKind::InvalidData => Status::Data,
                        _ => Status::NoInput,
                    };
                    (format!("{}: {error}", path.display()), status)
                })
            }
            None => Anonymiser::random()
                .map_err(|error| (format!("no random key: {error}"), Status::System)),
        };
        anonymiser.map(Some)
    }
}

/// Who has the key can test guesses.
fn warn_of_readers(path: &Path) {
    use std::os::unix::fs::PermissionsExt;

    let mode = fs::metadata(path).map(|file| (file.is_file(), file.permissions().mode()));
    if let Ok((true, mode)) = mode
        && mode & 0o077 != 0
    {
        complain(&format!(
            "{}: others than its owner may read this key (mode {:04o}): chmod 600 keeps it private",
            path.display(),
            mode & 0o777
        ));
    }
}

/// Its first address, and the socket, which has to live as long.
fn bind(listen: &ListenAddr) -> std::io::Result<(ListenSocket, Listener)> {
    let first = listen.bind()?.into_iter().next();
    let first = first.ok_or(ErrorKind::AddrNotAvailable)?;
    let socket = first.listener()?;
    let listener = match first.endpoint()? {
        Endpoint::Inet { .. } => TcpListener::from_std(socket.into())?.into(),
        _ => UnixListener::from_std(socket.into())?.into(),
    };
    Ok((first, listener))
}
