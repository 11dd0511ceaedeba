//! What each option may be: one table of shapes and ranges. Files are checked by it, and values are read by it.

use super::seconds;
use crate::{
    number,
    perl::{Value, Variables},
};

/// An option that there is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Known {
    /// With its `$` or `@`.
    pub(crate) name: &'static str,
    pub(crate) shape: Shape,
    /// Whether it is taken at the start, and no reload changes it.
    pub(crate) is_fixed: bool,
}

/// What an option may be.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Shape {
    /// Any text.
    Text,
    /// What Postfix is answered: a code, or an action of access(5).
    Answer,
    /// 1 is on, all else is off.
    Switch,
    /// All but 0 and an empty text is on.
    Truth,
    /// A number; others count as well.
    Number(Range),
    /// A number; others count as the nearest one of the range.
    Limited(Range),
    /// As `Limited`; with an empty text the resolver's own number holds.
    LimitedOrEmpty(Range),
    /// A time of the Perl program, which has another one for what it cannot read.
    Time(&'static str),
    /// A time of ours, in seconds.
    TimeWithin(i64, i64),
    /// A directory or a file, which there has to be a name of.
    Path,
    /// A user or a group of the system: the start looks for it.
    Account,
    /// Addresses of name servers.
    NameServers,
    /// What has a check of its own: addresses to listen at, where the log goes, a store.
    Own,
    /// Two scores of a check.
    Scores,
    /// DNS lists, four items each.
    Lists,
    /// Regular expressions.
    Patterns,
    /// Names with a score each.
    Pairs,
    /// An option of the Perl program's processes and sockets.
    Nothing,
}

/// From one number to another.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Range {
    least: f64,
    most: f64,
    is_whole: bool,
}

impl Range {
    /// What is meant, for messages.
    pub(crate) fn meant(self) -> String {
        let kind = if self.is_whole {
            "whole number"
        } else {
            "number"
        };
        let [least, most] = [self.least, self.most].map(number::print);
        format!("write a {kind} from {least} to {most}")
    }

    pub(crate) fn contains(self, number: f64) -> bool {
        (self.least..=self.most).contains(&number) && (!self.is_whole || number.fract() == 0.0)
    }

    fn nearest(self, number: f64) -> f64 {
        if number.is_nan() {
            return self.least;
        }
        let nearest = number.clamp(self.least, self.most);
        if self.is_whole {
            nearest.trunc()
        } else {
            nearest
        }
    }
}

impl Shape {
    /// The number that a value counts as.
    pub(crate) fn number(self, value: &Value) -> f64 {
        match self {
            Self::Limited(range) | Self::LimitedOrEmpty(range) => range.nearest(value.number()),
            Self::Truth => f64::from(u8::from(value.is_true())),
            Self::Switch => f64::from(u8::from((value.number() - 1.0).abs() < f64::EPSILON)),
            _ => value.number(),
        }
    }
}

/// The number that an option counts as.
pub(crate) fn number_of(options: &Variables, name: &str) -> f64 {
    let value = options.scalar(name);
    known(name).map_or_else(|| value.number(), |known| known.shape.number(value))
}

/// The seconds that an option counts as.
pub(crate) fn seconds_of(options: &Variables, name: &str) -> i64 {
    let value = seconds(&options.scalar(name).to_string());
    match known(name).map(|known| known.shape) {
        Some(Shape::Time(otherwise)) => value.or_else(|| seconds(otherwise)).unwrap_or_default(),
        Some(Shape::TimeWithin(least, most)) => value.unwrap_or(DEFAULT_TIME).clamp(least, most),
        _ => value.unwrap_or_default(),
    }
}

/// The scalars that are taken at the start, without their `$`.
pub(crate) fn fixed_options() -> impl Iterator<Item = &'static str> {
    let fixed = KNOWN.iter().filter(|known| known.is_fixed);
    fixed.filter_map(|known| known.name.strip_prefix('$'))
}

fn known(name: &str) -> Option<&'static Known> {
    KNOWN
        .iter()
        .find(|known| known.name.strip_prefix('$') == Some(name))
}

/// Taken anew at a reload.
const fn of(name: &'static str, shape: Shape) -> Known {
    Known {
        name,
        shape,
        is_fixed: false,
    }
}

/// Taken at the start.
const fn fixed(name: &'static str, shape: Shape) -> Known {
    Known {
        name,
        shape,
        is_fixed: true,
    }
}

const fn whole(least: f64, most: f64) -> Range {
    Range {
        least,
        most,
        is_whole: true,
    }
}

/// No sum of scores within it, and no product of two sums, is beyond a double.
pub(crate) const SCORE: Range = Range {
    least: -1e6,
    most: 1e6,
    is_whole: false,
};
const COUNT: Range = whole(0.0, 1e9);
const ENTRIES: Range = whole(0.0, 1e6);
const SECONDS: Range = Range {
    least: 0.1,
    most: 30.0,
    is_whole: false,
};
const DEFAULT_TIME: i64 = 20;

