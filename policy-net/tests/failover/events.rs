//! Events of a request.

use policy_ha::Transition;
use policy_net::{Event, UpstreamOptions};
use policy_testing::pipe::{Manner, Server, request, s, upstream};

#[tokio::test(start_paused = true)]
async fn each_step_of_a_request_is_told_in_order() {
    let (dead, live) = (Server::new(Manner::BlackHole), Server::new(Manner::Answers));
    let upstream = upstream(UpstreamOptions::default(), s(10), &[&dead, &live]);

    let mut told = Vec::new();
    let on_event = |event: Event| {
        told.push(match event {
            Event::Opening(backend) => format!("opening {}", backend.index()),
            Event::Connected(backend) => format!("connected {}", backend.index()),
            Event::Answered {
                backend,
                response,
                took,
                ..
            } => {
                let text = response.as_str().unwrap();
                format!("{} said {text} after {took:?}", backend.index())
            }
            Event::Failed {
                backend,
                error,
                took,
                ..
            } => format!("{} {error} after {took:?}", backend.index()),
            Event::Changed {
                backend,
                transition: Transition::Down { .. },
                ..
            } => format!("{} is down", backend.index()),
            event => panic!("{event:?}"),
        });
    };
    upstream
        .ask_with(&request("yes"), None, on_event)
        .await
        .unwrap();
    let wanted = [
        "opening 0",
        "0 connecting timed out after 3s",
        "0 is down",
        "opening 1",
        "connected 1",
        "1 said yes after 0ns",
    ];
    assert_eq!(told, wanted);
}
