//! What each plugin does with a request: one from standard input with `--explain`, and those that `mtpolicyd ctl trace` is
//! about.

use std::{
    io::{Read, Write},
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use bytes::BytesMut;
use policy_daemon::{
    log::{Log, Suppressor, printable, printable_json},
    trace::Story,
};
use policy_dns::{DnsOptions, ResolvConfError};
use policy_proto::{MessageDecoder, Request};
use serde_json::{Value, json};

use super::handler::{Server, choose};
use crate::{
    args::Args,
    chain::plugin::PluginError,
    chain::{Trace, TraceStep, Verdict, number},
    config::{Config, VirtualHost},
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
        choose(&config, &request, None, true).or_else(|error| config.hosts.first().ok_or(error));
    let host = host.map_err(|error| error.to_string())?;
    let mut trace = Trace::default();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    let verdict = runtime.block_on(server.decide(&config, host, &request, Some(&mut trace)));
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

fn action(verdict: &Result<Option<Verdict>, PluginError>) -> String {
    match verdict {
        Ok(Some(verdict)) => verdict.action.clone(),
        Ok(None) => "dunno".to_owned(),
        Err(error) => closed(error),
    }
}

/// What is shown in the place of an action.
pub(super) fn closed(error: &PluginError) -> String {
    format!("(connection closed without an answer: {error})")
}

/// Tells those who trace a request.
#[cold]
pub(super) fn tell(
    story: Story<'_>,
    host: &VirtualHost,
    trace: &Trace,
    verdict: &Result<Option<Verdict>, PluginError>,
    is_dry_run: bool,
) {
    story.lines(&steps(host, trace));
    let mut action = action(verdict);
    if is_dry_run {
        action.push_str(" (dry run: answered dunno)");
    }
    story.end(&action);
}

/// The virtual host, and a line or several for each plugin.
fn steps(host: &VirtualHost, trace: &Trace) -> String {
    let mut text = format!(
        "virtual host {} ({})\n",
        printable(host.name.as_bytes()),
        host.key
    );
    for step in trace.steps() {
        let indent = "  ".repeat(step.depth + 1);
        let result = if step.result.is_empty() {
            "no result"
        } else {
            &step.result
        };
        let millis = step.elapsed.as_secs_f64() * 1000.0;
        let line = format!("{} ({}): {result}", step.name, step.module);
        text.push_str(&format!("{indent}{} [{millis:.1} ms", printable(line)));
        if step.points != 0.0 {
            text.push_str(&format!(
                ", score {}{}",
                if step.points > 0.0 { "+" } else { "" },
                number::print(step.points)
            ));
        }
        text.push_str("]\n");
        for note in &step.notes {
            text.push_str(&format!("{indent}    {}\n", printable(note)));
        }
    }
    text
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

const MAX_REQUEST: u64 = 1 << 20;
