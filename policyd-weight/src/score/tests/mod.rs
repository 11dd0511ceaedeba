//! The steps of the score, each with facts and without DNS.

mod decision;
mod hosts;
mod lists;
mod names;
mod reverse;
mod sender;

use std::ops::ControlFlow;

use policy_dns::{
    Outcome,
    list::{Failing, ListError, Skipped},
};

use super::*;
use crate::{config::DefaultSet, mail::Attributes, perl::evaluate};

/// A client with what DNS says of it, and the score's text and sum, or the answer where there is none.
struct Row {
    mail: [&'static str; 4],
    lists: &'static str,
    /// `MX name=host,host`, `A name=address`, `AAAA name=address`, `!MX name`, `!A name`, `!AAAA name`,
    /// `PTR name`.
    dns: &'static str,
    score: &'static str,
}

const HIT: ListFact = ListFact::Listed { is_trusted: true };

fn config(compat: bool, text: &str) -> Config {
    let options = DefaultSet::Debian.options(compat).unwrap();
    Config::new(
        &evaluate(text.as_bytes(), &options).unwrap().options,
        compat,
    )
}

fn mail([address, name, helo, sender]: [&str; 4]) -> Mail {
    Mail::new(&Attributes {
        client_address: address.as_bytes(),
        client_name: name.as_bytes(),
        helo_name: helo.as_bytes(),
        sender: sender.as_bytes(),
        recipient: b"dave@rcpt.test",
        ..Attributes::default()
    })
}

fn lists(text: &str) -> Vec<ListFact> {
    let facts = text.chars().map(|c| match c {
        'I' => HIT,
        'U' => ListFact::Listed { is_trusted: false },
        'E' => ListFact::Error(ListError::Dns(Outcome::Timeout)),
        'B' => ListFact::Error(ListError::Blocked([127, 255, 255, 254].into())),
        'S' => ListFact::Skipped(Skipped::Errors),
        'F' => ListFact::Skipped(Skipped::Failing(Failing::ListsAll)),
        'D' => ListFact::Skipped(Skipped::Dead),
        '-' => ListFact::NoAddress,
        _ => ListFact::NotListed,
    });
    facts.collect()
}

fn facts(text: &str) -> Facts {
    let mut facts = Facts::default();
    for item in text.split("; ").filter(|item| !item.is_empty()) {
        let (kind, rest) = item.split_once(' ').unwrap();
        let (name, records) = rest.split_once('=').unwrap_or((rest, ""));
        let found = Lookup::Answer(
            records
                .split(',')
                .filter(|record| !record.is_empty())
                .map(str::to_owned)
                .collect(),
        );
        let name = name.to_owned();
        match kind {
            "MX" => drop(facts.exchanges.insert(name, found)),
            "!MX" => drop(facts.exchanges.insert(name, Lookup::Failed)),
            "A" => facts.addresses.entry(name).or_default().v4 = found,
            "AAAA" => facts.addresses.entry(name).or_default().v6 = found,
            "!A" => facts.addresses.entry(name).or_default().v4 = Lookup::Failed,
            "!AAAA" => facts.addresses.entry(name).or_default().v6 = Lookup::Failed,
            "PTR" => {
                facts.pointers.push(name);
                facts.pointers_answered = true;
            }
            "RH" => facts.domain_lists = lists(&name),
            "SPF" => facts.spf = Some(name),
            "COUNTRY" => facts.country = Some(name),
            _ => panic!("{item}"),
        }
    }
    facts
}

fn decide(config: &Config, row: &Row) -> Decision {
    let mail = mail(row.mail);
    let mut scoring = Scoring::new(config, &mail);
    match scoring.lists(&lists(row.lists)) {
        ControlFlow::Break(decision) => decision,
        ControlFlow::Continue(()) => scoring.finish(&facts(row.dns)),
    }
}

/// The items and the sum of a line of the log; the answer where there is none.
fn shown(decision: &Decision) -> String {
    let Some(line) = &decision.log else {
        return decision.action.clone();
    };
    let items = line.strip_prefix("weighted check: ").unwrap();
    let items = items.split_once("; <client").unwrap().0;
    format!("{items}; rate: {}", decision.rate)
}

fn check(config: &Config, rows: &[Row]) {
    for row in rows {
        assert_eq!(
            shown(&decide(config, row)),
            row.score,
            "{:?} {} {}",
            row.mail,
            row.lists,
            row.dns
        );
    }
}

/// One list, which has no score where it does not have the client.
const ONE_LIST: &str = "@dnsbl_score = ('a.test', 3.75, 0, 'A'); @rhsbl_score = ();";

/// A client with its names and a sender, whether the list has it, what DNS says, and the score.
type Case = ([&'static str; 4], &'static str, &'static str, &'static str);

/// Checks with [`ONE_LIST`] and more options.
fn check_with(options: &str, cases: &[Case]) {
    let config = config(true, &format!("{ONE_LIST} {options}"));
    for &(mail, lists, dns, score) in cases {
        let row = Row {
            mail,
            lists,
            dns,
            score,
        };
        check(&config, &[row]);
    }
}

const ACME: [&str; 4] = [
    "100.64.2.10",
    "mail.acme.test",
    "mail.acme.test",
    "carol@acme.test",
];
const ACME_DNS: &str =
    "MX acme.test=mail.acme.test; A mail.acme.test=100.64.2.10; PTR mail.acme.test";
