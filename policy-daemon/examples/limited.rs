//! A policy server with limits, privileges, a log and restart without loss: `limited ADDRESS HANDOVER`.

use std::{env, num::NonZeroUsize, process::ExitCode};

use policy_daemon::{Daemon, DaemonOptions, Inherited, StartError, TokioService, log::LogTarget};
use policy_net::BoxError;
use policy_proto::{Request, Response};

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("limited: {}", error.line());
            ExitCode::from(error.exit_status())
        }
    }
}

fn run() -> Result<(), StartError> {
    let inherited = Inherited::take().map_err(StartError::system("LISTEN_FDS"))?;
    inherited.close_others();
    let mut options = DaemonOptions::new("limited");
    options.listen.extend(env::args().nth(1));
    options.handover = env::args().nth(2).map(Into::into);
    options.log = LogTarget::Stdout;
    options.workers = NonZeroUsize::MIN.saturating_add(1);
    options.max_clients = NonZeroUsize::new(500);
    options.user = Some("nobody".to_owned()).filter(|_| rustix::process::geteuid().is_root());
    Daemon::prepare(&options, inherited)?.serve(TokioService::new(answer))
}

async fn answer(request: Request) -> Result<Response, BoxError> {
    match request.sender() {
        Some(sender) if sender.ends_with(b"@spam.example") => Ok(Response::reject("spam")?),
        _ => Ok(Response::dunno()),
    }
}
