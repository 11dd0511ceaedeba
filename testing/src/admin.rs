//! The admin listener of a daemon, as a client sees it, and its metrics as a manual describes them.

use std::{
    collections::BTreeSet,
    fs,
    io::{Read, Write},
    net::{Shutdown, TcpStream},
    path::Path,
};

/// An answer of the listener. A connection that was closed without one has the status 0.
#[derive(Clone, Debug)]
pub struct Page {
    pub status: u16,
    pub head: String,
    pub body: String,
}

/// What the listener at an address answers to a request for a path.
pub fn get(address: &str, path: &str) -> Page {
    ask(
        address,
        &format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n"),
    )
}

/// What the listener at an address answers to these bytes.
pub fn ask(address: &str, request: &str) -> Page {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut bytes = Vec::new();
    // A reset is an end as well.
    _ = stream.read_to_end(&mut bytes);
    let answer = String::from_utf8_lossy(&bytes);
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head.split(' ').nth(1);
    Page {
        status: status.and_then(|status| status.parse().ok()).unwrap_or(0),
        head: head.to_owned(),
        body: body.to_owned(),
    }
}

/// The metrics of a page, each with its type, as the first two columns of a manual's table have them.
pub fn families(metrics: &str) -> BTreeSet<String> {
    let types = metrics
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE "));
    types
        .map(|line| line.replace(' ', "` | ").replacen("", "| `", 1))
        .collect()
}

/// Those that a manual in `docs/` describes, of a program whose metrics begin so.
pub fn described(manual: &str, prefix: &str) -> BTreeSet<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../docs")
        .join(manual);
    let manual = fs::read_to_string(path).unwrap();
    let begin = format!("| `{prefix}");
    let rows = manual.lines().filter(|line| line.starts_with(&begin));
    rows.map(|row| row.split(" | ").take(2).collect::<Vec<_>>().join(" | "))
        .filter(|row| !row.contains(" = "))
        .collect()
}

/// The value of a metric, with its labels if it has some.
///
/// # Panics
///
/// There is none.
pub fn value(metrics: &str, name: &str) -> f64 {
    let mut values = metrics.lines().filter_map(|line| {
        let (found, value) = line.rsplit_once(' ')?;
        (found == name).then(|| value.parse().unwrap())
    });
    values.next().unwrap_or_else(|| panic!("{name}\n{metrics}"))
}

/// The address in the line of the log that says where metrics are.
pub fn address(log: &str) -> Option<String> {
    let (_, rest) = log.split_once("metrics at inet:")?;
    rest.lines().next().map(|line| line.trim().to_owned())
}
