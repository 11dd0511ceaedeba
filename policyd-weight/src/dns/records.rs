//! Records of names: hosts that take mail, addresses, names of addresses.

use std::{collections::BTreeMap, net::IpAddr};

use futures_util::{
    future::join,
    stream::{FuturesUnordered, StreamExt},
};
use policy_dns::{Answer, Name, Outcome, Question, RecordType, Resolver};

use crate::{
    mail::expanded,
    score::{Addresses, Lookup},
};

/// What names have.
#[derive(Debug, Default)]
pub(super) struct Records {
    pub(super) exchanges: BTreeMap<String, Lookup>,
    pub(super) addresses: BTreeMap<String, Addresses>,
}

/// The hosts that take mail for names, and the addresses of these and of the names.
pub(super) async fn of_names(resolver: &impl Resolver, names: &[&str]) -> Records {
    let of_name = |name: String| async move {
        let parsed = super::name(&name);
        let own = of_itself(resolver, parsed.clone());
        // The hosts are asked for as soon as they are known.
        let hosts = async {
            let exchanges = exchanges(resolver, parsed).await;
            let hosts: Vec<_> = match &exchanges {
                Lookup::Answer(hosts) => hosts
                    .iter()
                    .filter(|host| !host.is_empty())
                    .take(MAX_HOSTS)
                    .cloned()
                    .collect(),
                Lookup::Failed => vec![],
            };
            let of_hosts: FuturesUnordered<_> = hosts
                .into_iter()
                .map(|host| of_host(resolver, host))
                .collect();
            (exchanges, of_hosts.collect::<Vec<_>>().await)
        };
        let ((exchanges, of_hosts), own) = join(hosts, own).await;
        (name, exchanges, of_hosts, own)
    };
    let mut records = Records::default();
    let mut names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
    names.sort_unstable();
    names.dedup();
    // An answer wakes its name alone.
    let mut found: FuturesUnordered<_> = names.into_iter().map(of_name).collect();
    while let Some((name, exchanges, of_hosts, own)) = found.next().await {
        records.exchanges.insert(name.clone(), exchanges);
        records.addresses.extend(of_hosts);
        records.addresses.insert(name, own);
    }
    records
}

/// A host that takes mail is asked for by those who know that it is there: both kinds of addresses at once.
async fn of_host(resolver: &impl Resolver, host: String) -> (String, Addresses) {
    let name = super::name(&host);
    let (v4, v6) = join(
        addresses(resolver, name.clone(), RecordType::A),
        addresses(resolver, name, RecordType::Aaaa),
    )
    .await;
    (host, Addresses { v4, v6 })
}

/// The addresses of a name, IPv6 after IPv4, while the hosts that take mail are asked for: many a name does not exist, and has
/// neither then (RFC 8020). Nor is a name asked for again that nobody has answered for.
async fn of_itself(resolver: &impl Resolver, name: Option<Name>) -> Addresses {
    let v4 = ask(resolver, name.clone(), RecordType::A).await;
    let v6 = match v4.outcome() {
        Outcome::NxDomain | Outcome::Timeout | Outcome::Unreachable => v4.clone(),
        _ => ask(resolver, name, RecordType::Aaaa).await,
    };
    let [v4, v6] = [v4, v6].map(|answer| lookup(&answer, shown_addresses));
    Addresses { v4, v6 }
}

async fn exchanges(resolver: &impl Resolver, name: Option<Name>) -> Lookup {
    let text = |name: &Name| {
        name.to_bytes()
            .into_iter()
            .map(char::from)
            .collect::<String>()
    };
    let answer = ask(resolver, name, RecordType::Mx).await;
    lookup(&answer, |answer| {
        answer.exchanges().map(|(_, name)| text(name)).collect()
    })
}

async fn addresses(resolver: &impl Resolver, name: Option<Name>, kind: RecordType) -> Lookup {
    lookup(&ask(resolver, name, kind).await, shown_addresses)
}

fn shown_addresses(answer: &Answer) -> Vec<String> {
    answer.addresses().map(expanded).collect()
}

/// What is no name has no records.
async fn ask(resolver: &impl Resolver, name: Option<Name>, kind: RecordType) -> Answer {
    match name {
        Some(name) => resolver.ask(Question::new(name, kind)).await,
        None => Answer::without_records(Outcome::NoData),
    }
}

fn lookup(answer: &Answer, records: impl Fn(&Answer) -> Vec<String>) -> Lookup {
    if answer.outcome().is_answer() {
        Lookup::Answer(records(answer))
    } else {
        Lookup::Failed
    }
}

/// The names of an address.
#[derive(Debug, Default)]
pub(super) struct Pointers {
    pub(super) names: Vec<String>,
    /// Whether the question was answered, also that there are none.
    pub(super) answered: bool,
}

/// Asks for the names of an address.
pub(super) async fn pointers(resolver: &impl Resolver, address: Option<IpAddr>) -> Pointers {
    let Some(address) = address else {
        return Pointers::default();
    };
    let answer = resolver
        .ask(Question::new(Name::reverse(address), RecordType::Ptr))
        .await;
    let names = answer.pointers().take(MAX_HOSTS).map(|name| {
        name.to_bytes()
            .into_iter()
            .map(|byte| char::from(byte.to_ascii_lowercase()))
            .collect()
    });
    Pointers {
        names: names.collect(),
        answered: answer.outcome().is_answer(),
    }
}

/// How many hosts of a domain, and names of an address, are looked at.
const MAX_HOSTS: usize = 16;
