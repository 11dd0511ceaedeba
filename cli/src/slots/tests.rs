//! Who gets a place, and who leaves for it.

use std::{
    net::IpAddr,
    sync::atomic::{AtomicUsize, Ordering::SeqCst},
    task::{Context, Wake, Waker},
    thread,
};

use super::search::AT_ONCE;
use super::*;
use crate::{session::Watch, slot::Leaving};

/// A connection, as its task sees it.
struct Connection {
    slot: SlotHandle,
    leaving: Leaving,
    woken: Arc<Woken>,
}

#[derive(Default)]
struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, SeqCst);
    }
}

impl Connection {
    fn of(slot: SlotHandle) -> Self {
        let leaving = Leaving(slot.clone());
        let woken = Arc::default();
        Self {
            slot,
            leaving,
            woken,
        }
    }

    /// It is idle: whether it is to leave.
    fn leaves(&mut self) -> bool {
        let waker = Waker::from(Arc::clone(&self.woken));
        let leaving = std::pin::Pin::new(&mut self.leaving);
        leaving.poll(&mut Context::from_waker(&waker)).is_ready()
    }

    /// It waits for a request or the rest of one: whether that is given up.
    fn is_cut(&self) -> bool {
        let waker = Waker::from(Arc::clone(&self.woken));
        let poll = self.slot.poll_cut(&Context::from_waker(&waker));
        poll.is_ready()
    }

    /// A part of a request has come.
    fn begins(&self) {
        self.slot.begin();
        assert!(!self.is_cut());
    }

    fn is_woken(&self) -> bool {
        self.woken.0.swap(0, SeqCst) > 0
    }

    /// A request has come and was answered.
    fn serves(&mut self) {
        asks(&self.slot);
        self.slot.answered();
        assert!(!self.leaves());
    }
}

/// A request comes whole.
fn asks(slot: &SlotHandle) {
    slot.begin();
    slot.complete();
}

/// The pause after a search in vain has passed.
fn later(slots: &Slots) {
    slots.table().oldest_of_largest.not_before = 0;
}

fn slots(all: usize, per_address: usize, per_user: usize) -> Slots {
    Slots::new(SlotLimits {
        all: all.into(),
        per_address: NonZeroUsize::new(per_address),
        per_user: NonZeroUsize::new(per_user),
    })
}

fn address(text: &str) -> Client {
    text.parse::<IpAddr>().unwrap().into()
}

/// It is let in, and is idle.
fn enters(slots: &Slots, client: Client) -> (Connection, Option<Evicted>) {
    let (slot, evicted) = slots.enter(client).unwrap();
    let mut connection = Connection::of(slot);
    assert!(!connection.leaves());
    (connection, evicted)
}

fn many(slots: &Slots, number: usize) -> Vec<Connection> {
    let one = |user| enters(slots, Client::User(user as u32)).0;
    (0..number).map(one).collect()
}

#[test]
fn a_place_is_free_again_when_its_connection_ends() {
    let slots = slots(2, 0, 0);
    let both = many(&slots, 2);
    for connection in &both {
        asks(&connection.slot);
    }
    let client = Client::User(7);
    assert_eq!(
        slots.enter(client).unwrap_err(),
        Refusal::Full(client, 2.into())
    );
    slots.leave(&both[0].slot);
    let third = slots.enter(client).unwrap().0;
    asks(&third);
    assert_eq!(
        slots.enter(client).unwrap_err(),
        Refusal::Full(client, 2.into())
    );
    slots.leave(&both[1].slot);
    slots.leave(&third);
    assert_eq!(slots.table().taken, 0);
}

#[test]
fn when_all_places_are_taken_the_connection_that_has_been_idle_for_longest_leaves() {
    let slots = slots(4, 0, 0);
    let mut all = many(&slots, 4);
    all[0].serves();
    asks(&all[2].slot);
    // Number 2 has a request under way.
    for number in [1, 3, 0] {
        let (new, evicted) = enters(&slots, Client::User(9));
        let evicted = evicted.unwrap();
        assert_eq!(evicted.client, Client::User(number as u32));
        asks(&new.slot);
        assert!(all[number].is_woken() && all[number].leaves(), "{number}");
        slots.leave(&all[number].slot);
    }
    slots.enter(address("::1")).unwrap_err();
    assert!(!all[2].is_woken());
    all[2].serves();
    let evicted = enters(&slots, address("::1")).1.unwrap();
    assert_eq!(evicted.client, Client::User(2));
    let told = evicted.to_string();
    let start =
        "all 4 places are taken (--max-clients): closing the connection of user 2, idle for ";
    let seconds = told
        .strip_prefix(start)
        .and_then(|rest| rest.strip_suffix('s'));
    assert!(
        seconds.is_some_and(|seconds| seconds.parse::<u64>().is_ok()),
        "{told}"
    );
}

