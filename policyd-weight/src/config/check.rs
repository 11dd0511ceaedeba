//! Faults in the values of options that can be read.

use policy_daemon::log::{LogTarget, Sample};
use policy_dns::{
    Name,
    list::{dead_zone, part_of},
};

use super::{
    Config, ListOption, Loaded, Source,
    finding::Finding,
    known::{ITEMS, REGISTERED, SPF_RESULTS},
    listeners::listeners,
    options::{KNOWN, Shape},
    values::values,
};
use crate::perl::distance;

/// Looks at all values.
#[must_use]
pub fn check(source: &Source, loaded: &Loaded) -> Vec<Finding> {
    let config = Config::new(&loaded.options, source.compat);
    let mut findings = vec![];
    values(loaded, &mut findings);
    lists(&config, &mut findings);
    levels(&config, &mut findings);
    texts(&config, loaded, &mut findings);
    names(&config, &mut findings);
    listeners(loaded, &mut findings);
    if !source.compat {
        log(loaded, &mut findings);
    }
    findings
}

/// Where the log goes, and of which requests.
fn log(loaded: &Loaded, findings: &mut Vec<Finding>) {
    let mut check = |name: &str, error: Option<String>| {
        if let Some(error) = error {
            let text = loaded.options.scalar(name).to_string();
            let option = format!("${name}");
            findings.push(Finding::error(
                &[&option],
                format!("{option} is '{text}': {error}"),
            ));
        }
    };
    let text = |name: &str| loaded.options.scalar(name).to_string();
    let target = Some(text("LOG_TO")).filter(|text| !text.is_empty());
    let target = target.map(|text| text.parse::<LogTarget>());
    check(
        "LOG_TO",
        target.and_then(Result::err).map(|error| error.to_string()),
    );
    let sample = text("LOG_SAMPLE").parse::<Sample>();
    check("LOG_SAMPLE", sample.err().map(|error| error.to_string()));
}

fn lists(config: &Config, findings: &mut Vec<Finding>) {
    for (name, all) in [
        ("dnsbl_score", &config.lists),
        ("rhsbl_score", &config.domain_lists),
    ] {
        for list in all {
            list_itself(name, list, config.compat, findings);
        }
    }
}

fn list_itself(option: &str, list: &ListOption, compat: bool, findings: &mut Vec<Finding>) {
    let zone = &list.zone;
    let of: &[&str] = &[&format!("@{option}")];
    if let Some(error) = &list.bad_codes {
        findings.push(Finding::error(of, format!("@{option}: {error}")));
    }
    match Name::parse(zone) {
        Ok(name) if name.labels().count() > 1 => {}
        _ => findings.push(Finding::error(
            of,
            format!("@{option}: '{zone}' is no name of a list"),
        )),
    }
    if let Some(dead) = dead_zone(zone) {
        let since = dead
            .since
            .map(|since| format!(" since {since}"))
            .unwrap_or_default();
        let then = if compat {
            "it may list everybody"
        } else {
            "it is not asked"
        };
        warn(
            findings,
            of,
            format!("@{option}: the list {zone} is dead{since}: {then}; take it out"),
        );
    } else if let Some(whole) = part_of(zone) {
        warn(
            findings,
            of,
            format!("@{option}: the list {zone} is a part of {whole}: ask that one, with codes"),
        );
    }
    if let Some((_, who)) = REGISTERED
        .iter()
        .find(|(registered, _)| zone.ends_with(registered))
    {
        warn(
            findings,
            of,
            format!("@{option}: the list {zone} answers registered name servers only: see {who}"),
        );
    }
}

