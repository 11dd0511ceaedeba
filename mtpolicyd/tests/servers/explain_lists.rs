//! `--explain` asks DNS lists as the daemon does: one that fails its test is not asked.

use std::{fs, net::SocketAddr, process::Stdio};

use policy_testing::{
    NameServer, own_address,
    process::{Process, with_resolv_conf},
};

const CONFIG: &str = "<VirtualHost 12345>
name = test
<Plugin listed>
module = RBL
domain = PREFIXlist.example
</Plugin>
</VirtualHost>
";

#[test]
fn a_list_that_fails_its_test_is_named_and_not_asked() {
    let address = SocketAddr::from((own_address(), 53));
    let zone = "192.0.2.1@list.example A 127.0.0.3\n127.0.0.2@list.example A 127.0.0.2\n\
        192.0.2.1@lost.list.example A 127.0.0.3\n";
    let _server = NameServer::start_at(address, zone);
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = directory.path().join(name);
        fs::write(&path, text).unwrap();
        path
    };
    let resolv_conf = file("resolv.conf", &format!("nameserver {}\n", address.ip()));
    let request = file("request", "client_address=192.0.2.1\n\n");
    for (prefix, expected) in [
        ("", "action=reject delivery from 192.0.2.1 rejected"),
        (
            "lost.",
            "list lost.list.example is not asked until it passes its test: the list has lost its test entry",
        ),
    ] {
        let config = file("mtpolicyd.conf", &CONFIG.replace("PREFIX", prefix));
        let mut command = with_resolv_conf(&resolv_conf, env!("CARGO_BIN_EXE_mtpolicyd"));
        command.args(["--explain", "-c"]).arg(config);
        let request = fs::File::open(&request).unwrap();
        let ended = Process::of(command.stdin(Stdio::from(request))).end();
        assert!(ended.out.contains(expected), "{ended:?}");
    }
}
