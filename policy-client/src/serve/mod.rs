//! `policy-client serve`: a policy server for tests.

mod delay;
mod file;
mod script;
mod server;

use std::{
    io,
    path::PathBuf,
    process::ExitCode,
    sync::{Arc, Mutex},
    time::Duration,
};

use clap::Args;
use fastrand::Rng;
use policy_daemon::{ListenAddr, ListenSocket};
use policy_net::{Endpoint, Listener, ServeOptions, UnixListener, accept};
use policy_proto::Response;
use tokio::net::TcpListener;

use self::{
    delay::Delay,
    file::{File, action},
    script::{Condition, Manner, Rule, Script},
    server::Server,
};
use crate::{
    input,
    input::text_file,
    output::{Lines, Output},
    status::{Status, fail, interrupted},
    values::number,
};

/// A policy server for tests: answers as it is told, or misbehaves.
///
/// The first rule that holds says what is done with a request: those of --fail, then those of --rule, then those of the
/// file of --script. What it leaves open is as for all requests.
#[derive(Args, Clone, Debug)]
pub(crate) struct Serve {
    /// Where to listen.
    #[arg(
        help = "inet:host:port, or unix:/path[,mode=0660][,owner=USER][,group=GROUP]; port 0 is chosen"
    )]
    endpoint: String,
    /// The action to answer with [default: dunno]
    #[arg(long, value_parser = action)]
    action: Option<Response>,
    /// Answer requests with such an attribute with this action
    #[arg(long, value_names = ["NAME=VALUE|NAME=~REGEX", "ACTION"], num_args = 2)]
    rule: Vec<String>,
    /// Wait before each answer: 200ms, 10ms..50ms, exp:20ms (its mean), p50=5ms,p99=1s
    #[arg(long, value_parser = Delay::parse)]
    delay: Option<Delay>,
    /// Fail so many requests: 10%, or 10%:MANNER, one of close, hang, garbage, drip, reset, newline, half
    #[arg(long, value_name = "SHARE", value_parser = Rule::failing)]
    fail: Vec<Rule>,
    /// Close the connection after each answer
    #[arg(long)]
    close: bool,
    /// Never answer
    #[arg(long)]
    hang: bool,
    /// Send `220 hello` and a line feed in place of an answer
    #[arg(long)]
    garbage: bool,
    /// Send a byte of each answer every 20 ms
    #[arg(long)]
    drip: bool,
    /// Reset the connection in place of an answer
    #[arg(long)]
    reset: bool,
    /// Send one newline too many after each answer
    #[arg(long)]
    newline: bool,
    /// Read rules from this file
    #[arg(long, value_name = "FILE.toml")]
    script: Option<PathBuf>,
    /// Have chance fall as in another run with this number
    #[arg(long, value_name = "N", value_parser = number::<u64>(0..=u64::MAX))]
    seed: Option<u64>,
    /// Print a line per request
    #[arg(long)]
    log: bool,
}

impl Serve {
    pub(crate) async fn run(self) -> ExitCode {
        let listen: ListenAddr = match self.endpoint.parse() {
            Ok(listen) => listen,
            Err(error) => return fail(&format!("{}: {error}", self.endpoint), Status::Usage),
        };
        let server = match self.server() {
            Ok(server) => Arc::new(server),
            Err((status, text)) => return fail(&text, status),
        };
        let cannot = |error| {
            fail(
                &format!("cannot listen on {}: {error}", self.endpoint),
                Status::System,
            )
        };
        let listener = listen.bind().and_then(|bound| {
            // The first address of a name is enough for a test.
            let first = bound.into_iter().next();
            let first = first.ok_or(io::ErrorKind::AddrNotAvailable)?;
            let listener = listener(&first)?;
            Ok((first, listener))
        });
        let (bound, listener) = match listener {
            Ok(bound) => bound,
            Err(error) => return cannot(error),
        };
        let shutdown = match interrupted() {
            Ok(interrupted) => interrupted,
            Err(error) => {
                return fail(&format!("cannot wait for signals: {error}"), Status::System);
            }
        };
        match listener.endpoint() {
            Ok(endpoint) => server.print(&format!("listening on {endpoint}")),
            Err(error) => return cannot(error),
        }
        // A hanging server hangs for its clients, not for who ends it.
        let mut options = ServeOptions::default();
        options.drain = server.script.longest_delay() + Duration::from_secs(1);
        let connection = |io, _, drain| Arc::clone(&server).connection(io, drain);
        // Nobody who connects from then on would be served.
        let shutdown = async move {
            shutdown.await;
            drop(bound);
        };
        accept(listener, &options, connection, shutdown).await;
        server.status().into()
    }

