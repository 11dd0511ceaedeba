//! RBL and RBLAction.

use mtpolicyd::{config::LoadOptions, daemon::Server};
use policy_dns::list::Status;
use policy_net::{Handler, Peer};

use crate::support::{Checker, findings, found};

const ZONE: &str = r#"
100.64.2.10@list.example TXT "listed, see http://list.example/?ip=100.64.2.10"
100.64.2.10@list.example A 127.0.0.2
100.64.2.11@list.example A 127.0.0.4
100.64.2.12@list.example A 127.0.0.10
100.64.2.12@list.example A 127.0.0.2
100.64.2.12@list.example TXT first
100.64.2.12@list.example TXT second
100.64.2.13@list.example !servfail
100.64.2.14@list.example TXT "only text"
100.64.2.15@list.example CNAME target.list.example
target.list.example A 127.0.0.9
target.list.example TXT cname
100.64.2.16@list.example A 127.0.0.3
100.64.2.16@list.example TXT two strings
100.64.2.17@list.example A 127.0.0.3
100.64.2.17@list.example TXT "a \"quoted\" text; semicolon"
100.64.2.18@list.example A 127.0.0.3
100.64.2.18@list.example TXT ""
100.64.2.19@list.example A 127.255.255.254
100.64.2.20@list.example A 203.0.113.9
2001:db8::1@list.example A 127.0.0.2
100.64.2.10@wl.example A 127.0.10.1
"#;

const END: &str = "<Plugin end>\nmodule=Action\naction=ok end of chain\n</Plugin>\n";

fn rbl(more: &str) -> String {
    format!("<Plugin r>\nmodule=RBL\ndomain=list.example\n{more}\n</Plugin>\n{END}")
}

