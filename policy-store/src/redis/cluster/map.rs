//! The map of a cluster: the node of each slot.

use std::{collections::HashMap, sync::Arc};

use super::{
    node::Node,
    ranges::{MAX_NODES, Range},
    slot::SLOTS,
};
use crate::address::Address;

/// The nodes, and for each slot the number of its node.
#[derive(Clone, Debug)]
pub(super) struct Map {
    nodes: Vec<Arc<Node>>,
    owners: Box<[u16]>,
}

/// The number of no node.
const NONE: u16 = u16::MAX;

impl Default for Map {
    fn default() -> Self {
        Self {
            nodes: Vec::new(),
            owners: vec![NONE; SLOTS.into()].into(),
        }
    }
}

impl Map {
    /// The nodes are those that `node` has for their addresses.
    pub(super) fn new(ranges: Vec<Range>, node: impl Fn(Address) -> Arc<Node>) -> Self {
        let mut map = Self::default();
        let mut numbers = HashMap::new();
        for range in ranges {
            let number = *numbers.entry(range.address).or_insert_with_key(|address| {
                map.nodes.push(node(address.clone()));
                map.nodes.len() - 1
            });
            let slots = usize::from(range.first)..=usize::from(range.last);
            if let Some(owners) = map.owners.get_mut(slots) {
                owners.fill(u16::try_from(number).unwrap_or(NONE));
            }
        }
        map
    }

    pub(super) fn nodes(&self) -> &[Arc<Node>] {
        &self.nodes
    }

    pub(super) fn owner(&self, slot: u16) -> Option<&Arc<Node>> {
        let number = self.owners.get(usize::from(slot))?;
        self.nodes.get(usize::from(*number))
    }

    pub(super) fn find(&self, address: &Address) -> Option<&Arc<Node>> {
        self.nodes.iter().find(|node| node.address == *address)
    }

    /// Adds a node that has no slot yet. False if there are too many.
    pub(super) fn add(&mut self, node: Arc<Node>) -> bool {
        let has_room = self.nodes.len() < MAX_NODES;
        if has_room {
            self.nodes.push(node);
        }
        has_room
    }

    /// A node of the map has this slot.
    pub(super) fn assign(&mut self, slot: u16, address: &Address) {
        let number = self.nodes.iter().position(|node| node.address == *address);
        let number = number.and_then(|number| u16::try_from(number).ok());
        if let (Some(number), Some(owner)) = (number, self.owners.get_mut(usize::from(slot))) {
            *owner = number;
        }
    }
}
