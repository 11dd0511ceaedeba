//! `--explain`: the steps of each plugin for a request from standard input.

use std::{
    io::{Read, Write},
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use bytes::BytesMut;
use policy_daemon::log::{Log, Suppressor, printable, printable_json};
use policy_dns::{DnsOptions, ResolvConfError};
use policy_proto::{MessageDecoder, Request};
use serde_json::{Value, json};
use tokio::time::timeout;

use super::{
    choice::choose,
    handler::Server,
    steps::{action, steps},
};
use crate::{
    args::Args,
    chain::plugin::PluginError,
    chain::{Attributes, Trace, TraceStep, Verdict},
    config::Config,
    connection::Unwritten,
    journal::Journal,
    services::{Dns, Manner, Services},
};

pub(super) fn run(
    args: &Args,
    config: Config,
    servers: Result<DnsOptions, ResolvConfError>,
    unwritten: Unwritten,
) -> ExitCode {
    let servers = servers.map_err(|error| error.to_string());
    match servers.and_then(|servers| explain(args, config, servers, unwritten)) {
        Ok(text) => {
            // Standard output may be closed.
            _ = std::io::stdout().write_all(text.as_bytes());
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("mtpolicyd: {}", printable(error));
            ExitCode::from(1)
        }
    }
}

fn explain(
    args: &Args,
    config: Config,
    servers: DnsOptions,
    unwritten: Unwritten,
) -> Result<String, String> {
    let request = read()?;
    let attributes = Attributes::of(&request);
    let services = Services {
        dns: Dns::servers(servers),
        compat: args.compat,
        journal: Journal::new(Arc::new(Suppressor::new(Log::buffered())), 0),
        clock: None,
        manner: Manner::Explain(unwritten),
        clock_offset: Duration::ZERO,
    };
    let server = Server::new(config, services);
    let config = server.config();
    let host =
        choose(&config, &attributes, None, true).or_else(|error| config.hosts.first().ok_or(error));
    let host = host.map_err(|error| error.to_string())?;
    let mut trace = Trace::default();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    let verdict = runtime.block_on(async {
        // As the daemon does at its start: a list that fails is not asked, which the plugin then says.
        _ = timeout(TESTS, config.lists.test(server.services())).await;
        server
            .decide(&config, host, &attributes, Some(&mut trace))
            .await
    });
    Ok(if args.json {
        printable_json(&as_json(&trace, &verdict).to_string()) + "\n"
    } else {
        steps(host, &trace) + &format!("action={}\n", printable(action(&verdict)))
    })
}

fn read() -> Result<Request, String> {
    let mut bytes = Vec::new();
    let read = std::io::stdin().take(MAX_REQUEST).read_to_end(&mut bytes);
    read.map_err(|error| error.to_string())?;
    // The blank line at the end may be missing.
    bytes.extend_from_slice(b"\n\n");
    let mut buffer = BytesMut::from(&*bytes);
    let request = MessageDecoder::new()
        .request(&mut buffer)
        .map_err(|error| error.to_string())?;
    request.ok_or_else(|| "no request on standard input".to_owned())
}

fn as_json(trace: &Trace, verdict: &Result<Option<Verdict>, PluginError>) -> Value {
    let step = |step: &TraceStep| {
        json!({
            "name": &*step.name,
            "module": &*step.module,
            "depth": step.depth,
            "looked_up": step.notes,
            "result": step.result,
            "points": step.points,
            "elapsed_ms": step.elapsed.as_secs_f64() * 1000.0,
        })
    };
    let steps: Vec<_> = trace.steps().iter().map(step).collect();
    json!({ "steps": steps, "action": action(verdict) })
}

/// Longer than a name server that answers takes for all of them.
const TESTS: Duration = Duration::from_secs(5);
const MAX_REQUEST: u64 = 1 << 20;
