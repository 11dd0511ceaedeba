//! Requests and their answers, as Postfix sees them.

use policy_testing::{eventually, process::Client};

use super::world::{World, ask, host};

#[test]
fn on_error_closes_continues_or_answers() {
    for (on_error, answer) in [
        ("", None),
        ("on_error=close\n", None),
        ("on_error=other\n", None),
        ("on_error=continue\n", Some("action=reject end")),
        ("on_error=dunno\n", Some("action=dunno")),
        (
            "on_error=defer\n",
            Some("action=defer_if_permit the mail cannot be checked now, try again later"),
        ),
    ] {
        let world = World::new(&host(&format!(
            "<Plugin p>\nmodule=Condition\nkey=bad:key\n{on_error}</Plugin>\n<Plugin e>\nmodule=Action\naction=reject end\n</Plugin>\n"
        )));
        let process = world.serve(&[]);
        assert_eq!(world.ask("sender=a@x").as_deref(), answer, "{on_error}");
        let said = process.err.wait_lines(
            1,
            "plugin p failed: unknown scope bad while retrieving variable for bad:key",
        );
        assert!(said, "{}", process.err.text());
    }
}

#[test]
fn a_connection_is_closed_after_max_keepalive_requests() {
    let action = "<Plugin a>\nmodule=Action\naction=reject x\n</Plugin>\n";
    let world = World::new(&format!("max_keepalive = 2\n{}", host(action)));
    let _process = world.serve(&[]);
    let mut client = world.connect();
    let mut answers = Vec::new();
    for _ in 0..2 {
        answers.push(ask(&mut client, "sender=a@x"));
    }
    assert_eq!(
        answers,
        [
            Some("action=reject x".to_owned()),
            Some("action=reject x".to_owned())
        ]
    );
    assert_eq!(client.reply(), None);
}

#[test]
fn requests_that_come_together_are_answered_in_their_order() {
    let plugins =
        "<Plugin h>\nmodule=Condition\nkey=sender\nmatch=a@x\naction=reject a\n</Plugin>\n";
    let world = World::new(&host(plugins));
    let _process = world.serve(&[]);
    let mut client = world.connect();
    // The last one is cut off, and has no answer.
    client.send(b"sender=a@x\n\nsender=b@x\n\n\nsender=a@x\r\n\r\nsender=a@x\n");
    client.shut_down_writing();
    for expected in ["reject a", "dunno", "reject a"] {
        assert_eq!(client.action(), expected);
    }
    assert_eq!(client.reply(), None);
}

#[test]
fn so_many_connections_are_served_at_once_as_the_original_has_no_processes_for() {
    let plugins =
        "<Plugin h>\nmodule=Condition\nkey=sender\nmatch=a@x\naction=reject a\n</Plugin>\n";
    let world = World::new(&host(plugins));
    let _process = world.serve(&[]);
    let mut clients: Vec<_> = (0..256).map(|_| world.connect()).collect();
    for round in 0..2 {
        // All have asked before the first answer is read.
        for (number, client) in clients.iter().enumerate() {
            let sender = ["a@x", "b@x"][(number + round) % 2];
            client.send(format!("sender={sender}\n\n").as_bytes());
        }
        for (number, client) in clients.iter_mut().enumerate() {
            let expected = ["reject a", "dunno"][(number + round) % 2];
            assert_eq!(client.action(), expected, "{number}");
        }
    }
}

#[test]
fn two_virtual_hosts_on_one_port_are_told_apart_by_the_context() {
    let one = |name: &str| {
        format!(
            "<VirtualHost PORT>\nname={name}\n<Plugin a>\nmodule=Action\naction=reject {name}\n</Plugin>\n</VirtualHost>\n"
        )
    };
    let world = World::new(&format!(
        "port = PORT\nvhost_by_policy_context = 1\n{}{}",
        one("first"),
        one("second")
    ));
    let _process = world.serve(&[]);
    for (context, answer) in [
        ("second", "second"),
        ("first", "first"),
        ("", "first"),
        ("third", "first"),
    ] {
        let expected = format!("action=reject {answer}");
        assert_eq!(
            world.ask(&format!("policy_context={context}")),
            Some(expected)
        );
    }
}

