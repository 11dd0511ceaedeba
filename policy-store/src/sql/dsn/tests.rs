//! Names of databases as configurations have them.

use super::*;

/// A name in one line: driver, database, host, port, socket, user, password, what is ignored.
fn read(text: &str) -> String {
    let dsn: Dsn = match text.parse() {
        Ok(dsn) => dsn,
        Err(error) => return error.to_string(),
    };
    let mut line = format!("{} {}", dsn.driver, dsn.database);
    for (name, value) in [
        ("host", dsn.host),
        ("port", dsn.port.map(|port| port.to_string())),
        ("socket", dsn.socket),
        ("user", dsn.user),
        (
            "password",
            dsn.password.map(|password| password.reveal().to_owned()),
        ),
        (
            "ignored",
            Some(dsn.ignored.join(",")).filter(|ignored| !ignored.is_empty()),
        ),
    ] {
        if let Some(value) = value {
            line.push_str(&format!(" {name}={value}"));
        }
    }
    line
}

#[test]
fn names_in_both_forms_are_read() {
    for (text, expected) in [
        (
            "dbi:SQLite:dbname=/var/lib/mtpolicyd/mt.sqlite",
            "sqlite /var/lib/mtpolicyd/mt.sqlite",
        ),
        ("dbi:SQLite:/tmp/a:b", "sqlite /tmp/a:b"),
        (
            "DBI:SQLite:db=x;sqlite_unicode=1",
            "sqlite x ignored=sqlite_unicode",
        ),
        ("dbi:mysql:mail", "mysql mail"),
        ("dbi:mysql:mail:db.example", "mysql mail host=db.example"),
        (
            "dbi:mysql:mail:db.example:3307",
            "mysql mail host=db.example port=3307",
        ),
        (
            "dbi:mysql:mail:/run/my.sock",
            "mysql mail socket=/run/my.sock",
        ),
        ("dbi:mysql:mail::3307", "mysql mail port=3307"),
        ("dbi:mysql:database=mail;host=", "mysql mail"),
        (
            "dbi:mysql:mail;host=db.example",
            "mysql mail host=db.example",
        ),
        (
            "dbi:mysql:database=mail;mysql_socket=/run/my.sock",
            "mysql mail socket=/run/my.sock",
        ),
        (
            "dbi:MariaDB:dbname=mail;mysql_enable_utf8=1",
            "mysql mail ignored=mysql_enable_utf8",
        ),
        ("dbi:mysql(RaiseError=>1):mail", "mysql mail"),
        (
            "dbi:Pg:dbname=mail;host=127.0.0.1;port=5433",
            "postgres mail host=127.0.0.1 port=5433",
        ),
        (
            "dbi:Pg:dbname=mail host=/run/postgresql",
            "postgres mail socket=/run/postgresql",
        ),
        (
            "dbi:Pg:dbname = mail  host = 127.0.0.1",
            "postgres mail host=127.0.0.1",
        ),
        (
            r"dbi:Pg:dbname='my mail';user=u password='a;b \'\\ c'",
            r"postgres my mail user=u password=a;b '\ c",
        ),
        (
            "dbi:Pg:dbname=mail;sslmode=prefer",
            "postgres mail ignored=sslmode",
        ),
        (
            "mysql://u:p%40%3A@db.example:3307/mail",
            "mysql mail host=db.example port=3307 user=u password=p@:",
        ),
        (
            "mysql://u:p@ss@db/mail",
            "mysql mail host=db user=u password=p@ss",
        ),
        ("postgres:///mail", "postgres mail"),
        (
            "postgresql://u@[2001:db8::1]:5433/mail",
            "postgres mail host=2001:db8::1 port=5433 user=u",
        ),
        (
            "postgres://%2Frun%2Fpg/mail?user=u",
            "postgres mail socket=/run/pg user=u",
        ),
        ("sqlite:///var/lib/x%20y", "sqlite /var/lib/x y"),
        ("sqlite::memory:", "sqlite :memory:"),
    ] {
        assert_eq!(read(text), expected, "{text}");
    }
}

#[test]
fn what_is_no_name_is_refused_with_the_reason() {
    for (text, expected) in [
        ("", "neither dbi:DRIVER:... nor a URL"),
        ("mail", "neither dbi:DRIVER:... nor a URL"),
        ("dbi:mysql", "neither dbi:DRIVER:... nor a URL"),
        ("http://db/mail", "neither dbi:DRIVER:... nor a URL"),
        ("mysql:mail", "neither dbi:DRIVER:... nor a URL"),
        ("postgres://[::1/mail", "neither dbi:DRIVER:... nor a URL"),
        ("postgres://[::1]x/mail", "neither dbi:DRIVER:... nor a URL"),
        (
            r"dbi:Pg:dbname='my mail' password='it''s'",
            "neither dbi:DRIVER:... nor a URL",
        ),
        ("dbi:Pg:dbname='mail", "neither dbi:DRIVER:... nor a URL"),
        (
            "dbi:Pg:dbname=mail geheim",
            "neither dbi:DRIVER:... nor a URL",
        ),
        (
            "mysql://user:12/geheim@db.example/mail",
            "neither dbi:DRIVER:... nor a URL",
        ),
        (
            "dbi:Oracle:mail",
            "no driver `Oracle`: SQLite, mysql, MariaDB and Pg are known",
        ),
        ("dbi:mysql:", "no database is named"),
        ("mysql://host", "no database is named"),
        (
            "dbi:mysql:mail:host:port",
            "the port is not a number from 1 to 65535",
        ),
        (
            "dbi:mysql:database=mail;port=0",
            "the port is not a number from 1 to 65535",
        ),
        (
            "mysql://host:+1/mail",
            "the port is not a number from 1 to 65535",
        ),
        ("mysql://host/ma%2", "an escape of the URL is none"),
        ("mysql://host/ma%ff", "an escape of the URL is none"),
        ("mysql://host/ma%00", "an escape of the URL is none"),
        (
            "dbi:Pg:dbname=mail;sslmode=require",
            "`sslmode=require` asks for TLS, which there is none of here: use a UNIX socket or a tunnel",
        ),
        (
            "dbi:mysql:mail;mysql_ssl=1",
            "`mysql_ssl=1` asks for TLS, which there is none of here: use a UNIX socket or a tunnel",
        ),
    ] {
        assert_eq!(read(text), expected, "{text}");
    }
}

#[test]
fn a_password_is_not_shown() {
    let dsn: Dsn = "mysql://user:geheim@db.example/mail".parse().unwrap();
    assert!(!format!("{dsn:?}").contains("geheim"));
    // The rest of a password with a separator in it, which is not escaped.
    for text in [
        "dbi:mysql:database=mail;password=a;geheim",
        "mysql://db.example/mail?password=a&geheim",
        "mysql://user:12/geheim@db.example/mail",
    ] {
        let dsn = text.parse::<Dsn>();
        assert!(!format!("{dsn:?}").contains("geheim"), "{dsn:?}");
    }
}
