//! One combination: a mode of hapolicy and a condition of the services, through all sessions.

use std::fmt::{Debug, Display};
use std::net::SocketAddrV4;

use policy_testing::mail_system::{CLIENT, Processes, Setup, log};

use crate::proxy::{Mode, Proxy};
use crate::services::{Condition, Seen, Services};
use crate::session::{Kind, Session};

/// Services, a hapolicy before them, an SMTP server before that.
#[derive(Debug)]
pub struct Case {
    mode: Mode,
    condition: Condition,
    processes: Processes,
    services: Services,
    proxy: Proxy,
    smtpd: SocketAddrV4,
}

/// What was not as it should be.
#[derive(Debug, Default)]
pub struct Failures(Vec<String>);

impl Case {
    pub fn new(mode: Mode, condition: Condition, processes: Processes, setup: &mut Setup) -> Self {
        let services = Services::start(condition);
        let name = format!("{mode:?}-{condition:?}").to_lowercase();
        let proxy = Proxy::start(mode, setup, &name, &services.arguments());
        let smtpd = setup.add_smtpd(processes, proxy.endpoint());
        Self {
            mode,
            condition,
            processes,
            services,
            proxy,
            smtpd,
        }
    }

    /// Holds all sessions, one after the other.
    pub fn run(&self) -> Failures {
        let mut failures = Failures::default();
        for session in self.sessions() {
            self.hold(&session, &mut failures);
        }
        let first = self.services.requests("first") > 0;
        let second = self.services.requests("second") > 0;
        let asked = match self.condition {
            // It is spared while the first one answers.
            Condition::Well | Condition::FirstCloses => (true, false),
            Condition::FirstHung | Condition::FirstHangsUp | Condition::FirstTalksGarbage => {
                (true, true)
            }
            Condition::FirstDead => (false, true),
            Condition::AllDead => (false, false),
        };
        failures.compare(
            self.label("the services that were asked"),
            &(first, second),
            &asked,
        );
        let errors = self.proxy.errors();
        failures.compare(self.label("standard error"), &errors, &String::new());
        failures
    }

    fn hold(&self, session: &Session, failures: &mut Failures) {
        let answering = self.condition.answering();
        let replies = session.run(self.smtpd);
        let label = self.label(session.sender);
        failures.compare(&label, &replies, &session.replies(answering));
        let Some(name) = answering else {
            return;
        };
        let seen = self.services.seen(name, session);
        let stages: Vec<String> = seen.iter().map(Seen::stage).collect();
        failures.compare(&label, &stages, &session.stages());
        check_attributes(&label, session, &seen, failures);
    }

    /// To be called when Postfix has stopped: its log is complete then.
    pub fn check_log(&self, log: &str) -> Failures {
        let mut failures = Failures::default();
        let endpoint = self.proxy.endpoint();
        let sessions = self.sessions().count();
        let connections = log::connections(log, endpoint);
        println!(
            "{}: {} and {} requests",
            self.label(format!("{sessions} sessions, {connections} connections")),
            self.services.requests("first"),
            self.services.requests("second"),
        );
        let expected = match self.processes {
            Processes::OnePerSession => sessions,
            Processes::OneForAll => 1,
        };
        failures.compare(self.label("connections"), &connections, &expected);
        failures.compare(self.label("pauses"), &log::pauses(log, endpoint), &0);
        if let Some(starts) = self.proxy.starts() {
            failures.compare(self.label("processes"), &starts, &expected);
        }
        let defaults = if self.condition == Condition::AllDead {
            // No recipient is accepted, so that it ends with the last one's RCPT.
            self.sessions().map(|s| 3 + s.recipients.len()).sum()
        } else {
            0
        };
        let given = log::answers(log, endpoint, "DEFER_IF_PERMIT");
        failures.compare(self.label("default actions"), &given, &defaults);
        failures
    }

    /// How many messages Postfix takes.
    pub fn deliveries(&self) -> usize {
        match self.condition {
            Condition::AllDead => 0,
            _ => self.sessions().filter(Session::delivers).count(),
        }
    }

    fn sessions(&self) -> impl Iterator<Item = Session> {
        let special: &[Session] = match self.condition {
            Condition::Well => &[TLS, UTF8],
            _ => &[],
        };
        COMMON.iter().chain(special).copied()
    }

    fn label(&self, what: impl Display) -> String {
        format!("{:?}, {:?}, {what}", self.mode, self.condition)
    }
}

impl Failures {
    /// Notes a difference.
    fn compare<T: Debug + PartialEq>(&mut self, what: impl Display, found: &T, expected: &T) {
        if found != expected {
            self.add(format!(
                "{what}:\n  found    {found:?}\n  expected {expected:?}"
            ));
        }
    }

    pub fn add(&mut self, failure: String) {
        self.0.push(failure);
    }

    pub fn append(&mut self, others: Self) {
        self.0.extend(others.0);
    }

    /// # Panics
    ///
    /// Panics if there are any, and says them all.
    pub fn finish(self) {
        assert!(self.0.is_empty(), "\n{}", self.0.join("\n"));
    }
}

/// What Postfix says of a session reaches the service unchanged.
fn check_attributes(label: &str, session: &Session, seen: &[Seen], failures: &mut Failures) {
    let instance = seen.last().map(|last| last.get("instance"));
    let instance = instance.unwrap_or_default();
    if instance.is_empty() {
        failures.add(format!("{label}: the last stage has no instance"));
    }
    for (index, request) in seen.iter().enumerate() {
        let state = request.get("protocol_state");
        let has = |stage: &str| state == stage;
        let early = has("CONNECT") || has("EHLO");
        // The message begins when MAIL is accepted.
        let before = early || has("MAIL");
        let mut expect = |name: &str, expected: &str| {
            let label = format!("{label}, {state}, {name}");
            failures.compare(label, &request.get(name), &expected.to_owned());
        };
        expect("request", "smtpd_access_policy");
        expect("helo_name", if has("CONNECT") { "" } else { CLIENT });
        expect("sender", if early { "" } else { session.sender });
        expect("instance", if before { "" } else { &instance });
        // The second EHLO is the first thing said over TLS.
        let encrypted = session.kind == Kind::Tls && index >= 2;
        let protocol = if encrypted { "TLSv1.3" } else { "" };
        expect("encryption_protocol", protocol);
        if has("END-OF-MESSAGE") == (request.get("size") == "0") {
            failures.add(format!("{label}, {state}: size={}", request.get("size")));
        }
    }
}

/// One recipient, three, and each of the answers; in each stage that can refuse one.
const COMMON: [Session; 5] = [
    Session::new(Kind::Plain, "one@example.net", &["permitted@example.org"]),
    THREE_RECIPIENTS,
    Session::new(
        Kind::Plain,
        "mixed@example.net",
        &[
            "permitted@example.org",
            "rejected@example.org",
            "deferred@example.org",
        ],
    ),
    Session::new(
        Kind::Plain,
        "no-data@example.net",
        &["permitted@example.org"],
    ),
    Session::new(
        Kind::Plain,
        "no-end@example.net",
        &["permitted@example.org"],
    ),
];

/// Three recipients, all of whom a service permits.
pub const THREE_RECIPIENTS: Session = Session::new(
    Kind::Plain,
    "three@example.net",
    &[
        "permitted-1@example.org",
        "permitted-2@example.org",
        "permitted-3@example.org",
    ],
);

const TLS: Session = Session::new(Kind::Tls, "tls@example.net", &["permitted@example.org"]);

const UTF8: Session = Session::new(
    Kind::Utf8,
    "jürgen@exämple.net",
    &["permitted-用户@example.org"],
);
