//! The cases: a chain, what it needs, and what is wanted of ours.

use std::fmt;

use policy_benches::report::median;
use policy_testing::load::Clients;

use crate::sample::Sample;

/// A chain, and how it is asked.
#[derive(Clone, Copy, Default)]
pub(crate) struct Case {
    pub(crate) name: &'static str,
    /// Before the virtual host. `@TMP@` is a directory, `@MEMCACHED@` and `@REDIS@` are ports.
    pub(crate) before: &'static str,
    pub(crate) plugins: &'static str,
    pub(crate) request: Asked,
    pub(crate) clients: &'static [Clients],
    pub(crate) needs: Need,
    pub(crate) bars: &'static [Bar],
}

/// How requests differ from one another.
#[derive(Clone, Copy, Default, Eq, PartialEq)]
pub(crate) enum Asked {
    /// Each is about a mail of its own.
    #[default]
    Mails,
    /// Two are about one mail.
    MailsTwice,
    /// Each is from a client of its own.
    Clients,
    /// Each is about a mail of its own at its end, from one of a hundred senders.
    Senders,
}

/// What has to be there beside both.
#[derive(Clone, Copy, Default, Eq, PartialEq)]
pub(crate) enum Need {
    #[default]
    Nothing,
    Memcached,
    Redis,
    /// Four DNS lists that take 20 ms.
    Lists,
}

const ONE: &[Clients] = &[Clients::new(1)];
const SIXTEEN: &[Clients] = &[Clients::new(16)];
const MANY: &[Clients] = &[Clients::new(256)];

/// The case of a fixed answer.
const FIXED: &str = "Action";

/// What is wanted of ours.
#[derive(Clone, Copy)]
pub(crate) enum Bar {
    /// CPU for a request: at most this part of the other's.
    Cpu(f64),
    /// Requests per second: at least so many times as many.
    Rate(f64),
    /// The 99th percentile in milliseconds.
    P99(f64),
    /// The median in milliseconds.
    P50(f64),
    /// Each connection is served.
    Served,
    /// Megabytes.
    Memory,
}

impl Bar {
    /// Megabytes.
    pub(crate) const MEMORY: f64 = 20.0;

    /// What was found, in words; `None` without the other program where it takes that.
    pub(crate) fn found(self, samples: &[Vec<Sample>], connections: usize) -> Option<String> {
        let of = |samples: &[Sample], value: fn(&Sample) -> f64| median(samples.iter().map(value));
        let ours = samples.first()?;
        let other = samples.get(1);
        Some(match self {
            Self::Cpu(_) => {
                let cpu = |sample: &Sample| sample.cpu;
                format!("CPU 1/{:.1}", of(other?, cpu) / of(ours, cpu))
            }
            Self::Rate(_) => {
                let rate = |sample: &Sample| sample.rate;
                format!("{:.1} x the requests", of(ours, rate) / of(other?, rate))
            }
            Self::P99(_) => format!("p99 {:.1} ms", of(ours, |sample| sample.p99)),
            Self::P50(_) => format!("p50 {:.1} ms", of(ours, |sample| sample.p50)),
            Self::Served => {
                let least = ours.iter().map(|sample| sample.served).min()?;
                let other = other.and_then(|other| other.iter().map(|sample| sample.served).min());
                let other =
                    other.map_or_else(String::new, |other| format!(" (the other: {other})"));
                format!("{least} of {connections} served{other}")
            }
            Self::Memory => format!("{:.1} MB", of(ours, |sample| sample.memory)),
        })
    }
}

impl fmt::Display for Bar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cpu(part) => write!(f, "CPU 1/{part:.0}"),
            Self::Rate(times) => write!(f, "{times:.0} x the requests"),
            Self::P99(ms) => write!(f, "p99 below {ms:.0} ms"),
            Self::P50(ms) => write!(f, "p50 below {ms:.0} ms"),
            Self::Served => f.write_str("all"),
            Self::Memory => write!(f, "below {:.0} MB", Self::MEMORY),
        }
    }
}

impl Case {
    /// Whether each request has the same answer, and nothing is looked at.
    pub(crate) fn is_fixed(&self) -> bool {
        self.name == FIXED
    }

