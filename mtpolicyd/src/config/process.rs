//! A check of what the process would start with: its user, groups and root, and the files and sockets that it makes.
//!
//! `--check-config` looks at all of it, and a reload at what has changed; a start does all this itself, and says what fails.

use std::{
    fs, io,
    net::IpAddr,
    os::unix::fs::FileTypeExt as _,
    path::{Path, PathBuf},
};

use policy_daemon::{DaemonOptions, FilePlace, log::LogTarget};
use policy_net::Endpoint;
use rustix::fs::{Access, access};

use super::{globals::Globals, listen, section::Section};
use crate::process_name;

/// Notes what a start would fail at.
pub(super) fn check(section: &mut Section<'_>, globals: &Globals, is_foreground: bool) {
    let is_root = rustix::process::geteuid().is_root();
    user_and_groups(section, globals, is_root);
    if let Some(user) = user_that_is_left(globals) {
        let text = format!(
            "`user` is `{user}`: only root can change to it, and the daemon stays the user that starts it"
        );
        section.warning("user", text);
    }
    if let Some(root) = &globals.chroot {
        if let Err(error) = directory(root) {
            section.error("chroot", said("chroot", root, &error));
        } else if !is_root {
            let root = root.display();
            let text = format!("`chroot` is `{root}`: a start by another user than root fails");
            section.warning("chroot", text);
        }
    }
    for (key, path) in files(globals) {
        if let Err(fault) = creatable(key, &path) {
            note(section, key, &path, &fault);
        } else if fs::metadata(&path).is_ok_and(|found| found.file_type().is_fifo()) {
            let text = format!(
                "`{key}` is `{path}`, which is a pipe: lines are lost where nobody reads it"
            );
            section.warning(key, text);
        }
    }
    if let Some(target @ (LogTarget::Stdout | LogTarget::Json)) = globals.log_to
        && globals.log_file.is_none()
        && !is_foreground
    {
        let text = format!(
            "`log_to` is `{target}`, which needs `-f`, or `log_file`: a daemon in the background has no standard output"
        );
        section.warning("log_to", text);
    }
    for (key, text) in addresses(globals) {
        if let Err(fault) = bindable(key, &text) {
            note(section, key, &text, &fault);
        }
        if let Ok(address) = listen::parse(key, &text)
            && let Some(other) = address.other_listener(process_name::OWN)
        {
            let text = format!("`{key}`: another program listens at `{text}`: {other}");
            section.warning(key, text);
        }
    }
}

/// The `user` that the daemon does not become, since another one than root starts it.
pub(crate) fn user_that_is_left(globals: &Globals) -> Option<&str> {
    let starter = rustix::process::geteuid();
    let user = globals.user.as_deref().filter(|_| !starter.is_root())?;
    let mut options = DaemonOptions::new("");
    options.user = Some(user.to_owned());
    let (number, _) = options.user_ids().ok().flatten()?;
    (number != starter.as_raw()).then_some(user)
}

/// Notes what the next start of a daemon that runs would fail at, of what has changed. Below another root nothing of that can be
/// seen, and what this user may not look at is left to the start.
pub(super) fn check_changes(section: &mut Section<'_>, globals: &Globals, running: &Globals) {
    if running.chroot.is_some() {
        return;
    }
    if (&globals.user, &globals.groups) != (&running.user, &running.groups) {
        // A daemon that has changed its user was started by root.
        let is_root = running.user.is_some() || rustix::process::geteuid().is_root();
        user_and_groups(section, globals, is_root);
    }
    if globals.chroot != running.chroot
        && let Some(root) = &globals.chroot
        && let Err(error) = directory(root)
        && error.kind() != io::ErrorKind::PermissionDenied
    {
        section.error("chroot", said("chroot", root, &error));
    }
    let faults = |new: Vec<Named>, old: &[Named], look: fn(&str, &str) -> Result<(), Fault>| {
        let changed = new.into_iter().filter(|item| !old.contains(item));
        changed
            .filter_map(|(key, text)| Some((key, look(key, &text).err()?, text)))
            .collect::<Vec<_>>()
    };
    let mut all = faults(files(globals), &files(running), creatable);
    all.extend(faults(
        addresses(globals),
        &addresses(running),
        bindable_at_once,
    ));
    for (key, fault, text) in all {
        if fault.error().kind() != io::ErrorKind::PermissionDenied {
            note(section, key, &text, &fault);
        }
    }
}

