//! Files of countries, of both formats: whatever they hold, an address has two letters or none, and the same each time.

#![no_main]

use std::net::{Ipv4Addr, Ipv6Addr};

use libfuzzer_sys::fuzz_target;
use policy_store::Countries;

fuzz_target!(|bytes: &[u8]| {
    let Ok(file) = Countries::parse(bytes.to_vec()) else {
        return;
    };
    for number in [
        0,
        1,
        0x0102_0304,
        0x7f00_0001,
        0x8000_0000,
        0xc000_0201,
        u32::MAX,
    ] {
        let six = Ipv6Addr::from(u128::from(number) << 90 | u128::from(number));
        for address in [Ipv4Addr::from(number).into(), six.into()] {
            let country = file.country(address);
            assert_eq!(country, file.country(address));
            if let Some(country) = country {
                assert_eq!(country.as_str().len(), 2);
            }
        }
    }
});
