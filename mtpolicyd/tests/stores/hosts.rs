//! Two hosts that share a store: what each of them has to find of the other.

use std::time::Duration;

use mtpolicyd::session::SessionError;

use super::world::{Frame, World};

/// One host has a mail's session, and then another host, which finds what the first has put there; never both at once.
pub(crate) async fn pass_on_a_session(hosts: [&World; 2]) {
    let [one, other] = hosts.map(|host| &host.config.sessions);
    let mut held = one.open(Some("1")).await.unwrap();
    held.session.set("mark", "yes");
    let busy = other.open(Some("1")).await;
    assert!(matches!(busy, Err(SessionError::Busy(_))), "{busy:?}");
    one.close(held).await.unwrap();
    let held = other.open(Some("1")).await.unwrap();
    assert_eq!(held.session.get("mark"), Some("yes"));
    other.close(held).await.unwrap();
    let held = one.open(Some("2")).await.unwrap();
    assert_eq!(held.session.get("mark"), None);
    one.close(held).await.unwrap();
}

/// Two hosts whose plugin Greylist has these parameters share their tickets, and count together who has passed: none is lost.
pub(crate) async fn greylist_together(connections: &str, parameters: &str) {
    let name = parameters.replace('\n', " ");
    let plugins = Frame::of("Greylist").plugins(&format!("autowl_threshold=5\n{parameters}"));
    let mut hosts = [
        World::new(connections, &plugins),
        World::new(connections, &plugins),
    ];
    let deferred = "defer greylisting is active";
    assert_eq!(hosts[0].ask("instance=1").await, deferred, "{name}");
    let again = hosts[1].ask("instance=2").await;
    assert!(
        again.starts_with("defer greylisting is active ("),
        "{name}: {again}"
    );
    for host in &mut hosts {
        host.services.clock_offset += Duration::from_secs(301);
    }
    assert_eq!(hosts[1].ask("instance=3").await, "ok", "{name}");
    // The ticket is gone with the mail, and the client has passed once.
    assert_eq!(hosts[0].ask("instance=4").await, deferred, "{name}");
    let at_once = async |hosts: &[World; 2], round: &str| {
        let ask = |index: usize| {
            let request = format!("instance={round}{index} recipient={index}@x");
            hosts[index % 2].ask_owned(request)
        };
        futures_util::future::join_all((0..4).map(ask)).await
    };
    assert_eq!(at_once(&hosts, "a").await, [deferred; 4], "{name}");
    for host in &mut hosts {
        host.services.clock_offset += Duration::from_secs(301);
    }
    assert_eq!(at_once(&hosts, "b").await, ["ok"; 4], "{name}");
    for (number, host) in hosts.iter().enumerate() {
        let request = format!("instance=c{number} recipient=new{number}@x");
        assert_eq!(host.ask(&request).await, "ok", "{name}");
    }
}
