//! Lists that fail their test, and lists that have ended.

use std::{sync::Arc, time::Duration};

use mtpolicyd::{config::LoadOptions, services::Dns};
use policy_dns::list::Status;

use super::{ZONE, rbl};
use crate::support::{Checker, findings, found};

#[tokio::test(start_paused = true)]
async fn a_list_that_fails_its_test_is_not_asked() {
    let healthy = format!("{ZONE}\n127.0.0.2@list.example A 127.0.0.2");
    // The zone; the parameter; whether the list is asked.
    for (zone, parameter, compat, is_asked) in [
        (&*healthy, "", false, true),
        (ZONE, "", false, false),
        (ZONE, "self_test=0", false, true),
        (ZONE, "", true, true),
    ] {
        let mut checker = Checker::with(&rbl(parameter), zone, compat);
        let tests = checker.config.lists.keep_tested(&checker.services);
        let hour = Duration::from_secs(3600);
        assert!(tokio::time::timeout(hour / 2, tests).await.is_err());
        let answer = checker.ask("client_address=100.64.2.11").await;
        assert_eq!(
            answer.starts_with("reject"),
            is_asked,
            "{parameter} {compat}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_list_that_passes_its_test_again_is_asked_again() {
    let healthy = format!("{ZONE}\n127.0.0.2@list.example A 127.0.0.2");
    let everybody = format!("{healthy}\n127.0.0.1@list.example A 127.0.0.2");
    let mut checker = Checker::new(&rbl(""), &healthy);
    let minute = Duration::from_secs(60);
    for (zone, is_asked) in [(&healthy, true), (&everybody, false), (&healthy, true)] {
        checker.services.dns = Dns::Table(Arc::new(zone.parse().unwrap()));
        let tests = checker.config.lists.keep_tested(&checker.services);
        assert!(tokio::time::timeout(minute, tests).await.is_err());
        let answer = checker.ask("client_address=100.64.2.11").await;
        assert_eq!(answer.starts_with("reject"), is_asked, "{answer}");
    }
}

#[tokio::test(start_paused = true)]
async fn dead_lists_are_named_at_the_start_and_never_asked() {
    let blocks = "<Plugin r>\nmodule=RBL\ndomain=dnsbl.sorbs.net\n</Plugin>\n";
    let dead =
        "the list dnsbl.sorbs.net is dead since 2024-06 and is not asked: remove this plugin";
    assert_eq!(found(blocks), [format!("warning: {dead}")]);
    let check = LoadOptions {
        is_check: true,
        ..LoadOptions::default()
    };
    assert_eq!(findings(blocks, check), [format!("error: {dead}")]);
    let zone = "100.64.2.10@dnsbl.sorbs.net A 127.0.0.2";
    let mut checker = Checker::new(blocks, zone);
    assert_eq!(
        (checker.ask("").await, checker.questions()),
        ("dunno".to_owned(), 0)
    );
    assert!(matches!(
        checker.config.lists.iter().next().unwrap().status(),
        Status::Dead(_)
    ));
    let mut compat = Checker::compat(blocks, zone);
    assert_eq!(
        compat.ask("").await,
        "reject delivery from 100.64.2.10 rejected "
    );
}
