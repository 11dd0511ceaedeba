//! Runs a case against a program, and writes down what came in the words of the transcript.

use std::{
    collections::BTreeSet,
    net::{IpAddr, SocketAddr},
    sync::{Mutex, PoisonError},
    thread,
    time::Duration,
};

use policy_testing::NameServer;

use crate::{
    case::{COMMON, Case, REJECT_MESSAGE, Step},
    program::{Kind, Program},
    syslog::Syslog,
    zone,
};

/// One case with a fault in its file at a time.
static FAULTY: Mutex<()> = Mutex::new(());

/// The zone of all cases.
const COMMON_ZONE: &str = include_str!("zone.txt");

/// What each step has come to, beside what was expected.
pub fn run(case: &Case, kind: Kind, number: u16, log: &Syslog) -> Vec<(Step, Step)> {
    let has_fault = case.config.contains("= ;");
    // A file with a fault is ignored: the name server and the port are those of all such cases.
    let _alone = has_fault.then(|| FAULTY.lock().unwrap_or_else(PoisonError::into_inner));
    let net = if kind == Kind::Ours { 1 } else { 2 };
    let server = if has_fault {
        "127.0.3.40".to_owned()
    } else {
        format!(
            "127.0.{}.{}",
            net + 2 * (number / 250) + 4,
            number % 250 + 1
        )
    };
    let address: SocketAddr = format!("{server}:53").parse().expect("an address");
    let mut zone = case.zone.clone();
    let dns = NameServer::start_at(address, &zone::text(COMMON_ZONE, &zone));
    let name = if has_fault {
        "postfix/policyd-weight".to_owned()
    } else {
        format!("{kind:?}{number}")
    };
    let program = Program::start(kind, number + 1000 * net, &name, &server, &case.config);
    let mut connection = program.connect();
    let mut results = vec![];
    let (mut lines, mut asked, mut before) = (0, 0, 0);
    let mut last = String::new();
    for step in &case.steps {
        let got = match step {
            Step::Request(attributes) => {
                lines = log.count(&name);
                before = dns.questions().len();
                let request = request(attributes, results.len());
                let answer = connection.ask(&request);
                let answer = answer.map(|answer| without_action(&answer));
                results.push((step.clone(), step.clone()));
                if let Some(answer) = &answer {
                    log.wait_for(&name, lines, "decided action=");
                    results.push((
                        Step::Decided(decided(answer, &request, &case.config)),
                        Step::Decided(decided_line(&log.lines(&name, lines))),
                    ));
                } else {
                    connection = program.connect();
                }
                last = scored(&request);
                results.push((Step::Answer(None), Step::Answer(answer)));
                continue;
            }
            Step::Answer(expected) => {
                let (step, _) = results
                    .last_mut()
                    .expect("a request comes before its answer");
                *step = Step::Answer(expected.clone());
                continue;
            }
            Step::Decided(_) => continue,
            Step::Log(_) => Step::Log(score_line(&log.lines(&name, lines), &last)),
            Step::Questions(expected) => {
                let texts = |from: usize| -> BTreeSet<String> {
                    dns.questions()[from..]
                        .iter()
                        .map(ToString::to_string)
                        .collect()
                };
                let expected: BTreeSet<String> = expected.iter().cloned().collect();
                let (last, all) = (texts(before), texts(asked));
                asked = dns.questions().len();
                // Those of the last request at least, and of those before it at most.
                if last.is_subset(&expected) && expected.is_subset(&all) {
                    step.clone()
                } else {
                    Step::Questions(last.into_iter().collect())
                }
            }
            Step::Wait(seconds) => {
                // Both programs count the seconds of the system's clock: nothing else tells of their end.
                thread::sleep(Duration::from_secs_f64(*seconds));
                step.clone()
            }
            Step::Zone { line, is_removed } => {
                if *is_removed {
                    zone.retain(|own| !own.starts_with(line.as_str()));
                } else {
                    zone.push(line.clone());
                }
                dns.set_zone(&zone::text(COMMON_ZONE, &zone));
                step.clone()
            }
        };
        results.push((step.clone(), got));
    }
    connection.close();
    results
}

fn without_action(answer: &str) -> String {
    answer.strip_prefix("action=").unwrap_or(answer).to_owned()
}

