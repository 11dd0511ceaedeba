//! The global options.

use std::{fmt, path::PathBuf, str::FromStr, time::Duration};

use ipnet::IpNet;
use policy_daemon::log::{LogTarget, Sample};

use super::{listen, section::Section};

/// The global options, those of the original first.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Globals {
    /// The user to run as.
    pub user: Option<String>,
    /// The groups to run as.
    pub groups: Vec<String>,
    /// The file with the number of the process.
    pub pid_file: Option<PathBuf>,
    /// The root directory.
    pub chroot: Option<PathBuf>,
    /// 0 to 4.
    pub log_level: u8,
    /// A file for the log, instead of syslog.
    pub log_file: Option<PathBuf>,
    /// Where the log goes, instead of what `log_file` and `-f` mean. New.
    pub log_to: Option<LogTarget>,
    /// The share of the messages whose requests are logged. New.
    pub log_sample: Sample,
    /// The name in syslog.
    pub syslog_ident: String,
    /// Where it listens, as [`ListenAddr`](policy_daemon::ListenAddr) reads it.
    pub listen: Vec<String>,
    /// The networks whose clients may connect; needed where it listens on more than this machine's own addresses. New.
    pub allow: Vec<IpNet>,
    /// Where metrics are shown, as [`ListenAddr`](policy_daemon::ListenAddr) reads it. New.
    pub admin: Vec<String>,
    /// The networks whose clients may see that: those that `allow` names. None: this machine alone.
    pub admin_allow: Vec<IpNet>,
    /// The path of the socket for commands. New.
    pub control: Option<PathBuf>,
    /// How long a request may take.
    pub request_timeout: Duration,
    /// How long a connection may be idle; `None` is no limit.
    pub keepalive_timeout: Option<Duration>,
    /// How many requests there may be on a connection; 0 is no limit.
    pub max_keepalive: u64,
    /// Whether `policy_context` chooses the virtual host.
    pub vhost_by_policy_context: bool,
    /// Which questions to DNS are asked ahead.
    pub dns_prefetch: Prefetch,
}

/// Which questions to DNS are asked ahead, while the plugins before run.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Prefetch {
    /// Those of all plugins, nested ones too.
    All,
    /// Those of the plugins that surely have their turn if none before answers: not the nested ones. The default.
    #[default]
    Lists,
    /// None: each is asked when its plugin has its turn, as in the original.
    Off,
}

impl Globals {
    /// The options in which the others differ and that a daemon reads at its start alone, but for `port`.
    pub(crate) fn held_until_restart(&self, other: &Self) -> Vec<&'static str> {
        let all = [
            ("user", self.user != other.user),
            ("group", self.groups != other.groups),
            ("pid_file", self.pid_file != other.pid_file),
            ("chroot", self.chroot != other.chroot),
            ("allow", self.allow != other.allow),
            ("admin", self.admin != other.admin),
            ("control", self.control != other.control),
            ("log_file", self.log_file != other.log_file),
            ("log_to", self.log_to != other.log_to),
            ("syslog_ident", self.syslog_ident != other.syslog_ident),
            (
                "keepalive_timeout",
                self.keepalive_timeout != other.keepalive_timeout,
            ),
            ("max_keepalive", self.max_keepalive != other.max_keepalive),
        ];
        let changed = all.into_iter().filter(|(_, has_changed)| *has_changed);
        changed.map(|(name, _)| name).collect()
    }
}

