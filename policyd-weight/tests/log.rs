//! The patterns of Munin and of log analysers match the log of a mixed day.

use policy_daemon::log::Log;
use policy_testing::NameServer;
use policyd_weight::{
    config::Source,
    mail::Attributes,
    policy::{Policy, Settings},
    regex::compile,
};

const ZONE: &str = "acme.test MX 10 mail.acme.test\nmail.acme.test A 100.64.2.10\n\
    2.0.0.127.bl.test A 127.0.0.2\n100.70.1.1@bl.test A 127.0.0.2\n100.70.1.2@bl.test !servfail\n";

/// Client, HELO name, sender, recipient, and what its lines have to match.
const DAY: &[(&str, &str, &str, &str, &[&str])] = &[
    (
        "100.64.2.10",
        "mail.acme.test",
        "carol@acme.test",
        "a@r.test",
        &[
            SCORE,
            r" NOT_IN_BL=-1\.5 CL_IP_EQ_FROM_MX=",
            r"decided action=PREPEND X-policyd-weight: .*; rate: -4\.6; ",
        ],
    ),
    (
        "100.64.2.10",
        "mail.acme.test",
        "carol@acme.test",
        "b@r.test",
        &[r"decided action=DUNNO multirecipient-mail"],
    ),
    (
        "100.64.2.10",
        "mail.acme.test",
        "dora@acme.test",
        "b@r.test",
        &[r"decided action=PREPEND X-policyd-weight: using cached result; rate: -4\.6; "],
    ),
    (
        "100.70.1.1",
        "foo.test",
        "carol@acme.test",
        "a@r.test",
        &[
            SCORE,
            r" IN_BL=4\.35 ",
            r"decided action=550 Mail appeared to be SPAM or forged",
        ],
    ),
    (
        "100.70.1.1",
        "foo.test",
        "dora@acme.test",
        "a@r.test",
        &[
            r"decided action=550 .*\[cached\] - retrying too fast\. penalty: \d+ seconds x \d+ retries",
        ],
    ),
    (
        "100.70.1.2",
        "foo.test",
        "carol@acme.test",
        "a@r.test",
        &[SCORE, r" BL=ERR\(0\) "],
    ),
    (
        "100.70.1.3",
        "localhost",
        "x@localhost",
        "a@r.test",
        &[
            SCORE,
            r"decided action=450 No DNS entries for your MTA, HELO and Domain",
        ],
    ),
    (
        "100.70.1.4",
        "foo.test",
        "",
        "a@r.test",
        &[r"decided action=DUNNO NULL \(<>\) Sender; "],
    ),
    (
        "100.70.1.4",
        "foo.test",
        "x@y.test",
        "postmaster@r.test",
        &[r"decided action=DUNNO mail for postmaster@r\.test; "],
    ),
];

/// What logwatch's filter of Postfix' log passes over.
const PASSED_OVER: &[&str] = &[
    r"^weighted check",
    r"^policyd-weight .* started and daemonized",
    r"^(cache|child|master): ",
    r"^cache (?:spawned|killed)",
    r"^Daemon terminated",
];

/// What it counts, `; delay: Ns` being taken off before: a code and its text, or one of these.
const COUNTED: &[&str] = &[
    r"^(\d+)\s+(.*)$",
    r"^DUNNO\s+",
    r"^PREPEND X-policyd-weight:\s+",
];

/// What it knows of the parts of a reject, between semicolons.
const PROBLEMS: &[&str] = &[
    r"^Mail appeared to be SPAM or forged\. Ask your Mail/DNS-Administrator to correct HELO and DNS MX settings or to get removed from DNSBLs",
    r"^MTA helo: .* \(helo/hostname mismatch\)",
    r"^No DNS entries for your MTA, HELO and Domain\. Contact YOUR administrator\s+",
    // The request's own part, and the last one of the list.
    r"^<client=",
];

