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
