//! Lists of backends: the current one, and those that requests still go by.

use std::mem;

use policy_ha::BackendId;
use policy_proto::MessageDecoder;

use crate::upstream::{Backend, BackendConfig, Shared, Upstream, UpstreamOptions, Work};
use crate::{BackendDriver, Slot};

/// A list of backends, for those requests that began with it.
#[derive(Debug)]
pub(crate) struct Set {
    pub(crate) number: u32,
    pub(crate) shared: Shared,
    /// The backends, in the order of their [`BackendId`]s.
    pub(crate) slots: Box<[Slot]>,
    /// The requests that go by it.
    pub(crate) asks: usize,
}

impl Set {
    /// Without backends.
    pub(crate) fn empty(shared: &Shared) -> Self {
        Self {
            number: 0,
            shared: shared.clone(),
            slots: Box::default(),
            asks: 0,
        }
    }

    /// The one with this number.
    pub(crate) fn find<'a>(current: &'a Self, old: &'a [Self], number: u32) -> Option<&'a Self> {
        if current.number == number {
            Some(current)
        } else {
            old.iter().find(|set| set.number == number)
        }
    }

    /// The index of a backend in this list, if it is listed.
    pub(crate) fn id(&self, slot: Slot) -> Option<BackendId> {
        let index = self.slots.iter().position(|other| *other == slot)?;
        BackendId::new(index)
    }
}

impl Upstream {
    /// Goes by another list from now on. Each backend comes with its number if it stays: then it keeps its connections,
    /// and [`Shared::renewed`] keeps its health; what is said of it is taken over, but for where it is. Requests that are
    /// under way end as they began. Connections to backends that do not stay are closed when they are idle.
    ///
    /// The numbers of all of them, in the order of the list.
    pub fn exchange(
        &mut self,
        options: UpstreamOptions,
        backends: impl IntoIterator<Item = (BackendConfig, Option<Slot>)>,
        shared: &Shared,
        driver: &mut impl BackendDriver,
    ) -> Vec<Slot> {
        self.decoder = MessageDecoder::new().with_limits(options.limits);
        self.memory.renew(options.memory, options.limits);
        self.options = options;
        let slots = self.list(shared, backends);
        for index in 0..self.backends.len() {
            let slot = Slot(u32::try_from(index).unwrap_or(u32::MAX));
            if !slots.contains(&slot) {
                if let Some(backend) = self.backends.get_mut(index) {
                    backend.is_retired = true;
                }
                self.drop_idle(slot, driver);
            }
            // There may be more connections than before.
            self.work.push_back(Work::Serve(slot));
        }
        self.rearm_checks();
        self.work_off(driver);
        slots
    }

    pub(crate) fn list(
        &mut self,
        shared: &Shared,
        backends: impl IntoIterator<Item = (BackendConfig, Option<Slot>)>,
    ) -> Vec<Slot> {
        let mut slots = Vec::new();
        for (index, (config, known)) in backends.into_iter().take(shared.len()).enumerate() {
            let Some(of_all) = shared.backend(index) else {
                break;
            };
            // One that is not listed any more may have connections whose permits are those of another backend.
            let is_listed = |slot: &Slot| self.current.id(*slot).is_some();
            let known = known.filter(|slot| is_listed(slot) && !slots.contains(slot));
            let of_all = of_all.clone();
            match known.and_then(|slot| Some((slot, self.backends.get_mut(slot.index())?))) {
                Some((slot, backend)) => {
                    backend.renew(config, of_all);
                    slots.push(slot);
                }
                None => slots.push(self.add(Backend::new(config, of_all))),
            }
        }
        let set = Set {
            number: self.current.number.wrapping_add(1),
            shared: shared.clone(),
            slots: slots.clone().into(),
            asks: 0,
        };
        let old = mem::replace(&mut self.current, set);
        if old.asks > 0 {
            self.old.push(old);
        }
        slots
    }

    /// A place of a backend that is not listed any more, and of which nothing is left, or a new one.
    fn add(&mut self, backend: Backend) -> Slot {
        let is_left = |index: usize| {
            let slot = Slot(u32::try_from(index).unwrap_or(u32::MAX));
            let mut sets = self.old.iter().chain([&self.current]);
            sets.any(|set| set.slots.contains(&slot))
        };
        let mut old = self.backends.iter().enumerate();
        let free = old.find(|(index, backend)| backend.is_free() && !is_left(*index));
        let index = free.map_or(self.backends.len(), |(index, _)| index);
        match self.backends.get_mut(index) {
            Some(free) => *free = backend,
            None => self.backends.push(backend),
        }
        Slot(u32::try_from(index).unwrap_or(u32::MAX))
    }

    /// A request that went by this list is done with.
    pub(crate) fn leave_set(&mut self, number: u32) {
        if self.current.number == number {
            self.current.asks -= 1;
            return;
        }
        for set in &mut self.old {
            set.asks -= usize::from(set.number == number);
        }
        self.old.retain(|set| set.asks > 0);
    }

    pub(crate) fn set(&self, number: u32) -> Option<&Set> {
        Set::find(&self.current, &self.old, number)
    }
}
