//! The policy server of this example, with a name server of its own.

use std::sync::Arc;

use policy_dns::{
    DnsOptions, DnsResolver,
    list::{DnsList, ListOptions},
};
use policy_proto::Request;
use policy_testing::NameServer;

use super::{answer, run};

const ZONE: &str = r#"
    192.0.2.66@bl.spamcop.net     A 127.0.0.2
    2001:db8::66@zen.spamhaus.org A 127.0.0.11
    192.0.2.67@zen.spamhaus.org   A 127.255.255.254
    acme.test                     TXT "v=spf1 ip4:192.0.2.0/28 -all"
"#;

#[tokio::test]
async fn a_policy_server_checks_lists_and_spf() {
    let name_server = NameServer::start(ZONE);
    let dns = DnsResolver::new(DnsOptions::new([name_server.address()]));
    let list = |zone| Arc::new(DnsList::addresses(zone, ListOptions::for_zone(zone)).unwrap());
    let lists: Arc<[_]> = ["zen.spamhaus.org", "bl.spamcop.net"].map(list).into();
    for (client, sender, expected) in [
        (
            "192.0.2.1",
            "carol@acme.test",
            "PREPEND Received-SPF: pass (acme.test: 192.0.2.1 is authorized to use 'carol@acme.test' in 'mfrom' \
             identity (mechanism 'ip4:192.0.2.0/28' matched)) receiver=unknown; identity=mailfrom; \
             envelope-from=\"carol@acme.test\"; helo=mail.acme.test; client-ip=192.0.2.1",
        ),
        (
            "192.0.2.67",
            "carol@acme.test",
            "REJECT acme.test: Sender is not authorized by default to use 'carol@acme.test' in 'mfrom' identity \
             (mechanism '-all' matched)",
        ),
        (
            "192.0.2.66",
            "carol@acme.test",
            "REJECT 192.0.2.66 is listed by bl.spamcop.net",
        ),
        (
            "2001:db8::66",
            "",
            "REJECT 2001:db8::66 is listed by zen.spamhaus.org",
        ),
    ] {
        let attributes = [
            ("client_address", client),
            ("helo_name", "mail.acme.test"),
            ("sender", sender),
        ];
        let request = Request::from_attributes(attributes).unwrap();
        let response = answer(dns.clone(), Arc::clone(&lists), request)
            .await
            .unwrap();
        assert_eq!(String::from_utf8_lossy(response.as_bytes()), expected);
    }
}

#[tokio::test]
async fn an_error_at_the_start_says_what_it_is_about() {
    let usage = "usage: check ENDPOINT ADDRESS-OF-NAME-SERVER:PORT";
    for (arguments, expected) in [
        (&[][..], usage),
        (&["inet:127.0.0.1:10031"], usage),
        (
            &["inet:127.0.0.1:10031", "127.0.0.1"],
            "127.0.0.1: invalid socket address syntax",
        ),
        (
            &["127.0.0.1", "127.0.0.1:53"],
            "the port is missing after '127.0.0.1'",
        ),
        (
            &["unix:/missing/socket", "127.0.0.1:53"],
            "unix:/missing/socket: No such file or directory (os error 2)",
        ),
    ] {
        let arguments: Vec<_> = arguments.iter().map(|text| (*text).to_owned()).collect();
        assert_eq!(run(&arguments).await.unwrap_err().to_string(), expected);
    }
}
