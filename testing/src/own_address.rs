//! An address for a server whose port cannot be chosen, as that of a name server.

use std::{net::Ipv4Addr, process};

use crate::reserved::is_ours;

/// An address of the loopback network that no other test is given as long as this process lives.
pub fn own_address() -> Ipv4Addr {
    // Processes that start at the same time begin in different places.
    let first = process::id() * 97;
    let mut candidates = (0..60_000).map(|offset| {
        let [_, _, high, low] = ((first + offset) % 60_000).to_be_bytes();
        Ipv4Addr::new(127, 200, high, low)
    });
    candidates
        .find(|address| is_ours(&format!("address-{address}")))
        .expect("one of so many addresses is free")
}

#[test]
fn an_address_is_given_once() {
    let addresses = [own_address(), own_address()];
    assert_ne!(addresses[0], addresses[1]);
    for address in addresses {
        assert!(address.is_loopback() && !is_ours(&format!("address-{address}")));
        std::net::UdpSocket::bind((address, 0)).unwrap();
    }
}
