//! `hapolicy` without `--listen`: one connection, on standard input and output.

use crate::{
    args::Options,
    daemon::{
        log::{Level, Log},
        process::stdio::silence_stderr,
    },
    proxy::serve_stdio,
    services::Services,
};

/// Serves the one connection of standard input and output, as the Perl script does under spawn(8).
///
/// # Errors
///
/// What the system says of the descriptors.
pub fn run(options: &Options) -> std::io::Result<()> {
    silence_stderr();
    let log = if options.stdout {
        Log::with_replies()
    } else {
        Log::syslog()
    };
    log.panics();
    // Also when a panic ends the process: its line is among those that wait for a reply.
    let _flushes = FlushAtEnd(log.clone());
    let services = Services::parse(options);
    let journal = services.journal(log.clone(), options);
    let proxy = services.proxy(options, journal, 1);
    if let Some(text) = proxy.nobody_to_ask() {
        log.line(Level::Warning, text);
    }
    // What is said at the start belongs to no request.
    log.flush();

    serve_stdio(proxy, log)
}

struct FlushAtEnd(Log);

impl Drop for FlushAtEnd {
    fn drop(&mut self) {
        self.0.flush();
    }
}