#[tokio::test(start_paused = true)]
async fn a_listed_client_is_rejected_with_the_text_of_the_list() {
    let see = "listed, see http://list.example/?ip=100.64.2.10";
    let rejected =
        |address: &str, info: &str| format!("reject delivery from {address} rejected {info}");
    // The client; the answer by default; with --compat.
    for (client, by_default, compat) in [
        ("100.64.2.9", END_ANSWER.to_owned(), END_ANSWER.to_owned()),
        (
            "100.64.2.10",
            rejected("100.64.2.10", &format!("({see})")),
            rejected("100.64.2.10", &format!("(\"{see}\")")),
        ),
        (
            "100.64.2.11",
            rejected("100.64.2.11", ""),
            rejected("100.64.2.11", ""),
        ),
        (
            "100.64.2.12",
            rejected("100.64.2.12", "(first)"),
            rejected("100.64.2.12", "(first)"),
        ),
        ("100.64.2.13", END_ANSWER.to_owned(), END_ANSWER.to_owned()),
        ("100.64.2.14", END_ANSWER.to_owned(), END_ANSWER.to_owned()),
        (
            "100.64.2.15",
            rejected("100.64.2.15", "(cname)"),
            rejected("100.64.2.15", "(cname)"),
        ),
        (
            "100.64.2.16",
            rejected("100.64.2.16", "(twostrings)"),
            rejected("100.64.2.16", "(two strings)"),
        ),
        (
            "100.64.2.17",
            rejected("100.64.2.17", "(a \"quoted\" text; semicolon)"),
            rejected("100.64.2.17", r#"("a \"quoted\" text; semicolon")"#),
        ),
        (
            "100.64.2.18",
            rejected("100.64.2.18", ""),
            rejected("100.64.2.18", "(\"\")"),
        ),
        // A code by which a list says that it does not answer, and an address that is no code.
        (
            "100.64.2.19",
            END_ANSWER.to_owned(),
            rejected("100.64.2.19", ""),
        ),
        (
            "100.64.2.20",
            END_ANSWER.to_owned(),
            rejected("100.64.2.20", ""),
        ),
        ("unknown", END_ANSWER.to_owned(), END_ANSWER.to_owned()),
    ] {
        for (compat, answer) in [(false, by_default), (true, compat)] {
            let mut checker = Checker::with(&rbl(""), ZONE, compat);
            let request = format!("client_address={client}");
            assert_eq!(checker.ask(&request).await, answer, "{client}, {compat}");
        }
    }
}

const END_ANSWER: &str = "ok end of chain";

#[tokio::test(start_paused = true)]
async fn ipv6_clients_are_found_but_not_by_the_original() {
    let request = "client_address=2001:db8::1";
    let mut checker = Checker::new(&rbl(""), ZONE);
    let answer = checker.ask(request).await;
    assert_eq!(answer, "reject delivery from 2001:db8::1 rejected ");
    assert_eq!(
        Checker::compat(&rbl(""), ZONE).ask(request).await,
        END_ANSWER
    );
}

#[tokio::test(start_paused = true)]
async fn a_request_without_a_client_fails() {
    for client in ["(absent)", ""] {
        let request = format!("client_address={client}");
        let answer = Checker::new(&rbl(""), ZONE).ask(&request).await;
        let error = "closed: plugin r failed: client_address not defined in request!";
        assert_eq!(answer, error);
    }
}

#[tokio::test(start_paused = true)]
async fn each_parameter_does_what_it_says() {
    let listed = "client_address=100.64.2.11";
    for (parameters, request, answer) in [
        ("enabled=off", listed, END_ANSWER),
        (
            "enabled=on",
            listed,
            "reject delivery from 100.64.2.11 rejected ",
        ),
        ("mode=passive", listed, END_ANSWER),
        ("mode=accept", listed, "dunno"),
        ("mode=accept", "client_address=100.64.2.9", END_ANSWER),
        ("mode=else", listed, END_ANSWER),
        (
            "reject_message=\"%IP% %INFO%%IP%\"",
            listed,
            "reject 100.64.2.11 %IP%",
        ),
        ("codes=127.0.0.2-3", listed, END_ANSWER),
        (
            "codes=\"127.0.0.9, &4\"",
            listed,
            "reject delivery from 100.64.2.11 rejected ",
        ),
        // Blocked codes do not count, whatever `codes` says.
        (
            "codes=127.255.255.0/24",
            "client_address=100.64.2.19",
            END_ANSWER,
        ),
    ] {
        let mut checker = Checker::new(&rbl(parameters), ZONE);
        assert_eq!(checker.ask(request).await, answer, "{parameters}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_session_overrides_mode_and_enabled() {
    for (field, value, answer) in [
        ("m", "accept", "dunno"),
        ("m", "reject", "reject delivery from 100.64.2.11 rejected "),
        ("e", "off", END_ANSWER),
    ] {
        let set = format!("<Plugin s>\nmodule=SetField\nkey={field}\nvalue={value}\n</Plugin>\n");
        let blocks = set + &rbl("mode=passive\nuc_mode=m\nuc_enabled=e");
        let mut checker = Checker::new(&blocks, ZONE);
        assert_eq!(
            checker.ask("client_address=100.64.2.11").await,
            answer,
            "{field}"
        );
    }
}

fn scored(score: &str) -> String {
    format!(
        "<Plugin r>\nmodule=RBL\ndomain=list.example\nmode=passive\n{score}\n</Plugin>\n\
         <Plugin h>\nmodule=AddScoreHeader\n</Plugin>\n"
    )
}

#[tokio::test(start_paused = true)]
async fn a_score_may_depend_on_the_code() {
    let by_code = "score=\"127.0.0.2-3: 4.35, 127.0.0.4-7: 5, 127.0.0.10-11: 3.25\"";
    for (score, client, header) in [
        ("score=5", "100.64.2.11", "YES score=5 [r=5]"),
        ("score=+1.50", "100.64.2.11", "NO score=1.5 [r=+1.50]"),
        ("", "100.64.2.11", "NO score=0"),
        (by_code, "100.64.2.11", "YES score=5 [r=5]"),
        (by_code, "100.64.2.10", "NO score=4.35 [r=4.35]"),
        // Several codes at once: each item counts once.
        (by_code, "100.64.2.12", "YES score=7.6 [r=7.6]"),
        // A code that has no score.
        (by_code, "100.64.2.15", "NO score=0"),
        (by_code, "100.64.2.9", "NO score=0"),
        ("score=1\nscore_field=other", "100.64.2.11", "NO score=0"),
    ] {
        let mut checker = Checker::new(&scored(score), ZONE);
        let answer = checker.ask(&format!("client_address={client}")).await;
        assert_eq!(answer, format!("PREPEND X-MtScore: {header}"), "{score}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_score_counts_once_a_mail_and_the_list_is_asked_once() {
    let blocks = "<Plugin r>\nmodule=RBL\ndomain=list.example\nmode=passive\nscore=2\n</Plugin>\n\
        <Plugin g>\nmodule=ScoreAction\nthreshold=0\naction=\"reject %SCORE%%SCORE_DETAIL%\"\n</Plugin>\n";
    let mut checker = Checker::new(blocks, ZONE).with_sessions();
    for _ in 0..3 {
        assert_eq!(checker.ask("").await, "reject 2, r=2");
    }
    // The address and the text.
    assert_eq!(checker.questions(), 2);
    assert_eq!(checker.ask("instance=other").await, "reject 2, r=2");
    assert_eq!(checker.questions(), 4);
}

#[tokio::test(start_paused = true)]
async fn scores_of_lists_add_up() {
    let blocks = r#"
<Plugin w>
 module = "RBL"
 domain=wl.example
 mode=passive
 score=-2.5
</Plugin>
<Plugin bl one>
 module = "RBL"
 domain=list.example
 mode=passive
 score=5
</Plugin>
<Plugin sa>
 module = "ScoreAction"
 threshold=5
 action="reject %IP% score=%SCORE%%SCORE_DETAIL%"
</Plugin>
<Plugin h>
 module = "AddScoreHeader"
 spam_score=2
</Plugin>"#;
    for compat in [false, true] {
        Checker::with(blocks, ZONE, compat)
            .expect(&[
                ("", "PREPEND X-MtScore: YES score=2.5 [w=-2.5, bl one=5]"),
                (
                    "client_address=100.64.2.11",
                    "reject 100.64.2.11 score=5, bl one=5",
                ),
                (
                    "client_address=100.64.2.99",
                    "PREPEND X-MtScore: NO score=0",
                ),
            ])
            .await;
    }
}

const CATEGORIES: &str = r#"
<Plugin zen>
 module = "RBL"
 domain=list.example
 mode=passive
</Plugin>
<Plugin sbl>
 module = "RBLAction"
 result_from=zen
 re_match="^127\.0\.0\.[23]$"
 mode=reject
 reject_message="SBL %IP% %INFO%"
</Plugin>
<Plugin xbl>
 module = "RBLAction"
 result_from=zen
 re_match="^127\.0\.0\.[4-7]$"
 mode=passive
 score=3
</Plugin>
<Plugin pbl>
 module = "RBLAction"
 result_from=zen
 re_match="^127\.0\.0\.1[01]$"
 mode=accept
</Plugin>
<Plugin none>
 module = "RBLAction"
 result_from=nosuch
 re_match=.
 mode=reject
</Plugin>
<Plugin h>
 module = "AddScoreHeader"
</Plugin>"#;

#[tokio::test(start_paused = true)]
async fn categories_of_a_combined_list_are_told_apart() {
    let see = "listed, see http://list.example/?ip=100.64.2.10";
    // The order of a server's codes is chance: by default each of them counts, in the original the first.
    for (compat, text, two_codes) in [
        (false, format!("({see})"), "reject SBL 100.64.2.12 (first)"),
        (true, format!("(\"{see}\")"), "dunno"),
    ] {
        Checker::with(CATEGORIES, ZONE, compat)
            .expect(&[
                ("", &format!("reject SBL 100.64.2.10 {text}")),
                (
                    "client_address=100.64.2.11",
                    "PREPEND X-MtScore: NO score=3 [xbl=3]",
                ),
                ("client_address=100.64.2.12", two_codes),
                (
                    "client_address=100.64.2.99",
                    "PREPEND X-MtScore: NO score=0",
                ),
            ])
            .await;
    }
}

#[tokio::test(start_paused = true)]
async fn each_parameter_of_an_action_does_what_it_says() {
    for (parameters, answer) in [
        ("enabled=off", END_ANSWER),
        ("mode=passive", END_ANSWER),
        ("mode=accept", "dunno"),
        ("", "reject delivery from 100.64.2.11 rejected "),
        ("reject_message=no", "reject no"),
        ("result_from=other", END_ANSWER),
        ("re_match=9", END_ANSWER),
    ] {
        let mut own: Vec<_> = parameters.lines().collect();
        for default in ["result_from=r", "re_match=\"^127\""] {
            let key = default.split('=').next().unwrap();
            if !parameters.starts_with(key) {
                own.push(default);
            }
        }
        let action = format!(
            "<Plugin a>\nmodule=RBLAction\n{}\n</Plugin>\n",
            own.join("\n")
        );
        let list = "<Plugin r>\nmodule=RBL\ndomain=list.example\nmode=passive\n</Plugin>\n";
        let blocks = format!("{list}{action}{END}");
        let mut checker = Checker::new(&blocks, ZONE);
        assert_eq!(
            checker.ask("client_address=100.64.2.11").await,
            answer,
            "{parameters}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn the_log_has_the_words_of_the_original() {
    let mut checker = Checker::new(CATEGORIES, ZONE);
    checker.ask("client_address=100.64.2.11").await;
    assert_eq!(
        checker.notes,
        [
            "ip 100.64.2.11 on list.example blacklist",
            r"127.0.0.4 did not match regex ^127\.0\.0\.[23]$",
            r"127.0.0.4 match regex ^127\.0\.0\.[4-7]$",
            r"127.0.0.4 did not match regex ^127\.0\.0\.1[01]$",
            "no RBL check result for none found!",
        ]
    );
    checker.ask("client_address=100.64.2.9").await;
    assert_eq!(
        checker.notes[0],
        "ip 100.64.2.9 not on list.example blacklist"
    );
    checker.ask("client_address=100.64.2.12").await;
    assert_eq!(
        checker.notes[0],
        "ip 100.64.2.12 on list.example blacklist (first)"
    );
}

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
        let hour = std::time::Duration::from_secs(3600);
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

#[test]
fn mistakes_are_found_at_the_start() {
    for (blocks, finding) in [
        (
            "<Plugin r>\nmodule=RBL\n</Plugin>",
            "error: `domain` is missing in `r`",
        ),
        (
            "<Plugin r>\nmodule=RBL\ndomain=a..b\n</Plugin>",
            "error: `domain` is no name: empty label",
        ),
        (
            "<Plugin r>\nmodule=RBL\ndomain=l.example\ncodes=127.0.0\n</Plugin>",
            "error: `codes`: '127.0.0' is no code, range, network or mask",
        ),
        (
            "<Plugin r>\nmodule=RBL\ndomain=l.example\nscore=\"127.0.0.2: x\"\n</Plugin>",
            "error: `score`: `x` is no number",
        ),
        (
            "<Plugin r>\nmodule=RBL\ndomain=l.example\nscore=\"127.0.0.2: 1, 3\"\n</Plugin>",
            "error: `score`: `3` is not CODES: SCORE",
        ),
        (
            "<Plugin r>\nmodule=RBL\ndomain=l.example\nscore=x\n</Plugin>",
            "error: `score` is `x`, but a number is wanted",
        ),
        (
            "<Plugin r>\nmodule=RBL\ndomain=l.example\nmode=deny\n</Plugin>",
            "warning: `mode` is `deny`, which means passive: use one of reject, accept, passive",
        ),
        (
            "<Plugin r>\nmodule=RBL\ndomain=pbl.spamhaus.org\n</Plugin>",
            "warning: the list pbl.spamhaus.org is a part of zen.spamhaus.org: ask that one alone",
        ),
        (
            "<Plugin r>\nmodule=RBLAction\nresult_from=r\n</Plugin>",
            "error: `re_match` is missing in `r`",
        ),
        (
            "<Plugin r>\nmodule=RBLAction\nre_match=x\n</Plugin>",
            "error: `result_from` is missing in `r`",
        ),
    ] {
        let found = found(blocks);
        assert!(
            found.iter().any(|text| text == finding),
            "{blocks}: {found:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_key_in_a_zone_is_not_shown() {
    let blocks =
        "<Plugin r>\nmodule=RBL\ndomain=secretkey.zen.dq.spamhaus.net\nmode=passive\n</Plugin>";
    let zone = "100.64.2.10@secretkey.zen.dq.spamhaus.net A 127.0.0.2\n\
        100.64.2.10@secretkey.zen.dq.spamhaus.net TXT \"see secretkey.zen\"";
    let mut checker = Checker::new(blocks, zone);
    checker.ask("").await;
    assert_eq!(
        checker.notes,
        ["ip 100.64.2.10 on zen.dq.spamhaus.net blacklist (see ***.zen)"]
    );
    assert!(!format!("{:?}", checker.config).contains("secretkey"));
}

#[tokio::test]
async fn lists_of_nested_chains_are_asked_ahead_only_where_that_is_wanted() {
    let list = "<Plugin r>\nmodule=RBL\ndomain=list.example\nmode=passive\n</Plugin>\n";
    let nested = format!(
        "<Plugin c>\nmodule=Condition\nkey=client_address\nmatch=100.64.2.9\n{}</Plugin>\n",
        list.replace("<Plugin r>", "<Plugin n>")
    );
    let checker = Checker::new(&format!("{list}{nested}"), ZONE);
    let request =
        policy_proto::Request::from_attributes([("client_address", "100.64.2.9")]).unwrap();
    let mut session = mtpolicyd::Session::default();
    let call = mtpolicyd::Call::new(&request, &mut session, &checker.services);
    let chain = &checker.config.hosts[0].chain;
    for (is_nested, expected) in [(false, 1), (true, 2)] {
        assert_eq!(chain.prefetch(&call, is_nested).len(), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn with_compat_each_list_is_asked_in_its_turn() {
    let zone = "100.64.2.10@list.example A 127.0.0.2\n100.64.2.10@list.example !delay 1s";
    let blocks = "vhost_by_policy_context=1\n<Plugin r>\nmodule=RBL\ndomain=list.example\n</Plugin>\n\
        <Plugin w>\nmodule=RBL\ndomain=wl.example\n</Plugin>\n";
    let attributes = [
        ("client_address", "100.64.2.10"),
        ("policy_context", "test"),
    ];
    for compat in [false, true] {
        let checker = Checker::with(blocks, zone, compat);
        let server = Server::new(checker.config, checker.services, false);
        let request = policy_proto::Request::from_attributes(attributes).unwrap();
        let answered = server.handle(request, &Peer::default()).await.unwrap();
        let answer = answered.as_str().unwrap();
        assert!(answer.starts_with("reject delivery"), "{answer}");
        let asked = format!("{:?}", checker.table.asked());
        assert_eq!(asked.contains("wl.example"), !compat, "{asked}");
    }
}

#[tokio::test(start_paused = true)]
async fn questions_are_asked_ahead_and_at_once() {
    let zone = format!("{ZONE}\n*.list.example !delay 1s\n*.wl.example !delay 1s");
    let list = |name: &str, more: &str| {
        format!(
            "<Plugin {name}>\nmodule=RBL\ndomain={name}.example\nmode=passive\n{more}\n</Plugin>\n"
        )
    };
    let blocks = list("list", "") + &list("wl", "") + &list("off", "enabled=off");
    let checker = Checker::new(&blocks, &zone);
    let request =
        policy_proto::Request::from_attributes([("client_address", "100.64.2.9")]).unwrap();
    let mut session = mtpolicyd::Session::default();
    let call = mtpolicyd::Call::new(&request, &mut session, &checker.services);
    let ahead = checker.config.hosts[0].chain.prefetch(&call, false);
    let begin = tokio::time::Instant::now();
    futures_util::future::join_all(ahead).await;
    assert_eq!((begin.elapsed().as_secs(), checker.questions()), (1, 2));
}
