//! The requests of one worker: by the class of their action, and by how long they took.

use std::{fmt, time::Duration};

use policy_proto::Response;

use super::{
    ActionClass, Counter, Durations, Families, Unit,
    sample::Sample,
    section::{Cell, Section},
};

/// The requests of one worker. Only it writes here; lines of the processor's cache are its own.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct RequestMetrics {
    replies: [Counter; ActionClass::ALL.len()],
    took: Durations,
}

impl RequestMetrics {
    /// A request has its reply after such a time, or none.
    #[inline]
    pub fn replied(&self, response: Option<&Response>, took: Duration) {
        if let Some(count) = self.replies.get(ActionClass::of(response) as usize) {
            count.add(1);
        }
        self.took.add(took);
    }

    /// How many requests got an action of this class.
    #[must_use]
    pub fn replies(&self, class: ActionClass) -> u64 {
        self.replies.get(class as usize).map_or(0, Counter::get)
    }

    /// How long requests took.
    #[must_use]
    pub fn took(&self) -> &Durations {
        &self.took
    }

    /// What all workers have done, for the plots of the page. A request without a reply is an error.
    #[must_use]
    pub fn sample<'a>(all: impl Iterator<Item = &'a Self> + Clone) -> Sample {
        let replies = |class: ActionClass| {
            let replies = all.clone().map(|worker| worker.replies(class));
            replies.sum::<u64>()
        };
        let requests = ActionClass::ALL.into_iter().map(replies).sum();
        let errors = replies(ActionClass::Close);
        Sample::new(requests, errors, Durations::sum(all.map(Self::took)))
    }

    /// The requests of all workers by the class of their action, as a table; classes that no request got are left out.
    #[must_use]
    pub fn answers<'a>(all: impl Iterator<Item = &'a Self> + Clone) -> Section {
        let mut section = Section::new("Answers", ["Action", "Requests", "Share"]);
        let requests = Self::sample(all.clone()).requests;
        for class in ActionClass::ALL {
            let replies: u64 = all.clone().map(|worker| worker.replies(class)).sum();
            if replies > 0 {
                let share = Cell::Share(replies as f64 / requests as f64);
                section.row([Cell::text(class.name()), Cell::Number(replies), share]);
            }
        }
        section
    }

    /// The same for the page, which says where there are none.
    #[must_use]
    pub fn section<'a>(all: impl Iterator<Item = &'a Self> + Clone) -> Section {
        let mut section = Self::answers(all);
        if section.rows.is_empty() {
            section.row([
                Cell::text("no request so far"),
                Cell::Number(0),
                Cell::text(""),
            ]);
        }
        section
    }

    /// Writes `requests` and `request_duration` of all workers.
    ///
    /// # Errors
    ///
    /// The page cannot be written.
    pub fn write<'a>(
        all: impl Iterator<Item = &'a Self> + Clone,
        families: &mut Families<'_>,
    ) -> fmt::Result {
        let replies = ActionClass::ALL.map(|class| {
            let replies = all.clone().map(|worker| worker.replies(class));
            ([("action", class.name())], replies.sum())
        });
        let help = "Requests that were replied to, by the class of the action";
        families.counters("requests", help, replies)?;
        let took = Durations::sum(all.map(Self::took));
        let help = "Time from a whole request to its reply";
        let none = [("", ""); 0];
        families.histograms(
            "request_duration",
            help,
            Some(&Unit::Seconds),
            [(none, took)],
        )
    }
}
