//! A reload reads `/etc/resolv.conf` again.

use std::{fs, net::SocketAddr};

use policy_testing::{NameServer, own_address};

use super::daemon::Daemon;

/// Programs ask at port 53 of what the file names.
fn server(code: &str) -> NameServer {
    let address = SocketAddr::from((own_address(), 53));
    let zone = format!(
        "192.0.2.1@list.example A {code}\n127.0.0.2@list.example A 127.0.0.2\n192.0.2.1@list.example TXT {code}\n"
    );
    NameServer::start_at(address, &zone)
}

#[test]
fn the_name_servers_of_resolv_conf_are_read_again() {
    let servers = ["127.0.0.3", "127.0.0.4"].map(server);
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("resolv.conf");
    let write = |server: &NameServer| {
        fs::write(&file, format!("nameserver {}\n", server.address().ip())).unwrap();
    };
    write(&servers[0]);
    let list = "<Plugin list>\nmodule = RBL\ndomain = list.example\nself_test = 0\n</Plugin>";
    let daemon = Daemon::start_with_resolv_conf(&file, "", list);
    let ask = || daemon.ask(&[("client_address", "192.0.2.1")]);
    let answer = |code: &str| format!("reject delivery from 192.0.2.1 rejected ({code})");
    assert_eq!(ask(), answer("127.0.0.3"));
    // Nothing has changed: what is known stays.
    daemon.reload(1);
    assert_eq!(daemon.count("names other servers"), 0);
    write(&servers[1]);
    assert_eq!(ask(), answer("127.0.0.3"));
    daemon.reload(2);
    assert_eq!(daemon.count("names other servers"), 1);
    assert_eq!(ask(), answer("127.0.0.4"));
}
