//! RBL and RBLAction.

mod action;
mod ahead;
mod health;
mod scores;

use crate::support::{Checker, found};

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
