//! The state of one check: what it has asked and counted so far.

use crate::{
    Name, RecordType,
    spf::{SpfOptions, SpfRequest},
};

/// One check, with all that it has counted so far.
#[derive(Debug)]
pub(super) struct Evaluation<'a, R> {
    pub(super) resolver: &'a R,
    pub(super) request: &'a SpfRequest,
    pub(super) options: &'a SpfOptions,
    pub(super) terms: u32,
    pub(super) void_look_ups: u32,
    pub(super) look_ups: u32,
    pub(super) client_names: ClientNames,
}

/// The names of the client, as far as they are known. They are found out once, so macros cannot multiply the questions.
#[derive(Debug, Default)]
pub(super) struct ClientNames {
    /// The names that DNS gives for the address, at most so many as a term may look up.
    pub(super) names: Option<Vec<Name>>,
    /// For each that was looked up, whether it has the address.
    pub(super) confirmed: Vec<(Name, bool)>,
}

impl<'a, R> Evaluation<'a, R> {
    pub(super) fn new(resolver: &'a R, request: &'a SpfRequest, options: &'a SpfOptions) -> Self {
        Self {
            resolver,
            request,
            options,
            terms: 0,
            void_look_ups: 0,
            look_ups: 0,
            client_names: ClientNames::default(),
        }
    }

    /// The type of the client's address.
    pub(super) fn address_type(&self) -> RecordType {
        if self.request.client.is_ipv4() {
            RecordType::A
        } else {
            RecordType::Aaaa
        }
    }
}
