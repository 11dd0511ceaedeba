//! The configuration: the options of a file as typed values.

mod bind_address;
mod check;
mod defaults;
mod file;
mod finding;
mod known;
mod list_option;
mod listeners;
mod name_servers;
mod options;
mod past_faults;
mod values;

pub(crate) use bind_address::{BindAddress, unknown_host};
pub use check::check;
pub use defaults::DefaultSet;
pub(crate) use file::MAX_FILE;
pub use file::{Loaded, Source, find, load};
pub use finding::Finding;
pub use list_option::ListOption;
pub(crate) use listeners::{control_path, other_listeners};
pub(crate) use name_servers::name_servers;
pub(crate) use options::{fixed_options, number_of};
pub(crate) use past_faults::load_past_faults;

use std::time::Duration;

use policy_daemon::log::Sample;

use options::seconds_of;

use crate::{
    number,
    perl::{Value, Variables},
    regex::{Regex, compile},
};

/// A score of the configuration: the text that it is printed as, and its number.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Score {
    /// As it is printed.
    pub text: String,
    /// What is added.
    pub value: f64,
}

impl Score {
    /// A number as a score.
    #[must_use]
    pub fn of(value: f64) -> Self {
        Self {
            text: number::print(value),
            value,
        }
    }

    fn from_value(value: Option<&Value>) -> Self {
        let value = value.unwrap_or(&Value::Undefined);
        Self {
            text: value.to_string(),
            value: value.number(),
        }
    }
}

/// The two scores of a check.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Scores {
    /// If it is bad.
    pub hit: Score,
    /// If it is good.
    pub miss: Score,
}

/// The scores of the checks, by the names of their options.
#[derive(Clone, Debug, Default, PartialEq)]
#[expect(missing_docs, reason = "each is the option of its name")]
pub struct CheckScores {
    pub client_ip_eq_helo: Scores,
    pub helo: Scores,
    pub helo_from_mx_eq_ip: Scores,
    pub helo_numeric: Scores,
    pub verified_helo: Scores,
    pub unverified_helo: Scores,
    pub failed_helo: Scores,
    pub helo_seems_dialup: Scores,
    pub failed_helo_seems_dialup: Scores,
    pub helo_in_subnet: Scores,
    pub helo_in_subnet16: Scores,
    pub client_seems_dialup: Scores,
    pub multiparted: Scores,
    pub anonymous: Scores,
    pub bogus_mx: Scores,
    pub random_sender: Scores,
    pub rhsbl_penalty: Scores,
    pub enforce_dyndns: Scores,
}

/// The options that requests depend on.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "each is the option of its name")]
pub struct Config {
    /// Whether everything is done as the Perl program does it, harmful things as well.
    pub compat: bool,
    /// What answers with a score begin with.
    pub answer_prefix: String,
    pub debug: bool,
    pub verbose: bool,
    pub reject_message: String,
    pub reject_level: f64,
    pub defer_strings: Vec<String>,
    pub defer_action: String,
    pub defer_level: f64,
    pub dns_error_message: String,
    pub lists_only: bool,
    /// The regular expressions, with their numbers.
    pub lists_only_clients: Vec<(usize, Regex)>,
    pub log_bad_lists_only: bool,
    pub lists: Vec<ListOption>,
    pub max_list_hits: f64,
    pub max_list_score: f64,
    pub max_list_message: String,
    pub domain_lists: Vec<ListOption>,
    pub list_error_skip: f64,
    pub list_skip_release: f64,
    pub max_dns_errors: f64,
    pub max_dns_errors_message: String,
    pub ignores_private: bool,
    pub cache: CacheOptions,
    pub scores: CheckScores,
    /// SPF results and their scores.
    pub spf_scores: Vec<(String, Score)>,
    /// Countries and their scores.
    pub country_scores: Vec<(String, Score)>,
    /// For all questions of one request.
    pub request_timeout: Duration,
    /// The share of the messages whose requests are logged.
    pub log_sample: Sample,
}

/// The options of the caches.
#[derive(Clone, Debug, Default, PartialEq)]
#[expect(missing_docs, reason = "each is the option of its name")]
pub struct CacheOptions {
    pub spam_size: usize,
    pub spam_max_size: usize,
    pub reject_message: String,
    pub retries: i64,
    pub retry_seconds: i64,
    pub ham_size: usize,
    pub ham_max_size: usize,
    pub ham_message: String,
    pub hard_uses: i64,
    pub hard_seconds: i64,
    pub soft_seconds: i64,
}

