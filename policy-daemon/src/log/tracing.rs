//! Events of libraries, as `tracing` reports them, become lines of the log.

use std::{fmt, fmt::Write};

use tracing_core::{
    Event, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{Layer, layer::Context};

use super::{Level, Log};

/// A layer of a `tracing` subscriber that writes events to the [`Log`]: errors, warnings and information, not what is
/// below. A line is the event's message, and its fields as `name=value`.
///
/// ```
/// use policy_daemon::log::{Log, TracingLayer};
/// use tracing_subscriber::layer::SubscriberExt;
///
/// let log = Log::buffered();
/// let subscriber = tracing_subscriber::registry().with(TracingLayer::new(log.clone()));
/// tracing::subscriber::with_default(subscriber, || {
///     tracing::warn!(peer = "192.0.2.1", "bad request");
///     tracing::debug!("a detail");
/// });
/// assert_eq!(log.take_buffered(), b"[LOG warning]: bad request, peer=192.0.2.1\n");
/// ```
#[derive(Clone, Debug)]
pub struct TracingLayer(Log);

impl TracingLayer {
    /// Writes to this log.
    #[must_use]
    pub const fn new(log: Log) -> Self {
        Self(log)
    }
}

impl<S: Subscriber> Layer<S> for TracingLayer {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let level = match *event.metadata().level() {
            tracing_core::Level::ERROR => Level::Error,
            tracing_core::Level::WARN => Level::Warning,
            tracing_core::Level::INFO => Level::Info,
            _ => return,
        };
        let mut line = Line::default();
        event.record(&mut line);
        let Line { message, fields } = line;
        let text = if message.is_empty() {
            fields.trim_start_matches(", ").to_owned()
        } else {
            message + &fields
        };
        self.0.line(level, text);
    }
}

#[derive(Default)]
struct Line {
    message: String,
    fields: String,
}

impl Line {
    fn add(&mut self, field: &Field, value: fmt::Arguments<'_>) {
        // Writing to a string does not fail.
        _ = match field.name() {
            "message" => self.message.write_fmt(value),
            name => write!(self.fields, ", {name}={value}"),
        };
    }
}

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.add(field, format_args!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field, format_args!("{value}"));
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.add(field, format_args!("{value}"));
        let mut source = value.source();
        while let Some(cause) = source {
            // Each cause follows the error that it explains.
            _ = write!(self.fields, ": {cause}");
            source = cause.source();
        }
    }
}
