//! `allow`: whose requests are served, and who sees metrics, over listeners that other machines can reach.

use std::net::{IpAddr, Ipv4Addr};

use policy_testing::{port::Port, process::Client};

use super::world::{World, ask, host};

const ACTION: &str = "<Plugin a>\nmodule=Action\naction=ok\n</Plugin>\n";
const ALLOWED: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));
const OTHER: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

#[test]
fn only_clients_of_the_networks_are_served_and_see_metrics() {
    let admin = Port::any();
    let config = |globals: &str| {
        let port = admin.number();
        let open = host(ACTION).replace("port = PORT", "port = 0.0.0.0:PORT");
        format!("{globals}\nadmin = inet:0.0.0.0:{port}\n{open}")
    };
    for (globals, is_served) in [
        ("allow = \"127.0.0.2, 192.0.2.0/24\"", [true, false]),
        ("allow = 127.0.0.0/8", [true, true]),
        ("allow = 192.0.2.0/24", [false, false]),
    ] {
        let world = World::new(&config(globals));
        let process = world.serve(&[]);
        assert!(process.err.wait_lines(1, "metrics at "));
        let requests = format!("127.0.0.1:{}", world.port.number());
        let metrics = format!("127.0.0.1:{}", admin.number());
        for (source, is_served) in [ALLOWED, OTHER].into_iter().zip(is_served) {
            let mut client = Client::connect_from(source, &requests);
            let mut watcher = Client::connect_from(source, &metrics);
            if is_served {
                assert_eq!(ask(&mut client, "sender=a@x").as_deref(), Some("action=ok"));
                watcher.send(b"GET /metrics HTTP/1.0\r\nHost: localhost\r\n\r\n");
                let page = String::from_utf8(watcher.read_once()).unwrap();
                assert!(page.starts_with("HTTP/1.1 200 "), "{globals}: {page}");
            } else {
                assert!(client.is_ended(), "{globals}, {source}");
                assert!(watcher.is_ended(), "{globals}, {source}");
                let said = "closing a connection from ";
                assert!(process.err.wait_lines(1, said), "{}", process.err.text());
            }
        }
    }
}
