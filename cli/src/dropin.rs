//! `hapolicy` without `--listen`: one connection, on standard input and output.

use std::{future::pending, sync::Arc, time::Duration};

use crate::{
    Level, Log, Options, Proxy,
    daemon::affinity,
    descriptors::check_for_runtime,
    setup::{Services, settings},
    silence_stderr, stdio,
};

/// Serves the one connection of standard input and output, as the Perl script does under spawn(8).
///
/// # Errors
///
/// What the system says of the descriptors, or of the runtime.
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
    let mut settings = settings(options);
    // A service's own time-out covers connecting as well.
    settings.connect = None;
    // A hundred smtpd processes with an idle connection each would starve a prefork server.
    settings.pool.keep = None;
    let default = options.default.clone().unwrap_or_default();
    let mut proxy = Proxy::new(services.upstream(settings, true), default, journal);
    proxy.affinity = affinity(options, &services);
    // As the Perl script does. It reads one client's requests, and no port's.
    Arc::make_mut(&mut proxy.terms).lenient = true;
    if let Some(text) = proxy.nobody_to_ask() {
        log.line(Level::Warning, text);
    }
    // What is said at the start belongs to no request.
    log.flush();

    check_for_runtime()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        // A pipe's thread that has ended could perhaps not be started again.
        .thread_keep_alive(Duration::MAX)
        .build()?;
    let served = runtime.block_on(async {
        let io = stdio()?;
        let proxy = Arc::new(proxy);
        _ = proxy.serve(io, pending()).await;
        Ok(())
    });
    // A thread may still read standard input or wait for a resolver.
    runtime.shutdown_background();
    served
}

struct FlushAtEnd(Log);

impl Drop for FlushAtEnd {
    fn drop(&mut self) {
        self.0.flush();
    }
}
