//! A reload of what would leave requests without an answer, or the next start without success: it changes nothing.

use policy_testing::{
    port::Port,
    process::{Client, Process, Signal},
};

use super::world::{World, host};

const ACTION: &str = "<Plugin a>\nmodule=Action\naction=reject one\n</Plugin>\n";

/// Reloads, and waits for so many lines with this text.
fn reload(world: &World, process: &Process, config: &str, count: usize, said: &str) {
    world.configure(config);
    process.signal(Signal::HUP);
    assert!(
        process.err.wait_lines(count, said),
        "{said}: {}",
        process.err.text()
    );
}

#[test]
fn a_reload_that_takes_the_virtual_host_of_a_port_is_refused() {
    let named = |key: &str, name: &str| {
        format!("<VirtualHost {key}>\nname={name}\n{ACTION}</VirtualHost>\n")
    };
    let other = Port::any().number().to_string();
    let ports = format!("port = \"PORT, {other}\"\n");
    let both = format!("{ports}{}{}", named("PORT", "a"), named(&other, "b"));
    let world = World::new(&both);
    let process = world.serve(&[]);
    let answered = Some("action=reject one");
    assert_eq!(world.ask("sender=a@x").as_deref(), answered);
    let stays = ": the configuration of before stays";
    let said = |count| {
        let port = world.port.number();
        let text = format!(
            "error: reload: there is no <VirtualHost> for requests that come to inet:127.0.0.1:{port} any more{stays}"
        );
        (count, text)
    };
    for (count, config) in [
        (1, format!("{ports}{}", named(&other, "b"))),
        // One that is named only.
        (
            2,
            format!(
                "vhost_by_policy_context = 1\n{ports}{}{}",
                named(&other, "b"),
                named("1", "a")
            ),
        ),
    ] {
        let (count, text) = said(count);
        reload(&world, &process, &config, count, &text);
        assert_eq!(world.ask("sender=a@x").as_deref(), answered);
    }
    let switched = format!("vhost_by_policy_context = 1\n{both}");
    reload(
        &world,
        &process,
        &switched,
        1,
        "the configuration is reloaded",
    );
    // What has no host of its own by a start stays allowed.
    assert_eq!(world.ask("sender=a@x").as_deref(), answered);
}

#[test]
fn a_name_of_policy_context_without_which_requests_have_no_answer_stays() {
    let config = |globals: &str, name: &str| {
        format!("{globals}port = PORT\n<VirtualHost 1>\nname={name}\n{ACTION}</VirtualHost>\n")
    };
    let on = "vhost_by_policy_context = 1\n";
    let world = World::new(&config(on, "a"));
    let process = world.serve(&[]);
    let request = "policy_context=a\nsender=a@x";
    assert!(world.ask(request).is_some());
    let said = "any more: the configuration of before stays";
    for (count, config) in [(1, config(on, "b")), (2, config("", "a"))] {
        reload(&world, &process, &config, count, said);
        assert!(world.ask(request).is_some());
    }
}

/// As that of the unit, which has one for the port in `port`.
#[test]
fn a_socket_that_no_block_names_may_get_more_virtual_hosts_of_one_port() {
    let named = |key: &str, name: &str| {
        let action = ACTION.replace("one", name);
        format!("<VirtualHost {key}>\nname={name}\n{action}</VirtualHost>\n")
    };
    let globals = "vhost_by_policy_context = 1\nport = @TMP@requests|unix\n";
    let world = World::new(&format!("{globals}{}", named("12345", "a")));
    let process = world.serve(&[]);
    let endpoint = format!("unix:{}", world.path("requests").display());
    let ask = |request: &str| crate::world::ask(&mut Client::connect(&endpoint), request);
    assert_eq!(ask("sender=a@x").as_deref(), Some("action=reject a"));
    let both = named("12345", "a") + &named("12345", "b");
    let reloaded = "the configuration is reloaded";
    reload(&world, &process, &format!("{globals}{both}"), 1, reloaded);
    let in_b = "policy_context=b\nsender=a@x";
    for (request, answer) in [("sender=a@x", "action=reject a"), (in_b, "action=reject b")] {
        assert_eq!(ask(request).as_deref(), Some(answer));
    }
    // It has its host, and each of the hosts its requests.
    let checked = world.run(&["--check-config"]);
    assert!(!checked.err.contains("VirtualHost"), "{checked:?}");
    // Of two ports neither is its own.
    let ports = named("12345", "a") + &named("12346", "b");
    let said = format!(
        "there is no <VirtualHost> for requests that come to {endpoint} any more, as several ports have one: the configuration of before stays"
    );
    reload(&world, &process, &format!("{globals}{ports}"), 1, &said);
    assert_eq!(ask(in_b).as_deref(), Some("action=reject b"));
}

