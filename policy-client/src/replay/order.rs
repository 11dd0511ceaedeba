//! Requests in the order of their times: a record has each when it was answered.

use std::{cmp::Reverse, collections::BinaryHeap, time::Duration};

use crate::input::capture::Captured;

/// Sorts what comes nearly sorted, in bounded memory.
pub(super) struct Ordered<I> {
    captured: I,
    heap: BinaryHeap<Reverse<Held>>,
    bytes: usize,
    count: u64,
    fault: Option<String>,
    has_ended: bool,
}

struct Held {
    /// Those without a time, and those of one time, stay in their order.
    key: (Duration, u64),
    captured: Captured,
}

impl<I: Iterator<Item = Result<Captured, String>>> Ordered<I> {
    pub(super) fn new(captured: I) -> Self {
        Self {
            captured,
            heap: BinaryHeap::new(),
            bytes: 0,
            count: 0,
            fault: None,
            has_ended: false,
        }
    }

    fn pop(&mut self) -> Option<Captured> {
        let Reverse(held) = self.heap.pop()?;
        self.bytes -= held.captured.request.as_bytes().len();
        Some(held.captured)
    }
}

impl<I: Iterator<Item = Result<Captured, String>>> Iterator for Ordered<I> {
    type Item = Result<Captured, String>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.has_ended && self.heap.len() < MAX_HELD && self.bytes < MAX_BYTES {
            match self.captured.next() {
                Some(Ok(captured)) if captured.facts.time.is_none() && self.heap.is_empty() => {
                    return Some(Ok(captured));
                }
                Some(Ok(captured)) => {
                    self.bytes += captured.request.as_bytes().len();
                    self.count += 1;
                    let key = (captured.facts.time.unwrap_or_default(), self.count);
                    self.heap.push(Reverse(Held { key, captured }));
                }
                Some(Err(fault)) => {
                    // What comes before it is asked.
                    self.fault = Some(fault);
                    self.has_ended = true;
                }
                None => self.has_ended = true,
            }
        }
        match self.pop() {
            Some(captured) => Some(Ok(captured)),
            None => self.fault.take().map(Err),
        }
    }
}

impl Ord for Held {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.key.cmp(&other.key)
    }
}

impl PartialOrd for Held {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Held {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

impl Eq for Held {}

/// Requests and bytes that are held to be sorted.
const MAX_HELD: usize = 10_000;
const MAX_BYTES: usize = 16 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use policy_proto::Request;

    use super::*;
    use crate::input::capture::Facts;

    #[test]
    fn requests_come_in_the_order_of_their_times_and_a_fault_after_them() {
        let captured = |time: u64| {
            let request = Request::from_attributes([("n", time.to_string())]).unwrap();
            Ok(Captured {
                request,
                facts: Facts {
                    time: Some(Duration::from_secs(time)),
                    ..Facts::default()
                },
                read: 0,
            })
        };
        let read = vec![
            captured(2),
            captured(1),
            captured(3),
            Err("fault".to_owned()),
        ];
        let mut ordered = Ordered::new(read.into_iter());
        let times: Vec<_> = (0..3)
            .map(|_| {
                ordered
                    .next()
                    .unwrap()
                    .unwrap()
                    .facts
                    .time
                    .unwrap()
                    .as_secs()
            })
            .collect();
        assert_eq!(times, [1, 2, 3]);
        assert_eq!(ordered.next().unwrap().unwrap_err(), "fault");
        assert!(ordered.next().is_none());
        // More than are held at a time.
        let many = (0..30_000).rev().map(captured);
        assert_eq!(Ordered::new(many).count(), 30_000);
    }
}
