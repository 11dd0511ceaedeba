//! The begin of a request: what it is, and which backend it wishes for.

use policy_ha::Preference;
use policy_proto::Request;

use crate::AskId;
use crate::upstream::{
    AskState, Kind, Stick, Upstream,
    ask::{Ask, budget::Budget},
};

impl Upstream {
    /// A request is to be asked, and no backend is chosen yet.
    pub(crate) fn begin(&mut self, request: Request, stick: Option<Stick>, kind: Kind) -> AskId {
        let now = self.clock.now;
        let key = self.options.strategy.key(&request);
        let preference = self.preference(stick, key);
        self.serial = self.serial.wrapping_add(1);
        self.under_way += 1;
        self.current.asks += 1;
        let set = self.current.number;
        let serial = self.serial;
        let index = self.asks.take(Ask::new);
        if let Some(ask) = self.asks.get_mut(index) {
            ask.serial = serial;
            ask.state = AskState::Between;
            ask.kind = kind;
            ask.request = Some(request);
            ask.set = set;
            ask.preference = preference;
            ask.key = key;
            ask.tried = policy_ha::Tried::new();
            ask.budget = Budget::new(now);
            ask.began = now;
        }
        AskId { index, serial }
    }

    /// What a request is to wish for: who answered the last one of its message, unless that had another key.
    fn preference(&self, stick: Option<Stick>, key: Option<u64>) -> Preference {
        let id = |stick: Stick| self.current.id(stick.backend);
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
