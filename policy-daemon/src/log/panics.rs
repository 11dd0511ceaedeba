//! A panic becomes one line of the log.

use std::panic::PanicHookInfo;

use super::{Level, Log};

impl Log {
    /// From now on a panic is one line here. Rust's own message goes to standard error, which may be the protocol's
    /// socket.
    pub fn report_panics(&self) {
        let log = self.clone();
        let report = move |panic: &PanicHookInfo<'_>| {
            let payload = panic.payload();
            let owned = payload.downcast_ref::<String>().map(String::as_str);
            let text = payload.downcast_ref::<&str>().copied().or(owned);
            let text = text.unwrap_or("no message");
            let place = panic.location().map(|place| format!(" at {place}"));
            let place = place.unwrap_or_default();
            let text = format!("internal error, this is a bug{place}: {text}");
            log.line(Level::Error, text);
        };
        std::panic::set_hook(Box::new(report));
    }
}