/// Each request is about a mail of its own, if nothing else is said.
fn request(changes: &[(String, Option<String>)], mail: usize) -> String {
    let changed = |name: &str| {
        changes
            .iter()
            .find(|(changed, _)| changed == name)
            .map(|(_, value)| value)
    };
    let mut text = String::new();
    for (name, common) in COMMON {
        match changed(name) {
            Some(None) => {}
            Some(Some(value)) => text.push_str(&format!("{name}={value}\n")),
            None if name == "instance" => text.push_str(&format!("{name}={common}{mail}\n")),
            None => text.push_str(&format!("{name}={common}\n")),
        }
    }
    text + "\n"
}

/// An attribute in lower case, as the programs take it.
fn attribute(request: &str, name: &str) -> String {
    let lines = request.lines().filter_map(|line| line.split_once('='));
    let mut values = lines.filter(|(found, _)| *found == name);
    let value = values.next().map_or("", |(_, value)| value);
    value.to_ascii_lowercase()
}

/// The line about an answer, without its time.
fn decided(answer: &str, request: &str, config: &str) -> String {
    let [client, address, helo, from, to, instance] = [
        "client_name",
        "client_address",
        "helo_name",
        "sender",
        "recipient",
        "instance",
    ]
    .map(|name| attribute(request, name));
    let instance = if config.contains("$DEBUG = 1;") {
        format!("<instance={instance}> ")
    } else {
        String::new()
    };
    format!(
        "decided action={answer}; {instance}<client={client}[{address}]> <helo={helo}> <from={from}> <to={to}>; delay:"
    )
}

/// The last line about an answer, up to its time in whole seconds.
fn decided_line(lines: &[String]) -> String {
    let line = lines
        .iter()
        .rfind(|line| line.starts_with("decided action="));
    let Some((text, delay)) = line.and_then(|line| line.rsplit_once(' ')) else {
        return String::new();
    };
    let seconds = delay.strip_suffix('s').unwrap_or_default();
    if seconds.parse::<u32>().is_err() {
        return format!("{text} {delay}");
    }
    text.to_owned()
}

/// The client and the mail in the line of a score: the address in full, and the sender without an extension.
fn scored(request: &str) -> String {
    let [client, address, helo, from, to] = [
        "client_name",
        "client_address",
        "helo_name",
        "sender",
        "recipient",
    ]
    .map(|name| attribute(request, name));
    let address = match address.parse() {
        Ok(IpAddr::V6(address)) => address
            .segments()
            .map(|group| format!("{group:04x}"))
            .join(":"),
        _ => address,
    };
    let from = match (from.find(['+', '-']), from.rfind('@')) {
        (Some(start), Some(at)) if start < at => format!("{}{}", &from[..start], &from[at..]),
        _ => from,
    };
    format!("<client={client}[{address}]> <helo={helo}> <from={from}> <to={to}>")
}

/// The score of the last line with one, without the client and the mail, which have to be these.
fn score_line(lines: &[String], mail: &str) -> String {
    let line = lines
        .iter()
        .rev()
        .find_map(|line| line.strip_prefix("weighted check: "));
    let Some((score, rest)) = line.and_then(|line| {
        line.split_once("; <client=")
            .or_else(|| line.split_once("; <instance="))
    }) else {
        return String::new();
    };
    let (found, rate) = rest.rsplit_once("; rate:").unwrap_or((rest, ""));
    // With `$DEBUG` the instance is before it.
    if !found.ends_with(mail.trim_start_matches("<client=")) {
        return format!("{score}; <client={found}; rate:{rate}");
    }
    format!("{score}; rate:{rate}")
}

/// A step in the words of a transcript.
pub fn shown(step: &Step) -> String {
    match step {
        Step::Request(attributes) => {
            let words = attributes
                .iter()
                .map(|(name, value)| format!("{name}={}", value.as_deref().unwrap_or("(absent)")));
            format!("   > {}", words.collect::<Vec<_>>().join(" "))
        }
        Step::Answer(Some(answer)) => format!(
            "   < action={}",
            answer.replace(REJECT_MESSAGE, "<REJECTMSG>")
        ),
        Step::Answer(None) => "   < (connection closed, no answer)".to_owned(),
        Step::Log(line) => format!("   L: {line}"),
        Step::Decided(line) => format!("   D: {line}"),
        Step::Questions(questions) if questions.is_empty() => {
            "   DNS questions since: none".to_owned()
        }
        Step::Questions(questions) => format!("   DNS questions since: {}", questions.join(" ")),
        Step::Wait(seconds) => format!("   (wait {seconds} s)"),
        Step::Zone { line, is_removed } => format!(
            "   (zone change: {line}{})",
            if *is_removed { " removed" } else { "" }
        ),
    }
}