impl Config {
    /// The typed values of options. A regular expression that cannot be read matches nothing.
    #[must_use]
    pub fn new(options: &Variables, compat: bool) -> Self {
        let text = |name: &str| options.scalar(name).to_string();
        let number = |name: &str| number_of(options, name);
        let is_one = |name: &str| number(name) > 0.0;
        let regexes = options
            .array("dnsbl_checks_only_regexps")
            .iter()
            .enumerate();
        let regexes = regexes.filter(|(_, value)| value.is_true());
        let regexes = regexes
            .filter_map(|(index, value)| Some((index + 1, compile(&value.to_string()).ok()?)));
        let adds_header = is_one("ADD_X_HEADER");
        Self {
            compat,
            answer_prefix: if adds_header {
                "PREPEND X-policyd-weight:"
            } else {
                "DUNNO "
            }
            .to_owned(),
            debug: is_one("DEBUG"),
            verbose: is_one("VERBOSE"),
            reject_message: text("REJECTMSG"),
            reject_level: number("REJECTLEVEL"),
            defer_strings: text("DEFER_STRING")
                .split_ascii_whitespace()
                .map(str::to_owned)
                .collect(),
            defer_action: text("DEFER_ACTION"),
            defer_level: number("DEFER_LEVEL"),
            dns_error_message: text("DNSERRMSG"),
            lists_only: is_one("dnsbl_checks_only"),
            lists_only_clients: regexes.collect(),
            log_bad_lists_only: is_one("LOG_BAD_RBL_ONLY"),
            lists: ListOption::all(options.array("dnsbl_score"), compat),
            max_list_hits: number("MAXDNSBLHITS"),
            max_list_score: number("MAXDNSBLSCORE"),
            max_list_message: text("MAXDNSBLMSG"),
            domain_lists: ListOption::all(options.array("rhsbl_score"), compat),
            list_error_skip: number("BL_ERROR_SKIP"),
            list_skip_release: number("BL_SKIP_RELEASE"),
            max_dns_errors: number("MAXDNSERR"),
            max_dns_errors_message: text("MAXDNSERRMSG"),
            ignores_private: is_one("IGNORE_RFC1918_A"),
            cache: CacheOptions::new(options),
            scores: CheckScores::new(options),
            spf_scores: pairs(options.array("spf_score")),
            country_scores: pairs(options.array("country_score")),
            request_timeout: Duration::from_secs(
                seconds_of(options, "REQUEST_TIMEOUT").unsigned_abs(),
            ),
            log_sample: text("LOG_SAMPLE").parse().unwrap_or_default(),
        }
    }
}

impl CacheOptions {
    fn new(options: &Variables) -> Self {
        let whole = |name: &str| saturated(number_of(options, name));
        let size = |name: &str| usize::try_from(whole(name)).unwrap_or(0);
        Self {
            spam_size: size("CACHESIZE"),
            spam_max_size: size("CACHEMAXSIZE"),
            reject_message: options.scalar("CACHEREJECTMSG").to_string(),
            retries: whole("NTTL"),
            retry_seconds: whole("NTIME"),
            ham_size: size("POSCACHESIZE"),
            ham_max_size: size("POSCACHEMAXSIZE"),
            ham_message: options.scalar("POSCACHEMSG").to_string(),
            hard_uses: whole("PTTL"),
            hard_seconds: seconds_of(options, "PTIME"),
            soft_seconds: seconds_of(options, "TEMP_PTIME"),
        }
    }
}

impl CheckScores {
    fn new(options: &Variables) -> Self {
        let scores = |name: &str| {
            let values = options.array(name);
            Scores {
                hit: Score::from_value(values.first()),
                miss: Score::from_value(values.get(1)),
            }
        };
        Self {
            client_ip_eq_helo: scores("client_ip_eq_helo_score"),
            helo: scores("helo_score"),
            helo_from_mx_eq_ip: scores("helo_from_mx_eq_ip_score"),
            helo_numeric: scores("helo_numeric_score"),
            verified_helo: scores("from_match_regex_verified_helo"),
            unverified_helo: scores("from_match_regex_unverified_helo"),
            failed_helo: scores("from_match_regex_failed_helo"),
            helo_seems_dialup: scores("helo_seems_dialup"),
            failed_helo_seems_dialup: scores("failed_helo_seems_dialup"),
            helo_in_subnet: scores("helo_ip_in_client_subnet"),
            helo_in_subnet16: scores("helo_ip_in_cl16_subnet"),
            client_seems_dialup: scores("client_seems_dialup_score"),
            multiparted: scores("from_multiparted"),
            anonymous: scores("from_anon"),
            bogus_mx: scores("bogus_mx_score"),
            random_sender: scores("random_sender_score"),
            rhsbl_penalty: scores("rhsbl_penalty_score"),
            enforce_dyndns: scores("enforce_dyndns_score"),
        }
    }
}

/// Names and their scores.
fn pairs(values: &[Value]) -> Vec<(String, Score)> {
    let pairs = values.chunks(2);
    pairs
        .filter_map(|pair| Some((pair.first()?.to_string(), Score::from_value(pair.get(1)))))
        .collect()
}

/// The seconds of a text: the first digits in it, and a unit directly after them.
pub(crate) fn seconds(text: &str) -> Option<i64> {
    let start = text.find(|c: char| c.is_ascii_digit())?;
    let digits: String = text
        .get(start..)?
        .chars()
        .take_while(char::is_ascii_digit)
        .collect();
    let unit = match text
        .get(start + digits.len()..)
        .and_then(|rest| rest.chars().next())
    {
        Some('m') => 60,
        Some('h') => 3600,
        Some('d') => 86_400,
        _ => 1,
    };
    Some(
        digits
            .parse::<i64>()
            .unwrap_or(i64::MAX)
            .saturating_mul(unit),
    )
}

#[expect(clippy::cast_possible_truncation, reason = "saturates")]
fn saturated(number: f64) -> i64 {
    number as i64
}
