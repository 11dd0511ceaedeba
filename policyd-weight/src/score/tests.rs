//! The steps of the score, each with facts and without DNS.

use std::ops::ControlFlow;

use super::*;
use crate::{config::DefaultSet, mail::Attributes, perl::evaluate};

/// A client with what DNS says of it, and the score's text and sum, or the answer where there is none.
struct Row {
    mail: [&'static str; 4],
    lists: &'static str,
    /// `MX name=host,host`, `A name=address`, `AAAA name=address`, `!MX name`, `!A name`, `PTR name`.
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
        client_address: address.into(),
        client_name: name.into(),
        helo_name: helo.into(),
        sender: sender.into(),
        recipient: "dave@rcpt.test".into(),
        ..Attributes::default()
    })
}

fn lists(text: &str) -> Vec<ListFact> {
    let facts = text.chars().map(|c| match c {
        'I' => HIT,
        'U' => ListFact::Listed { is_trusted: false },
        'E' => ListFact::Error,
        'S' => ListFact::Skipped,
        'D' => ListFact::Dead,
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
            "A" => drop(facts.addresses.insert((name, Family::V4), found)),
            "AAAA" => drop(facts.addresses.insert((name, Family::V6), found)),
            "!A" => drop(facts.addresses.insert((name, Family::V4), Lookup::Failed)),
            "PTR" => facts.pointers.push(name),
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

const ACME: [&str; 4] = [
    "100.64.2.10",
    "mail.acme.test",
    "mail.acme.test",
    "carol@acme.test",
];
const ACME_DNS: &str =
    "MX acme.test=mail.acme.test; A mail.acme.test=100.64.2.10; PTR mail.acme.test";

#[test]
fn lists_add_their_scores_in_order() {
    let row = |lists, score| Row {
        mail: ACME,
        lists,
        dns: ACME_DNS,
        score,
    };
    check(
        &config(true, ""),
        &[
            row(
                "....",
                " NOT_IN_SBL_XBL_SPAMHAUS=-1.5 NOT_IN_SPAMCOP=-1.5 CL_IP_EQ_FROM_MX=-3.1; rate: -6.1",
            ),
            row(
                "..E.",
                " NOT_IN_SBL_XBL_SPAMHAUS=-1.5 SPAMCOP=ERR(-1.5) CL_IP_EQ_FROM_MX=-3.1; rate: -6.1",
            ),
            row(
                "..S.",
                " NOT_IN_SBL_XBL_SPAMHAUS=-1.5 SPAMCOP=SKIP(-1.5) CL_IP_EQ_FROM_MX=-3.1; rate: -6.1",
            ),
            row(
                "..I.",
                " NOT_IN_SBL_XBL_SPAMHAUS=-1.5 IN_SPAMCOP=3.75 CL_IP_EQ_FROM_MX=-3.1; rate: -0.85",
            ),
            row(
                "I.II",
                " IN_DYN_PBL_SPAMHAUS=3.25 NOT_IN_SBL_XBL_SPAMHAUS=-1.5 IN_SPAMCOP=3.75 IN_IX_MANITU=4.35; rate: 9.85",
            ),
            row(
                "EEE.",
                "PREPEND X-policyd-weight: passed - too many local DNS-errors in bl.spamcop.net lookups",
            ),
        ],
    );
}

#[test]
fn by_default_a_list_without_an_answer_has_no_score() {
    let row = |lists, score| Row {
        mail: ACME,
        lists,
        dns: ACME_DNS,
        score,
    };
    check(
        &config(false, ""),
        &[
            row(
                "..E.",
                " NOT_IN_SBL_XBL_SPAMHAUS=-1.5 SPAMCOP=ERR(0) CL_IP_EQ_FROM_MX=-3.1; rate: -4.6",
            ),
            row(
                "..SD",
                " NOT_IN_SBL_XBL_SPAMHAUS=-1.5 SPAMCOP=SKIP(0) CL_IP_EQ_FROM_MX=-3.1; rate: -4.6",
            ),
        ],
    );
    check(
        &config(false, "$LOG_BAD_RBL_ONLY = 0;"),
        &[row(
            "...D",
            " NOT_IN_DYN_PBL_SPAMHAUS=0 NOT_IN_SBL_XBL_SPAMHAUS=-1.5 NOT_IN_SPAMCOP=-1.5 IX_MANITU=DEAD(0) CL_IP_EQ_FROM_MX=-3.1; rate: -6.1",
        )],
    );
}

#[test]
fn a_list_that_is_not_trusted_does_not_multiply() {
    let stranger = ["100.70.7.7", "unknown", "foo.test", "x@acme.test"];
    let row = |lists, score| Row {
        mail: stranger,
        lists,
        dns: ACME_DNS,
        score,
    };
    check(
        &config(false, ""),
        &[
            row(
                "..I.",
                " NOT_IN_SBL_XBL_SPAMHAUS=-1.5 IN_SPAMCOP=3.75 CL_IP_NE_HELO=5.25 (check from: .acme. - helo: .foo. - helo-domain: .foo.)  FROM_NOT_FAILED_HELO(DOMAIN)=6.75 RESOLVED_IP_IS_NOT_HELO=1.5; rate: 15.75",
            ),
            row(
                "..U.",
                " NOT_IN_SBL_XBL_SPAMHAUS=-1.5 IN_SPAMCOP=3.75 CL_IP_NE_HELO=1.5 (check from: .acme. - helo: .foo. - helo-domain: .foo.)  FROM_NOT_FAILED_HELO(DOMAIN)=3 RESOLVED_IP_IS_NOT_HELO=1.5; rate: 8.25",
            ),
        ],
    );
}

#[test]
fn names_belong_to_the_client_or_not() {
    let start = " NOT_IN_SBL_XBL_SPAMHAUS=-1.5 NOT_IN_SPAMCOP=-1.5";
    for (mail, dns, score) in [
        (
            ["100.64.2.30", "aonly.test", "aonly.test", "x@aonly.test"],
            "A aonly.test=100.64.2.30",
            " CL_IP_EQ_FROM_IP=-2 (check from: .aonly. - helo: .aonly. - helo-domain: .aonly.)  FROM/MX_MATCHES_HELO(DOMAIN)=-2; rate: -7",
        ),
        (
            [
                "100.65.9.78",
                "unknown",
                "relay.carrier.test",
                "x@shop.test",
            ],
            "A shop.test=100.66.1.1; A relay.carrier.test=100.65.1.1; PTR host.else.test",
            " HELO_IP_IN_CL16_SUBNET=-0.41 (check from: .shop. - helo: .relay.carrier. - helo-domain: .carrier.)  FROM/MX_MATCHES_NOT_UNVR_HELO(DOMAIN)_NOR_CL_NAME(DOMAIN)=1.6 RESOLVED_IP_IS_NOT_HELO=1.5; rate: -0.31",
        ),
        (
            [
                "100.65.9.78",
                "unknown",
                "relay.carrier.test",
                "x@shop.test",
            ],
            "A shop.test=100.66.1.1; A relay.carrier.test=100.65.9.1",
            " HELO_IP_IN_CL_SUBNET=-1.2 (check from: .shop. - helo: .relay.carrier. - helo-domain: .carrier.)  FROM/MX_MATCHES_NOT_HELO(DOMAIN)=1; rate: -3.2",
        ),
        (
            ["100.70.7.4", "unknown", "localhost", "x@localhost"],
            "",
            " NO_MX_A_RECS_FOUND=1.4 (check from: .localhost. - helo: .localhost. - helo-domain: .localhost.)  MAIL_SEEMS_FORGED=2.5 NO_DNS_RECORDS=0.5 RESOLVED_IP_IS_NOT_HELO=1.5; rate: 2.9",
        ),
        (
            [
                "100.65.113.120",
                "h.carrier.test",
                "h.carrier.test",
                "x@nx.test",
            ],
            "A h.carrier.test=100.65.113.120",
            " BOGUS_MX=2.1 CL_IP_EQ_HELO_IP=-2 (check from: .nx. - helo: .h.carrier. - helo-domain: .carrier.)  FROM/MX_MATCHES_NOT_HELO(DOMAIN)=5.41; rate: 2.51",
        ),
        (
            ["100.70.7.7", "unknown", "[100.70.7.7]", "x@acme.test"],
            ACME_DNS,
            " HELO_NUMERIC=2.5 (check from: .acme. - helo: .[100.70.7.7]. - helo-domain: .7]. )",
        ),
    ] {
        let got = shown(&decide(
            &config(true, ""),
            &Row {
                mail,
                lists: "....",
                dns,
                score: "",
            },
        ));
        let expected = format!("{start}{score}");
        // The last one is about its item alone.
        let is_begin = score.ends_with(')');
        assert!(
            got == expected || (is_begin && got.starts_with(&format!("{start} HELO_NUMERIC=2.5"))),
            "{got}\n{expected}"
        );
    }
}

#[test]
fn errors_of_dns_let_a_request_through() {
    let row = |dns, score| Row {
        mail: ACME,
        lists: "",
        dns,
        score,
    };
    check(
        &config(true, "$MAXDNSERR = 1; @dnsbl_score = ();"),
        &[
            row(
                "!MX acme.test",
                "PREPEND X-policyd-weight: passed - too many local DNS-errors in FROM MX lookups for acme.test",
            ),
            row(
                "MX acme.test=h.test; !A h.test",
                "PREPEND X-policyd-weight: passed - too many local DNS-errors in FROM MX -> A lookups",
            ),
            row(
                "!A acme.test",
                "PREPEND X-policyd-weight: passed - too many local DNS-errors in FROM A lookup for acme.test",
            ),
            row(
                "MX acme.test=mail.acme.test; A mail.acme.test=100.64.2.10; RH E",
                "PREPEND X-policyd-weight: passed - too many local DNS-errors in multi.surbl.org lookups",
            ),
        ],
    );
}

#[test]
fn options_of_our_own_add_items() {
    let config = config(
        false,
        "@spf_score = ('fail', 3, 'pass', -1.5); @country_score = ('XX', 2); @dnsbl_score = ();",
    );
    let row = |dns, score| Row {
        mail: ACME,
        lists: "",
        dns,
        score,
    };
    check(
        &config,
        &[
            row(
                "MX acme.test=mail.acme.test; A mail.acme.test=100.64.2.10; SPF pass; COUNTRY xx",
                " CL_IP_EQ_FROM_MX=-3.1 SPF_PASS=-1.5 COUNTRY_XX=2; rate: -2.6",
            ),
            row(
                "MX acme.test=mail.acme.test; A mail.acme.test=100.64.2.10; SPF none; COUNTRY de",
                " CL_IP_EQ_FROM_MX=-3.1; rate: -3.1",
            ),
        ],
    );
}

#[test]
fn by_default_the_registered_domain_is_compared() {
    let mail = ["100.70.7.7", "unknown", "mail.acme.gov.br", "x@shop.gov.br"];
    let row = |score| Row {
        mail,
        lists: "",
        dns: "A shop.gov.br=100.64.2.10",
        score,
    };
    check(
        &config(true, "@dnsbl_score = ();"),
        &[row(
            " CL_IP_NE_HELO=1.5 (check from: .gov. - helo: .mail.acme.gov. - helo-domain: .gov.)  MAIL_SEEMS_FORGED=2.5 RESOLVED_IP_IS_NOT_HELO=1.5; rate: 5.5",
        )],
    );
    check(
        &config(false, "@dnsbl_score = ();"),
        &[row(
            " CL_IP_NE_HELO=1.5 (check from: .shop. - helo: .mail.acme. - helo-domain: .acme.)  FROM_NOT_FAILED_HELO(DOMAIN)=3 RESOLVED_IP_IS_NOT_HELO=1.5; rate: 6",
        )],
    );
}

#[test]
fn what_is_cached_depends_on_the_client() {
    let stranger = ["100.70.7.7", "unknown", "foo.test", "x@acme.test"];
    let of = |text: &str, mail, lists, dns| {
        decide(
            &config(true, text),
            &Row {
                mail,
                lists,
                dns,
                score: "",
            },
        )
        .cached
    };
    let spam = |cached: Option<Cached>| match cached {
        Some(Cached::Spam {
            by_sender, rate, ..
        }) => Some((by_sender, rate)),
        _ => None,
    };
    assert_eq!(
        spam(of("", stranger, "....", ACME_DNS)),
        Some((false, "3".into()))
    );
    let nobody = ["100.64.2.10", "m", "mail.acme.test", "nobody@acme.test"];
    assert_eq!(
        spam(of("@from_anon = (8, 0);", nobody, "....", ACME_DNS)),
        Some((true, "1.9".into()))
    );
    assert_eq!(
        of("", ACME, "....", ACME_DNS),
        Some(Cached::Ham {
            rate: "-6.1".into()
        })
    );
    assert_eq!(of("", ACME, "..I.", ACME_DNS), None);
    for text in [
        "$CACHESIZE = 0;",
        "$REJECTMSG = '450 later';",
        "$REJECTMSG = 'rc: x, y';",
        "$DEFER_STRING = 'CL_IP_NE';",
    ] {
        assert_eq!(of(text, stranger, "....", ACME_DNS), None, "{text}");
    }
    assert_eq!(of("$POSCACHESIZE = 0;", ACME, "....", ACME_DNS), None);
}

#[test]
fn a_client_is_remembered_by_its_address_or_with_the_sender() {
    let nobody = ["100.64.2.30", "m", "aonly.test", "nobody@aonly.test"];
    let dns = "A aonly.test=100.64.2.30";
    let by_sender = |lists, dns| {
        let row = Row {
            mail: nobody,
            lists,
            dns,
            score: "",
        };
        let config = config(true, "@from_anon = (9, 0); $MAXDNSBLSCORE = 90;");
        match decide(&config, &row).cached {
            Some(Cached::Spam { by_sender, .. }) => by_sender,
            other => panic!("{other:?}"),
        }
    };
    assert!(by_sender("....", dns));
    assert!(!by_sender("..I.", dns), "listed");
    let dialled_in = "A aonly.test=100.64.2.30; PTR p1.dip.dialin.test";
    assert!(!by_sender("....", dialled_in), "dialled in");
}

#[test]
fn nothing_is_remembered_where_errors_are_used_up_or_the_answer_may_change() {
    let stranger = ["100.70.7.7", "unknown", "foo.test", "x@acme.test"];
    for text in [
        "$MAXDNSERR = 0;",
        "$DEFER_STRING = 'CL_IP_NE'; $DEFER_ACTION = '550';",
    ] {
        let row = Row {
            mail: stranger,
            lists: "....",
            dns: ACME_DNS,
            score: "",
        };
        assert_eq!(decide(&config(true, text), &row).cached, None, "{text}");
    }
}

#[test]
fn too_many_lists_are_remembered_with_their_own_sum() {
    let row = Row {
        mail: ["100.70.7.7", "unknown", "foo.test", "x@acme.test"],
        lists: "..II",
        dns: "",
        score: "",
    };
    let cached = |text| match decide(&config(true, text), &row).cached {
        Some(Cached::Spam {
            by_sender, rate, ..
        }) => Some((by_sender, rate)),
        _ => None,
    };
    assert_eq!(cached(""), Some((false, "8.1".into())));
    assert_eq!(cached("$CACHESIZE = 0;"), None);
}

#[test]
fn next_recipients_are_told_the_message_or_by_default_the_whole_text() {
    let row = Row {
        mail: ["100.70.7.7", "unknown", "foo.test", "x@acme.test"],
        lists: "....",
        dns: ACME_DNS,
        score: "",
    };
    for (compat, ends) in [
        (true, "get removed from DNSBLs"),
        (false, "[100.70.7.7] (helo/hostname mismatch)"),
    ] {
        let text = decide(&config(compat, ""), &row).reject_text.unwrap();
        assert!(text.ends_with(ends), "{text}");
    }
    let nothing = Row {
        mail: ["100.70.7.4", "unknown", "localhost", "x@localhost"],
        dns: "",
        ..row
    };
    let decision = decide(&config(true, ""), &nothing);
    assert_eq!(decision.verdict, Verdict::Undecided);
}

#[test]
fn a_reason_has_what_raises_the_sum_and_an_end() {
    let reason = |text: &str| {
        let row = Row {
            mail: ["100.70.7.7", "unknown", "foo.test", "x@acme.test"],
            lists: ".I",
            dns: ACME_DNS,
            score: "",
        };
        match decide(&config(false, text), &row).cached {
            Some(Cached::Spam { reason, .. }) => reason,
            other => panic!("{other:?}"),
        }
    };
    let text = "$LOG_BAD_RBL_ONLY = 0; @dnsbl_score = ('a.test', 1, 0, 'A', 'b.test', 2, 0, 'B');";
    assert_eq!(
        reason(text),
        "IN_B=2 CL_IP_NE_HELO=3.5 FROM_NOT_FAILED_HELO(DOMAIN)=5 RESOLVED_IP_IS_NOT_HELO=1.5"
    );
    let long = text.replace("'B'", &format!("'{}'", "B".repeat(500)));
    assert_eq!(reason(&long).len(), 400);
}
