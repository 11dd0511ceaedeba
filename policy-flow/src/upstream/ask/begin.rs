//! The begin of a request: what it is, and which backend it wishes for.

use std::time::Duration;

use policy_ha::Preference;
use policy_proto::Request;

use crate::upstream::{
    AskState, Kind, Set, Stick, Upstream,
    ask::{Ask, budget::Budget},
};
use crate::{AskId, clock::Span};

impl Upstream {
    /// A request to this group is to be asked, and no backend is chosen yet. Without a group there is no time for it.
    pub(crate) fn begin(
        &mut self,
        group: usize,
        deadline: Option<Duration>,
        request: Request,
        stick: Option<Stick>,
        kind: Kind,
    ) -> AskId {
        let now = self.clock.now;
        let mut key = None;
        let mut preference = Preference::None;
        let (mut number, mut of_group) = (0, Span::ZERO);
        if let Some(set) = self.groups.get_mut(group) {
            key = set.options.strategy.key(&request);
            preference = set.preference(stick, key);
            set.asks += 1;
            number = set.number;
            of_group = set.deadline;
        }
        self.serial = self.serial.wrapping_add(1);
        self.under_way += 1;
        let serial = self.serial;
        let index = self.asks.take(Ask::new);
        if let Some(ask) = self.asks.get_mut(index) {
            ask.serial = serial;
            ask.state = AskState::Between;
            ask.kind = kind;
            ask.request = Some(request);
            ask.set = number;
            ask.preference = preference;
            ask.key = key;
            ask.tried = policy_ha::Tried::new();
            ask.budget = Budget::new(now, deadline.map_or(of_group, Span::from));
            ask.began = now;
        }
        AskId { index, serial }
    }
}

impl Set {
    /// What a request is to wish for: who answered the last one of its message, unless that had another key.
    fn preference(&self, stick: Option<Stick>, key: Option<u64>) -> Preference {
        let id = |stick: Stick| self.id(stick.backend);
        match (key, stick) {
            (Some(key), Some(stick)) if stick.key == Some(key) => match id(stick) {
                Some(id) => Preference::StickOrHash(id, key),
                None => Preference::Hash(key),
            },
            // Who answered for another key, or without one, has no part in this one.
            (Some(key), _) => Preference::Hash(key),
            (None, Some(stick)) => id(stick).map_or(Preference::None, Preference::Stick),
            (None, None) => Preference::None,
        }
    }
}
