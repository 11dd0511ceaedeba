//! `limits show|reset KEY`: what the plugins that limit somebody have counted.

use std::{io::Write, process::ExitCode};

use policy_daemon::log::printable;

use crate::{
    chain::Chain,
    chain::plugin::{LimitOrder, PluginError},
    config::Config,
};

/// Shows or empties the counters of a key in all virtual hosts. The status is 1 if a plugin has failed, or if nothing was
/// found.
pub(super) fn run(config: &Config, key: &str, is_reset: bool) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let order = LimitOrder {
        key,
        is_reset,
        is_daemon: false,
    };
    let results = match runtime {
        Ok(runtime) => runtime.block_on(async {
            let results = all(config, order).await;
            config.connections.close().await;
            results
        }),
        Err(error) => vec![(String::new(), Err(PluginError::Other(error.to_string())))],
    };
    let mut text = String::new();
    let mut has_failed = false;
    for (name, result) in results {
        match result {
            Ok(lines) => {
                for line in lines {
                    text.push_str(&format!("{}\n", printable(format!("{name}: {line}"))));
                }
            }
            Err(error) => {
                has_failed = true;
                eprintln!("mtpolicyd: {}", printable(format!("{name}: {error}")));
            }
        }
    }
    if text.is_empty() && !has_failed {
        eprintln!("mtpolicyd: nothing is counted for {}", printable(key));
        has_failed = true;
    }
    // Standard output may be closed.
    _ = std::io::stdout().write_all(text.as_bytes());
    if has_failed {
        ExitCode::from(1)
    } else {
        ExitCode::SUCCESS
    }
}

pub(super) type Named = (String, Result<Vec<String>, PluginError>);

/// What each plugin of all virtual hosts has, with its name.
pub(super) async fn all(config: &Config, order: LimitOrder<'_>) -> Vec<Named> {
    let mut results = Vec::new();
    let mut chains: Vec<&Chain> = config.hosts.iter().map(|host| &host.chain).collect();
    while let Some(chain) = chains.pop() {
        for link in chain.links() {
            if let Some(step) = link.plugin.limits(order) {
                results.push((link.name.to_string(), step.await));
            }
            chains.extend(link.plugin.nested());
        }
    }
    results
}
