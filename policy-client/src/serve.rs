//! `policy-client serve`: a policy server for tests.

use std::{
    io::{self, Write},
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use clap::Args;
use policy_daemon::{
    ListenAddr, ListenSocket,
    command_line::parse_duration,
    log::{escaped, printable},
};
use policy_net::{
    Clients, Connection, Drain, Endpoint, Listener, ServeOptions, UnixListener, accept,
};
use policy_proto::{Request, Response, attr};
use tokio::{net::TcpListener, time::sleep};

use crate::status::{Status, fail, interrupted};

/// A policy server for tests: gives every request the same answer, or misbehaves.
#[derive(Args, Clone, Debug)]
pub(crate) struct Serve {
    /// Where to listen.
    #[arg(
        help = "inet:host:port, or unix:/path[,mode=0660][,owner=USER][,group=GROUP]; port 0 is chosen"
    )]
    endpoint: String,
    /// The action to answer with
    #[arg(long, default_value = "dunno", value_parser = action)]
    action: Response,
    /// Wait before each answer
    #[arg(long, default_value = "0ms", value_parser = parse_duration)]
    delay: Duration,
    /// Close the connection after each answer
    #[arg(long)]
    close: bool,
    /// Never answer
    #[arg(long)]
    hang: bool,
    /// Send `220 hello` and a line feed in place of an answer
    #[arg(long)]
    garbage: bool,
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
        let (_bound, listener) = match listener {
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
            Ok(endpoint) => println(&format!("listening on {endpoint}")),
            Err(error) => return cannot(error),
        }
        let serve = Arc::new(self);
        let connection = |io, _, drain| Arc::clone(&serve).connection(io, drain);
        // A hanging server hangs for its clients, not for who ends it.
        let mut options = ServeOptions::default();
        options.drain = serve.delay + Duration::from_secs(1);
        accept(listener, &options, connection, shutdown).await;
        ExitCode::SUCCESS
    }

    async fn connection(self: Arc<Self>, io: policy_net::Stream, drain: Drain) {
        let mut connection = Connection::new(io, Clients::default());
        loop {
            let request = match connection.request(drain.begun()).await {
                Ok(Some(request)) => request,
                Ok(None) => return,
                Err(error) => {
                    if self.log {
                        println(&printable(format!("closing a connection: {error}")));
                    }
                    return;
                }
            };
            if self.log {
                println(&describe(&request));
            }
            if self.waits() {
                tokio::select! {
                    () = self.wait(&drain) => {}
                    () = connection.gone() => return,
                }
            }
            let written = match (self.hang, self.garbage) {
                (true, _) => return,
                (false, true) => connection.write(b"220 hello\n").await,
                (false, false) => connection.reply(&self.action).await,
            };
            if written.is_err() || self.close {
                return;
            }
        }
    }

    /// Whether an answer takes its time.
    ///
    /// A timer of 0 ms would cost a millisecond: the runtime's clock ticks no faster.
    fn waits(&self) -> bool {
        self.hang || !self.delay.is_zero()
    }

    async fn wait(&self, drain: &Drain) {
        sleep(self.delay).await;
        if self.hang {
            drain.begun().await;
        }
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

/// A request in one line: what tells requests apart, each value without a blank.
fn describe(request: &Request) -> String {
    let names = [
        attr::PROTOCOL_STATE,
        attr::INSTANCE,
        attr::CLIENT_ADDRESS,
        attr::HELO_NAME,
        attr::SENDER,
        attr::RECIPIENT,
        attr::RECIPIENT_COUNT,
    ];
    let shown = names.map(|name| {
        let value = request.get(name).unwrap_or_default();
        let value = escaped(value, MAX_VALUE, |c| c.is_whitespace() || c == '\\');
        format!("{name}={value}")
    });
    shown.join(" ")
}

/// A line on standard output; a reader that has gone does not end the server.
fn println(line: &str) {
    let mut out = io::stdout().lock();
    _ = out
        .write_all(format!("{line}\n").as_bytes())
        .and_then(|()| out.flush());
}

fn action(text: &str) -> Result<Response, String> {
    Response::new(text.to_owned()).map_err(|error| error.to_string())
}

/// The longest value in a line, in bytes.
const MAX_VALUE: usize = 1024;
#[cfg(test)]
mod tests {
    use std::{
        io::{Read, Write},
        net::Shutdown,
        os::unix::net::UnixStream,
    };

    use clap::{Args as _, Command, FromArgMatches};

    use super::*;

    /// On a runtime without a clock: who sleeps there panics.
    #[test]
    fn without_a_delay_an_answer_takes_no_timer() {
        let (mut near, far) = UnixStream::pair().unwrap();
        far.set_nonblocking(true).unwrap();
        let request = b"request=smtpd_access_policy\n\n";
        near.write_all(&request.repeat(3)).unwrap();
        near.shutdown(Shutdown::Write).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .build()
            .unwrap();
        runtime.block_on(async {
            let io = policy_net::UnixStream::from_std(far).unwrap();
            let io = policy_net::Stream::Unix(io);
            Arc::new(serve(&[])).connection(io, Drain::default()).await;
        });
        let mut replies = String::new();
        near.read_to_string(&mut replies).unwrap();
        assert_eq!(replies, "action=dunno\n\n".repeat(3));
    }

    #[test]
    fn an_answer_waits_for_nothing_but_a_delay_or_the_end() {
        for (words, waits) in [
            (&[][..], false),
            (&["--delay", "0ms"], false),
            (&["--close", "--garbage", "--log"], false),
            (&["--delay", "1ms"], true),
            (&["--hang"], true),
        ] {
            assert_eq!(serve(words).waits(), waits, "{words:?}");
        }
    }

    fn serve(words: &[&str]) -> Serve {
        let words = [&["serve", "inet:127.0.0.1:0"], words].concat();
        let matches = Serve::augment_args(Command::new("serve")).get_matches_from(&words);
        Serve::from_arg_matches(&matches).unwrap()
    }
}
