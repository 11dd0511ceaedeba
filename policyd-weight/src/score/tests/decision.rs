//! Steps 20 to 23: what is answered, and what is remembered of it.

use super::*;

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

/// The points are counted always; rows are made where somebody is shown them.
#[test]
fn rows_tell_of_each_step_to_who_asks_for_them() {
    let (config, mail) = (config(true, ONE_LIST), mail(ACME));
    for is_asked in [false, true] {
        let mut scoring = Scoring::new(&config, &mail);
        if is_asked {
            scoring = scoring.with_rows();
        }
        assert!(scoring.lists(&lists("I")).is_continue());
        let decision = scoring.finish(&facts(ACME_DNS));
        let points = [("list", 3.75), ("names", -3.1), ("sum", 0.0)];
        assert_eq!(decision.points, points);
        let rows = decision.rows.iter().map(|row| {
            let sum = number::print(row.sum);
            [row.step, &row.looked_up, &row.result, &row.points, &sum].map(str::to_owned)
        });
        let expected = [
            ["list", "a.test", "IN_A", "3.75", "3.75"],
            [
                "names",
                "MX mail.acme.test",
                "CL_IP_EQ_FROM_MX",
                "-3.1",
                "0.65",
            ],
            ["sum", "", "", "", "0.65"],
        ];
        let expected = if is_asked { &expected[..] } else { &[] };
        assert_eq!(rows.collect::<Vec<_>>(), expected);
    }
}
