//! A reload keeps what plugins know.

use mtpolicyd::{config::LoadOptions, load::load_text};
use policy_dns::list::Status;

use crate::support::Checker;

/// Loads `after` as a reload of `before` would.
fn reloaded(before: &Checker, after: &str) -> Checker {
    let options = LoadOptions {
        previous: Some(&before.config),
        ..LoadOptions::default()
    };
    Checker::loaded(after, "", options)
}

#[tokio::test(start_paused = true)]
async fn stores_in_memory_stay() {
    let trap = "recipient=trap@ours.example";
    let honeypot = "<Plugin h>\nmodule=Honeypot\nrecipients=trap@ours.example\n</Plugin>\n";
    let greylist = "<Plugin g>\nmodule=Greylist\nuse_autowl=0\n<Ticket>\nmodule=Memory\n</Ticket>\n</Plugin>\n";
    for (blocks, request, answer) in [
        (honeypot, trap, "reject trapped by honeypod"),
        (greylist, "", "defer greylisting is active (300s left)"),
    ] {
        let mut before = Checker::new(blocks, "");
        before.ask(request).await;
        let mut after = reloaded(&before, &blocks.replace("<Plugin", "\n<Plugin"));
        assert_eq!(after.ask("").await, answer);
        assert_ne!(Checker::new(blocks, "").ask("").await, answer);
    }
}

#[tokio::test(start_paused = true)]
async fn the_health_of_a_list_stays_while_its_options_do() {
    let list =
        |more: &str| format!("<Plugin r>\nmodule=RBL\ndomain=list.example\n{more}\n</Plugin>\n");
    let mut before = Checker::new(&list(""), "*.list.example !servfail");
    for last in 1..=3 {
        before.ask(&format!("client_address=100.64.2.{last}")).await;
    }
    let status = |checker: &Checker| checker.config.lists.iter().next().unwrap().status();
    assert_eq!(status(&before), Status::Skipped);
    assert_eq!(
        status(&reloaded(&before, &list("mode=passive"))),
        Status::Skipped
    );
    let other = reloaded(&before, &list("codes=127.0.0.2"));
    assert_eq!(status(&other), Status::Untested);
}

#[test]
fn plugins_share_a_list_with_the_same_options() {
    let list = |name: &str, more: &str| {
        format!("<Plugin {name}>\nmodule=RBL\ndomain=list.example\n{more}\n</Plugin>\n")
    };
    let plugins = list("a", "") + &list("b", "mode=passive") + &list("c", "codes=127.0.0.2");
    let text = format!("port=1\n<VirtualHost 1>\nname=t\n{plugins}</VirtualHost>\n");
    let (config, _) = load_text("test.conf", &text, LoadOptions::default());
    assert_eq!(config.unwrap().lists.iter().count(), 2);
}
