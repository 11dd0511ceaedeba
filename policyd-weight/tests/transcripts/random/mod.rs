//! Cases from a seed: options, a zone and requests by chance, to which both programs have to answer alike.

mod words;

use std::iter;

use fastrand::Rng;

use crate::case::{Case, Step};
use words::{
    ADDRESS_LISTS, DOMAIN_LISTS, DOMAINS, HELO_NAMES, LABELS, LOCAL_PARTS, OPTIONS, RECIPIENTS,
    SCORES, SENDERS, V4, V6,
};

/// The case of a seed.
pub fn case(seed: u64) -> Case {
    let mut chance = Chance {
        rng: Rng::with_seed(seed),
        // Of a sender without a domain the Perl program asks lists for a name that is none, and waits for an answer.
        has_domain_lists: seed.is_multiple_of(2),
    };
    let config = chance.config();
    let names = chance.several(6, Chance::name);
    let zone = chance.zone(&names);
    let requests = chance.several(REQUESTS, |chance| Step::Request(chance.request(&names)));
    let log = || Step::Log(String::new());
    Case {
        name: format!("random-{seed}"),
        config,
        zone,
        steps: requests
            .into_iter()
            .flat_map(|request| [request, log()])
            .collect(),
    }
}

struct Chance {
    rng: Rng,
    has_domain_lists: bool,
}

impl Chance {
    fn one_in(&mut self, count: u32) -> bool {
        self.rng.u32(..count) == 0
    }

