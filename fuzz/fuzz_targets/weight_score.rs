//! Scores of policyd-weight: whatever a client says and DNS has answered, a score is finite, decides, and is the same
//! again.

#![no_main]

use libfuzzer_sys::fuzz_target;
use policy_dns::list::{ListError, Skipped};
use policyd_weight::{
    config::{Config, DefaultSet},
    mail::{Attributes, Mail},
    score::{Addresses, Decision, Facts, ListFact, Lookup, Scoring, Verdict, with_parents},
};
use std::{ops::ControlFlow, sync::LazyLock};

static CONFIGS: LazyLock<[Config; 2]> = LazyLock::new(|| {
    [true, false].map(|compat| {
        Config::new(
            &DefaultSet::Debian.options(compat).expect("the defaults"),
            compat,
        )
    })
});

fuzz_target!(|input: &[u8]| {
    let Some((choice, rest)) = input.split_first() else {
        return;
    };
    let mut fields = rest.split(|&byte| byte == b'\n');
    let mut attributes = Attributes::default();
    for name in ["client_address", "client_name", "helo_name", "sender"] {
        attributes.set(name.as_bytes(), fields.next().unwrap_or_default());
    }
    let config = &CONFIGS[usize::from(choice & 1)];
    let mail = Mail::new(&attributes);
    let mut choices = fields.next().unwrap_or_default().iter().copied();
    let mut text = || {
        fields.next().map(|field| {
            field
                .iter()
                .map(|&byte| char::from(byte))
                .collect::<String>()
        })
    };
    let records: Vec<String> = std::iter::from_fn(&mut text).collect();
    let facts = facts(&mail, &records, &mut choices);
    let lists: Vec<_> = (0..4).map(|_| fact(choices.next().unwrap_or(1))).collect();
    let decide = || -> Decision {
        let mut scoring = Scoring::new(config, &mail).with_rows();
        match scoring.lists(&lists) {
            ControlFlow::Break(decision) => decision,
            ControlFlow::Continue(()) => scoring.finish(&facts),
        }
    };
    let decision = decide();
    assert_eq!(decision, decide());
    if decision.verdict == Verdict::Unanswered {
        // The Perl program ends at a label that is none.
        assert!(config.compat && decision.action.is_empty());
        return;
    }
    assert!(!decision.action.is_empty());
    let rate: f64 = decision.rate.parse().expect("a number");
    assert!(rate.is_finite() && decision.rows.iter().all(|row| row.sum.is_finite()));
});

fn fact(choice: u8) -> ListFact {
    match choice % 7 {
        0 => ListFact::Listed { is_trusted: true },
        1 => ListFact::NotListed,
        2 => ListFact::Error(ListError::Blocked([127, 255, 255, 254].into())),
        3 => ListFact::Skipped(Skipped::Errors),
        4 => ListFact::Skipped(Skipped::Dead),
        5 => ListFact::NoAddress,
        _ => ListFact::Listed { is_trusted: false },
    }
}

fn facts(mail: &Mail, records: &[String], choices: &mut impl Iterator<Item = u8>) -> Facts {
    let mut facts = Facts::default();
    let mut lookup = |own: &str| match choices.next().unwrap_or(0) % 5 {
        0 => Lookup::Answer(vec![]),
        1 => Lookup::Failed,
        2 => Lookup::Answer(records.to_vec()),
        3 => Lookup::Answer(vec![own.to_owned()]),
        _ => Lookup::Answer(records.iter().take(1).cloned().collect()),
    };
    let names = [
        mail.from_domain().unwrap_or_default(),
        mail.helo.as_str(),
    ]
    .into_iter()
    .flat_map(with_parents);
    for name in names.chain(records.iter().map(String::as_str)) {
        facts.exchanges.insert(name.to_owned(), lookup(name));
        let [v4, v6] = [(); 2].map(|()| lookup(&mail.ip));
        facts.addresses.insert(name.to_owned(), Addresses { v4, v6 });
    }
    facts.pointers = records.to_vec();
    facts.domain_lists = choices.take(1).map(fact).collect();
    facts
}