/// All options.
pub(crate) const KNOWN: [Known; 86] = [
    of("$DEBUG", Shape::Truth),
    of("$VERBOSE", Shape::Switch),
    of("$REJECTMSG", Shape::Answer),
    of("$REJECTLEVEL", Shape::Number(SCORE)),
    of("$DEFER_STRING", Shape::Text),
    of("$DEFER_ACTION", Shape::Answer),
    of("$DEFER_LEVEL", Shape::Number(SCORE)),
    of("$DNSERRMSG", Shape::Answer),
    of("$dnsbl_checks_only", Shape::Switch),
    of("@dnsbl_checks_only_regexps", Shape::Patterns),
    of("$LOG_BAD_RBL_ONLY", Shape::Switch),
    of("@dnsbl_score", Shape::Lists),
    of("$MAXDNSBLHITS", Shape::Number(SCORE)),
    of("$MAXDNSBLSCORE", Shape::Number(SCORE)),
    of("$MAXDNSBLMSG", Shape::Answer),
    of("@rhsbl_score", Shape::Lists),
    of("$BL_ERROR_SKIP", Shape::Number(COUNT)),
    of("$BL_SKIP_RELEASE", Shape::Number(COUNT)),
    fixed("$LOCKPATH", Shape::Path),
    fixed("$SPATH", Shape::Text),
    of("$MAXIDLECACHE", Shape::Nothing),
    of("$MAINTENANCE_LEVEL", Shape::Nothing),
    of("$CACHESIZE", Shape::Limited(ENTRIES)),
    of("$CACHEMAXSIZE", Shape::Limited(ENTRIES)),
    of("$CACHEREJECTMSG", Shape::Answer),
    of("$NTTL", Shape::Number(COUNT)),
    of("$NTIME", Shape::Number(COUNT)),
    of("$POSCACHESIZE", Shape::Limited(ENTRIES)),
    of("$POSCACHEMAXSIZE", Shape::Limited(ENTRIES)),
    of("$POSCACHEMSG", Shape::Text),
    of("$PTTL", Shape::Number(COUNT)),
    // The Perl program's own times for what it cannot read.
    of("$PTIME", Shape::Time("3h")),
    of("$TEMP_PTIME", Shape::Time("3d")),
    of("$DNS_RETRIES", Shape::LimitedOrEmpty(whole(0.0, 30.0))),
    of("$DNS_RETRY_IVAL", Shape::LimitedOrEmpty(SECONDS)),
    of("$MAXDNSERR", Shape::Number(COUNT)),
    of("$MAXDNSERRMSG", Shape::Text),
    of("$PUDP", Shape::Nothing),
    of("$USE_NET_DNS", Shape::Nothing),
    of("$NS", Shape::NameServers),
    of("$IPC_TIMEOUT", Shape::Nothing),
    of("$TRY_BALANCE", Shape::Nothing),
    of("$IGNORE_RFC1918_A", Shape::Switch),
    of("@client_ip_eq_helo_score", Shape::Scores),
    of("@helo_score", Shape::Scores),
    of("@helo_from_mx_eq_ip_score", Shape::Scores),
    of("@helo_numeric_score", Shape::Scores),
    of("@from_match_regex_verified_helo", Shape::Scores),
    of("@from_match_regex_unverified_helo", Shape::Scores),
    of("@from_match_regex_failed_helo", Shape::Scores),
    of("@helo_seems_dialup", Shape::Scores),
    of("@failed_helo_seems_dialup", Shape::Scores),
    of("@helo_ip_in_client_subnet", Shape::Scores),
    of("@helo_ip_in_cl16_subnet", Shape::Scores),
    of("@client_seems_dialup_score", Shape::Scores),
    of("@from_multiparted", Shape::Scores),
    of("@from_anon", Shape::Scores),
    of("@bogus_mx_score", Shape::Scores),
    of("@random_sender_score", Shape::Scores),
    of("@rhsbl_penalty_score", Shape::Scores),
    of("@enforce_dyndns_score", Shape::Scores),
    of("$ADD_X_HEADER", Shape::Switch),
    of("$DEFAULT_RESPONSE", Shape::Answer),
    of("$syslog_socktype", Shape::Nothing),
    of("$syslog_facility", Shape::Nothing),
    of("$syslog_options", Shape::Nothing),
    of("$syslog_priority", Shape::Nothing),
    fixed("$syslog_ident", Shape::Text),
    fixed("$USER", Shape::Account),
    fixed("$GROUP", Shape::Account),
    fixed("$MAX_PROC", Shape::Limited(whole(1.0, 10_000.0))),
    of("$MIN_PROC", Shape::Nothing),
    fixed("$TCP_PORT", Shape::Own),
    fixed("$BIND_ADDRESS", Shape::Own),
    of("$SOMAXCONN", Shape::Nothing),
    of("$CHILDIDLE", Shape::Nothing),
    fixed("$PIDFILE", Shape::Path),
    fixed("$CACHE_STORE", Shape::Own),
    of("$REQUEST_TIMEOUT", Shape::TimeWithin(1, 90)),
    of("@spf_score", Shape::Pairs),
    of("$COUNTRY_DB", Shape::Text),
    of("@country_score", Shape::Pairs),
    fixed("$LOG_TO", Shape::Own),
    of("$LOG_SAMPLE", Shape::Own),
    fixed("$ADMIN", Shape::Own),
    fixed("$CONTROL", Shape::Own),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::config::DefaultSet;

    #[test]
    fn each_option_that_there_is_has_its_row() {
        let options = DefaultSet::Debian.options(false).unwrap();
        let scalars = options.scalars.keys().map(|name| format!("${name}"));
        let arrays = options.arrays.keys().map(|name| format!("@{name}"));
        let all: BTreeSet<_> = scalars.chain(arrays).collect();
        let rows: BTreeSet<_> = KNOWN.iter().map(|known| known.name.to_owned()).collect();
        assert_eq!(rows, all);
        assert_eq!(rows.len(), KNOWN.len(), "each once");
    }

    #[test]
    fn numbers_beyond_a_limit_count_as_the_nearest() {
        let range = whole(1.0, 10.0);
        for (number, nearest) in [
            (0.0, 1.0),
            (f64::NAN, 1.0),
            (2.9, 2.0),
            (1e300, 10.0),
            (7.0, 7.0),
        ] {
            assert_eq!(Shape::Limited(range).number(&Value::Float(number)), nearest);
        }
    }
}
