//! The questions to DNS: which, how often, and where they end.

use policy_dns::{
    Table,
    spf::{self, SpfOptions, SpfRequest, SpfResult},
};

use super::{check, client, table, verdict};

#[tokio::test]
async fn the_limits_are_options() {
    let includes: String = (0..12)
        .map(|index| format!("d{index}.test TXT \"v=spf1 include:d{}.test\"\n", index + 1))
        .collect::<String>()
        + "d12.test TXT \"v=spf1 +all\"";
    let hosts = (0..11)
        .map(|host| format!("m.test MX 1 h{host}.test\nh{host}.test A 192.0.2.1\n"))
        .collect::<String>()
        + "m.test TXT \"v=spf1 mx -all\"\nh10.test A 192.0.2.9";
    let voids = "v.test TXT \"v=spf1 a:x1.test a:x2.test a:x3.test +all\"";
    let names = (0..11)
        .map(|name| format!("192.0.2.9 PTR n{name}.p.test\n"))
        .collect::<String>()
        + "n10.p.test A 192.0.2.9\np.test TXT \"v=spf1 ptr:p.test -all\"\n*.p.test A 192.0.2.1";
    for (zone, sender, terms, names, voids, expected) in [
        (&*includes, "x@d0.test", 12, 10, 2, SpfResult::Pass),
        (&includes, "x@d0.test", 11, 10, 2, SpfResult::PermError),
        (&includes, "x@d2.test", 10, 10, 2, SpfResult::Pass),
        (&includes, "x@d1.test", 10, 10, 2, SpfResult::PermError),
        (&hosts, "x@m.test", 10, 11, 2, SpfResult::Pass),
        (&hosts, "x@m.test", 10, 10, 2, SpfResult::PermError),
        (voids, "x@v.test", 10, 10, 3, SpfResult::Pass),
        (voids, "x@v.test", 10, 10, 2, SpfResult::PermError),
        (&names, "x@p.test", 10, 11, 2, SpfResult::Pass),
        (&names, "x@p.test", 10, 10, 2, SpfResult::Fail),
    ] {
        let mut options = SpfOptions::default();
        (
            options.max_dns_terms,
            options.max_look_ups_per_term,
            options.max_void_look_ups,
        ) = (terms, names, voids);
        let request = SpfRequest::mail_from(client(), sender, "helo.test");
        let verdict = spf::check(&table(zone), &request, &options).await;
        assert_eq!(
            verdict.result(),
            expected,
            "{sender} {terms} {names} {voids}: {}",
            verdict.local_explanation()
        );
    }
}

#[tokio::test]
async fn an_alias_of_nothing_is_void_and_one_without_data_is_not() {
    let zone = "x1.test CNAME gone.test\nx2.test CNAME here.test\nhere.test TXT x\n";
    let record = |name| format!("v=spf1 a:{name} a:{name} a:{name} +all");
    assert_eq!(
        verdict(&record("x1.test"), zone).await.result(),
        SpfResult::PermError
    );
    assert_eq!(
        verdict(&record("x2.test"), zone).await.result(),
        SpfResult::Pass
    );
}

#[tokio::test]
async fn a_redirect_that_is_not_followed_is_no_term() {
    let exists: String = (0..10).map(|_| "exists:no.test ").collect();
    let mut options = SpfOptions::default();
    options.max_void_look_ups = 20;
    let zone = table(&format!(
        "a.test TXT \"v=spf1 {exists} +all redirect=b.test\""
    ));
    let request = SpfRequest::mail_from(client(), "x@a.test", "helo.test");
    assert_eq!(
        spf::check(&zone, &request, &options).await.result(),
        SpfResult::Pass
    );
}

#[tokio::test]
async fn the_client_is_named_once_for_a_check() {
    let record = "v=spf1 exists:%{p}.%{p}.x.test exists:%{p}.y.test ptr:no.test -all exp=e.test";
    let zone = "192.0.2.9 PTR h.a.test\n192.0.2.9 PTR i.test\nh.a.test A 192.0.2.9\ni.test A 192.0.2.9\n\
                e.test TXT \"%{p}\"\nh.a.test.y.test TXT x\nh.a.test.h.a.test.x.test TXT x";
    let verdict = verdict(record, zone).await;
    assert_eq!(verdict.authority_explanation(), Some("h.a.test"));
    // The record, the names, an address for each of two, two `exists`, the explanation.
    assert_eq!(verdict.look_ups(), 7);
}

#[tokio::test]
async fn names_of_the_client_without_an_address_are_void() {
    let names = |count: usize| {
        let hosts = (0..count).map(|host| format!("192.0.2.9 PTR h{host}.a.test\n"));
        hosts.collect::<String>()
    };
    for (count, expected) in [(2, SpfResult::Fail), (3, SpfResult::PermError)] {
        let verdict = verdict("v=spf1 ptr -all", &names(count)).await;
        assert_eq!(verdict.result(), expected, "{count} names");
    }
    // One that was asked for is not asked for again.
    let zone = table(&format!(
        "a.test TXT \"v=spf1 ptr:a.test ptr:h0.a.test -all\"\n{}",
        names(1)
    ));
    assert_eq!(check(&zone, "carol@a.test").await.result(), SpfResult::Fail);
    let asked = zone.asked();
    let names = asked
        .iter()
        .filter(|question| question.to_string() == "h0.a.test/A");
    assert_eq!(names.count(), 1, "{asked:?}");
}

#[tokio::test]
async fn names_that_dns_cannot_have_are_not_asked() {
    for sender in ["x@a..test", "x@localhost", "x@", "x@[192.0.2.9]"] {
        let zone = Table::default();
        let verdict = check(&zone, sender).await;
        assert_eq!(
            (verdict.result(), verdict.look_ups()),
            (SpfResult::None, u32::from(sender.contains('['))),
            "{sender}"
        );
    }
}
