//! `hapolicy` without `--listen`: one connection, on standard input and output, as under Postfix's spawn(8).

use policy_daemon::{
    log::{Level, Log},
    silence_stderr,
};

use crate::{
    options::{NAME, Options, Services},
    proxy::serve_stdio,
    setup,
};

/// Serves the one connection of standard input and output, as the Perl script does under spawn(8).
///
/// # Errors
///
/// Errors of the system about the descriptors.
pub fn run(options: &Options) -> std::io::Result<()> {
    silence_stderr();
    let log = log(options);
    log.report_panics();
    // Also when a panic ends the process: its line is among those that wait for a reply.
    let _flushes = FlushAtEnd(log.clone());
    let services = Services::parse(options);
    let journal = setup::journal(&services, log.clone(), options);
    let proxy = setup::proxy(&services, options, journal, 1, 1);
    if let Some(text) = proxy.nobody_to_ask() {
        log.line(Level::Warning, text);
    }
    // The lines of the start belong to no request.
    log.flush();

    serve_stdio(proxy, log)
}

/// The log in this mode: with `-L` its lines go to standard output with the replies.
#[must_use]
pub fn log(options: &Options) -> Log {
    if options.log.stdout {
        Log::buffered()
    } else {
        Log::syslog(NAME)
    }
}

struct FlushAtEnd(Log);

impl Drop for FlushAtEnd {
    fn drop(&mut self) {
        self.0.flush();
    }
}