/// What else is looked for in the whole log of a day: Artica's, collectd's and Munin's patterns.
const OF_THE_DAY: &[(&str, usize)] = &[
    (r"postfix/policyd-weight\[.+?SPAM", 2),
    (r"postfix/policyd-weight\[.+?decided action=550", 2),
    (r": decided action=DUNNO NULL", 1),
    (
        r": decided action=PREPEND X-policyd-weight: using cached result;",
        1,
    ),
    (r"decided action=(PREPEND|DUNNO)", 5),
    (r"decided action=4\d\d ", 1),
    (r"rate: -?[\d.]+", 6),
    (r" IN_[A-Z_]+=", 2),
    (r" NOT_IN_[A-Z_]+=", 2),
];

/// Whether logwatch knows a line: an administrator is told of all others.
fn check_logwatch(line: &str) {
    let is_match = |pattern: &str, text: &str| compile(pattern).unwrap().is_match(text.as_bytes());
    if PASSED_OVER.iter().any(|pattern| is_match(pattern, line)) {
        return;
    }
    let action = line.strip_prefix("decided action=").expect(line);
    let (action, delay) = action.rsplit_once("; delay: ").expect(line);
    assert!(is_match(r"^\d+s$", delay), "{line}");
    assert!(
        COUNTED.iter().any(|pattern| is_match(pattern, action)),
        "{line}"
    );
    if let Some((_, reject)) = action.split_once(' ').filter(|_| is_match(r"^\d", action)) {
        for part in reject.split("; ") {
            assert!(
                PROBLEMS.iter().any(|pattern| is_match(pattern, part)),
                "{part}"
            );
        }
    }
}

const SCORE: &str =
    r"weighted check:  .*; <client=\S+\[[\d.]+\]> <helo=\S*> <from=\S*> <to=\S+>; rate: -?[\d.]+$";
const DECISION: &str =
    r"decided action=.+; <client=\S+\[[\d.]+\]> <helo=\S*> <from=\S*> <to=\S+>; delay: \d+s$";

#[tokio::test]
async fn patterns_of_analysers_match_each_line() {
    let server = NameServer::start(ZONE);
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("policyd-weight.conf");
    let text = format!(
        "$NS = '{}'; $DNS_RETRIES = 0; $DNS_RETRY_IVAL = 1; @dnsbl_score = ('bl.test', 4.35, -1.5, 'BL'); @rhsbl_score = ();\n",
        server.address()
    );
    std::fs::write(&path, text).unwrap();
    let settings = Settings::load(Source::new(Some(path), None, false), None).unwrap();
    let log = Log::buffered();
    let policy = Policy::new(settings, log.clone());
    let mut day = String::new();
    for (number, (client, helo, sender, recipient, patterns)) in DAY.iter().enumerate() {
        let mut attributes = Attributes::default();
        // Two recipients of the first mail.
        let instance = number.max(1).to_string();
        for (name, value) in [
            ("request", "smtpd_access_policy"),
            ("client_address", client),
            ("client_name", "unknown"),
            ("helo_name", helo),
            ("sender", sender),
            ("recipient", recipient),
            ("instance", &instance),
        ] {
            attributes.set(name.as_bytes(), value.as_bytes());
        }
        policy.answer(&attributes).await.unwrap();
        let lines = String::from_utf8(log.take_buffered()).unwrap();
        for pattern in patterns.iter().chain([&DECISION]) {
            let regex = compile(&format!("(?m){pattern}")).unwrap();
            assert!(regex.is_match(lines.as_bytes()), "{pattern}\n{lines}");
        }
        for line in lines.lines() {
            // `[LOG info]: TEXT`, which syslog has with the program's name before it.
            let (_, line) = line.split_once("]: ").unwrap();
            check_logwatch(line);
            day.push_str(&format!(
                "Nov 29 07:00:00 mx postfix/policyd-weight[99]: {line}\n"
            ));
        }
        assert_eq!(
            lines.lines().count(),
            1 + usize::from(patterns.contains(&SCORE)),
            "{lines}"
        );
    }
    for (pattern, least) in OF_THE_DAY {
        let regex = compile(pattern).unwrap();
        let count = day
            .lines()
            .filter(|line| regex.is_match(line.as_bytes()))
            .count();
        assert!(count >= *least, "{pattern}: {count}\n{day}");
    }
}
