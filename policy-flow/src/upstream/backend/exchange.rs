//! Lists of backends: the current one of each group, and those that requests still go by.

use std::{mem, sync::Arc};

use policy_ha::BackendId;
use policy_proto::MessageDecoder;

use crate::upstream::{
    Backend, BackendConfig, BackendGroup, Shared, Upstream, UpstreamOptions, Work,
};
use crate::{BackendDriver, Slot, clock::Span};

/// A list of backends, for those requests that began with it.
#[derive(Debug)]
pub(crate) struct Set {
    pub(crate) number: u32,
    pub(crate) options: Arc<UpstreamOptions>,
    /// Times of the options, which each request needs.
    pub(crate) deadline: Span,
    pub(crate) wait: Span,
    pub(crate) last_resort: Span,
    pub(crate) shared: Shared,
    /// The backends, in the order of their [`BackendId`]s.
    pub(crate) slots: Box<[Slot]>,
    /// The requests that go by it.
    pub(crate) asks: usize,
}

impl Set {
    /// The one with this number.
    #[inline]
    pub(crate) fn find<'a>(groups: &'a [Self], old: &'a [Self], number: u32) -> Option<&'a Self> {
        match groups {
            // As a rule.
            [only, ..] if only.number == number => Some(only),
            _ => {
                let mut sets = groups.iter().chain(old);
                sets.find(|set| set.number == number)
            }
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
        let group = BackendGroup::new(options, shared, backends);
        let slots = self.exchange_groups(vec![group], driver).pop();
        slots.unwrap_or_default()
    }

    /// The same for several groups. A backend may only stay in its group: in another one it is a new one.
    ///
    /// The numbers of all backends, group by group.
    pub fn exchange_groups(
        &mut self,
        groups: Vec<BackendGroup>,
        driver: &mut impl BackendDriver,
    ) -> Vec<Vec<Slot>> {
        if let Some(BackendGroup {
            options, shared, ..
        }) = groups.first()
        {
            self.decoder = MessageDecoder::new().with_limits(options.limits);
            self.memory.renew(options.memory, options.limits);
            self.limits = options.limits;
            self.shared = shared.clone();
        }
        let slots = self.list(groups);
        for index in 0..self.backends.len() {
            let slot = Slot(u32::try_from(index).unwrap_or(u32::MAX));
            if !slots.iter().flatten().any(|listed| *listed == slot) {
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
        groups: impl IntoIterator<Item = BackendGroup>,
    ) -> Vec<Vec<Slot>> {
        let (mut sets, mut slots) = (Vec::new(), Vec::new());
        for group in groups {
            let BackendGroup {
                options,
                shared,
                backends,
            } = group;
            let options = Arc::new(options);
            let of_group = self.list_group(&options, &shared, backends, &slots);
            self.lists = self.lists.wrapping_add(1).max(1);
            sets.push(Set {
                number: self.lists,
                deadline: options.deadline.into(),
                wait: options.wait.into(),
                last_resort: options.last_resort.into(),
                options,
                shared,
                slots: of_group.clone().into(),
                asks: 0,
            });
            slots.push(of_group);
        }
        let old = mem::replace(&mut self.groups, sets);
        self.old.extend(old.into_iter().filter(|set| set.asks > 0));
        slots
    }

    /// The numbers of the backends of a group; those `taken` are of groups before it.
    fn list_group(
        &mut self,
        options: &Arc<UpstreamOptions>,
        shared: &Shared,
        backends: Vec<(BackendConfig, Option<Slot>)>,
        taken: &[Vec<Slot>],
    ) -> Vec<Slot> {
        let mut slots = Vec::new();
        for (index, (config, known)) in backends.into_iter().take(shared.len()).enumerate() {
            let Some(of_all) = shared.backend(index) else {
                break;
            };
            let (of_all, options) = (Arc::clone(of_all), Arc::clone(options));
            // One that is not listed any more may have connections whose permits are those of another backend.
            let is_listed = |slot: &Slot| self.groups.iter().any(|set| set.id(*slot).is_some());
            let is_free = |slot: &Slot| {
                !slots
                    .iter()
                    .chain(taken.iter().flatten())
                    .any(|other| other == slot)
            };
            let known = known.filter(|slot| is_listed(slot) && is_free(slot));
            match known.and_then(|slot| Some((slot, self.backends.get_mut(slot.index())?))) {
                Some((slot, backend)) => {
                    backend.renew(config, of_all, options);
                    slots.push(slot);
                }
                None => slots.push(self.add(Backend::new(config, of_all, options))),
            }
        }
        slots
    }

    /// A place of a backend that is not listed any more, and of which nothing is left, or a new one.
    fn add(&mut self, backend: Backend) -> Slot {
        let is_left = |index: usize| {
            let slot = Slot(u32::try_from(index).unwrap_or(u32::MAX));
            let mut sets = self.old.iter().chain(&self.groups);
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
        if let Some(set) = self.groups.iter_mut().find(|set| set.number == number) {
            set.asks -= 1;
            return;
        }
        for set in &mut self.old {
            set.asks -= usize::from(set.number == number);
        }
        self.old.retain(|set| set.asks > 0);
    }

    pub(crate) fn set(&self, number: u32) -> Option<&Set> {
        Set::find(&self.groups, &self.old, number)
    }
}