#[test]
fn values_that_are_not_utf_8_are_read_as_iso_8859_1_and_stay_apart() {
    let world = World::new(&host(
        "<Plugin a>\nmodule=Condition\nkey=sender\nmatch=ä@x\naction=reject a\n</Plugin>\n\
         <Plugin b>\nmodule=Condition\nkey=sender\nmatch=ÿ@x\naction=reject b\n</Plugin>\n",
    ));
    let _process = world.serve(&[]);
    let mut client = world.connect();
    for (sender, answer) in [
        (&b"\xe4@x"[..], "reject a"),
        ("ä@x".as_bytes(), "reject a"),
        (b"\xff@x", "reject b"),
        (b"\xfe@x", "dunno"),
        (b"\xef\xbf\xbd@x", "dunno"),
    ] {
        client.send(&[b"request=smtpd_access_policy\nsender=", sender, b"\n\n"].concat());
        let reply = String::from_utf8(client.reply().unwrap()).unwrap();
        assert_eq!(reply, format!("action={answer}\n\n"), "{sender:?}");
    }
}

#[test]
fn the_context_chooses_only_where_it_may() {
    let one = |key: &str, name: &str| {
        format!(
            "<VirtualHost {key}>\nname={name}\n<Plugin a>\nmodule=Action\naction=reject {name}\n</Plugin>\n</VirtualHost>\n"
        )
    };
    // What Perl takes for true is on.
    for (option, answer) in [
        ("0", "first"),
        ("", "first"),
        ("\"\"", "first"),
        ("1", "second"),
        ("yes", "second"),
        ("no", "second"),
        ("off", "second"),
        ("0.0", "second"),
    ] {
        let world = World::new(&format!(
            "port = PORT, @TMP@/mt.sock|unix\nvhost_by_policy_context = {option}\n{}{}",
            one("PORT", "first"),
            one("@TMP@/mt.sock", "second")
        ));
        let checked = world.run(&["--check-config"]);
        let warning = format!("`vhost_by_policy_context` is `{option}`, which means 1: use 1 or 0");
        let is_word = !["0", "", "\"\"", "1"].contains(&option);
        assert_eq!(checked.err.contains(&warning), is_word, "{checked:?}");
        let _process = world.serve(&[]);
        let expected = format!("action=reject {answer}");
        assert_eq!(
            world.ask("policy_context=second"),
            Some(expected),
            "{option}"
        );
    }
}

#[test]
fn a_unix_socket_has_its_own_virtual_host() {
    let world = World::new(
        "port = PORT, @TMP@/mt.sock|unix\n<VirtualHost @TMP@/mt.sock>\nname=unix\n<Plugin a>\nmodule=Action\naction=reject unix\n\
         </Plugin>\n</VirtualHost>\n",
    );
    let process = world.start(&["-f"]);
    assert!(
        process.err.wait_lines(2, "listening on "),
        "{}",
        process.err.text()
    );
    let mut client = Client::connect(&format!("unix:{}", world.path("mt.sock").display()));
    assert_eq!(
        ask(&mut client, "sender=a@x").as_deref(),
        Some("action=reject unix")
    );
    // Nobody is there for the port.
    assert_eq!(world.ask("sender=a@x"), None);
    assert!(
        process
            .err
            .wait_lines(1, "no virtual host defined for port")
    );
}

#[test]
fn a_request_without_an_instance_has_an_empty_session() {
    let score = "<Plugin s>\nmodule=Condition\nkey=sender\nmatch=a@x\nscore=1\n</Plugin>\n<Plugin h>\nmodule=AddScoreHeader\n</Plugin>\n";
    let world = World::new(&format!(
        "<SessionCache>\nmodule=Memory\n</SessionCache>\n{}",
        host(score)
    ));
    let _process = world.serve(&[]);
    for request in ["sender=a@x", "sender=a@x", "sender=a@x\ninstance="] {
        let expected = "action=PREPEND X-MtScore: NO score=1 [s=1]";
        assert_eq!(world.ask(request).as_deref(), Some(expected));
    }
}

