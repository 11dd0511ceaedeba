//! Redis.

use std::process::Command;

use tokio::net::TcpListener;

use super::{
    support::redis,
    world::{Frame, World, web_request},
};

#[tokio::test]
async fn two_hosts_have_one_limit_and_a_user_may_have_another() {
    let server = redis::one();
    let connections = format!(
        "<Connection limits>\nmodule=Redis\nserver={}\n</Connection>\n",
        server.address()
    );
    let plugins = Frame::of("Limit").plugins(
        "limits=7/1h\ncount_at=RCPT\naction=\"reject over\"\nlimits_store=limits\nlimits_prefix=limits:",
    );
    let hosts = [
        World::new(&connections, &plugins),
        World::new(&connections, &plugins),
    ];
    let store = hosts[0].config.connections.store("limits").unwrap();
    let store = store.get().await.unwrap();
    store.set(b"limits:two@x", b"2/1h", None).await.unwrap();
    for (sender, most) in [("a@x", 7), ("two@x", 2)] {
        let ask = |index: usize| {
            hosts[index % 2].ask_owned(format!("instance={sender}{index} sender={sender}"))
        };
        let answers = futures_util::future::join_all((0..20).map(ask)).await;
        let passed = answers.iter().filter(|answer| *answer == "ok").count();
        let denied = answers.iter().filter(|answer| *answer == "reject over");
        assert_eq!((passed, denied.count()), (most, 20 - most), "{answers:?}");
    }
}

#[tokio::test]
async fn somebody_is_told_of_a_key_once_in_a_window_whichever_host_blocks_it() {
    let server = redis::one();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let connections = format!(
        "<Connection limits>\nmodule=Redis\nserver={}\n</Connection>\n",
        server.address()
    );
    let plugins = Frame::of("Limit").plugins(&format!(
        "limits=0/1h\ncount_at=RCPT\naction=\"reject over\"\non_block_url=http://{}/",
        listener.local_addr().unwrap()
    ));
    let hosts = [
        World::new(&connections, &plugins),
        World::new(&connections, &plugins),
    ];
    let mut told = Vec::new();
    for (host, sender, is_told) in [(0, "a@x", true), (1, "a@x", false), (1, "b@x", true)] {
        let request = format!("instance={host}{sender} sender={sender}");
        assert_eq!(hosts[host].ask(&request).await, "reject over");
        if is_told {
            let (mut stream, _) = listener.accept().await.unwrap();
            let request = web_request(&mut stream).await;
            let (_, body) = request.split_once("\r\n\r\n").unwrap();
            let body: serde_json::Value = serde_json::from_str(body).unwrap();
            told.push(body["key"].as_str().unwrap().to_owned());
        }
    }
    assert_eq!(told, ["a@x", "b@x"]);
}

#[tokio::test]
async fn what_is_counted_is_shown_and_reset() {
    let server = redis::one();
    let connections = format!(
        "<Connection limits>\nmodule=Redis\nserver={}\n</Connection>\n",
        server.address()
    );
    shown_and_reset(&connections).await;
}

#[tokio::test]
async fn each_metric_is_counted() {
    let server = redis::one();
    let connections = format!(
        "<Connection limits>\nmodule=Redis\nserver={}\n</Connection>\n",
        server.address()
    );
    for (metric, parameters, requests) in [
        (
            "messages",
            "limits=1/1h",
            &["instance=1", "instance=1 recipient=b@x", "instance=2"][..],
        ),
        (
            "recipients",
            "limits=2/1h",
            &[
                "instance=1",
                "instance=1 recipient=b@x",
                "instance=1 recipient=c@x",
            ],
        ),
        (
            "bytes",
            "limits=100/1h",
            &[
                "instance=1 size=60",
                "instance=2 size=40",
                "instance=3 size=1",
            ],
        ),
        (
            "distinct_recipients",
            "limits=1/1h",
            &["instance=1", "instance=2", "instance=3 recipient=b@x"],
        ),
        (
            "addresses",
            "limits=1/1h\nkey=sender",
            &[
                "instance=1",
                "instance=2",
                "instance=3 client_address=192.0.2.1",
            ],
        ),
    ] {
        let frame = Frame::of("Limit");
        let text = format!("{parameters}\nmetric={metric}\ncount_at=RCPT\naction=\"reject over\"");
        // Each has a name of its own, since the store is one.
        let plugins = frame
            .plugins(&text)
            .replace("<Plugin p>", &format!("<Plugin {metric}>"));
        let world = World::new(&connections, &plugins);
        for (index, request) in requests.iter().enumerate() {
            let expected = if index == 2 { "reject over" } else { "ok" };
            assert_eq!(world.ask(request).await, expected, "{metric}: {request}");
        }
    }
}

/// What a host has counted is shown by the program on another one, and emptied. The store is the connection `limits`.
pub(super) async fn shown_and_reset(connections: &str) {
    let parameters = "limits=1/1h\ncount_at=RCPT\naction=\"reject over\"";
    // Of a name of its own, since the store has others.
    let plugins = Frame::of("Limit")
        .plugins(parameters)
        .replace("<Plugin p>", "<Plugin shown>");
    let host = World::new(connections, &plugins);
    assert_eq!(host.ask("instance=s1 sender=shown@x").await, "ok");
    assert_eq!(host.ask("instance=s2 sender=shown@x").await, "reject over");
    let config = host.path("mtpolicyd.conf");
    let text = format!(
        "{connections}<VirtualHost 12345>
name=test
{plugins}
</VirtualHost>
"
    );
    std::fs::write(&config, text).unwrap();
    let shown = "shown: sender=shown@x: 1 of 1/1h messages\n";
    for (verb, said) in [("show", shown), ("reset", "shown: sender=shown@x: reset\n")] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mtpolicyd"));
        command
            .arg("-c")
            .arg(&config)
            .args(["limits", verb, "shown@x"]);
        let ended = command.output().unwrap();
        assert_eq!(String::from_utf8(ended.stdout).unwrap(), said, "{verb}");
        assert_eq!(ended.status.code(), Some(0), "{verb}");
    }
    assert_eq!(host.ask("instance=s3 sender=shown@x").await, "ok");
}