/// Another way to it, as the service manager may have one.
#[test]
fn a_socket_of_another_path_may_get_more_virtual_hosts_of_one_path() {
    let globals = "vhost_by_policy_context = 1\nport = @TMP@link/requests|unix,127.0.0.1:PORT\n";
    let named = |key: &str, name: &str| {
        let action = ACTION.replace("one", name);
        format!("<VirtualHost {key}>\nname={name}\n{action}</VirtualHost>\n")
    };
    let port = named("PORT", "port");
    let world = World::new(&format!("{globals}{port}{}", named("@TMP@requests", "a")));
    std::os::unix::fs::symlink(world.path(""), world.path("link")).unwrap();
    let process = world.serve(&[]);
    let endpoint = format!("unix:{}", world.path("link/requests").display());
    let ask = |request: &str| crate::world::ask(&mut Client::connect(&endpoint), request);
    assert_eq!(ask("sender=a@x").as_deref(), Some("action=reject a"));
    let more = named("@TMP@requests", "a") + &named("@TMP@requests", "b");
    let reloaded = "the configuration is reloaded";
    reload(
        &world,
        &process,
        &format!("{globals}{port}{more}"),
        1,
        reloaded,
    );
    let in_b = "policy_context=b\nsender=a@x";
    for (request, answer) in [("sender=a@x", "action=reject a"), (in_b, "action=reject b")] {
        assert_eq!(ask(request).as_deref(), Some(answer));
    }
    let checked = world.run(&["--check-config"]);
    assert!(!checked.err.contains("VirtualHost"), "{checked:?}");
    // Of two paths with that name neither is its own.
    let paths = named("@TMP@requests", "a") + &named("@TMP@other/requests", "b");
    let said = "as several ports have one: the configuration of before stays";
    reload(
        &world,
        &process,
        &format!("{globals}{port}{paths}"),
        1,
        said,
    );
}

#[test]
fn one_of_several_names_of_policy_context_may_go_which_is_said() {
    let named = |name: &str| format!("<VirtualHost 1>\nname={name}\n{ACTION}</VirtualHost>\n");
    let globals = "vhost_by_policy_context = 1\nport = PORT\n";
    let world = World::new(&format!("{globals}{}{}", named("a"), named("b")));
    let process = world.serve(&[]);
    let said = "warning: reload: no virtual host has the name a any more: requests with that policy_context are closed without an answer";
    reload(
        &world,
        &process,
        &format!("{globals}{}", named("b")),
        1,
        said,
    );
    assert!(process.err.wait_lines(1, "the configuration is reloaded"));
    assert_eq!(
        world.ask("policy_context=b\nsender=a@x").as_deref(),
        Some("action=reject one")
    );
    assert_eq!(world.ask("policy_context=a\nsender=a@x"), None);
}

#[cfg_attr(not(feature = "interop"), ignore = "needs root")]
#[test]
fn what_the_next_start_would_fail_at_is_an_error_of_a_reload() {
    let config = |globals: &str| format!("{globals}\n{}", host(ACTION));
    let world = World::new(&config("user = nobody"));
    let everybody = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(world.path(""), everybody).unwrap();
    let process = world.serve(&[]);
    for (count, globals, said) in [
        (
            1,
            "user = nosuch",
            "error: `user` is `nosuch`, but this system knows no such user",
        ),
        (
            2,
            "user = nobody\ngroup = nosuch",
            "error: `group` is `nosuch`, but this system knows no such group",
        ),
        (
            3,
            "user = nobody\nchroot = /nosuch",
            "error: `chroot` is `/nosuch`: No such file or directory",
        ),
        (
            4,
            "user = nobody\npid_file = /nosuch/mt.pid",
            "error: `pid_file` is `/nosuch/mt.pid`: the directory /nosuch: No such file or directory",
        ),
        (
            5,
            "user = nobody\ncontrol = unix:/etc/passwd",
            "error: `control` is `/etc/passwd`: the file that is there is no socket",
        ),
    ] {
        let stays = "reload: the configuration has errors, that of before stays";
        reload(&world, &process, &config(globals), count, stays);
        let log = process.err.text();
        assert!(log.contains(said), "{said}: {log}");
    }
    // What this user may not look at is left to the start, and so are names: DNS may be silent.
    let other =
        config("user = nobody\npid_file = /root/nosuch/mt.pid\nadmin = inet:nowhere.invalid:7");
    reload(&world, &process, &other, 1, "the configuration is reloaded");
    let said = "reload: `pid_file`, `admin` changed, which needs a restart";
    assert!(process.err.wait_lines(1, said), "{}", process.err.text());
    let said = "cannot be bound on this machine as it is";
    assert!(!process.err.text().contains(said), "{}", process.err.text());
}