    fn one_of<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.rng.usize(..of.len())]
    }

    fn several<T>(&mut self, count: usize, mut one: impl FnMut(&mut Self) -> T) -> Vec<T> {
        iter::repeat_with(|| one(self)).take(count).collect()
    }

    /// Options, some of which are the defaults.
    fn config(&mut self) -> String {
        let mut config = String::new();
        for name in SCORES {
            if self.one_in(2) {
                let (hit, miss) = (self.score(), self.score());
                config.push_str(&format!("@{name} = ({hit}, {miss});\n"));
            }
        }
        let domain_lists = if self.has_domain_lists {
            &DOMAIN_LISTS[..]
        } else {
            &[]
        };
        for (option, zones) in [
            ("dnsbl_score", &ADDRESS_LISTS[..]),
            ("rhsbl_score", domain_lists),
        ] {
            let lists = zones.iter().map(|zone| {
                let (hit, miss) = (self.score(), self.score());
                format!("'{zone}', {hit}, {miss}, '{}'", zone.to_uppercase())
            });
            let lists = lists.collect::<Vec<_>>().join(", ");
            config.push_str(&format!("@{option} = ({lists});\n"));
        }
        for (name, values) in OPTIONS {
            if self.one_in(3) {
                config.push_str(&format!("${name} = {};\n", self.one_of(values)));
            }
        }
        if self.one_in(2) {
            config.push_str("$CACHESIZE = 0; $POSCACHESIZE = 0;\n");
        }
        config
    }

    fn score(&mut self) -> String {
        let places = self.rng.usize(..5);
        let score = self.rng.f64() * 8.0 - 3.0;
        if self.one_in(6) {
            return "0".to_owned();
        }
        format!("{score:.places$}")
    }

    /// What the names, their parents and the addresses have.
    fn zone(&mut self, names: &[String]) -> Vec<String> {
        let with_parents = |name: &String| {
            let dots: Vec<_> = name.match_indices('.').map(|(dot, _)| dot + 1).collect();
            let parents = iter::once(0)
                .chain(dots)
                .map(|start| name[start..].to_owned());
            parents
                .filter(|name| name.contains('.'))
                .collect::<Vec<_>>()
        };
        let mut owners: Vec<_> = names.iter().flat_map(with_parents).collect();
        owners.sort();
        owners.dedup();
        let mut zone = vec![];
        for owner in &owners {
            if self.one_in(20) {
                zone.push(format!("{owner} RCODE=SERVFAIL"));
                continue;
            }
            let mut records = String::new();
            for kind in ["MX", "A", "AAAA"] {
                if self.one_in(2) {
                    continue;
                }
                let count = self.rng.usize(1..3);
                let data = self.several(count, |chance| match kind {
                    "MX" => format!("10 {}", chance.rng.choice(names).expect("a name")),
                    "A" => chance.one_of(&V4).to_owned(),
                    _ => chance.one_of(&V6).to_owned(),
                });
                records.push_str(&format!(" {kind}={}", data.join(",")));
            }
            zone.push(format!(
                "{owner}{}",
                if records.is_empty() {
                    " TXT=text"
                } else {
                    &records
                }
            ));
            for list in DOMAIN_LISTS {
                if self.one_in(3) {
                    zone.push(format!("{owner}.{list} {}", self.listed()));
                }
            }
        }
        for address in V4.iter().chain(&V6) {
            for list in ADDRESS_LISTS {
                if self.one_in(4) {
                    zone.push(format!("{address}|{list} {}", self.listed()));
                }
            }
            if !self.one_in(3) {
                let name = self.rng.choice(names).expect("a name").clone();
                zone.push(format!("rev:{address} PTR={}", self.in_other_letters(name)));
            }
        }
        zone
    }

    fn listed(&mut self) -> &'static str {
        if self.one_in(12) {
            "RCODE=SERVFAIL"
        } else {
            "A=127.0.0.2"
        }
    }

    /// A name as hosts have them.
    fn name(&mut self) -> String {
        let count = self.rng.usize(..3);
        let mut labels = self.several(count, |chance| chance.one_of(&LABELS));
        labels.push(self.one_of(&DOMAINS));
        labels.join(".")
    }

    fn in_other_letters(&mut self, text: String) -> String {
        if self.one_in(4) {
            return text.to_ascii_uppercase();
        }
        text
    }

    /// What differs from the common request.
    fn request(&mut self, names: &[String]) -> Vec<(String, Option<String>)> {
        let address = if self.one_in(3) {
            self.one_of(&V6)
        } else {
            self.one_of(&V4)
        };
        let helo = self.helo(names, address);
        let client_name = self.client_name(names);
        let sender = self.sender(names);
        let recipient = self.one_of(&RECIPIENTS).to_owned();
        let mut attributes = vec![
            ("client_address", self.in_other_letters(address.to_owned())),
            ("helo_name", self.in_other_letters(helo)),
            ("client_name", self.in_other_letters(client_name)),
            ("sender", self.in_other_letters(sender)),
            ("recipient", recipient),
        ];
        if self.one_in(8) {
            attributes.push(("instance", "the.same".to_owned()));
        }
        attributes
            .into_iter()
            .map(|(name, value)| (name.to_owned(), Some(value)))
            .collect()
    }

    fn helo(&mut self, names: &[String], address: &str) -> String {
        let name = self.rng.choice(names).expect("a name");
        match self.rng.u32(..12) {
            0 => format!("[{address}]"),
            1 => address.to_owned(),
            2 => self.one_of(&HELO_NAMES).to_owned(),
            3 => format!("{}.{name}", self.one_of(&LABELS)),
            4 => format!("{name}."),
            _ => name.clone(),
        }
    }

    fn client_name(&mut self, names: &[String]) -> String {
        match self.rng.u32(..6) {
            0 => self.one_of(&["", "0", "unknown"]).to_owned(),
            1 | 2 => "unknown".to_owned(),
            _ => self.rng.choice(names).expect("a name").clone(),
        }
    }

    /// Parts of senders, with their signs wherever they fall.
    fn sender(&mut self, names: &[String]) -> String {
        let name = self.rng.choice(names).expect("a name").clone();
        let local = self.one_of(&LOCAL_PARTS);
        match self.rng.u32(..10) {
            0 | 1 if self.has_domain_lists => {
                format!("{local}{}@{name}", self.one_of(&LOCAL_PARTS))
            }
            0 => {
                let count = self.rng.usize(..6);
                let parts = self.several(count, |chance| match chance.rng.u32(..3) {
                    0 => chance.rng.choice(names).expect("a name").clone(),
                    1 => chance.one_of(&LOCAL_PARTS).to_owned(),
                    _ => chance.one_of(&["@", "+", "-", "@@", "x"]).to_owned(),
                });
                parts.concat()
            }
            1 => self.one_of(&SENDERS).to_owned(),
            2 => format!("{local}@{}.{name}", self.one_of(&LABELS)),
            _ => format!("{local}@{name}"),
        }
    }
}

/// The requests of a case.
const REQUESTS: usize = 40;
