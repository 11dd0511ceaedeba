//! The RFC 7208 test suite, and what Mail::SPF makes of its cases.

use std::collections::BTreeMap;

use policy_dns::{
    Table,
    spf::{self, SpfOptions, SpfRequest, SpfResult, Verdict},
};
use serde_json::Value;

/// Cases where Mail::SPF differs from the RFC, and this crate does not.
const MAIL_SPF_ERRS: [(&str, &str); 7] = [
    (
        "emptylabel",
        "dies of a name with an empty label; there is no record then (4.3)",
    ),
    (
        "toolonglabel",
        "dies of a label of more than 63 bytes; there is no record then (4.3)",
    ),
    (
        "invalid-domain-empty-label",
        "dies of an `a` with an empty label; it does not match then (4.8)",
    ),
    ("cidr6-0-ip4", "an IPv4 client is in no IPv6 network (5.6)"),
    ("cidr6-ip4", "an IPv4-mapped client is an IPv4 client (5)"),
    (
        "mx-limit",
        "more than ten hosts of an `mx` are an error (4.6.4)",
    ),
    (
        "non-ascii-exp",
        "an explanation that is not ASCII does not count (6.2)",
    ),
];

fn data(name: &str) -> Vec<Value> {
    let path = format!("{}/tests/data/{name}", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key]
        .as_str()
        .unwrap_or_else(|| panic!("no {key} in {value}"))
}

fn zone(scenario: &Value) -> Table {
    let lines: Vec<_> = scenario["zone"]
        .as_array()
        .unwrap()
        .iter()
        .map(|line| line.as_str().unwrap())
        .collect();
    lines.join("\n").parse().unwrap()
}

fn options() -> SpfOptions {
    let mut options = SpfOptions::default();
    options.default_explanation = "See http://www.%{d}/why/id=%{S};ip=%{I};r=%{R}".into();
    options.receiver = "vm".into();
    options
}

async fn check(zone: &Table, case: &Value, is_helo: bool) -> Verdict {
    let (client, helo) = (text(case, "client").parse().unwrap(), text(case, "helo"));
    let request = if is_helo {
        SpfRequest::helo(client, helo)
    } else {
        SpfRequest::mail_from(client, text(case, "mailfrom"), helo)
    };
    spf::check(zone, &request, &options()).await
}

#[tokio::test(start_paused = true)]
async fn the_rfcs_suite_passes() {
    let mut passed = 0;
    for scenario in data("rfc7208-tests.json") {
        let zone = zone(&scenario);
        for case in scenario["tests"].as_array().unwrap() {
            let (id, verdict) = (text(case, "id"), check(&zone, case, false).await);
            let results = case["results"].as_array().unwrap();
            let got = verdict.result().as_str();
            assert!(
                results.iter().any(|result| result == got),
                "{id}: {got}, not {results:?}: {verdict:?}"
            );
            if let Some(explanation) = case["explanation"].as_str() {
                let got = verdict.authority_explanation().unwrap();
                if explanation == "DEFAULT" {
                    assert!(got.starts_with("See http://"), "{id}: {got}");
                } else {
                    // The suite has nibbles in upper case; it means any.
                    assert!(
                        got.eq_ignore_ascii_case(explanation),
                        "{id}: {got}, not {explanation}"
                    );
                }
            }
            passed += 1;
        }
    }
    assert_eq!(passed, 203);
}

#[tokio::test(start_paused = true)]
async fn results_and_explanations_are_mail_spfs() {
    let zones: BTreeMap<_, _> = data("rfc7208-tests.json")
        .into_iter()
        .map(|scenario| (text(&scenario, "scenario").to_owned(), zone(&scenario)))
        .collect();
    let (mut equal, mut different) = (0, vec![]);
    for case in data("mail-spf-2.009.json") {
        let verdict = check(
            &zones[text(&case, "scenario")],
            &case,
            text(&case, "mode") != "mfrom",
        )
        .await;
        let expected =
            ["result", "local_explanation", "authority_explanation"].map(|key| case[key].as_str());
        let got = [
            Some(verdict.result().as_str()),
            Some(verdict.local_explanation()),
            verdict.authority_explanation(),
        ];
        let id = text(&case, "id");
        if got == expected {
            equal += 1;
        } else if MAIL_SPF_ERRS.iter().any(|(known, _)| *known == id)
            && text(&case, "mode") == "mfrom"
        {
            different.push(id.to_owned());
        } else {
            panic!("{id}: {got:?}, not {expected:?}");
        }
    }
    different.sort();
    let mut known: Vec<_> = MAIL_SPF_ERRS.iter().map(|(id, _)| *id).collect();
    known.sort_unstable();
    assert_eq!(
        (different, equal),
        (known.into_iter().map(str::to_owned).collect(), 399)
    );
}

#[tokio::test(start_paused = true)]
async fn a_check_asks_a_bounded_number_of_questions() {
    // Each of ten includes would ask for ten hosts, and each name for ten names of the client.
    let mut zone = String::new();
    for index in 0..20 {
        zone += &format!(
            "d{index}.test TXT \"v=spf1 mx exists:%{{p}}.%{{p}}.x.test ptr include:d{}.test -all\"\n",
            index + 1
        );
        for host in 0..10 {
            zone += &format!(
                "d{index}.test MX 1 h{host}.d{index}.test\nh{host}.d{index}.test A 192.0.2.1\n"
            );
        }
    }
    for name in 0..20 {
        zone += &format!("192.0.2.9 PTR p{name}.d0.test\np{name}.d0.test A 192.0.2.1\n");
    }
    let table: Table = zone.parse().unwrap();
    let request = SpfRequest::mail_from("192.0.2.9".parse().unwrap(), "a@d0.test", "h");
    let verdict = spf::check(&table, &request, &SpfOptions::default()).await;
    assert_eq!(verdict.result(), SpfResult::PermError);
    assert_eq!(
        table.asked().len(),
        usize::try_from(verdict.look_ups()).unwrap()
    );
    assert!(verdict.look_ups() <= 123, "{}", verdict.look_ups());
}

#[tokio::test(start_paused = true)]
async fn a_check_has_a_deadline() {
    let table: Table =
        "a.test TXT \"v=spf1 mx:b.test mx:c.test -all\"\nb.test !delay 15s\nc.test !delay 15s"
            .parse()
            .unwrap();
    let start = tokio::time::Instant::now();
    let request = SpfRequest::mail_from("192.0.2.9".parse().unwrap(), "x@a.test", "h");
    let mut options = SpfOptions::default();
    options.max_void_look_ups = 9;
    let verdict = spf::check(&table, &request, &options).await;
    assert_eq!(verdict.result(), SpfResult::TempError);
    assert_eq!(
        verdict.local_explanation(),
        "a.test: Time-out on DNS 'MX' lookup of 'c.test'"
    );
    assert_eq!(start.elapsed(), options.timeout);
}
