//! MariaDB and PostgreSQL, each with a database `mail` and a user `policy` that has a password.

use std::fs;

use super::{Server, free_port, run, text};

pub const PASSWORD: &str = "geheim-7";

/// MariaDB. The name to connect with is the second.
pub fn mariadb() -> (Server, String) {
    let port = free_port().to_string();
    let directory = tempfile::tempdir().unwrap();
    let data = text(&directory.path().join("data"));
    // A server that starts deletes the temporary tables of all that share the directory.
    let temporary = format!("--tmpdir={}", text(directory.path()));
    run(
        "mariadb-install-db",
        &[
            "--no-defaults",
            "--user=root",
            "--auth-root-authentication-method=normal",
            "--skip-test-db",
            &temporary,
            &format!("--datadir={data}"),
        ],
    );
    let first = directory.path().join("first.sql");
    let user = format!("policy@'127.0.0.1' IDENTIFIED BY '{PASSWORD}'");
    let statements = format!(
        "CREATE DATABASE IF NOT EXISTS mail;\nCREATE USER IF NOT EXISTS {user};\n\
         GRANT ALL ON mail.* TO policy@'127.0.0.1';\n"
    );
    fs::write(&first, statements).unwrap();
    let socket = text(&directory.path().join("socket"));
    let at_socket = format!("--socket={socket}");
    // Its port takes connections a moment before its socket does.
    let ready = [
        "mariadb",
        "--no-defaults",
        &at_socket,
        "--user=root",
        "-e",
        "SELECT 1",
    ];
    let server = Server::start_until(
        &ready,
        directory,
        &format!("127.0.0.1:{port}"),
        &[
            "mariadbd",
            "--no-defaults",
            "--user=root",
            "--bind-address=127.0.0.1",
            "--skip-name-resolve",
            "--innodb-flush-log-at-trx-commit=2",
            // Nothing outlives the test. A table that is made waits for the disk many times otherwise.
            "--innodb-flush-method=nosync",
            "--innodb-doublewrite=0",
            &temporary,
            &format!("--datadir={data}"),
            &format!("--port={port}"),
            &at_socket,
            &format!("--init-file={}", text(&first)),
            &format!("--pid-file={socket}.pid"),
        ],
    );
    (
        server,
        format!("mysql://policy:{PASSWORD}@127.0.0.1:{port}/mail"),
    )
}

/// PostgreSQL, which root may not run.
pub fn postgres() -> (Server, String) {
    let port = free_port().to_string();
    let directory = tempfile::tempdir().unwrap();
    let home = text(directory.path());
    let data = format!("{home}/data");
    let password = format!("{home}/password");
    fs::write(&password, PASSWORD).unwrap();
    run("chown", &["-R", "postgres:", &home]);
    let programs = fs::read_dir("/usr/lib/postgresql").unwrap();
    let newest = programs
        .map(|entry| entry.unwrap().path().join("bin"))
        .max()
        .unwrap();
    let (initdb, postgres) = (text(&newest.join("initdb")), text(&newest.join("postgres")));
    let pwfile = format!("--pwfile={password}");
    let user = ["--reuid=postgres", "--regid=postgres", "--clear-groups"];
    let words = [
        "--username=policy",
        "--auth=scram-sha-256",
        "--no-sync",
        "-E",
        "UTF8",
    ];
    let make = [
        &user[..],
        &[&initdb, "-D", &data, &pwfile, "--locale=C"],
        &words,
    ]
    .concat();
    run("setpriv", &make);
    let quick = ["-c", "fsync=off", "-c", "listen_addresses=127.0.0.1"];
    let serve = [
        &["setpriv"][..],
        &user,
        &[
            "--pdeathsig",
            "KILL",
            &postgres,
            "-D",
            &data,
            "-p",
            &port,
            "-k",
            &home,
        ],
        &quick,
    ]
    .concat();
    let is_ready = text(&newest.join("pg_isready"));
    let ready = [&is_ready, "-h", "127.0.0.1", "-p", &port];
    let server = Server::start_until(&ready, directory, &format!("127.0.0.1:{port}"), &serve);
    (
        server,
        format!("postgres://policy:{PASSWORD}@127.0.0.1:{port}/postgres"),
    )
}
