//! Affinity: who answered the last request of a client's message, in each group of backends.

use super::Clients;
use crate::{ClientId, Stick};

/// Who answered in groups other than the first one that did: at most one for each.
#[derive(Debug, Default)]
pub(crate) struct Sticks(Vec<Stick>);

impl Clients {
    /// Whom the next request of a client is to be put to in this group: who answered the last one there, if that was about
    /// the same message.
    #[inline]
    pub(crate) fn stick(
        &mut self,
        client: ClientId,
        group: u16,
        message: Option<u64>,
    ) -> Option<Stick> {
        let client = self.slab.get_mut(client.0)?;
        client.group = group;
        if message.is_none() || client.message != message {
            client.message = message;
            client.stick = None;
            if client.others.is_some() {
                client.others = None;
            }
        }
        match client.stick {
            Some(stick) if stick.group == group => Some(stick),
            _ => client.others.as_ref()?.of(group),
        }
    }

    /// A request of a client goes to this group, which has no affinity, or to none.
    pub(crate) fn without_stick(&mut self, client: ClientId, group: u16) {
        if let Some(client) = self.slab.get_mut(client.0) {
            client.group = group;
        }
    }

    /// The request of a client has been answered by this backend, or not at all.
    #[inline]
    pub(crate) fn set_stick(&mut self, client: ClientId, stick: Option<Stick>) {
        let Some(client) = self.slab.get_mut(client.0) else {
            return;
        };
        client.ask = None;
        let group = client.group;
        let stick = stick.filter(|_| client.message.is_some());
        let stick = stick.map(|stick| Stick { group, ..stick });
        let is_first = match client.stick {
            Some(known) => known.group == group,
            None => client.others.is_none(),
        };
        if is_first {
            client.stick = stick;
        } else {
            client.others.get_or_insert_default().set(group, stick);
        }
    }

    /// Where a client has connected.
    pub(crate) fn listener(&self, client: ClientId) -> u16 {
        let client = self.slab.get(client.0);
        client.map_or(0, |client| client.listener)
    }

    pub(crate) fn set_listener(&mut self, client: ClientId, listener: u16) {
        if let Some(client) = self.slab.get_mut(client.0) {
            client.listener = listener;
        }
    }

    /// The group that the request of a client is put to.
    pub(crate) fn group(&self, client: ClientId) -> u16 {
        let client = self.slab.get(client.0);
        client.map_or(NO_GROUP, |client| client.group)
    }

    /// Groups and listeners have other numbers from now on, if they are still there.
    pub(crate) fn renumber(&mut self, groups: &[Option<u16>], listeners: &[Option<u16>]) {
        let now = |numbers: &[Option<u16>], number: u16| {
            let number = numbers.get(usize::from(number));
            number.copied().flatten()
        };
        for id in 0..self.slab.len() {
            let Some(client) = self.slab.get_mut(id) else {
                continue;
            };
            client.listener = now(listeners, client.listener).unwrap_or(0);
            client.group = now(groups, client.group).unwrap_or(NO_GROUP);
            let renumbered = |stick: Stick| {
                let group = now(groups, stick.group)?;
                Some(Stick { group, ..stick })
            };
            client.stick = client.stick.and_then(renumbered);
            if let Some(others) = &mut client.others {
                others.0 = others.0.drain(..).filter_map(renumbered).collect();
            }
        }
    }
}

impl Sticks {
    fn of(&self, group: u16) -> Option<Stick> {
        self.0.iter().find(|stick| stick.group == group).copied()
    }

    fn set(&mut self, group: u16, stick: Option<Stick>) {
        self.0.retain(|known| known.group != group);
        self.0.extend(stick);
    }
}

/// The number of no group.
pub(crate) const NO_GROUP: u16 = u16::MAX;
