//! The commands of a service on tokio: its status, which every one has, and those of its own.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError, mpsc},
    time::Duration,
};

use tokio::{runtime::Handle, time::timeout};

use super::admin::TokioAdmin;
use crate::{
    admin::{Admin, Section},
    control::{Control, DaemonStatus, Done, json, table},
    trace::Traces,
};

/// What comes of a command; see [`Done`].
pub type CommandStep<'a> = Pin<Box<dyn Future<Output = Result<Done, String>> + Send + 'a>>;

/// The commands of a service on tokio, beside `status` and `reload`, which every one has.
pub trait TokioCommands: fmt::Debug + Send + Sync + 'static {
    /// The name of the program, whatever it is called in the log.
    fn name(&self) -> &str;

    /// The DNS lists, which `lists` shows. Called on the thread of a client.
    fn lists(&self) -> Option<Section> {
        None
    }

    /// The traces of its requests. With them there is the command `trace`.
    fn traces(&self) -> Option<Traces> {
        None
    }

    /// Carries out a command, given as its words: there is at least one. It runs on the thread of a worker, so that it may
    /// use what requests use: it must not hold that up. After 20 s it is given up.
    ///
    /// # Errors
    ///
    /// The reason for the administrator, a line each, where it cannot be done.
    fn command<'a>(&'a self, words: &'a [String]) -> CommandStep<'a>;
}

/// The runtimes of the workers. Clones are of the same workers.
#[derive(Clone, Debug, Default)]
pub(super) struct Runtimes(Arc<Mutex<Vec<Handle>>>);

impl Runtimes {
    pub(super) fn add(&self, handle: &Handle) {
        let mut handles = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        handles.push(handle.clone());
    }

    fn first(&self) -> Option<Handle> {
        let handles = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        handles.first().cloned()
    }
}

/// The commands, carried out on a service.
#[derive(Clone, Debug)]
pub(super) struct TokioControl {
    pub(super) admin: TokioAdmin,
    pub(super) runtimes: Runtimes,
    pub(super) commands: Arc<dyn TokioCommands>,
}

impl Control for TokioControl {
    fn command(&self, words: &[String], daemon: &DaemonStatus) -> Result<Done, String> {
        let known: Vec<&str> = words.iter().map(String::as_str).collect();
        match known[..] {
            ["status"] => Ok(Done::shown(self.status_table(daemon))),
            ["status", "--json"] => Ok(Done::shown(self.status_json(daemon))),
            ["lists"] => {
                let text = table(&self.lists()?);
                let none = || "no list is asked\n".to_owned();
                Ok(Done::shown(if text.is_empty() { none() } else { text }))
            }
            ["lists", "--json"] => Ok(Done::shown(format!("{}\n", json(&self.lists()?)))),
            _ => self.run(words),
        }
    }

    fn traces(&self) -> Option<Traces> {
        self.commands.traces()
    }
}

impl TokioControl {
    fn status_table(&self, daemon: &DaemonStatus) -> String {
        let mut text = daemon.head(
            self.commands.name(),
            self.admin.version().unwrap_or_default(),
        );
        text += &format!(
            "requests: {}, log lines lost: {}\n",
            self.admin.sample().requests,
            daemon.log_lines_lost
        );
        for section in self.sections() {
            let table = table(&section);
            if !table.is_empty() {
                text += &format!("\n{table}");
            }
        }
        text
    }

    /// The table as one object in a line: each section is a list of objects, by the key of its title.
    fn status_json(&self, daemon: &DaemonStatus) -> String {
        let version = self.admin.version().unwrap_or_default();
        let mut status = daemon.json(self.commands.name(), version);
        let requests = self.admin.sample().requests;
        status.insert("requests".to_owned(), requests.into());
        for section in self.sections() {
            let key = crate::control::key(&section.title);
            status.insert(key, json(&section));
        }
        format!("{}\n", serde_json::Value::Object(status))
    }

    fn sections(&self) -> Vec<Section> {
        let of_service = self.admin.of_service.iter();
        let mut sections = vec![self.admin.answers()];
        sections.extend(of_service.flat_map(|service| service.sections()));
        sections
    }

    fn lists(&self) -> Result<Section, String> {
        let none = || "unknown command: lists".to_owned();
        self.commands.lists().ok_or_else(none)
    }

    /// Has a worker carry out a command, and waits for that.
    fn run(&self, words: &[String]) -> Result<Done, String> {
        let ending = || "the daemon is ending".to_owned();
        let runtime = self.runtimes.first().ok_or_else(ending)?;
        let (sender, done) = mpsc::channel();
        let (commands, words) = (Arc::clone(&self.commands), words.to_vec());
        runtime.spawn(async move {
            let done = timeout(PATIENCE, commands.command(&words)).await;
            let late = || {
                format!(
                    "{} takes longer than {} s",
                    words.join(" "),
                    PATIENCE.as_secs()
                )
            };
            // Who has asked waits longer than that.
            _ = sender.send(done.unwrap_or_else(|_| Err(late())));
        });
        // A runtime that has ended drops the task, and the sender with it.
        done.recv_timeout(PATIENCE + Duration::from_secs(5))
            .unwrap_or_else(|_| {
                Err("the worker does not answer: it is ending, or stands still".to_owned())
            })
    }
}

/// Above what a store may take, and below the patience of the one who asks.
const PATIENCE: Duration = Duration::from_secs(20);
