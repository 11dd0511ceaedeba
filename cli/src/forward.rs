use std::{
    fmt::{self, Write},
    sync::Arc,
};

use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    span,
};

use crate::{Journal, Level};

/// Has the warnings and errors of the libraries written to the log: what they say is rare, and about
/// no request.
pub(crate) fn events_to(journal: &Arc<Journal>) {
    // It fails only where it has been done before.
    _ = tracing::subscriber::set_global_default(Forward(Arc::clone(journal)));
}

struct Forward(Arc<Journal>);

impl Subscriber for Forward {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= tracing::Level::WARN && metadata.is_event()
    }

    fn event(&self, event: &Event<'_>) {
        let mut text = Text::default();
        event.record(&mut text);
        let level = match *event.metadata().level() {
            tracing::Level::ERROR => Level::Error,
            _ => Level::Warning,
        };
        let place = event.metadata().name();
        let text = text.message + &text.fields;
        self.0.event_of_a_library(level, place, text);
    }

    // Spans are never enabled.
    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }
    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}

/// `message: error`, or with the names of other fields.
#[derive(Default)]
struct Text {
    message: String,
    fields: String,
}

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // Writing to a string does not fail.
        _ = match field.name() {
            "message" => write!(self.message, "{value:?}"),
            name => write!(self.fields, ", {name}: {value:?}"),
        };
    }

    fn record_error(&mut self, _: &Field, error: &(dyn std::error::Error + 'static)) {
        _ = write!(self.fields, ": {error}");
    }
}
