//! Sessions in each server that can keep them, for two hosts.

use super::{
    hosts::pass_on_a_session,
    support::{Server, databases, memcached, redis},
    world::World,
};

/// Two hosts with this session cache, each with connections of its own.
async fn two_hosts(connection: &str, cache: &str) {
    let connections = format!("{connection}<SessionCache>\n{cache}</SessionCache>\n");
    let host = || {
        World::new(
            &connections,
            "<Plugin a>\nmodule=Action\naction=ok\n</Plugin>\n",
        )
    };
    pass_on_a_session([&host(), &host()]).await;
}

#[tokio::test]
async fn memcached_keeps_sessions() {
    let server = memcached();
    let address = server.address();
    let connection = |name: &str| {
        format!("<Connection {name}>\nmodule=Memcached\nservers={address}\n</Connection>\n")
    };
    two_hosts(&connection("memcached"), "module=Memcached\n").await;
    // Of another name, and with a namespace of its own.
    let named = connection("mem").replace("servers", "namespace=x-\nservers");
    two_hosts(&named, "module=Memcached\nmemcached=mem\n").await;
}

#[tokio::test]
async fn redis_keeps_sessions_wherever_it_listens() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("redis.sock").display().to_string();
    let server = redis::with(&["--unixsocket", &socket, "--requirepass", "geheim-8"]);
    let connection = |name: &str, place: &str| {
        format!("<Connection {name}>\nmodule=Redis\n{place}\npassword=geheim-8\n</Connection>\n")
    };
    let address = format!("server={}", server.address());
    two_hosts(&connection("redis", &address), "module=Redis\n").await;
    // Each database of a server has keys of its own.
    let named = connection("other", &format!("sock={socket}\ndb=1"));
    two_hosts(&named, "module=Redis\nredis=other\n").await;
}

#[tokio::test]
async fn redis_is_found_by_its_sentinels() {
    let servers = redis::watched();
    let sentinels: Vec<_> = servers.sentinels.iter().map(Server::address).collect();
    let connection = format!(
        "<Connection redis>\nmodule=Redis\nsentinels=\"{}\"\nservice=mail\npassword={}\n</Connection>\n",
        sentinels.join(", "),
        redis::PASSWORD
    );
    two_hosts(&connection, "module=Redis\n").await;
}

#[tokio::test]
async fn databases_keep_sessions() {
    for (_server, dsn) in [databases::mariadb(), databases::postgres()] {
        let connection = format!("<Connection db>\nmodule=Sql\ndsn={dsn}\n</Connection>\n");
        two_hosts(&connection, "module=Sql\n").await;
        // The user and the password beside the name, as the original has them.
        let (scheme, rest) = dsn.split_once("policy:").unwrap();
        let (password, rest) = rest.split_once('@').unwrap();
        let connection = format!(
            "<Connection db>\nmodule=Sql\ndsn={scheme}{rest}\nuser=policy\npassword={password}\n</Connection>\n"
        );
        two_hosts(&connection, "module=Sql\n").await;
    }
}