#[test]
fn where_nobody_is_idle_the_oldest_unfinished_request_of_whoever_has_most_of_them_is_given_up() {
    let slots = slots(9, 0, 0);
    let clients = [1, 2, 3, 2, 3, 3, 3].map(Client::User);
    let all = clients.map(|client| enters(&slots, client).0);
    let whole = enters(&slots, Client::User(3)).0;
    asks(&whole.slot);
    let mut idle = enters(&slots, Client::User(4)).0;
    all.iter().for_each(Connection::begins);
    let enters_and_asks = |user| {
        let (new, evicted) = enters(&slots, Client::User(user));
        asks(&new.slot);
        evicted.unwrap().to_string()
    };
    let told = enters_and_asks(10);
    assert!(told.contains("user 4, idle for "), "{told}");
    assert!(idle.leaves() && all.iter().all(|one| !one.is_cut()));
    slots.leave(&idle.slot);
    // Of two that have as many, the one with the older. Number 0 has come whole since they were searched for.
    for (round, next) in [2, 4, 1, 5, 3, 6].into_iter().enumerate() {
        if round == 3 {
            asks(&all[0].slot);
        }
        let told = enters_and_asks(11 + round as u32);
        let user = clients[next];
        let told_of = format!("of {user}, whose request has been incomplete for ");
        assert!(told.contains(&told_of), "{round}: {told}");
        assert!(all[next].is_woken() && all[next].is_cut(), "{round}");
        slots.leave(&all[next].slot);
    }
    slots.enter(Client::User(20)).unwrap_err();
    for answered in [&all[0], &whole] {
        assert!(!answered.is_woken() && !answered.is_cut());
    }
}

#[test]
fn a_request_whose_rest_comes_in_the_moment_when_it_is_given_up_is_answered() {
    for whole in [true, false] {
        let slots = slots(1, 0, 0);
        let mut old = many(&slots, 1).remove(0);
        old.begins();
        enters(&slots, Client::User(1));
        if whole {
            old.slot.complete();
            assert!(!old.is_cut());
            old.slot.answered();
        }
        assert!(old.is_cut() && old.slot.is_evicted(), "{whole}");
        assert!(old.leaves());
        slots.leave(&old.slot);
        assert_eq!(slots.table().evicted, 0);
    }
}

#[test]
fn the_beginning_of_a_request_behind_another_one_is_no_request_under_way() {
    let slots = slots(1, 0, 0);
    let old = many(&slots, 1).remove(0);
    asks(&old.slot);
    old.slot.begin();
    slots.enter(Client::User(1)).unwrap_err();
    old.slot.answered();
    assert!(!old.is_cut());
    enters(&slots, Client::User(1));
    assert!(old.is_woken() && old.is_cut());
}

#[test]
fn a_search_in_vain_is_not_repeated_at_once() {
    let slots = slots(2, 0, 0);
    let mut all = many(&slots, 2);
    all.iter().for_each(|one| asks(&one.slot));
    let before = now();
    slots.enter(Client::User(7)).unwrap_err();
    let pause_ends = slots.table().oldest.not_before;
    assert!(pause_ends > before && pause_ends <= now() + LONGEST_PAUSE);
    {
        let mut table = slots.table();
        table.oldest.not_before = u64::MAX;
        assert!(table.evict(None, now()).is_none());
        table.has_waiting.store(true, Relaxed);
        assert!(table.evict(None, now()).is_none());
        assert!(!table.has_waiting.load(Relaxed), "it was searched for");
        assert!(table.oldest.not_before < u64::MAX);
        table.oldest.not_before = u64::MAX;
    }
    all[0].serves();
    asks(&enters(&slots, Client::User(7)).0.slot);
    assert!(all[0].leaves());
}