/// Levels that no sum reaches.
fn levels(config: &Config, findings: &mut Vec<Finding>) {
    let scores = &config.scores;
    let on_all_lists: f64 = config
        .lists
        .iter()
        .map(|list| list.hit.value.max(list.miss.value).max(0.0))
        .sum();
    let fixed = [
        &scores.client_ip_eq_helo,
        &scores.helo,
        &scores.helo_from_mx_eq_ip,
        &scores.helo_numeric,
        &scores.verified_helo,
        &scores.unverified_helo,
        &scores.failed_helo,
        &scores.helo_seems_dialup,
        &scores.failed_helo_seems_dialup,
        &scores.client_seems_dialup,
        &scores.multiparted,
        &scores.anonymous,
        &scores.bogus_mx,
        &scores.random_sender,
        &scores.rhsbl_penalty,
        &scores.enforce_dyndns,
    ];
    let fixed: f64 = fixed.iter().map(|scores| scores.hit.value.max(0.0)).sum();
    let domains: f64 = config
        .domain_lists
        .iter()
        .map(|list| list.hit.value.max(0.0))
        .sum();
    // Each check adds the sum of the lists again, and the penalty of the sender's domain is squared.
    let most = (on_all_lists + fixed) * 20.0 + domains + fixed * fixed;
    if most < config.reject_level {
        warn(
            findings,
            &[
                &["$REJECTLEVEL", "@dnsbl_score", "@rhsbl_score"],
                &scores_of_checks()[..],
            ]
            .concat(),
            format!(
                "no sum reaches $REJECTLEVEL {}: nobody is rejected by it",
                config.reject_level
            ),
        );
    }
    if on_all_lists < config.reject_level && !config.lists.is_empty() {
        let text = format!(
            "a client on all lists has {on_all_lists} points of these, less than $REJECTLEVEL {}: other checks decide",
            config.reject_level
        );
        warn(findings, &["$REJECTLEVEL", "@dnsbl_score"], text);
    }
    // A sum of nothing is -0.
    let bonus: f64 = 0.0 + config.lists.iter().map(|list| list.miss.value).sum::<f64>();
    if config.reject_level <= bonus {
        warn(
            findings,
            &["$REJECTLEVEL", "@dnsbl_score"],
            format!(
                "a client on no list has {bonus} points, which reaches $REJECTLEVEL {}",
                config.reject_level
            ),
        );
    }
    if config.defer_level <= config.reject_level && !config.defer_strings.is_empty() {
        warn(
            findings,
            &["$DEFER_LEVEL", "$REJECTLEVEL", "$DEFER_STRING"],
            "$DEFER_LEVEL is not above $REJECTLEVEL: nothing is deferred for $DEFER_STRING",
        );
    }
}

/// Answers that Postfix has to understand.
fn texts(config: &Config, loaded: &Loaded, findings: &mut Vec<Finding>) {
    let answers = KNOWN
        .iter()
        .filter(|known| matches!(known.shape, Shape::Answer));
    for option in answers.map(|known| known.name) {
        let name = option.trim_start_matches('$');
        let text = loaded.options.scalar(name).to_string();
        let word = text.split_ascii_whitespace().next().unwrap_or_default();
        let is_code = word.len() == 3
            && word.starts_with(['4', '5'])
            && word.bytes().all(|byte| byte.is_ascii_digit());
        let is_action = policy_proto::Action::parse(word.as_bytes())
            .keyword()
            .is_some();
        if !is_code && !is_action && !text.trim_start().to_ascii_lowercase().starts_with("rc:") {
            warn(
                findings,
                &[option],
                format!(
                    "{option} begins with '{word}', which is no code and no action of access(5)"
                ),
            );
        }
        if text.contains(['\n', '\r', '\0']) {
            findings.push(Finding::error(
                &[option],
                format!("{option} has more than one line: Postfix takes one"),
            ));
        }
    }
    for (result, _) in &config.spf_scores {
        if !SPF_RESULTS.contains(&result.as_str()) {
            let text = format!(
                "@spf_score: '{result}' is no result: {} are",
                SPF_RESULTS.join(", ")
            );
            findings.push(Finding::error(&["@spf_score"], text));
        }
    }
    if !config.country_scores.is_empty() && !loaded.options.scalar("COUNTRY_DB").is_true() {
        findings.push(Finding::error(
            &["@country_score"],
            "@country_score needs $COUNTRY_DB, a file of countries",
        ));
    }
}

/// Names in `$DEFER_STRING` that no text of a score has.
fn names(config: &Config, findings: &mut Vec<Finding>) {
    let lists = config
        .lists
        .iter()
        .chain(&config.domain_lists)
        .flat_map(|list| ["IN_", "NOT_IN_", ""].map(|prefix| format!("{prefix}{}=", list.name)));
    let known: Vec<String> = lists
        .chain(ITEMS.iter().map(|item| format!("{item}=")))
        .collect();
    for text in &config.defer_strings {
        if known.iter().any(|known| known.starts_with(text.as_str())) {
            continue;
        }
        let meant = known
            .iter()
            .map(|known| (distance(known, text), known))
            .min();
        let meant = meant.filter(|(distance, _)| *distance <= 1 + text.len() / 4);
        let meant = meant
            .map(|(_, meant)| format!(": did you mean '{meant}'?"))
            .unwrap_or_default();
        warn(
            findings,
            &["$DEFER_STRING", "@dnsbl_score", "@rhsbl_score"],
            format!("$DEFER_STRING: no score has '{text}' in its text{meant}"),
        );
    }
}

/// The options with the two scores of a check each.
fn scores_of_checks() -> Vec<&'static str> {
    let scores = KNOWN
        .iter()
        .filter(|known| matches!(known.shape, Shape::Scores));
    scores.map(|known| known.name).collect()
}

fn warn(findings: &mut Vec<Finding>, of: &[&str], text: impl Into<String>) {
    findings.push(Finding::warning(of, text));
}

#[cfg(test)]
mod tests;
