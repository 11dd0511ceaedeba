//! Tests of zones in text.

use super::*;

fn table() -> Table {
    let zone = r#"
        acme.test 60  MX 10 mail.acme.test
        acme.test     TXT "v=spf1 mx " "-all" ; two strings
        mail.acme.test A 192.0.2.1
        192.0.2.1     PTR mail.acme.test
        192.0.2.9@list.test A 127.0.0.2
        2001:db8::1@list.test A 127.0.0.3
        *.all.test    A 127.0.0.2
        sub.all.test  A 127.0.0.9
        www.test      CNAME web.test
        web.test      CNAME acme.test
        gone.test     CNAME nowhere.test
        loop.test     CNAME loop.test
        slow.test     !delay 300ms
        slow.test     AAAA 2001:db8::5
        dead.test     !silent
        half.test     !servfail TXT
        half.test     A 192.0.2.3
        lie.test      !servfail
        lie.test      A 192.0.2.4
        odd.test      !code 4
        no.test       !refused
        *.drop.test   !silent
    "#;
    zone.parse().unwrap()
}

fn question(name: &str, kind: RecordType) -> Question {
    Question::new(Name::parse(name).unwrap(), kind)
}

#[test]
fn a_zone_answers() {
    use {Outcome::*, RecordType::*};
    let table = table();
    for (name, kind, outcome, section) in [
        ("acme.test", Mx, Records, 1),
        ("ACME.test", Txt, Records, 1),
        ("acme.test", A, NoData, 0),
        ("test", A, NoData, 0),
        ("none.test", A, NxDomain, 0),
        ("1.2.0.192.in-addr.arpa", Ptr, Records, 1),
        ("9.2.0.192.list.test", A, Records, 1),
        ("8.2.0.192.list.test", A, NxDomain, 0),
        (
            "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.list.test",
            A,
            Records,
            1,
        ),
        ("x.y.all.test", A, Records, 1),
        ("x.sub.all.test", A, NxDomain, 0),
        ("all.test", A, NoData, 0),
        ("www.test", Mx, Records, 3),
        ("www.test", Cname, Records, 1),
        ("gone.test", A, NxDomain, 1),
        ("loop.test", A, NoData, 16),
        ("half.test", Txt, ServFail, 0),
        ("half.test", A, Records, 1),
        ("lie.test", A, ServFail, 1),
        ("odd.test", A, Failed(4), 0),
        ("no.test", A, Refused, 0),
    ] {
        let found = table.find(&question(name, kind));
        assert_eq!(
            (found.outcome, found.records.len()),
            (outcome, section),
            "{name} {kind}"
        );
    }
}

#[test]
fn strings_may_hold_any_byte() {
    let table: Table = r#""a b\046c.test" A 192.0.2.1
        a.test TXT "\128\"a\\; b" c\100"#
        .parse()
        .unwrap();
    let found = table.find(&question("a.test", RecordType::Txt));
    assert_eq!(
        table.find(&question("a b.c.test", RecordType::A)).outcome,
        Outcome::Records
    );
    let strings = vec![b"\x80\"a\\; b"[..].into(), b"cd"[..].into()];
    assert_eq!(found.records[0].data, Data::Txt(strings));
}

#[tokio::test(start_paused = true)]
async fn delays_take_their_time() {
    let (table, start) = (table(), tokio::time::Instant::now());
    let answer = table.ask(question("slow.test", RecordType::Aaaa)).await;
    assert_eq!(
        (answer.addresses().count(), start.elapsed()),
        (1, Duration::from_millis(300))
    );
    let answer = table.ask(question("x.drop.test", RecordType::Txt)).await;
    assert_eq!(
        (answer.outcome(), start.elapsed()),
        (
            Outcome::Timeout,
            Duration::from_millis(300) + SILENCE_TIMEOUT
        )
    );
    assert_eq!(
        table.asked(),
        [
            question("slow.test", RecordType::Aaaa),
            question("x.drop.test", RecordType::Txt)
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_request_has_a_deadline() {
    let (table, start) = (table(), tokio::time::Instant::now());
    let until = table.until(start + Duration::from_secs(1));
    assert_eq!(
        until
            .ask(question("dead.test", RecordType::A))
            .await
            .outcome(),
        Outcome::Timeout
    );
    assert_eq!(start.elapsed(), Duration::from_secs(1));
    assert_eq!(
        until
            .ask(question("acme.test", RecordType::Mx))
            .await
            .outcome(),
        Outcome::Timeout
    );
}

#[test]
fn a_line_that_cannot_be_read_is_named() {
    for (zone, expected) in [
        ("\na..b A 192.0.2.1", "line 2: 'a..b': empty label"),
        ("a.test A 1.2.3", "line 1: '1.2.3' is no data of the type A"),
        (
            "a.test MX mail.test",
            "line 1: 'mail.test' is no data of the type MX",
        ),
        ("a.test SOA x", "line 1: no type in 'SOA x'"),
        ("a.test", "line 1: no type in ''"),
        ("a.test !flood", "line 1: no fault '!flood'"),
        ("a.test !delay soon", "line 1: no fault '!delay soon'"),
        ("a.test TXT \"open", "line 1: a quote is not closed"),
    ] {
        assert_eq!(zone.parse::<Table>().unwrap_err().to_string(), expected);
    }
}
