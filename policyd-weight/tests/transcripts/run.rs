//! Runs a case against a program, and writes down what came in the words of the transcript.

use std::{
    collections::BTreeSet,
    net::SocketAddr,
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
    for step in &case.steps {
        let got = match step {
            Step::Request(attributes) => {
                lines = log.count(&name);
                before = dns.questions().len();
                let answer = connection.ask(&request(attributes, results.len()));
                if answer.is_none() {
                    connection = program.connect();
                } else {
                    log.wait_for(&name, lines, "decided action=");
                }
                results.push((step.clone(), step.clone()));
                results.push((
                    Step::Answer(None),
                    Step::Answer(answer.map(|answer| without_action(&answer))),
                ));
                continue;
            }
            Step::Answer(expected) => {
                let (step, _) = results
                    .last_mut()
                    .expect("a request comes before its answer");
                *step = Step::Answer(expected.clone());
                continue;
            }
            Step::Log(_) => Step::Log(score_line(&log.lines(&name, lines))),
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

/// The score of the last line with one, without the client and the mail.
fn score_line(lines: &[String]) -> String {
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
    let rate = rest.rsplit_once("; rate:").map_or("", |(_, rate)| rate);
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