/// An option, and a file or an address that it names.
type Named = (&'static str, String);

/// The files that root makes or opens at the start.
fn files(globals: &Globals) -> Vec<Named> {
    let files = [
        ("pid_file", &globals.pid_file),
        ("log_file", &globals.log_file),
    ];
    let given = files.into_iter().filter_map(|(key, path)| {
        let path = path.as_deref()?;
        let is_opened = key != "log_file" || !is_own_output(path);
        is_opened.then(|| (key, path.display().to_string()))
    });
    given.collect()
}

/// Whether a path leads to what the process was started with, which is something else for each one.
fn is_own_output(path: &Path) -> bool {
    OWN_OUTPUTS.iter().any(|own| path.starts_with(own))
}

/// Where the process listens.
fn addresses(globals: &Globals) -> Vec<Named> {
    let control = globals.control.iter();
    let control: Vec<_> = control
        .map(|path| format!("unix:{}", path.display()))
        .collect();
    let all = [
        ("port", &globals.listen),
        ("admin", &globals.admin),
        ("control", &control),
    ];
    let each = all
        .into_iter()
        .flat_map(|(key, texts)| texts.iter().map(move |text| (key, text.clone())));
    each.collect()
}

fn user_and_groups(section: &mut Section<'_>, globals: &Globals, is_root: bool) {
    let is_known = |user: String| {
        let mut options = DaemonOptions::new("");
        options.user = Some(user);
        options.check_user().is_ok()
    };
    let unknown = |section: &mut Section<'_>, key: &str, name: &str| {
        let text = format!("`{key}` is `{name}`, but this system knows no such {key}");
        // Who starts it as another user than root stays that one.
        if is_root {
            section.error(key, text);
        } else {
            section.warning(key, text);
        }
    };
    if let Some(user) = globals
        .user
        .as_ref()
        .filter(|user| !is_known((*user).clone()))
    {
        unknown(section, "user", user);
    }
    for group in &globals.groups {
        if !is_known(format!("0:{group}")) {
            unknown(section, "group", group);
        }
    }
}

/// What keeps a file from being made, or an address from being bound.
#[derive(Debug)]
enum Fault {
    Directory(PathBuf, io::Error),
    Itself(io::Error),
    /// This machine has no such address. The check may run elsewhere, or before the network is up.
    Elsewhere(io::Error),
}

impl Fault {
    const fn error(&self) -> &io::Error {
        match self {
            Self::Directory(_, error) | Self::Itself(error) | Self::Elsewhere(error) => error,
        }
    }
}

/// Whether the start can make or write a file.
fn creatable(key: &str, path: &str) -> Result<(), Fault> {
    let path = Path::new(path);
    writable(key, path)?;
    // Root refuses links that another user may have put there.
    let place = std::path::absolute(path).and_then(|path| FilePlace::at(&path));
    place
        .and_then(|place| place.refuse_link())
        .map_err(Fault::Itself)
}

