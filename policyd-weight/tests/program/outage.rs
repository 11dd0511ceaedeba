//! An outage of DNS in the log: that no name server answers, and that one answers again, a line each.

use std::{fs, net::SocketAddr};

use policy_testing::{NameServer, own_address, within};

use super::{
    PATIENCE,
    world::{Running, World, ZONE, bad, request},
};

#[test]
fn an_outage_of_dns_is_one_line_and_so_is_its_end() {
    let server = SocketAddr::from((own_address(), 53));
    let world = World::new(&format!(
        "$NS = '{}'; $DNS_RETRIES = 0; $DNS_RETRY_IVAL = 0.5; $LOG_TO = 'stdout';\n\
         @dnsbl_score = ('bl.test', 4.35, -1.5, 'BL', 'b2.test', 4.35, -1.5, 'B2');\n",
        server.ip()
    ));
    let log = fs::File::create(world.path("log")).unwrap();
    let mut command = world.command(&["-D", "start"]);
    let _running = Running(command.stdout(log).spawn().unwrap());
    let lines = || {
        let log = fs::read_to_string(world.path("log")).unwrap();
        let lines = log
            .lines()
            .filter(|line| line.contains(" the list ") || line.contains(" DNS "));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    let silent = format!(
        "[LOG error]: error: DNS does not answer at {}: until it does, clients that the cache does not know get $MAXDNSERRMSG",
        server.ip()
    );
    // More than a list takes to be skipped.
    for number in 0..5 {
        let client = format!("100.70.2.{number}");
        let answer = world.ask(&request(
            &client,
            "mail.acme.test",
            "carol@acme.test",
            &client,
        ));
        assert!(
            answer.contains("passed - too many local DNS-errors"),
            "{answer}"
        );
    }
    assert!(
        within(PATIENCE, || lines().contains(&silent)),
        "{:?}",
        lines()
    );
    let zone = format!("{ZONE}2.0.0.127.b2.test A 127.0.0.2\n");
    let _server = NameServer::start_at(server, &zone);
    // The lists are tested at once, and asked then: the client on one of them is rejected.
    let mut number = 0;
    let is_listed = || {
        number += 1;
        world
            .ask(&bad(&format!("b{number}")))
            .contains("action=550")
    };
    assert!(within(PATIENCE, is_listed), "{:?}", lines());
    let again = format!("[LOG info]: DNS answers again at {}", server.ip());
    assert!(
        within(PATIENCE, || lines().contains(&again)),
        "{:?}",
        lines()
    );
    let lines = lines();
    for line in [&silent, &again] {
        assert_eq!(
            lines.iter().filter(|other| *other == line).count(),
            1,
            "{lines:?}"
        );
    }
    // Before the outage is known, a list may have been said not to answer its test. None is said to be skipped.
    assert!(
        !lines.iter().any(|line| line.contains("skipped")),
        "{lines:?}"
    );
}
