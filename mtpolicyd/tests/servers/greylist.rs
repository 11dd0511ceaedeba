//! `Greylist` on each server that can keep tickets and the auto whitelist, for two hosts.

use super::{
    databases::{administer, connections},
    hosts::greylist_together,
    support::{databases, memcached, redis},
    world::{Frame, World},
};

/// Both in the same server, under another name than the module's.
fn both(module: &str, parameter: &str) -> String {
    let block = |name: &str| format!("<{name}>\nmodule={module}\n{parameter}=shared\n</{name}>\n");
    block("Ticket") + &block("AWL")
}

fn connection(module: &str, parameters: &str) -> String {
    format!("<Connection shared>\nmodule={module}\n{parameters}\n</Connection>\n")
}

#[tokio::test]
async fn memcached_has_both() {
    let server = memcached();
    let servers = format!("servers={}", server.address());
    let connections = connection("Memcached", &servers);
    greylist_together(&connections, &both("Memcached", "memcached")).await;
}

#[tokio::test]
async fn redis_has_both() {
    let server = redis::one();
    let connections = connection("Redis", &format!("server={}", server.address()));
    greylist_together(&connections, &both("Redis", "redis")).await;
}

#[tokio::test]
async fn mariadb_has_both() {
    let (_server, dsn) = databases::mariadb();
    let connections = connection("Sql", &format!("dsn={dsn}"));
    greylist_together(&connections, &both("Sql", "db")).await;
}

#[tokio::test]
async fn postgresql_has_both() {
    let (_server, dsn) = databases::postgres();
    let connections = connection("Sql", &format!("dsn={dsn}"));
    greylist_together(&connections, &both("Sql", "db")).await;
}

#[tokio::test]
async fn tickets_may_be_elsewhere_than_the_auto_whitelist() {
    let (server, (_database, dsn)) = (redis::one(), databases::mariadb());
    let connections = format!(
        "<Connection redis>\nmodule=Redis\nserver={}\n</Connection>\n<Connection db>\nmodule=Sql\ndsn={dsn}\n</Connection>\n",
        server.address()
    );
    let parameters = "<Ticket>\nmodule=Redis\n</Ticket>\n<AWL>\nmodule=Sql\n</AWL>";
    greylist_together(&connections, parameters).await;
}

/// As the original makes it, but without the index, and with a pair twice.
const OLD: &str = "CREATE TABLE autowl (id INT NOT NULL AUTO_INCREMENT PRIMARY KEY, sender_domain VARCHAR(255) NOT NULL, \
    client_ip VARCHAR(39) NOT NULL, count INT UNSIGNED NOT NULL, last_seen INT UNSIGNED NOT NULL) DEFAULT CHARSET=latin1; \
    INSERT INTO autowl VALUES (1,'acme.example','100.64.2.10',2,UNIX_TIMESTAMP()), (2,'acme.example','100.64.2.10',7,UNIX_TIMESTAMP())";

#[tokio::test]
async fn a_table_of_mariadb_without_an_index_gets_one_or_is_used_as_it_is() {
    let (server, dsn) = databases::mariadb();
    let plugins =
        Frame::of("Greylist").plugins("autowl_threshold=2\n<Ticket>\nmodule=Memory\n</Ticket>");
    // Only this much is granted to the second user.
    let user = format!("reader@'127.0.0.1' IDENTIFIED BY '{}'", databases::PASSWORD);
    let grant = "GRANT SELECT, INSERT, UPDATE ON mail.* TO reader@'127.0.0.1'";
    administer(&server, &format!("{OLD}; CREATE USER {user}; {grant}"));
    let rows = "SELECT id, count FROM autowl ORDER BY id";
    let unprivileged = dsn.replace("policy:", "reader:");
    for (dsn, counts) in [(unprivileged, &["1 3", "2 8"][..]), (dsn, &["2 9"])] {
        let world = World::new(&connections(&dsn), &plugins);
        assert_eq!(world.ask("instance=1").await, "ok");
        assert_eq!(world.rows(rows).await, counts);
    }
}