pub(super) fn read(section: &mut Section<'_>) -> Globals {
    for key in [
        "min_servers",
        "min_spare_servers",
        "max_spare_servers",
        "max_servers",
        "max_requests",
        "program_name",
    ] {
        if section.text(key).is_some() {
            section.warning(
                key,
                format!("`{key}` means nothing here: one process serves all connections"),
            );
        }
    }
    let facility = section.text_or("syslog_facility", "mail");
    if facility != "mail" {
        section.warning(
            "syslog_facility",
            format!("`syslog_facility` is {facility}, but the log goes to mail"),
        );
    }
    if section.text("group").is_some() && section.text("user").is_none() {
        section.warning(
            "group",
            "`group` stands without `user`: started by root, the daemon stays root, with that group",
        );
    }
    let host = section.text_or("host", "127.0.0.1");
    let level = section.count("log_level", 2);
    let seconds = |section: &mut Section<'_>, key, default| {
        let seconds = section.score_or(key, default).value();
        Duration::try_from_secs_f64(seconds).unwrap_or_else(|_| {
            section.error(key, format!("`{key}` is no time in seconds"));
            Duration::ZERO
        })
    };
    let listen = listen::read(section, &host);
    let allow = listen::allow(section, &listen);
    // Without `allow` everybody is served, who is not to see the daemon from inside.
    let has_allow = section.text("allow").is_some();
    let admin_allow = if has_allow { allow.clone() } else { Vec::new() };
    let admin = listen::admin(section, has_allow);
    let control = listen::control(section);
    listen::check_overlaps(section, &listen, &admin, control.as_ref());
    let request_timeout = seconds(section, "request_timeout", "20");
    let keepalive_timeout = seconds(section, "keepalive_timeout", "60");
    Globals {
        user: section.text("user"),
        groups: words(section.text("group")),
        pid_file: section.text("pid_file").map(PathBuf::from),
        chroot: section.text("chroot").map(PathBuf::from),
        log_level: u8::try_from(level).unwrap_or(u8::MAX),
        log_file: log_file(section),
        log_to: parsed(section, "log_to"),
        log_sample: parsed(section, "log_sample").unwrap_or_default(),
        syslog_ident: section.text_or("syslog_ident", "mtpolicyd"),
        listen,
        allow,
        admin,
        admin_allow,
        control,
        request_timeout: no_zero(request_timeout),
        keepalive_timeout: Some(keepalive_timeout).filter(|time| !time.is_zero()),
        max_keepalive: section.count("max_keepalive", 0),
        vhost_by_policy_context: section.truth("vhost_by_policy_context"),
        dns_prefetch: dns_prefetch(section),
    }
}

/// An alarm of 0 seconds is none. Postfix waits for 100 s.
fn no_zero(time: Duration) -> Duration {
    if time.is_zero() {
        Duration::from_secs(95)
    } else {
        time
    }
}

/// Net::Server separates groups by commas and blanks.
fn words(text: Option<String>) -> Vec<String> {
    let text = text.unwrap_or_default();
    let words = text.split([',', ' ', '\t']).filter(|word| !word.is_empty());
    words.map(str::to_owned).collect()
}

fn log_file(section: &mut Section<'_>) -> Option<PathBuf> {
    let file = section
        .text("log_file")
        .filter(|file| file != "Sys::Syslog" && !file.is_empty())?;
    if !file.starts_with('/') {
        section.warning(
            "log_file",
            format!("`log_file` is `{file}`, which is relative to the working directory"),
        );
    }
    Some(file.into())
}

/// The value of an option, if it is given and can be read.
fn parsed<T>(section: &mut Section<'_>, key: &str) -> Option<T>
where
    T: FromStr<Err: fmt::Display>,
{
    let text = section.text(key)?;
    match text.parse() {
        Ok(value) => Some(value),
        Err(error) => {
            section.error(key, format!("`{key}` is `{text}`: {error}"));
            None
        }
    }
}

fn dns_prefetch(section: &mut Section<'_>) -> Prefetch {
    match section.text_or("dns_prefetch", "lists").as_str() {
        "all" => Prefetch::All,
        "lists" => Prefetch::Lists,
        "off" => Prefetch::Off,
        other => {
            section.error(
                "dns_prefetch",
                format!("`dns_prefetch` is `{other}`: use one of all, lists, off"),
            );
            Prefetch::Off
        }
    }
}
