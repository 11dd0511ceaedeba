//! A DNS list of the configuration: four items of `@dnsbl_score` or `@rhsbl_score`.

use policy_dns::list::{Class, Codes, DnsList, ListOptions};

use super::Score;
use crate::perl::Value;

/// A DNS list with its scores.
#[derive(Clone, Debug, PartialEq)]
pub struct ListOption {
    /// The zone as the file has it, without codes. It may hold a key.
    pub zone: String,
    /// The zone without a key.
    shown: String,
    /// The codes that count, after a `=`; all if there are none.
    pub codes: Option<Codes>,
    /// Codes that cannot be read.
    pub bad_codes: Option<String>,
    /// The score if listed.
    pub hit: Score,
    /// The score if not.
    pub miss: Score,
    /// The name in the log.
    pub name: String,
}

impl ListOption {
    pub(super) fn all(values: &[Value], compat: bool) -> Vec<Self> {
        values
            .chunks(4)
            .map(|four| Self::new(four, compat))
            .collect()
    }

    fn new(four: &[Value], compat: bool) -> Self {
        let text = |index| four.get(index).map(Value::to_string).unwrap_or_default();
        let zone = text(0);
        let (zone, codes) = match zone.split_once('=').filter(|_| !compat) {
            Some((zone, codes)) => (zone.to_owned(), Some(codes.parse::<Codes>())),
            None => (zone, None),
        };
        let (codes, bad_codes) = match codes {
            Some(Ok(codes)) => (Some(codes), None),
            Some(Err(error)) => (None, Some(error.to_string())),
            None => (None, None),
        };
        let shown = DnsList::addresses(&zone, ListOptions::default());
        let shown = shown.map_or_else(|_| zone.clone(), |list| list.zone().to_owned());
        Self {
            shown: if compat { zone.clone() } else { shown },
            zone,
            codes,
            bad_codes,
            hit: Score::from_value(four.get(1)),
            miss: Score::from_value(four.get(2)),
            name: text(3),
        }
    }

    /// The zone of an item for messages: without a key and codes.
    pub(super) fn shown_zone(item: &Value) -> String {
        Self::new(std::slice::from_ref(item), false).shown
    }

    /// The zone for logs and answers. A key of Spamhaus' or of Abusix is not in it, but with `--compat`.
    #[must_use]
    pub fn shown(&self) -> &str {
        &self.shown
    }

    /// The codes that count as a class with the name in the log; all where there are none.
    pub(crate) fn class(&self) -> Class {
        Class {
            name: self.name.clone(),
            codes: self.codes.clone().unwrap_or_else(all_codes),
        }
    }

    /// Whether the name says that such clients are dialled in.
    pub(crate) fn is_for_dialups(&self) -> bool {
        self.name.to_ascii_lowercase().contains("dyn")
    }
}

fn all_codes() -> Codes {
    // The text is one of codes.
    "0.0.0.0/0".parse().unwrap_or_default()
}
