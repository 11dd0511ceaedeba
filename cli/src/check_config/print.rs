//! `--show-config` and `--convert`: settings as a configuration file.

use std::io::Write;

use policy_daemon::log::printable;
use policy_proxy::{
    config::{Written, written},
    options::Services,
};

use super::Effective;
use crate::args::Arguments;

/// Prints the settings as a configuration file on standard output, and on standard error why that cannot be.
///
/// Whether they can be printed.
#[must_use]
pub fn print_config(arguments: &Arguments) -> bool {
    let which = if arguments.config.convert || arguments.config.non_default {
        Written::NonDefault
    } else {
        Written::All
    };
    let options = arguments.options();
    let services = Services::parse(&options);
    let mut faults: Vec<String> = services
        .invalid
        .iter()
        .map(|fault| printable(&fault.text))
        .collect();
    let effective = Effective::new(arguments, &options, &services);
    match written(&effective.settings(&options), which) {
        // Nobody reads it who has closed standard output.
        Ok(text) if faults.is_empty() => _ = std::io::stdout().write_all(text.as_bytes()),
        Ok(_) => {}
        Err(text) => faults.push(printable(text)),
    }
    for text in services.valid.iter().flat_map(|service| &service.warnings) {
        eprintln!("hapolicy: warning: {}", printable(text));
    }
    for fault in &faults {
        eprintln!("hapolicy: {fault}");
    }
    faults.is_empty()
}
