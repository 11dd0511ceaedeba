//! Facts about known lists: which are dead, which are parts of others, and the meaning of their codes.

use super::{Class, ListOptions};

/// A list that has ended. One that still answers tends to list everything, or nothing.
#[derive(Debug, Eq, Hash, PartialEq)]
pub struct DeadZone {
    /// The zone; those below it are dead as well.
    pub zone: &'static str,
    /// Since when, as a year or a year and a month, where that is known.
    pub since: Option<&'static str>,
}

/// The dead list that a zone is, or is below of.
///
/// ```
/// use policy_dns::list::dead_zone;
///
/// assert_eq!(dead_zone("spam.dnsbl.sorbs.net").and_then(|dead| dead.since), Some("2024-06"));
/// assert_eq!(dead_zone("zen.spamhaus.org"), None);
/// ```
#[must_use]
pub fn dead_zone(zone: &str) -> Option<&'static DeadZone> {
    DEAD.iter().find(|dead| is_within(zone, dead.zone))
}

/// The list that another one is a part of: to ask both is to ask twice.
///
/// ```
/// assert_eq!(policy_dns::list::part_of("pbl.spamhaus.org"), Some("zen.spamhaus.org"));
/// ```
#[must_use]
pub fn part_of(zone: &str) -> Option<&'static str> {
    PARTS
        .iter()
        .find(|(part, _)| is_within(zone, part))
        .map(|(_, whole)| *whole)
}

impl ListOptions {
    /// The options for a list that is known: its classes, codes by which it says that it does not answer, and its
    /// test. Default options for others.
    ///
    /// ```
    /// use policy_dns::list::ListOptions;
    ///
    /// let zen = ListOptions::for_zone("zen.spamhaus.org");
    /// let names: Vec<_> = zen.classes.iter().map(|class| &*class.name).collect();
    /// assert_eq!(names, ["SBL", "CSS", "XBL", "DROP", "PBL"]);
    /// ```
    #[must_use]
    pub fn for_zone(zone: &str) -> Self {
        let mut options = Self::default();
        let Some(known) = KNOWN
            .iter()
            .find(|known| known.zones.iter().any(|known| is_within(zone, known)))
        else {
            return options;
        };
        let classes = known
            .classes
            .iter()
            .filter_map(|(name, codes)| Class::new(*name, codes).ok());
        options.classes = classes.collect();
        if let Ok(blocked) = known.blocked.parse() {
            options.blocked = blocked;
        }
        options
    }
}

struct Known {
    zones: &'static [&'static str],
    classes: &'static [(&'static str, &'static str)],
    blocked: &'static str,
}

fn is_within(zone: &str, of: &str) -> bool {
    let zone = zone.strip_suffix('.').unwrap_or(zone);
    let Some(at) = zone.len().checked_sub(of.len()) else {
        return false;
    };
    let ends = zone
        .get(at..)
        .is_some_and(|end| end.eq_ignore_ascii_case(of));
    ends && (at == 0 || zone.as_bytes().get(at - 1) == Some(&b'.'))
}

const DEAD: &[DeadZone] = &[
    DeadZone {
        zone: "dnsbl.sorbs.net",
        since: Some("2024-06"),
    },
    DeadZone {
        zone: "ix.dnsbl.manitu.net",
        since: Some("2025-01"),
    },
    DeadZone {
        zone: "njabl.org",
        since: Some("2013-03"),
    },
    DeadZone {
        zone: "dsbl.org",
        since: Some("2008"),
    },
    DeadZone {
        zone: "ahbl.org",
        since: Some("2015-01"),
    },
    DeadZone {
        zone: "ordb.org",
        since: Some("2006-12"),
    },
    DeadZone {
        zone: "rfc-ignorant.org",
        since: Some("2012"),
    },
    DeadZone {
        zone: "rbl.ipv6-world.net",
        since: None,
    },
    DeadZone {
        zone: "spam.abuse.ch",
        since: None,
    },
    DeadZone {
        zone: "httpbl.abuse.ch",
        since: None,
    },
    DeadZone {
        zone: "combined.abuse.ch",
        since: None,
    },
    DeadZone {
        zone: "drone.abuse.ch",
        since: None,
    },
    DeadZone {
        zone: "db.wpbl.info",
        since: None,
    },
    DeadZone {
        zone: "dnsbl.inps.de",
        since: None,
    },
    DeadZone {
        zone: "ubl.unsubscore.com",
        since: None,
    },
    DeadZone {
        zone: "virbl.bit.nl",
        since: None,
    },
    DeadZone {
        zone: "virbl.dnsbl.bit.nl",
        since: None,
    },
    DeadZone {
        zone: "dnsbl.spamcannibal.org",
        since: Some("2018-05"),
    },
    DeadZone {
        zone: "bad.psky.me",
        since: None,
    },
];

