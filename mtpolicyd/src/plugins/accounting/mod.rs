//! `Accounting`: counts mails, recipients and bytes by the values of attributes and by period, in tables of a database.

mod counters;
pub(super) use counters::{Counters, Metric};

mod table;

use futures_util::future::try_join_all;

use crate::{
    chain::plugin::{Plugin, PluginError, Step},
    chain::{Call, Setting, answer, failure, number},
    config::Section,
};

#[derive(Debug)]
struct Accounting {
    enabled: Setting,
    fields: Vec<String>,
    counters: Counters,
    done: String,
}

pub(super) fn new(section: &mut Section<'_>) -> Box<dyn Plugin> {
    _ = section.required("fields");
    let done = format!("{}-acct", section.name());
    let counters = Counters::new(section);
    let fields = section.list("fields");
    for field in &fields {
        counters.check("fields", field, section);
    }
    Box::new(Accounting {
        enabled: section.enabled(),
        fields,
        counters,
        done,
    })
}

impl Plugin for Accounting {
    fn run<'a>(&'a self, call: &'a mut Call<'_>) -> Step<'a> {
        if self.enabled.is_off(call.session()) {
            return answer(None);
        }
        if call.is_done(&self.done) {
            call.note(|| "accounting already done for this mail, skipping...".to_owned());
            return answer(None);
        }
        let amounts = match amounts(call) {
            Ok(amounts) => amounts,
            Err(error) => return failure(error),
        };
        let mut counted = Vec::with_capacity(self.fields.len());
        for field in &self.fields {
            let Some(value) = call.filled(field) else {
                call.note(|| format!("{field} not defined in request, skipping..."));
                continue;
            };
            call.note(|| format!("updating accounting info for {field} {value}"));
            counted.push((field, value));
        }
        let now = call.services().now();
        Step::later(async move {
            // All at once: a file of SQLite writes them in one transaction.
            let additions = counted
                .iter()
                .map(|(field, value)| self.counters.add(field, value, now, amounts));
            try_join_all(additions).await?;
            Ok(None)
        })
    }
}

/// What the request adds to each counter, in the order of [`Metric::ALL`].
fn amounts(call: &Call<'_>) -> Result<[i64; 4], PluginError> {
    let number = |name: &str| call.text(name).map(|text| whole(number::parse(&text)));
    let size = number("size");
    let recipients = number("recipient_count").unwrap_or(1);
    // The original has no value for the column then, which the database refuses.
    if size.is_none() && recipients == 0 && call.services().compat {
        return Err(PluginError::other("size not defined in request"));
    }
    let size = size.unwrap_or(0);
    let recipients = recipients.max(1);
    Ok([1, recipients, size, size.saturating_mul(recipients)])
}

/// Neither below 0 nor beyond what a column holds.
fn whole(number: f64) -> i64 {
    (number as i64).max(0)
}
