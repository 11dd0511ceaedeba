//! Zones as the transcripts write them, as text of the name server.

/// The lines of a zone's line: `NAME TYPE=DATA TYPE=DATA`.
pub fn lines(line: &str) -> Vec<String> {
    let (owner, records) = line.split_once(' ').unwrap_or((line, ""));
    let owner = owner_name(owner);
    let mut lines: Vec<String> = vec![];
    for word in records.split(' ') {
        match word
            .split_once('=')
            .filter(|(kind, _)| KINDS.contains(kind))
        {
            Some(("RCODE", code)) => lines.push(format!("{owner} !{}", code.to_ascii_lowercase())),
            Some(("DROP", _)) => lines.push(format!("{owner} !silent")),
            Some(("DELAY", time)) => lines.push(format!("{owner} !delay {time}")),
            Some(("TXT", text)) => lines.push(format!("{owner} TXT \"{text}\"")),
            Some((kind, data)) => {
                let all = data.split(',').map(|data| format!("{owner} {kind} {data}"));
                lines.extend(all);
            }
            // The rest of data with blanks in it, such as `10 mail.acme.test,20 mx2.mega.test`.
            None => {
                let last = lines.pop().expect("a record");
                if let Some(text) = last.strip_suffix('"') {
                    lines.push(format!("{text} {word}\""));
                    continue;
                }
                let (data, next) = word.split_once(',').unwrap_or((word, ""));
                lines.push(format!("{last} {data}"));
                if !next.is_empty() {
                    lines.push(format!("{owner} MX {next}"));
                }
            }
        }
    }
    lines
}

/// `rev:ADDRESS` is the name of an address, `ADDRESS:list` its place in a list.
fn owner_name(owner: &str) -> String {
    if let Some(address) = owner.strip_prefix("rev:") {
        return address.to_owned();
    }
    if let Some((address, list)) = owner.split_once('|') {
        return format!("{address}@{list}");
    }
    match owner.split_once(':') {
        Some((address, list)) if !list.contains(':') => format!("{address}@{list}"),
        _ => owner.to_owned(),
    }
}

/// The zone of a case.
pub fn text(common: &str, own: &[String]) -> String {
    let all = common.lines().map(str::to_owned).chain(own.iter().cloned());
    all.filter(|line| !line.trim().is_empty())
        .flat_map(|line| lines(&line))
        .collect::<Vec<_>>()
        .join("\n")
}

const KINDS: [&str; 9] = [
    "A", "AAAA", "MX", "PTR", "TXT", "CNAME", "RCODE", "DROP", "DELAY",
];
