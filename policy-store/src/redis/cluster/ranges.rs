//! The ranges of slots in a node's answer, and the addresses of their nodes.

use std::collections::HashSet;

use redis::{Value, from_redis_value};

use super::slot::SLOTS;
use crate::{
    StoreError,
    address::{Address, is_host},
};

/// How many nodes a cluster may have that have slots. Redis's own advice is 1,000.
pub(super) const MAX_NODES: usize = 1000;

/// Slots, both included, and the address of their node.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Range {
    pub(super) first: u16,
    pub(super) last: u16,
    pub(super) address: Address,
}

/// The answer to `CLUSTER SLOTS` of the node at an address: ranges of slots, each with its node and that one's replicas.
pub(super) fn read(answer: Value, asked: &Address) -> Result<Vec<Range>, StoreError> {
    let mut ranges = Vec::new();
    for range in array(answer)? {
        let mut parts = array(range)?.into_iter();
        let first = number(parts.next(), SLOTS - 1)?;
        let last = number(parts.next(), SLOTS - 1)?;
        let mut node = array(parts.next().ok_or_else(odd)?)?.into_iter();
        let host = match node.next() {
            None | Some(Value::Nil) => String::new(),
            Some(host) => from_redis_value(host).map_err(|_| odd())?,
        };
        let port = number(node.next(), u16::MAX)?;
        // One that has no name yet cannot be asked; its slots are no node's until it has one.
        if let Some(address) = address(&host, port, asked) {
            ranges.push(Range {
                first,
                last,
                address,
            });
        }
    }
    if ranges.is_empty() {
        return Err(StoreError::NotServing(
            "no node of the cluster has slots".into(),
        ));
    }
    let nodes: HashSet<_> = ranges.iter().map(|range| &range.address).collect();
    if nodes.len() > MAX_NODES {
        return Err(StoreError::TooLarge {
            size: nodes.len(),
            limit: MAX_NODES,
            unit: "nodes of a cluster",
        });
    }
    // Every node has its own order.
    ranges.sort_by_key(|range| range.first);
    Ok(ranges)
}

/// The address in a redirection of the node at an address.
pub(super) fn redirected(text: &str, asked: &Address) -> Result<Address, StoreError> {
    let (host, port) = text.rsplit_once(':').unwrap_or_default();
    let address = port
        .parse()
        .ok()
        .and_then(|port| address(host, port, asked));
    address.ok_or_else(|| StoreError::Protocol("a redirection to no address".into()))
}

/// A node that names no host is where the asked one is, for those who ask.
fn address(host: &str, port: u16, asked: &Address) -> Option<Address> {
    let host = match asked {
        Address::Inet(asked, _) if host.is_empty() => asked,
        _ => host,
    };
    (port != 0 && is_host(host)).then(|| Address::Inet(host.to_owned(), port))
}

fn array(value: Value) -> Result<Vec<Value>, StoreError> {
    match value {
        Value::Array(values) => Ok(values),
        _ => Err(odd()),
    }
}

fn number(value: Option<Value>, largest: u16) -> Result<u16, StoreError> {
    let number = match value {
        Some(Value::Int(number)) => u16::try_from(number).ok(),
        _ => None,
    };
    number.filter(|number| *number <= largest).ok_or_else(odd)
}

fn odd() -> StoreError {
    StoreError::Protocol("not the slots of a cluster".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(host: Value, port: i64) -> Value {
        Value::Array(vec![host, Value::Int(port), text("id")])
    }

    fn text(text: &str) -> Value {
        Value::BulkString(text.as_bytes().to_vec())
    }

    fn range(first: i64, last: i64, node: Value) -> Value {
        let replica = self::node(text("192.0.2.9"), 1);
        Value::Array(vec![Value::Int(first), Value::Int(last), node, replica])
    }

    fn inet(host: &str, port: u16) -> Address {
        Address::Inet(host.into(), port)
    }

    #[test]
    fn the_slots_of_each_node_are_read() {
        let asked = inet("redis.example", 7000);
        let answer = Value::Array(vec![
            range(6, 16383, node(text("2001:db8::1"), 7001)),
            range(0, 1, node(text(""), 7002)),
            range(2, 3, node(Value::Nil, 7003)),
            range(4, 5, node(text("?"), 7004)),
        ]);
        let ranges = read(answer, &asked).unwrap();
        let expected = [
            (0, 1, inet("redis.example", 7002)),
            (2, 3, inet("redis.example", 7003)),
            (6, 16383, inet("2001:db8::1", 7001)),
        ];
        let found: Vec<_> = ranges
            .into_iter()
            .map(|range| (range.first, range.last, range.address))
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn what_are_no_slots_is_refused() {
        let asked = inet("redis.example", 7000);
        let whole = |ranges| read(Value::Array(ranges), &asked);
        for odd in [
            Value::Int(1),
            range(-1, 5, node(text("a"), 1)),
            range(0, 16384, node(text("a"), 1)),
            range(0, 1, node(text("a"), 65536)),
            range(0, 1, Value::Int(1)),
            Value::Array(vec![Value::Int(0), Value::Int(1)]),
        ] {
            let shown = format!("{odd:?}");
            let error = whole(vec![odd]).unwrap_err();
            assert!(matches!(error, StoreError::Protocol(_)), "{shown}");
        }
        let error = whole(Vec::new()).unwrap_err();
        assert!(matches!(error, StoreError::NotServing(_)), "{error:?}");
        let many = (1..=1001).map(|port| range(port, port, node(text("a"), port)));
        let error = whole(many.collect()).unwrap_err();
        assert!(matches!(error, StoreError::TooLarge { .. }), "{error:?}");
    }

    #[test]
    fn a_redirection_names_an_address() {
        let asked = inet("redis.example", 7000);
        for (text, expected) in [
            ("192.0.2.1:7001", Some(inet("192.0.2.1", 7001))),
            ("2001:db8::1:7001", Some(inet("2001:db8::1", 7001))),
            (":7001", Some(inet("redis.example", 7001))),
            ("?:7001", None),
            ("host", None),
            ("host:0", None),
            ("h\u{1b}st:1", None),
        ] {
            assert_eq!(redirected(text, &asked).ok(), expected, "{text}");
        }
        let local = Address::Unix("/run/redis".into());
        assert_eq!(redirected(":7001", &local).ok(), None);
    }
}