/// Whether a file can be made or written. The log may go to a device or a pipe as well.
fn writable(key: &str, path: &Path) -> Result<(), Fault> {
    let is_writable = |found: &fs::Metadata| {
        let kind = found.file_type();
        kind.is_file() || (key == "log_file" && (kind.is_fifo() || kind.is_char_device()))
    };
    match fs::metadata(path) {
        Ok(found) if found.is_dir() => Err(Fault::Itself(io::ErrorKind::IsADirectory.into())),
        Ok(found) if !is_writable(&found) => {
            Err(Fault::Itself(io::Error::other("no regular file")))
        }
        Ok(_) => access(path, Access::WRITE_OK).map_err(|error| Fault::Itself(error.into())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let parent = match path.parent() {
                Some(parent) if parent != Path::new("") => parent,
                _ => Path::new("."),
            };
            let writable = Access::WRITE_OK | Access::EXEC_OK;
            directory(parent)
                .and_then(|()| access(parent, writable).map_err(io::Error::from))
                .map_err(|error| Fault::Directory(parent.to_owned(), error))
        }
        Err(error) => Err(Fault::Itself(error)),
    }
}

/// Whether an address can be bound: a socket of before is replaced, and no other file is.
fn bindable(key: &str, text: &str) -> Result<(), Fault> {
    let address = listen::parse(key, text);
    let address = address.map_err(|error| Fault::Itself(io::Error::other(error)))?;
    let bound = address.check_bind();
    bound.map_err(|error| match (&address.endpoint, error.kind()) {
        (
            Endpoint::Unix(path),
            io::ErrorKind::NotFound
            | io::ErrorKind::NotADirectory
            | io::ErrorKind::PermissionDenied,
        ) => Fault::Directory(path.parent().unwrap_or(path).to_owned(), error),
        (Endpoint::Unix(_), _) => Fault::Itself(error),
        _ => Fault::Elsewhere(error),
    })
}

/// As [`bindable`] without names, which the start resolves: while DNS is silent a reload would wait for it.
fn bindable_at_once(key: &str, text: &str) -> Result<(), Fault> {
    match listen::parse(key, text).map(|address| address.endpoint) {
        Ok(Endpoint::Inet { host, .. }) if host.parse::<IpAddr>().is_err() => Ok(()),
        _ => bindable(key, text),
    }
}

fn directory(path: &Path) -> io::Result<()> {
    if fs::metadata(path)?.is_dir() {
        Ok(())
    } else {
        Err(io::ErrorKind::NotADirectory.into())
    }
}

fn note(section: &mut Section<'_>, key: &str, text: &str, fault: &Fault) {
    let path = shown(key, text);
    let said = match fault {
        Fault::Itself(error) => said(key, path, error),
        Fault::Directory(directory, error) => format!(
            "`{key}` is `{}`: the directory {}: {error}",
            path.display(),
            directory.display()
        ),
        Fault::Elsewhere(error) => {
            let mut text =
                format!("`{key}`: `{text}` cannot be bound on this machine as it is: {error}");
            if error.kind() == io::ErrorKind::TimedOut {
                text += "; each start looks it up again";
            }
            return section.warning(key, text);
        }
    };
    let kind = fault.error().kind();
    let is_made_at_start = ["/run", "/var/run"].iter().any(|run| path.starts_with(run));
    if kind == io::ErrorKind::NotFound && is_made_at_start {
        section.warning(
            key,
            format!(
                "{said}: it has to be made before each start, as RuntimeDirectory= of a unit does"
            ),
        );
    } else if kind == io::ErrorKind::PermissionDenied {
        // The one who checks may have fewer rights than the one who starts it.
        section.warning(key, said);
    } else {
        section.error(key, said);
    }
}

/// The path of a file, or of the socket in an address.
fn shown<'a>(key: &str, text: &'a str) -> &'a Path {
    let path = match text.strip_prefix("unix:") {
        Some(path) if key == "control" => path,
        Some(path) => path.split(',').next().unwrap_or(path),
        None => text,
    };
    Path::new(path)
}

fn said(key: &str, path: &Path, error: &io::Error) -> String {
    format!("`{key}` is `{}`: {error}", path.display())
}

const OWN_OUTPUTS: [&str; 4] = ["/dev/stdout", "/dev/stderr", "/dev/fd", "/proc/self/fd"];