#[test]
fn the_longest_idle_are_in_order_however_many_there_are() {
    let number = AT_ONCE * 3 + 7;
    let slots = slots(number, 0, 0);
    let mut all = many(&slots, number);
    // Another order than that of the table.
    for index in (0..number).rev().chain((0..number).step_by(3)) {
        all[index].serves();
    }
    let mut expected: Vec<usize> = (0..number).rev().filter(|index| index % 3 > 0).collect();
    expected.extend((0..number).step_by(3));
    for (round, index) in expected.into_iter().enumerate() {
        let (new, evicted) = enters(&slots, Client::User(1_000_000 + round as u32));
        asks(&new.slot);
        assert_eq!(
            evicted.unwrap().client,
            Client::User(index as u32),
            "{round}"
        );
        assert!(all[index].leaves());
        slots.leave(&all[index].slot);
    }
}

#[test]
fn whoever_has_begun_a_request_after_a_search_is_left_alone() {
    let slots = slots(3, 0, 0);
    let mut all = many(&slots, 3);
    asks(&enters(&slots, Client::User(7)).0.slot);
    assert!(all[0].leaves());
    // The search has found them as well.
    asks(&all[1].slot);
    let evicted = enters(&slots, Client::User(8)).1.unwrap();
    assert_eq!(evicted.client, Client::User(2));
    slots.leave(&all[2].slot);
    slots.leave(&all[1].slot);
    assert_eq!(slots.table().taken, 2);
}

#[test]
fn whoever_is_to_leave_and_is_given_a_request_in_that_moment_leaves_after_it() {
    let slots = slots(1, 0, 0);
    let mut old = many(&slots, 1).remove(0);
    let new = enters(&slots, Client::User(1)).0;
    asks(&old.slot);
    assert!(old.slot.is_evicted());
    assert!(old.leaves(), "when it is idle again");
    slots.leave(&old.slot);
    slots.leave(&new.slot);
    let table = slots.table();
    assert_eq!((table.taken, table.evicted), (0, 0));
}

#[test]
fn only_so_many_may_be_on_their_way_out_and_the_largest_leaves_room_for_others() {
    let all = MOST_EVICTED * 3;
    let slots = slots(all, 0, 0);
    let (mine, other) = (Client::User(1), |number: usize| {
        address(&format!("10.0.0.{number}"))
    });
    let mut old: Vec<_> = (0..all).map(|_| enters(&slots, mine).0).collect();
    let half = MOST_EVICTED / 2;
    let mut new: Vec<_> = (0..half).map(|_| enters(&slots, mine).0).collect();
    assert_eq!(
        slots.enter(mine).unwrap_err(),
        Refusal::Full(mine, all.into())
    );
    new.extend((0..half).map(|number| enters(&slots, other(number)).0));
    slots.enter(other(200)).unwrap_err();
    slots.enter(mine).unwrap_err();
    assert!(old[0].leaves());
    slots.leave(&old[0].slot);
    new.push(enters(&slots, other(200)).0);
    for connection in old.iter().skip(1).chain(&new) {
        slots.leave(&connection.slot);
    }
    let table = slots.table();
    assert_eq!((table.taken, table.evicted), (0, 0));
}

#[test]
fn whoever_has_more_than_half_of_all_places_takes_none_from_others() {
    let slots = slots(6, 0, 0);
    let (mine, other) = (Client::User(1), Client::User(2));
    let mut others: Vec<_> = (0..2).map(|_| enters(&slots, other).0).collect();
    let mut own: Vec<_> = (0..4).map(|_| enters(&slots, mine).0).collect();
    // Those of the other have been idle for longer.
    for (round, connection) in own.iter_mut().enumerate() {
        let (new, evicted) = enters(&slots, mine);
        assert_eq!(evicted.unwrap().client, mine, "{round}");
        asks(&new.slot);
        assert!(connection.leaves());
        slots.leave(&connection.slot);
    }
    assert_eq!(
        slots.enter(mine).unwrap_err(),
        Refusal::Full(mine, 6.into())
    );
    assert!(!others[0].leaves() && !others[1].leaves());
    // The other one may, up to its half.
    later(&slots);
    asks(&others[1].slot);
    let third = enters(&slots, other);
    assert_eq!(third.1.unwrap().client, other, "the longest idle of all");
    assert!(others[0].leaves());
}

