//! A DNS list as `RBL` and `DBL` are configured with it.

use std::{net::Ipv4Addr, sync::Arc};

use policy_dns::{
    Data, Name, Question, RecordType, Resolver as _,
    list::{
        AnswerRule, Class, DnsList, ListOptions, ListResult, SelfTest, Skipped, Subject, dead_zone,
        part_of,
    },
};

use super::zone_text::{plain, zone_file};
use crate::{
    chain::Call,
    config::{ListKind, Section},
    services::Services,
};

/// A DNS list.
#[derive(Clone, Debug)]
pub(in crate::plugins) struct ListCheck {
    /// None where the configuration names no zone, and is refused.
    list: Option<Arc<DnsList>>,
    /// The zone, for texts as the original shows them.
    zone: Option<Name>,
}

/// With what a list has its subject.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(in crate::plugins) struct Hit {
    /// The codes, in the order of the answer.
    pub(in crate::plugins) codes: Vec<Ipv4Addr>,
    /// The list's text.
    pub(in crate::plugins) info: Option<String>,
}

impl Hit {
    /// The hit in what a session keeps: the codes, and the text. Nothing is kept of what is not listed.
    pub(in crate::plugins) fn decode(kept: &[String]) -> Option<Self> {
        let codes = kept.first()?.split(' ');
        Some(Self {
            codes: codes.filter_map(|code| code.parse().ok()).collect(),
            info: kept.get(1).cloned(),
        })
    }

    fn encode(&self) -> Vec<String> {
        let codes: Vec<_> = self.codes.iter().map(Ipv4Addr::to_string).collect();
        let mut kept = vec![codes.join(" ")];
        kept.extend(self.info.clone());
        kept
    }
}

impl ListCheck {
    /// The parameters `domain`, `codes` and `self_test`.
    pub(in crate::plugins) fn read(section: &mut Section<'_>, kind: ListKind) -> Self {
        let domain = section.required("domain");
        let compat = section.compat();
        let options = options(section, &domain, compat);
        let made = match kind {
            ListKind::Addresses => DnsList::addresses(&domain, options),
            ListKind::Domains => DnsList::domains(&domain, options),
        };
        let list = match made {
            Ok(list) => Some(section.shared_list(&domain, kind, list)),
            Err(error) => {
                section.error("domain", format!("`domain` is no name: {error}"));
                None
            }
        };
        if let Some(list) = list.as_deref().filter(|_| !compat) {
            warn_of(section, list.zone());
        }
        let zone = Name::parse(&domain).ok().filter(|_| compat);
        Self { list, zone }
    }

    /// The zone, without a key.
    pub(in crate::plugins) fn zone(&self) -> &str {
        self.list.as_ref().map_or("", |list| list.zone())
    }

    /// Whether the list has the subject, as the session knows it under `key`, or else the list. A list that does not tell
    /// counts as one that does not have it.
    pub(in crate::plugins) async fn look_up(
        &self,
        call: &mut Call<'_>,
        key: &str,
        subject: Option<Subject>,
    ) -> Option<Hit> {
        if let Some(kept) = call.cached(key) {
            return Hit::decode(&kept);
        }
        let hit = match subject {
            Some(subject) => self.ask(call, &subject).await,
            None => None,
        };
        let kept = hit.as_ref().map(Hit::encode).unwrap_or_default();
        call.keep(key, &kept);
        hit
    }

    /// Asks ahead what [`look_up`](Self::look_up) will ask.
    pub(in crate::plugins) async fn ask_ahead(&self, services: &Services, subject: &Subject) {
        if let Some(list) = &self.list {
            list.ask_ahead(&services.dns, subject).await;
        }
    }

    async fn ask(&self, call: &mut Call<'_>, subject: &Subject) -> Option<Hit> {
        let list = self.list.as_deref()?;
        let dns = &call.services().dns;
        match list.check(dns, subject).await {
            ListResult::Listed(listed) if self.zone.is_some() => {
                let first = listed.codes().first().copied()?;
                let info = self.zone_file_text(call.services(), subject).await;
                let codes = vec![first];
                Some(Hit { codes, info })
            }
            ListResult::Listed(listed) => Some(Hit {
                codes: listed.codes().to_vec(),
                info: listed.texts().first().map(|text| plain(text)),
            }),
            ListResult::NotListed => None,
            ListResult::Error(error) => {
                let text = format!("list {}: {error}: counts as not listed", list.zone());
                call.warn(&text);
                None
            }
            ListResult::Skipped(Skipped::Failing(reason)) => {
                call.note(|| {
                    let zone = list.zone();
                    format!("list {zone} is not asked until it passes its test: {reason}")
                });
                None
            }
            ListResult::Skipped(skipped) => {
                call.note(|| format!("list {} is not asked: {skipped}", list.zone()));
                None
            }
            _ => None,
        }
    }

    /// The first text in the words of the original.
    async fn zone_file_text(&self, services: &Services, subject: &Subject) -> Option<String> {
        let zone = self.zone.as_ref()?;
        let name = match subject {
            Subject::Address(address) => Name::reversed_below(*address, zone),
            Subject::Domain(domain) => domain.below(zone),
        };
        let question = Question::new(name.ok()?, RecordType::Txt);
        let answer = services.dns.ask(question).await;
        let mut texts = answer.section().iter().filter_map(|record| {
            if let Data::Txt(strings) = &record.data {
                Some(zone_file(strings))
            } else {
                None
            }
        });
        texts.next()
    }
}

fn options(section: &mut Section<'_>, domain: &str, compat: bool) -> ListOptions {
    let mut options = ListOptions::for_zone(domain);
    options.classes.clear();
    options.text = !compat;
    if let Some(codes) = section.text("codes") {
        match Class::new("codes", &codes) {
            Ok(class) => options.classes.push(class),
            Err(error) => section.error("codes", format!("`codes`: {error}")),
        }
    }
    let is_tested = section.flag("self_test", !compat);
    if !is_tested {
        options.self_test = SelfTest::Off;
    }
    if compat {
        options.rule = AnswerRule::AnyRecord;
        options.skip_after = u32::MAX;
        options.skip_dead = false;
    }
    options
}

/// Warns of lists that are not asked, or are asked twice.
fn warn_of(section: &mut Section<'_>, zone: &str) {
    if let Some(dead) = dead_zone(zone) {
        let since = dead
            .since
            .map_or_else(String::new, |since| format!(" since {since}"));
        let text = format!("the list {zone} is dead{since} and is not asked: remove this plugin");
        section.skipped("domain", text);
    } else if let Some(whole) = part_of(zone) {
        let text = format!("the list {zone} is a part of {whole}: ask that one alone");
        section.warning("domain", text);
    }
}
