//! `SetField`: gives a field of the session a fixed text.

use crate::{
    chain::plugin::{Plugin, Step},
    chain::{Call, answer},
    config::Section,
};

#[derive(Debug)]
struct SetField {
    key: String,
    value: String,
}

pub(super) fn new(section: &mut Section<'_>) -> Box<dyn Plugin> {
    Box::new(SetField {
        key: section.required("key"),
        value: section.required("value"),
    })
}

impl Plugin for SetField {
    fn run<'a>(&'a self, call: &'a mut Call<'_>) -> Step<'a> {
        call.session_mut().set(&self.key, self.value.as_str());
        answer(None)
    }
}
