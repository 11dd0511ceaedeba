//! Questions that are asked before their plugin has its turn.

use mtpolicyd::daemon::Server;
use policy_net::{Handler, Peer};

use super::ZONE;
use crate::support::Checker;

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
    let attributes = mtpolicyd::chain::Attributes::of(&request);
    let call = mtpolicyd::Call::new(&attributes, &mut session, &checker.services);
    let chain = &checker.config.hosts[0].chain;
    for (is_nested, expected) in [(false, 1), (true, 2)] {
        assert_eq!(chain.prefetch(&call, is_nested).len(), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn with_compat_each_list_is_asked_in_its_turn_and_else_as_dns_prefetch_says() {
    let zone = "100.64.2.10@list.example A 127.0.0.2\n100.64.2.10@list.example !delay 1s";
    let list = |zone: &str| format!("<Plugin {zone}>\nmodule=RBL\ndomain={zone}\n</Plugin>\n");
    let nested = format!(
        "<Plugin c>\nmodule=Condition\nkey=sender\nmatch=a@x\n{}</Plugin>\n",
        list("nested.example")
    );
    let plugins = list("list.example") + &list("wl.example") + &nested;
    let attributes = [
        ("client_address", "100.64.2.10"),
        ("policy_context", "test"),
    ];
    for (option, compat, is_next_asked, is_nested_asked) in [
        ("", false, true, false),
        ("dns_prefetch=lists\n", false, true, false),
        ("dns_prefetch=all\n", false, true, true),
        ("dns_prefetch=off\n", false, false, false),
        ("", true, false, false),
        ("dns_prefetch=all\n", true, false, false),
    ] {
        let blocks = format!("vhost_by_policy_context=1\n{option}{plugins}");
        let checker = Checker::with(&blocks, zone, compat);
        let server = Server::new(checker.config, checker.services);
        let request = policy_proto::Request::from_attributes(attributes).unwrap();
        let answered = server.handle(request, &Peer::default()).await.unwrap();
        let answer = answered.as_str().unwrap();
        assert!(answer.starts_with("reject delivery"), "{answer}");
        let asked = format!("{:?}", checker.table.asked());
        let found = (
            asked.contains("wl.example"),
            asked.contains("nested.example"),
        );
        assert_eq!(found, (is_next_asked, is_nested_asked), "{option} {compat}");
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
    let attributes = mtpolicyd::chain::Attributes::of(&request);
    let call = mtpolicyd::Call::new(&attributes, &mut session, &checker.services);
    let ahead = checker.config.hosts[0].chain.prefetch(&call, false);
    let begin = tokio::time::Instant::now();
    futures_util::future::join_all(ahead).await;
    assert_eq!((begin.elapsed().as_secs(), checker.questions()), (1, 2));
}