#[test]
fn a_dry_run_decides_and_answers_dunno() {
    let world = World::new(&format!(
        "log_level = 1\n{}",
        host("<Plugin a>\nmodule=Action\naction=reject x\n</Plugin>\n")
    ));
    let process = world.serve(&["--dry-run"]);
    let request =
        "instance=7\nclient_name=mx.example\nclient_address=192.0.2.1\nsender=\nrecipient=b@y";
    assert_eq!(world.ask(request).as_deref(), Some("action=dunno"));
    for part in [
        "test: instance=7, type=smtpd_access_policy, t=",
        "ms, plugin=a, result=reject x, client=mx.example[192.0.2.1], sender=<>, recipient=<b@y> (dry run: answered dunno)",
    ] {
        assert!(process.err.wait_lines(1, part), "{}", process.err.text());
    }
}

#[test]
fn a_client_that_leaves_gives_its_session_back_as_it_was() {
    // Nobody answers here.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = silent.local_addr().unwrap();
    let plugins = format!(
        "<Plugin slow>\nmodule=Condition\nkey=sender\nmatch=slow@x\n\
         <Plugin mark>\nmodule=SetField\nkey=mark\nvalue=yes\n</Plugin>\n\
         <Plugin wait>\nmodule=Proxy\nhost={silent}\ntimeout=60\n</Plugin>\n</Plugin>\n\
         <Plugin marked>\nmodule=Condition\nkey=s:mark\nmatch=yes\naction=reject marked\n</Plugin>\n"
    );
    let world = World::new(&format!(
        "request_timeout=60\n<SessionCache>\nmodule=Memory\nlock_timeout=3600\n</SessionCache>\n{}",
        host(&plugins)
    ));
    let process = world.serve(&[]);
    let client = world.connect();
    client.send(b"request=smtpd_access_policy\ninstance=i\nsender=slow@x\n\n");
    // The lock is held: this one has an empty session.
    assert!(eventually(|| {
        world.ask("instance=i").as_deref() == Some("action=dunno")
            && !process
                .err
                .lines("could not acquire lock for session i")
                .is_empty()
    }));
    client.reset();
    assert!(eventually(|| {
        world.ask("instance=i").as_deref() == Some("action=reject marked")
    }));
}

#[test]
fn a_plugin_that_takes_too_long_has_failed() {
    // Nobody answers here.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = listener.local_addr().unwrap();
    for (on_error, answer) in [
        ("", None),
        ("on_error=continue\n", Some("action=reject end")),
        ("on_error=dunno\n", Some("action=dunno")),
    ] {
        let world = World::new(&format!(
            "request_timeout=0.2\n{}",
            host(&format!(
                "<Plugin p>\nmodule=Proxy\nhost={silent}\ntimeout=60\n{on_error}</Plugin>\n\
                 <Plugin e>\nmodule=Action\naction=reject end\n</Plugin>\n"
            ))
        ));
        let process = world.serve(&[]);
        assert_eq!(world.ask("sender=a@x").as_deref(), answer, "{on_error}");
        let is_said = process
            .err
            .wait_lines(1, "plugin p failed: Request timeout!");
        assert!(is_said, "{}", process.err.text());
    }
}

#[test]
fn what_is_no_request_is_told_of_with_its_client() {
    let world = World::new(&host("<Plugin a>\nmodule=Action\naction=ok\n</Plugin>\n"));
    let process = world.serve(&["-l", "0"]);
    let mut client = world.connect();
    client.send(b"hello\n\n");
    assert_eq!(client.reply(), None);
    let said = "no '=' in the line at byte 0";
    assert!(process.err.wait_lines(1, said), "{}", process.err.text());
}