const PARTS: &[(&str, &str)] = &[
    ("cbl.abuseat.org", "zen.spamhaus.org"),
    ("pbl.spamhaus.org", "zen.spamhaus.org"),
    ("sbl.spamhaus.org", "zen.spamhaus.org"),
    ("xbl.spamhaus.org", "zen.spamhaus.org"),
    ("sbl-xbl.spamhaus.org", "zen.spamhaus.org"),
];

/// From the lists' own pages, 2026.
const KNOWN: &[Known] = &[
    Known {
        zones: &["zen.spamhaus.org", "zen.dq.spamhaus.net"],
        classes: &[
            ("SBL", "127.0.0.2"),
            ("CSS", "127.0.0.3"),
            ("XBL", "127.0.0.4-7"),
            ("DROP", "127.0.0.9"),
            ("PBL", "127.0.0.10-11"),
        ],
        blocked: "127.255.255.0/24",
    },
    Known {
        zones: &["dbl.spamhaus.org", "dbl.dq.spamhaus.net"],
        classes: &[("DBL", "127.0.1.2-99"), ("ABUSED", "127.0.1.102-199")],
        // 127.0.1.255: asked with an address.
        blocked: "127.255.255.0/24,127.0.1.255",
    },
    Known {
        zones: &["multi.surbl.org"],
        classes: &[
            ("PH", "&8"),
            ("MW", "&16"),
            ("ABUSE", "&64"),
            ("CR", "&128"),
        ],
        blocked: "127.255.255.0/24,127.0.0.1",
    },
    Known {
        zones: &["list.dnswl.org"],
        // By the trust in the last octet; the third one is the kind of sender.
        classes: &[
            ("NONE", "127.0.*.0"),
            ("LOW", "127.0.*.1"),
            ("MED", "127.0.*.2"),
            ("HI", "127.0.*.3"),
        ],
        blocked: "127.255.255.0/24,127.0.0.255",
    },
    Known {
        zones: &["bl.mailspike.net"],
        classes: &[
            ("WORST", "127.0.0.10"),
            ("VERY_BAD", "127.0.0.11"),
            ("BAD", "127.0.0.12"),
        ],
        blocked: "127.255.255.0/24",
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_can_be_read() {
        for known in KNOWN {
            let options = ListOptions::for_zone(known.zones[0]);
            assert_eq!(
                options.classes.len(),
                known.classes.len(),
                "{:?}",
                known.zones
            );
            assert_eq!(
                options.blocked,
                known.blocked.parse().unwrap(),
                "{:?}",
                known.zones
            );
        }
        assert_eq!(
            ListOptions::for_zone("key.zen.dq.spamhaus.net")
                .classes
                .len(),
            5
        );
        assert_eq!(ListOptions::for_zone("zen.example"), ListOptions::default());
    }

    #[test]
    fn zones_are_compared_by_labels() {
        for (zone, is_dead) in [
            ("DNSBL.sorbs.net.", true),
            ("combined.njabl.org", true),
            ("notnjabl.org", false),
            ("njabl.org.example", false),
            ("org", false),
        ] {
            assert_eq!(dead_zone(zone).is_some(), is_dead, "{zone}");
        }
        assert_eq!(part_of("zen.spamhaus.org"), None);
        assert_eq!(part_of("sbl-xbl.spamhaus.org"), Some("zen.spamhaus.org"));
    }
}
