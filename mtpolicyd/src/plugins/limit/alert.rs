//! The alert that a limit blocks somebody: to a command, or to a web server. Nobody waits for either.

use std::{path::Path, process::Stdio, sync::Arc, time::Duration};

use policy_store::Secret;
use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::json;
use tokio::{process::Command, sync::Semaphore, time::timeout};

use super::{
    tls::Tls,
    webhook::{Url, post},
};
use crate::{config::Section, journal::Journal};

/// What is told.
#[derive(Clone, Debug)]
pub(super) struct Notice {
    pub(super) limit: Arc<str>,
    pub(super) label: String,
    pub(super) key: String,
    pub(super) metric: &'static str,
    pub(super) window: String,
    pub(super) used: u64,
    pub(super) time: u64,
}

/// Whom it is told.
#[derive(Debug)]
pub(super) struct Alert {
    command: Vec<String>,
    url: Option<Url>,
    tls: Option<Tls>,
    secret: Option<Secret>,
    /// How many may be under way.
    places: Arc<Semaphore>,
}

impl Alert {
    /// `None` if nobody is told.
    pub(super) fn new(section: &mut Section<'_>) -> Option<Self> {
        let command = section.text("on_block_command").unwrap_or_default();
        let command = words(&command);
        if command
            .first()
            .is_some_and(|program| !program.starts_with('/'))
        {
            section.error(
                "on_block_command",
                "`on_block_command`: a program is named by its whole path",
            );
        }
        let url = section.text("on_block_url");
        let url = url.and_then(|text| {
            let url = Url::parse(&text);
            if url.is_none() {
                let text = "`on_block_url` is no address such as http://127.0.0.1:8080/blocked";
                section.error("on_block_url", text);
            }
            url
        });
        let authorities = section.text_or("on_block_cafile", AUTHORITIES);
        let is_https = url.as_ref().is_some_and(|url| url.is_https);
        let tls = is_https.then(|| {
            Tls::new(Path::new(&authorities)).map_err(|error| {
                let text = format!("`on_block_cafile`: {authorities}: {error}");
                section.error("on_block_cafile", text);
            })
        });
        let tls = tls.and_then(Result::ok);
        let secret = section.text("on_block_secret").map(Secret::from);
        let is_none = command.is_empty() && url.is_none();
        (!is_none).then(|| Self {
            command,
            url,
            tls,
            secret,
            places: Arc::new(Semaphore::new(MAX_UNDER_WAY)),
        })
    }

    /// Tells it, apart from the caller. What fails is logged.
    pub(super) fn tell(&self, notice: &Notice, journal: &Journal) {
        let journal = journal.clone();
        let limit = Arc::clone(&notice.limit);
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
            journal.warning(&format!(
                "limit {limit}: too many notices at once, one is left out"
            ));
            return;
        };
        let mut command = self.command.iter().map(|word| notice.fill(word));
        let command = command
            .next()
            .map(|program| (program, command.collect::<Vec<_>>()));
        let (url, tls) = (self.url.clone(), self.tls.clone());
        let (secret, body) = (self.secret.clone(), notice.json());
        tokio::spawn(async move {
            let _place = place;
            if let Some((program, arguments)) = command
                && let Err(error) = run(&program, &arguments).await
            {
                journal.warning(&format!("limit {limit}: {program}: {error}"));
            }
            if let Some(url) = url
                && let Err(error) = within(post(&url, tls.as_ref(), secret.as_ref(), &body)).await
            {
                journal.warning(&format!("limit {limit}: {url}: {error}"));
            }
        });
    }
}

impl Notice {
    fn json(&self) -> String {
        let notice = json!({
            "limit": &*self.limit,
            "by": self.label,
            "key": self.key,
            "metric": self.metric,
            "window": self.window,
            "used": self.used,
            "time": self.time,
        });
        notice.to_string()
    }
}

/// Runs a program without a shell, without an environment, and in a group of processes that ends with it.
async fn run(program: &str, arguments: &[String]) -> Result<(), String> {
    let mut command = Command::new(program);
    command
        .args(arguments)
        .env_clear()
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .kill_on_drop(true);
    let mut child = command.spawn().map_err(|error| error.to_string())?;
    let group = child
        .id()
        .and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
    let status = within(async { child.wait().await.map_err(|error| error.to_string()) }).await;
    if let Some(group) = group {
        // There may be nobody left.
        _ = kill_process_group(group, Signal::KILL);
    }
    let status = status?;
    if status.success() {
        Ok(())
    } else {
        Err(status.to_string())
    }
}

async fn within<T>(work: impl Future<Output = Result<T, String>>) -> Result<T, String> {
    let late = || Err(format!("not done within {} s", LIMIT.as_secs()));
    timeout(LIMIT, work).await.unwrap_or_else(|_| late())
}

/// Words with blanks between them; quotes hold one together.
fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    for char in text.chars() {
        match (quote, char) {
            (Some(open), _) if char == open => quote = None,
            (None, '"' | '\'') => {
                quote = Some(char);
                word.get_or_insert_default();
            }
            (None, _) if char.is_whitespace() => words.extend(word.take()),
            _ => word.get_or_insert_default().push(char),
        }
    }
    words.extend(word);
    words
}

/// Where Debian has the authorities that it trusts.
const AUTHORITIES: &str = "/etc/ssl/certs/ca-certificates.crt";
/// How long a command or a web server may take.
const LIMIT: Duration = Duration::from_secs(10);
/// How many notices of one limit may be under way.
const MAX_UNDER_WAY: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_cut_into_words() {
        for (text, expected) in [
            ("", &[][..]),
            ("/bin/a", &["/bin/a"]),
            ("/bin/a  b\tc ", &["/bin/a", "b", "c"]),
            (
                "/bin/a 'b c' \"d 'e'\" f'g h'i",
                &["/bin/a", "b c", "d 'e'", "fg hi"],
            ),
            ("/bin/a ''", &["/bin/a", ""]),
            ("/bin/a 'open", &["/bin/a", "open"]),
        ] {
            assert_eq!(words(text), expected, "{text}");
        }
    }
}