#[test]
fn an_address_a_network_and_a_user_have_places_of_their_own() {
    for (mine, also_mine, other) in [
        (
            address("192.0.2.1"),
            address("::ffff:192.0.2.1"),
            address("192.0.2.2"),
        ),
        (
            address("2001:db8::1"),
            address("2001:db8::2:1"),
            address("2001:db8:0:1::"),
        ),
        (Client::User(105), Client::User(105), Client::User(0)),
    ] {
        let slots = slots(100, 2, 2);
        let mut all = vec![enters(&slots, mine).0, enters(&slots, also_mine).0];
        let refusal = slots.enter(mine).unwrap_err();
        assert_eq!(
            refusal,
            Refusal::full_for(mine, NonZeroUsize::new(2).unwrap())
        );
        all.push(enters(&slots, other).0);
        assert_eq!(slots.table().taken, 3, "who was refused took no place");
        slots.leave(&all.remove(1).slot);
        all.push(enters(&slots, mine).0);
        for connection in all {
            slots.leave(&connection.slot);
        }
        assert_eq!(slots.table().by_origin.len(), 0, "{mine}");
    }
}

#[test]
fn all_addresses_of_loopback_are_one_for_half_of_the_places_and_none_for_the_limit_of_an_address() {
    let slots = slots(6, 1, 0);
    let user = Client::User(1);
    let mut others: Vec<_> = (0..2).map(|_| enters(&slots, user).0).collect();
    let loopback = ["127.0.0.1", "127.1.2.3", "::1", "::ffff:127.0.0.2"];
    for mine in loopback.map(address) {
        enters(&slots, mine);
    }
    for (round, mine) in loopback.map(address).into_iter().enumerate() {
        let evicted = enters(&slots, mine).1.unwrap();
        assert_ne!(evicted.client, user, "{round}");
    }
    assert!(!others[0].leaves() && !others[1].leaves());
}

#[test]
fn whoever_has_too_many_drives_nobody_out_and_counts_until_it_has_gone() {
    let slots = slots(2, 0, 1);
    let mut all = many(&slots, 2);
    slots.enter(Client::User(1)).unwrap_err();
    assert!(!all[0].leaves() && !all[1].leaves());
    let third = enters(&slots, Client::User(2)).0;
    assert!(all[0].leaves());
    slots.enter(Client::User(0)).unwrap_err();
    slots.leave(&all[0].slot);
    enters(&slots, Client::User(0));
    assert!(all[1].leaves() && !third.slot.is_evicted());
}

#[test]
fn all_leave_at_the_end_and_nobody_is_driven_out_any_more() {
    let slots = slots(3, 0, 0);
    let mut all = many(&slots, 2);
    asks(&all[1].slot);
    slots.drain();
    slots.drain();
    assert!(all[0].is_woken() && all[0].leaves());
    assert!(all[1].leaves(), "when it is idle");
    let mut late = Connection::of(slots.enter(Client::User(3)).unwrap().0);
    assert!(late.leaves());
    slots.enter(Client::User(4)).unwrap_err();
    for connection in all.iter().chain([&late]) {
        assert!(!connection.slot.is_evicted());
        slots.leave(&connection.slot);
    }
    assert_eq!(slots.table().taken, 0);
}

#[test]
fn what_many_threads_do_at_once_adds_up() {
    const ALL: usize = 8;
    let slots = &slots(ALL, 0, 5);
    let served = &AtomicUsize::new(0);
    thread::scope(|scope| {
        for seed in 1..=4_u32 {
            scope.spawn(move || {
                let mut mine: Vec<Connection> = Vec::new();
                let mut chance = seed;
                for _ in 0..20_000 {
                    chance = chance.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    let (what, which) = (chance >> 28, chance as usize >> 4);
                    if mine.len() < 4 && what < 8 {
                        if let Ok((slot, _)) = slots.enter(Client::User(chance >> 16 & 3)) {
                            mine.push(Connection::of(slot));
                        }
                        continue;
                    }
                    if mine.is_empty() {
                        continue;
                    }
                    let at = which % mine.len();
                    if what < 10 {
                        mine[at].slot.begin();
                    } else if what < 12 {
                        mine[at].slot.complete();
                    } else if what == 12 || mine[at].is_cut() || mine[at].leaves() {
                        slots.leave(&mine.remove(at).slot);
                        served.fetch_add(1, SeqCst);
                    }
                    assert!(slots.table().taken <= ALL);
                }
                for connection in mine {
                    slots.leave(&connection.slot);
                }
            });
        }
    });
    assert!(served.load(SeqCst) > 1000);
    let table = slots.table();
    assert_eq!((table.taken, table.evicted), (0, 0));
    assert_eq!(table.by_origin.len(), 0);
}
