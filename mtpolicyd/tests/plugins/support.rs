//! A chain as a configuration has it, and requests that are a common one with changes.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use mtpolicyd::{
    Call, Services, Session,
    chain::Trace,
    config::{Config, LoadOptions},
    load::load_text,
    services::Dns,
};
use policy_dns::Table;
use policy_proto::Request;

/// A chain that is asked.
pub(crate) struct Checker {
    pub(crate) config: Config,
    pub(crate) services: Services,
    pub(crate) table: Arc<Table>,
    /// Sessions by instance; none where each request begins with an empty one.
    sessions: Option<HashMap<String, Session>>,
    /// Whether tokio's clock goes on by itself: a database's thread cannot keep up with a paused one.
    is_real_time: bool,
    /// What the plugins said of the last request.
    pub(crate) notes: Vec<String>,
}

impl Checker {
    /// The chain of these blocks, which may hold connections too.
    pub(crate) fn new(blocks: &str, zone: &str) -> Self {
        Self::with(blocks, zone, false)
    }

    /// The same as the original does it.
    pub(crate) fn compat(blocks: &str, zone: &str) -> Self {
        Self::with(blocks, zone, true)
    }

    /// The one or the other.
    pub(crate) fn with(blocks: &str, zone: &str, compat: bool) -> Self {
        let options = LoadOptions {
            compat,
            ..LoadOptions::default()
        };
        Self::loaded(blocks, zone, options)
    }

    /// The chain as it is loaded with these options.
    pub(crate) fn loaded(blocks: &str, zone: &str, options: LoadOptions<'_>) -> Self {
        let (config, findings) = load_text("test.conf", &text(blocks), options);
        let Some(config) = config else {
            let findings: Vec<_> = findings.sorted().iter().map(ToString::to_string).collect();
            panic!("{findings:#?}");
        };
        let table: Arc<Table> = Arc::new(zone.parse().unwrap());
        let mut services = Services::for_tests(Dns::Table(Arc::clone(&table)));
        services.compat = options.compat;
        Self {
            config,
            services,
            table,
            sessions: None,
            is_real_time: false,
            notes: Vec::new(),
        }
    }

    /// Sessions live on from one request of an instance to the next.
    pub(crate) fn with_sessions(mut self) -> Self {
        self.sessions = Some(HashMap::new());
        self
    }

    /// For a test whose clock is not paused, since it has a database.
    pub(crate) fn in_real_time(mut self) -> Self {
        self.is_real_time = true;
        self
    }

    /// The clock goes on; a paused one too, which is that of stores in memory.
    pub(crate) async fn advance(&mut self, seconds: u64) {
        let time = Duration::from_secs(seconds);
        self.services.clock_offset += time;
        if !self.is_real_time {
            tokio::time::advance(time).await;
        }
    }

    /// The answer to the common request with changes: `name=value` and `name=(absent)`, with blanks between them.
    pub(crate) async fn ask(&mut self, changes: &str) -> String {
        let attributes = attributes(changes);
        let request = Request::from_attributes(&attributes).unwrap();
        let instance = attributes.get("instance").cloned().unwrap_or_default();
        let kept = self.sessions.as_mut().and_then(|all| all.remove(&instance));
        let mut session = kept.unwrap_or_default();
        let mut trace = Trace::default();
        let attributes = mtpolicyd::chain::Attributes::of(&request);
        let mut call = Call::new(&attributes, &mut session, &self.services).with_trace(&mut trace);
        let answer = match self.config.hosts[0].chain.run(&mut call).await {
            Ok(Some(verdict)) => verdict.action,
            Ok(None) => "dunno".to_owned(),
            Err(error) => format!("closed: {error}"),
        };
        let notes = trace.steps().iter().flat_map(|step| step.notes.clone());
        self.notes = notes.collect();
        if let Some(sessions) = &mut self.sessions {
            sessions.insert(instance, session);
        }
        answer
    }

    /// Asks each request, and compares the answers.
    pub(crate) async fn expect(&mut self, cases: &[(&str, &str)]) {
        for (request, answer) in cases {
            assert_eq!(&self.ask(request).await, answer, "{request}");
        }
    }

    /// How many questions were asked so far.
    pub(crate) fn questions(&self) -> usize {
        self.table.asked().len()
    }
}

/// What a check of the configuration finds, without the place's file.
pub(crate) fn findings(blocks: &str, options: LoadOptions<'_>) -> Vec<String> {
    let (_, findings) = load_text("test.conf", &text(blocks), options);
    let texts = findings.sorted().into_iter().map(ToString::to_string);
    texts
        .map(|text| text.split_once(": ").unwrap_or_default().1.to_owned())
        .filter(|text| !text.contains("no request gets to") && !text.contains("Postfix may not"))
        .collect()
}

/// What a check finds by default.
pub(crate) fn found(blocks: &str) -> Vec<String> {
    findings(blocks, LoadOptions::default())
}

fn text(blocks: &str) -> String {
    let at = blocks.find("<Plugin").unwrap_or(0);
    let (connections, plugins) = blocks.split_at(at);
    format!(
        "port=12345\n{connections}\n<VirtualHost 12345>\nname=test\n{plugins}\n</VirtualHost>\n"
    )
}

fn attributes(changes: &str) -> BTreeMap<String, String> {
    let pair = |text: &str| {
        let (name, value) = text.split_once('=').unwrap();
        (name.to_owned(), value.to_owned())
    };
    let mut all: BTreeMap<_, _> = COMMON.lines().map(pair).collect();
    for (name, value) in changes.split_whitespace().map(pair) {
        if value == "(absent)" {
            all.remove(&name);
        } else {
            all.insert(name, value);
        }
    }
    all
}

const COMMON: &str = "\
request=smtpd_access_policy
protocol_state=RCPT
protocol_name=ESMTP
helo_name=mail.acme.example
queue_id=
sender=carol@acme.example
recipient=dave@ours.example
recipient_count=0
client_address=100.64.2.10
client_name=mail.acme.example
reverse_client_name=mail.acme.example
instance=2b5a.5f3e1c02.a1b2c.0
sasl_method=
sasl_username=
sasl_sender=
size=12345
stress=
client_port=45678
policy_context=
server_address=100.64.2.1
server_port=25";