    fn server(&self) -> Result<Server, (Status, String)> {
        let mut rules = self.fail.clone();
        for pair in self.rule.chunks(2) {
            let [given, text] = pair else {
                continue;
            };
            let condition = Condition::parse(given);
            let parsed = condition.and_then(|condition| Ok((condition, action(text)?)));
            let (condition, action) =
                parsed.map_err(|error| (Status::Usage, format!("--rule {given}: {error}")))?;
            rules.push(Rule {
                conditions: vec![condition],
                action: Some(action),
                ..Rule::default()
            });
        }
        let file = self.file()?;
        rules.extend(file.rules);
        let action = self.action.clone().or(file.action);
        let delay = self.delay.clone().or(file.delay);
        let chance = self.seed.map_or_else(Rng::new, Rng::with_seed);
        let script = Script {
            // In lower case, as hapolicy has it.
            action: match action {
                Some(action) => action,
                None => Response::new("dunno").unwrap_or(Response::dunno()),
            },
            delay: delay.unwrap_or(Delay::NONE),
            manner: self.manner().or(file.manner).unwrap_or_default(),
            rules,
            chance: Mutex::new(chance),
        };
        Ok(Server {
            script,
            closes: self.close,
            logs: self.log,
            lines: Mutex::new(Lines::new(Output { json: false })),
        })
    }

    fn file(&self) -> Result<File, (Status, String)> {
        let Some(path) = &self.script else {
            return Ok(File::default());
        };
        let name = input::name(path);
        let text = text_file::read(path)?;
        File::parse(&text).map_err(|error| (Status::Data, format!("{name}: {error}")))
    }

    /// Of several the worst.
    fn manner(&self) -> Option<Manner> {
        let manners = [
            (self.hang, Manner::Hang),
            (self.reset, Manner::Reset),
            (self.garbage, Manner::Garbage),
            (self.drip, Manner::Drip),
            (self.newline, Manner::Newline),
        ];
        let mut given = manners.iter().filter(|(is_given, _)| *is_given);
        given.next().map(|(_, manner)| *manner)
    }
}

/// Its socket, for the runtime that this is called in.
fn listener(bound: &ListenSocket) -> io::Result<Listener> {
    let socket = bound.listener()?;
    Ok(match bound.endpoint()? {
        Endpoint::Inet { .. } => TcpListener::from_std(socket.into())?.into(),
        _ => UnixListener::from_std(socket.into())?.into(),
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use clap::{Args as _, Command, FromArgMatches};

    use super::*;

    #[test]
    fn of_several_manners_the_worst_counts() {
        for (words, manner) in [
            (&[][..], Manner::Answer),
            (&["--close", "--log"], Manner::Answer),
            (&["--newline"], Manner::Newline),
            (&["--newline", "--drip"], Manner::Drip),
            (&["--garbage", "--close"], Manner::Garbage),
            (&["--garbage", "--reset"], Manner::Reset),
            (&["--garbage", "--hang"], Manner::Hang),
        ] {
            assert_eq!(server(words).script.manner, manner, "{words:?}");
        }
    }

    pub(super) fn server(words: &[&str]) -> Server {
        let words = [&["serve", "inet:127.0.0.1:0"], words].concat();
        let matches = Serve::augment_args(Command::new("serve")).get_matches_from(&words);
        Serve::from_arg_matches(&matches).unwrap().server().unwrap()
    }
}
