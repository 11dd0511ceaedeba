//! `ClearFields`: takes fields of the session away, by name and by the beginning of the name.

use crate::{
    chain::plugin::{Plugin, Step},
    chain::{Call, answer},
    config::Section,
};

#[derive(Debug)]
struct ClearFields {
    fields: Vec<String>,
    prefixes: Vec<String>,
}

pub(super) fn new(section: &mut Section<'_>) -> Box<dyn Plugin> {
    Box::new(ClearFields {
        fields: section.list("fields"),
        prefixes: section.list("fields_prefix"),
    })
}

impl Plugin for ClearFields {
    fn run<'a>(&'a self, call: &'a mut Call<'_>) -> Step<'a> {
        call.session_mut().remove(|name| {
            self.fields.iter().any(|field| field == name)
                || self.prefixes.iter().any(|prefix| name.starts_with(prefix))
        });
        answer(None)
    }
}
