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
    /// The field of the session with the recipients that were counted one by one.
    recipients: String,
}

pub(super) fn new(section: &mut Section<'_>) -> Box<dyn Plugin> {
    _ = section.required("fields");
    let done = format!("{}-acct", section.name());
    let recipients = format!("{}-acct-rcpt", section.name());
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
        recipients,
    })
}

impl Accounting {
    /// What the request adds to each counter; `None` where everything is counted. A mail counts once. At RCPT Postfix does
    /// not know how many recipients there will be, and says 0: each recipient is a request of its own, and counts when it
    /// comes. What comes at DATA or later about a mail that was counted so adds nothing.
    fn amounts(&self, call: &mut Call<'_>) -> Result<Option<[i64; 4]>, PluginError> {
        let recipient = recipient(call);
        let is_counted = call.is_done(&self.done);
        let Some(recipient) = recipient else {
            return if is_counted {
                Ok(None)
            } else {
                amounts(call).map(Some)
            };
        };
        // A mail that was first counted at another state has no list.
        let mut counted = match call.cached(&self.recipients) {
            None if is_counted => return Ok(None),
            counted => counted.unwrap_or_default(),
        };
        if counted.contains(&recipient) {
            return Ok(None);
        }
        if counted.len() < MAX_RECIPIENTS {
            counted.push(recipient);
            call.keep(&self.recipients, &counted);
        }
        let [mail, recipients, size, size_rcpt] = amounts(call)?;
        Ok(Some(if is_counted {
            [0, recipients, 0, size_rcpt]
        } else {
            [mail, recipients, size, size_rcpt]
        }))
    }
}

/// The recipient of a request that is about one, and does not say how many there are.
fn recipient(call: &Call<'_>) -> Option<String> {
    let is = |name: &str, value: &str| call.text(name).is_some_and(|text| text.trim() == value);
    let is_one = is("protocol_state", "RCPT") && is("recipient_count", "0");
    if call.services().compat || !is_one {
        return None;
    }
    Some(call.filled("recipient")?.to_ascii_lowercase())
}

impl Plugin for Accounting {
    fn run<'a>(&'a self, call: &'a mut Call<'_>) -> Step<'a> {
        if self.enabled.is_off(call.session()) {
            return answer(None);
        }
        let amounts = match self.amounts(call) {
            Ok(Some(amounts)) => amounts,
            Ok(None) => {
                call.note(|| "accounting already done for this mail, skipping...".to_owned());
                return answer(None);
            }
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

/// Postfix's `smtpd_recipient_limit`.
const MAX_RECIPIENTS: usize = 1000;
