//! The zone of a case in the form that the name server of the tests reads.

/// Each line is `OWNER TYPE=VALUE TYPE=VALUE`.
pub(crate) fn translate(lines: &[&str]) -> String {
    lines.iter().map(|line| records(line)).collect()
}

fn records(line: &str) -> String {
    let (owner, rest) = line.split_once(' ').unwrap();
    let owner = owner.strip_prefix("rev:").unwrap_or(owner);
    // An address in a list: IPv4 before a colon, IPv6 before a bar.
    let owner = match owner.split_once('|').or_else(|| owner.split_once(':')) {
        Some((address, zone)) => format!("{address}@{zone}"),
        None => owner.to_owned(),
    };
    let mut out = String::new();
    for (kind, value) in fields(rest) {
        match kind {
            "RCODE" => out.push_str(&format!("{owner} !{}\n", value.to_lowercase())),
            "DROP" => out.push_str(&format!("{owner} !silent\n")),
            "TXT" if value.starts_with('"') => out.push_str(&format!("{owner} TXT {value}\n")),
            "TXT" => {
                for text in split(&value) {
                    let text = text.replace('\\', "\\\\").replace('"', "\\\"");
                    out.push_str(&format!("{owner} TXT \"{text}\"\n"));
                }
            }
            _ => {
                for item in split(&value) {
                    out.push_str(&format!("{owner} {kind} {item}\n"));
                }
            }
        }
    }
    out
}

fn fields(rest: &str) -> Vec<(&str, String)> {
    const KINDS: [&str; 8] = ["A", "AAAA", "TXT", "MX", "CNAME", "PTR", "RCODE", "DROP"];
    let mut all: Vec<(&str, String)> = Vec::new();
    for word in rest.split(' ') {
        match word.split_once('=') {
            Some((kind, value)) if KINDS.contains(&kind) => all.push((kind, value.to_owned())),
            _ => {
                let last = &mut all.last_mut().unwrap().1;
                last.push(' ');
                last.push_str(word);
            }
        }
    }
    all
}

/// A comma with a blank after it belongs to the text.
fn split(value: &str) -> Vec<String> {
    let mut items: Vec<String> = Vec::new();
    for part in value.split(',') {
        if part.starts_with(' ') {
            let last = items.last_mut().unwrap();
            last.push(',');
            last.push_str(part);
        } else {
            items.push(part.to_owned());
        }
    }
    items
}
