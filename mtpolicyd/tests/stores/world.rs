//! A configuration and the requests that run through it, with a session for each mail.

use std::{cell::RefCell, collections::BTreeMap, fmt::Write as _, path::Path};

use mtpolicyd::{
    Call, Services, Session,
    config::{Config, LoadOptions},
    load::load_text,
    services::Dns,
};
use policy_net::Request;
use policy_store::Value;
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

/// A configuration, and what is known of each mail.
pub(crate) struct World {
    pub(crate) config: Config,
    pub(crate) services: Services,
    pub(crate) directory: TempDir,
    sessions: RefCell<BTreeMap<String, Session>>,
}

/// One case: what it shows, the plugin's parameters, and requests with their answers.
pub(crate) type Case<'a> = (&'a str, &'a str, &'a [(&'a str, &'a str)]);

/// How plugins and connections are written around a case's parameters.
pub(crate) struct Frame<'a> {
    pub(crate) module: &'a str,
    /// Statements that the database begins with.
    pub(crate) sql: &'a [&'a str],
    /// Parameters that each case has.
    pub(crate) always: &'a str,
    /// Plugins before it.
    pub(crate) before: &'a str,
    /// Plugins behind it. The last one answers `ok`.
    pub(crate) behind: &'a str,
}

impl Frame<'_> {
    pub(crate) const fn of(module: &str) -> Frame<'_> {
        Frame {
            module,
            sql: &[],
            always: "",
            before: "",
            behind: "",
        }
    }

    pub(crate) fn plugins(&self, parameters: &str) -> String {
        let Self {
            module,
            always,
            before,
            behind,
            ..
        } = self;
        format!(
            "{before}\n<Plugin p>\nmodule={module}\n{always}\n{parameters}\n</Plugin>\n{behind}\n\
            <Plugin end>\nmodule=Action\naction=ok\n</Plugin>\n"
        )
    }

    pub(crate) async fn world(&self, parameters: &str) -> World {
        let world = World::new(CONNECTIONS, &self.plugins(parameters));
        for statement in self.sql {
            world.execute(statement).await;
        }
        world
    }

    /// Runs all cases, each in a world of its own.
    pub(crate) async fn check(&self, cases: &[Case<'_>]) {
        for (name, parameters, requests) in cases {
            let world = self.world(parameters).await;
            for (index, (request, expected)) in requests.iter().enumerate() {
                let answer = world.ask(request).await;
                let place = world.directory.path().display().to_string();
                let answer = answer.replace(&place, "@TMP@");
                assert_eq!(&answer, expected, "{name}, request {index}: {request}");
            }
        }
    }

    /// What is said of the parameters when the configuration is read.
    pub(crate) fn findings(&self, parameters: &str, compat: bool) -> Vec<String> {
        World::found(CONNECTIONS, &self.plugins(parameters), compat)
    }
}

impl World {
    pub(crate) fn new(connections: &str, plugins: &str) -> Self {
        Self::in_directory(tempfile::tempdir().unwrap(), connections, plugins)
    }

    pub(crate) fn in_directory(directory: TempDir, connections: &str, plugins: &str) -> Self {
        let text = text(directory.path(), connections, plugins);
        let (config, findings) = load_text("test", &text, LoadOptions::default());
        let config = config.unwrap_or_else(|| panic!("{:#?}", findings.sorted()));
        Self {
            config,
            services: Services::for_tests(Dns::Table(Default::default())),
            directory,
            sessions: RefCell::default(),
        }
    }

    /// What is said of a configuration, without the places.
    pub(crate) fn found(connections: &str, plugins: &str, compat: bool) -> Vec<String> {
        let directory = tempfile::tempdir().unwrap();
        let text = text(directory.path(), connections, plugins);
        let options = LoadOptions {
            compat,
            ..LoadOptions::default()
        };
        let (_, findings) = load_text("test", &text, options);
        let lines = findings.sorted().into_iter().map(ToString::to_string);
        lines
            .map(|line| {
                let after_place = line.splitn(4, ':').nth(3).unwrap_or(&line);
                after_place.trim().to_owned()
            })
            .collect()
    }

    /// The same files with another configuration.
    pub(crate) fn again(self, connections: &str, plugins: &str) -> Self {
        Self::in_directory(self.directory, connections, plugins)
    }

    /// What the original does in everything.
    pub(crate) fn compat(mut self) -> Self {
        self.services.compat = true;
        self
    }

    /// The configuration as a file has it.
    pub(crate) fn text(&self, plugins: &str) -> String {
        text(self.directory.path(), CONNECTIONS, plugins)
    }

    pub(crate) fn path(&self, name: &str) -> std::path::PathBuf {
        self.directory.path().join(name)
    }

