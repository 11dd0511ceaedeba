//! Names, codes of lists, and zones: what was read is within its limits, and written and read again it is the same.

#![no_main]

use libfuzzer_sys::fuzz_target;
use policy_dns::{
    Name, Table,
    list::{Codes, DnsList, ListOptions, Subject},
};

fuzz_target!(|input: &[u8]| {
    if let Ok(name) = Name::parse(input) {
        assert!(
            name.to_bytes().len() <= 253
                && name.labels().all(|label| (1..=63).contains(&label.len()))
        );
        assert_eq!(Name::parse(name.to_bytes()).as_ref(), Ok(&name));
        assert_eq!(Name::from_labels(name.labels()).as_ref(), Ok(&name));
        assert!(name.to_string().is_ascii());
        assert!(name.parent().is_none_or(|parent| name.is_within(&parent)));
        assert_eq!(Name::parse(input.to_ascii_uppercase()).as_ref(), Ok(&name));
        if let Some(Subject::Domain(domain)) = Subject::domain(input) {
            assert_eq!(domain, name);
        }
    }
    let Ok(text) = std::str::from_utf8(input) else {
        return;
    };
    if let Ok(codes) = text.parse::<Codes>() {
        let again: Codes = codes.to_string().parse().expect("written, but not read");
        for code in [
            [127, 0, 0, 2],
            [127, 255, 255, 254],
            [127, 0, 1, 99],
            [0, 0, 0, 0],
            [255, 255, 255, 255],
        ] {
            assert_eq!(codes.contain(code.into()), again.contain(code.into()));
        }
    }
    if let Ok(list) = DnsList::addresses(text, ListOptions::for_zone(text)) {
        assert!(list.zone().len() <= 4 * 253);
    }
    let _ = text.parse::<Table>();
});
