//! Names of databases, limits and keys: what was read is what it says when it is written and read again, and no password
//! is shown.

#![no_main]

use libfuzzer_sys::fuzz_target;
use policy_store::{Driver, Dsn, Windows};

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = str::from_utf8(bytes) else {
        return;
    };
    if let Ok(windows) = text.parse::<Windows>() {
        assert_eq!(windows.to_string().parse().as_ref(), Ok(&windows));
    }
    match text.parse::<Dsn>() {
        Ok(dsn) => check(&dsn),
        // A password may stand anywhere in what is no name.
        Err(error) => assert!(error.to_string().len() < 200),
    }
});

fn check(dsn: &Dsn) {
    assert!(!dsn.database.is_empty());
    if let Some(password) = &dsn.password {
        // One that is long enough not to be a part of other words by chance.
        let mut others = dsn.clone();
        others.password = None;
        let others = format!("{others:?}");
        let password = password.reveal();
        assert!(
            password.len() < 8
                || others.contains(password)
                || !format!("{dsn:?}").contains(password)
        );
    }
    let mut again = match dsn.driver {
        Driver::Sqlite => format!("sqlite://{}", escaped(&dsn.database)),
        driver => {
            let host = match &dsn.host {
                Some(host) if host.contains(':') => format!("[{}]", escaped(host)),
                Some(host) => escaped(host),
                None => String::new(),
            };
            let port = dsn.port.map(|port| format!(":{port}")).unwrap_or_default();
            format!("{driver}://{host}{port}/{}", escaped(&dsn.database))
        }
    };
    let mut separator = '?';
    for (key, value) in [
        ("user", dsn.user.as_deref()),
        (
            "password",
            dsn.password.as_ref().map(|password| password.reveal()),
        ),
        (
            if dsn.driver == Driver::Mysql {
                "socket"
            } else {
                "host"
            },
            dsn.socket.as_deref(),
        ),
    ] {
        if let Some(value) = value {
            again.push_str(&format!("{separator}{key}={}", escaped(value)));
            separator = '&';
        }
    }
    let written: Dsn = again
        .parse()
        .unwrap_or_else(|error| panic!("{again}: {error}"));
    let mut expected = dsn.clone();
    expected.ignored.clear();
    assert_eq!(written, expected, "{again}");
}

fn escaped(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02x}")).collect()
}