    pub(crate) fn all() -> Vec<Self> {
        let none = Self::default();
        vec![
            Self {
                name: FIXED,
                plugins: "<Plugin a>\nmodule=Action\naction=reject x\n</Plugin>\n",
                clients: Clients::FEW,
                ..none
            },
            Self {
                name: "simple7",
                plugins: SIMPLE7,
                clients: Clients::FEW,
                bars: &[Bar::Cpu(50.0), Bar::Rate(25.0), Bar::Memory],
                ..none
            },
            Self {
                name: "simple7, sessions in memcached",
                before: MEMCACHED,
                plugins: SIMPLE7,
                request: Asked::MailsTwice,
                clients: Clients::FEW,
                needs: Need::Memcached,
                bars: &[Bar::Cpu(20.0)],
            },
            Self {
                name: "simple7, sessions in Redis",
                before: REDIS,
                plugins: SIMPLE7,
                request: Asked::MailsTwice,
                clients: Clients::FEW,
                needs: Need::Redis,
                bars: &[Bar::Cpu(20.0)],
            },
            Self {
                name: "Quota and Accounting, SQLite",
                before: SQLITE,
                plugins: QUOTA,
                request: Asked::Senders,
                clients: SIXTEEN,
                bars: &[Bar::Rate(20.0), Bar::P99(50.0)],
                ..none
            },
            Self {
                name: "Limit beside Quota and Accounting, SQLite",
                before: SQLITE,
                plugins: LIMIT,
                request: Asked::Senders,
                clients: SIXTEEN,
                bars: &[Bar::Rate(20.0), Bar::P99(50.0)],
                ..none
            },
            Self {
                name: "four DNS lists of 20 ms",
                plugins: LISTS,
                request: Asked::Clients,
                clients: ONE,
                needs: Need::Lists,
                bars: &[Bar::P50(27.0)],
                ..none
            },
            Self {
                name: "simple7 for many",
                plugins: SIMPLE7,
                clients: MANY,
                bars: &[Bar::Served, Bar::Memory],
                ..none
            },
        ]
    }
}

pub(crate) const SIMPLE7: &str = "\
<Plugin c1>\nmodule=Condition\nkey=client_name\nre_match=\"^dyn[0-9]+\\.\"\nscore=3\n</Plugin>
<Plugin c2>\nmodule=Condition\nkey=helo_name\nre_match=\"\\.\"\ninvert=1\nscore=2\n</Plugin>
<Plugin c3>\nmodule=RegexList\nkey=sender\nregex=\"^spam[0-9]*@\"\nscore=5\n</Plugin>
<Plugin s>\nmodule=SetField\nkey=mark\nvalue=1\n</Plugin>
<Plugin c4>\nmodule=Condition\nkey=recipient\nre_match=\"@\"\nscore=1\n</Plugin>
<Plugin sa>\nmodule=ScoreAction\nthreshold=15\naction=reject %SCORE%\n</Plugin>
<Plugin h>\nmodule=AddScoreHeader\n</Plugin>
";
const MEMCACHED: &str = "\
<Connection memcached>\nmodule=Memcached\nservers=127.0.0.1:@MEMCACHED@\n</Connection>
<SessionCache>\nmodule=Memcached\nmemcached=memcached\nexpire=60\n</SessionCache>
";
const REDIS: &str = "\
<Connection redis>\nmodule=Redis\nserver=127.0.0.1:@REDIS@\n</Connection>
<SessionCache>\nmodule=Redis\nredis=redis\nexpire=60\n</SessionCache>
";
const SQLITE: &str =
    "<Connection db>\nmodule=Sql\ndsn=dbi:SQLite:dbname=@TMP@/db.sqlite\n</Connection>\n";
const QUOTA: &str = "\
<Plugin q>\nmodule=Quota\nfield=sender\nmetric=count\nthreshold=1000000000\n</Plugin>
<Plugin a>\nmodule=Accounting\nfields=sender\n</Plugin>
<Plugin e>\nmodule=Action\naction=ok\n</Plugin>
";
/// The original has no such plugin, and does the same with those that it has: `@OURS@` begins the lines of ours alone, and
/// `@PERL@` those of the other.
const LIMIT: &str = "\
@OURS@<Plugin l>\n@OURS@module=Limit\n@OURS@store=db\n@OURS@key=sender\n@OURS@limits=1000000000/1h\n@OURS@</Plugin>
@PERL@<Plugin q>\n@PERL@module=Quota\n@PERL@field=sender\n@PERL@metric=count\n@PERL@threshold=1000000000\n@PERL@</Plugin>
@PERL@<Plugin a>\n@PERL@module=Accounting\n@PERL@fields=sender\n@PERL@</Plugin>
<Plugin e>\nmodule=Action\naction=ok\n</Plugin>
";
const LISTS: &str = "\
<Plugin r1>\nmodule=RBL\nmode=passive\nscore=1\ndomain=l1.test\n</Plugin>
<Plugin r2>\nmodule=RBL\nmode=passive\nscore=1\ndomain=l2.test\n</Plugin>
<Plugin r3>\nmodule=RBL\nmode=passive\nscore=1\ndomain=l3.test\n</Plugin>
<Plugin r4>\nmodule=RBL\nmode=passive\nscore=1\ndomain=l4.test\n</Plugin>
<Plugin h>\nmodule=AddScoreHeader\n</Plugin>
";
