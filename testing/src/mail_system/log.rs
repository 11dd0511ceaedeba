//! The log of a verbose Postfix about a policy endpoint.

/// How many connections Postfix made to it.
pub fn connections(log: &str, endpoint: &str) -> usize {
    let line = format!("auto_clnt_open: connected to {}", bare(endpoint));
    log.lines().filter(|l| l.ends_with(&line)).count()
}

/// How many connections it found broken, each of which cost a pause of a second.
pub fn pauses(log: &str, endpoint: &str) -> usize {
    let text = format!("problem talking to server {}: ", bare(endpoint));
    log.matches(&text).count()
}

/// How many answers with this command it got.
pub fn answers(log: &str, endpoint: &str, command: &str) -> usize {
    let text = format!("check_table_result: {endpoint} {command} ");
    log.matches(&text).count()
}

/// The lines with which any part of Postfix complains.
pub fn complaints(log: &str) -> impl Iterator<Item = &str> {
    let complains = |line: &&str| COMPLAINTS.iter().any(|words| line.contains(words));
    log.lines().filter(complains)
}

/// Postfix writes an endpoint without its kind.
fn bare(endpoint: &str) -> &str {
    endpoint.split_once(':').map_or(endpoint, |(_, bare)| bare)
}

const COMPLAINTS: [&str; 5] = [
    "]: warning: ",
    "]: error: ",
    "]: fatal: ",
    "]: panic: ",
    "problem talking to server",
];