    /// The answer to the common request with changes such as `sender=a@x size=(absent)`; an error is `closed: ...`.
    pub(crate) async fn ask(&self, changes: &str) -> String {
        let request = request(changes);
        let instance = request.get("instance").map(String::from_utf8_lossy);
        let instance = instance.unwrap_or_default().into_owned();
        let mut session = self
            .sessions
            .borrow()
            .get(&instance)
            .cloned()
            .unwrap_or_default();
        let result = {
            let attributes = mtpolicyd::chain::Attributes::of(&request);
            let mut call = Call::new(&attributes, &mut session, &self.services);
            self.config.hosts[0].chain.run(&mut call).await
        };
        if !instance.is_empty() {
            self.sessions.borrow_mut().insert(instance, session);
        }
        match result {
            Ok(Some(verdict)) => verdict.action,
            Ok(None) => "dunno".to_owned(),
            Err(error) => format!("closed: {error}"),
        }
    }

    /// The same for many at once.
    pub(crate) async fn ask_owned(&self, changes: String) -> String {
        self.ask(&changes).await
    }

    /// All sessions are lost.
    pub(crate) fn forget(&self) {
        self.sessions.borrow_mut().clear();
    }

    /// What the log got since the last time.
    pub(crate) fn log(&self) -> String {
        let lines = self.services.journal.log().take_buffered();
        String::from_utf8(lines).unwrap()
    }

    /// What the log got until one line is there; what comes in time at least.
    pub(crate) async fn log_until(&self, line: &str) -> String {
        let mut text = self.log();
        for _ in 0..1_000_000 {
            if text.contains(line) {
                break;
            }
            tokio::task::yield_now().await;
            text.push_str(&self.log());
        }
        text
    }

    /// A field of a mail's session.
    pub(crate) fn field(&self, instance: &str, field: &str) -> Option<String> {
        let sessions = self.sessions.borrow();
        sessions.get(instance)?.get(field).map(str::to_owned)
    }

    pub(crate) async fn execute(&self, statement: &str) {
        let database = self.config.connections.sql("db").unwrap();
        let database = database.get().await.unwrap();
        database.execute(statement, &[]).await.unwrap();
    }

    /// The rows of a query, each as a line with blanks between its values.
    pub(crate) async fn rows(&self, query: &str) -> Vec<String> {
        let database = self.config.connections.sql("db").unwrap();
        let database = database.get().await.unwrap();
        let rows = database.rows(query, &[]).await.unwrap();
        let text = |value: &Value| {
            let text = value.text().unwrap_or_default();
            String::from_utf8_lossy(&text).into_owned()
        };
        rows.iter()
            .map(|row| row.iter().map(text).collect::<Vec<_>>().join(" "))
            .collect()
    }
}

/// A database file and a store in memory.
pub(crate) const CONNECTIONS: &str = "<Connection db>\nmodule=Sql\ndsn=dbi:SQLite:dbname=@TMP@/db.sqlite\n</Connection>\n\
    <Connection limits>\nmodule=Memory\n</Connection>\n";

/// The common request with changes.
pub(crate) fn request(changes: &str) -> Request {
    let mut attributes: Vec<(String, String)> = COMMON
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    for change in changes.split_whitespace() {
        let (name, value) = change.split_once('=').unwrap();
        attributes.retain(|(of, _)| of != name);
        if value != "(absent)" {
            // A blank within a value is written as `+`.
            attributes.push((name.to_owned(), value.replace('+', " ")));
        }
    }
    Request::from_attributes(attributes).unwrap()
}

/// A request to a web server, which ends with a body of JSON, and is answered that all is well.
pub(crate) async fn web_request(stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> String {
    let mut request = Vec::new();
    while !request.ends_with(b"}") {
        stream.read_buf(&mut request).await.unwrap();
    }
    let answer = stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n");
    answer.await.unwrap();
    String::from_utf8(request).unwrap()
}

fn text(directory: &Path, connections: &str, plugins: &str) -> String {
    let mut text = connections.to_owned();
    write!(
        text,
        "<VirtualHost 12345>\nname=test\n{plugins}\n</VirtualHost>\n"
    )
    .unwrap();
    text.replace("@TMP@", directory.to_str().unwrap())
}

const COMMON: [(&str, &str); 10] = [
    ("request", "smtpd_access_policy"),
    ("protocol_state", "RCPT"),
    ("sender", "carol@acme.example"),
    ("recipient", "dave@ours.example"),
    ("recipient_count", "0"),
    ("client_address", "100.64.2.10"),
    ("client_name", "mail.acme.example"),
    ("instance", "1"),
    ("sasl_username", ""),
    ("size", "12345"),
];
