//! A check of what the process would start with: its user, groups and root, and the files and sockets that it makes.
//!
//! `--check-config` looks at all of it, and a reload at what has changed; a start does all this itself, and says what fails.

use std::{
    fs, io,
    net::UdpSocket,
    os::unix::fs::FileTypeExt as _,
    path::{Path, PathBuf},
};

use policy_daemon::{DaemonOptions, FilePlace, ListenAddr};
use policy_net::Endpoint;
use rustix::fs::{Access, access};

use super::{globals::Globals, section::Section};

/// Notes what a start would fail at.
pub(super) fn check(section: &mut Section<'_>, globals: &Globals) {
    let is_root = rustix::process::geteuid().is_root();
    user_and_groups(section, globals, is_root);
    if let Some(root) = &globals.chroot
        && let Err(error) = directory(root)
    {
        section.error("chroot", said("chroot", root, &error));
    }
    for (key, path) in files(globals) {
        if let Err(fault) = creatable(key, &path) {
            note(section, key, &path, &fault);
        } else if fs::metadata(&path).is_ok_and(|found| found.file_type().is_fifo()) {
            let text = format!(
                "`{key}` is `{}`, which is a pipe: lines are lost where nobody reads it",
                path.display()
            );
            section.warning(key, text);
        }
    }
    for (key, path) in sockets(globals) {
        if let Err(fault) = bindable(&path) {
            note(section, key, &path, &fault);
        }
    }
    for (key, texts) in [("port", &globals.listen), ("admin", &globals.admin)] {
        for text in texts {
            // The check may run elsewhere, or before the network is up.
            if let Err(error) = present(text) {
                let fault =
                    format!("`{key}`: `{text}` cannot be bound on this machine as it is: {error}");
                section.warning(key, fault);
            }
        }
    }
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
    let faults = |new: Vec<(&'static str, PathBuf)>,
                  old: &[(&'static str, PathBuf)],
                  look: fn(&str, &Path) -> Result<(), Fault>| {
        let changed = new.into_iter().filter(|item| !old.contains(item));
        changed
            .filter_map(|(key, path)| Some((key, look(key, &path).err()?, path)))
            .collect::<Vec<_>>()
    };
    let mut all = faults(files(globals), &files(running), creatable);
    all.extend(faults(sockets(globals), &sockets(running), |_, path| {
        bindable(path)
    }));
    for (key, fault, path) in all {
        if fault.error().kind() != io::ErrorKind::PermissionDenied {
            note(section, key, &path, &fault);
        }
    }
}

/// The files that root makes or opens at the start.
fn files(globals: &Globals) -> Vec<(&'static str, PathBuf)> {
    let files = [
        ("pid_file", &globals.pid_file),
        ("log_file", &globals.log_file),
    ];
    let given = |(key, path): (_, &Option<PathBuf>)| Some((key, path.clone()?));
    let given = files.into_iter().filter_map(given);
    given
        .filter(|(key, path)| *key != "log_file" || !is_own_output(path))
        .collect()
}

/// Whether a path leads to what the process was started with, which is something else for each one.
fn is_own_output(path: &Path) -> bool {
    OWN_OUTPUTS.iter().any(|own| path.starts_with(own))
}

/// The UNIX sockets that are bound at the start.
fn sockets(globals: &Globals) -> Vec<(&'static str, PathBuf)> {
    let of = |key: &'static str, texts: &[String]| {
        let path = |text: &String| {
            let path = text.strip_prefix("unix:")?.split(',').next()?;
            Some((key, PathBuf::from(path)))
        };
        texts.iter().filter_map(path).collect::<Vec<_>>()
    };
    let mut all = [of("port", &globals.listen), of("admin", &globals.admin)].concat();
    all.extend(globals.control.clone().map(|path| ("control", path)));
    all
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

/// What keeps a file or a socket from being made.
#[derive(Debug)]
enum Fault {
    Directory(PathBuf, io::Error),
    Itself(io::Error),
}

impl Fault {
    const fn error(&self) -> &io::Error {
        match self {
            Self::Directory(_, error) | Self::Itself(error) => error,
        }
    }
}

/// Whether the start can make or write a file.
fn creatable(key: &str, path: &Path) -> Result<(), Fault> {
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

/// Whether this machine has one of the addresses of a host.
fn present(text: &str) -> io::Result<()> {
    let Ok(ListenAddr {
        endpoint: Endpoint::Inet { host, .. },
        ..
    }) = text.parse()
    else {
        return Ok(());
    };
    // Any free port, of a kind that nobody can connect to.
    UdpSocket::bind((host.as_str(), 0)).map(drop)
}

/// Whether a socket can be bound: one of before is replaced, and no other file is.
fn bindable(path: &Path) -> Result<(), Fault> {
    let endpoint = format!("unix:{}", path.display()).parse::<Endpoint>();
    endpoint.map_err(|error| Fault::Itself(io::Error::other(error)))?;
    if let Some(parent) = path.parent() {
        directory(parent).map_err(|error| Fault::Directory(parent.to_owned(), error))?;
    }
    match fs::symlink_metadata(path) {
        Ok(found) if !found.file_type().is_socket() => Err(Fault::Itself(io::Error::other(
            "another file than a socket is there",
        ))),
        _ => Ok(()),
    }
}

fn directory(path: &Path) -> io::Result<()> {
    if fs::metadata(path)?.is_dir() {
        Ok(())
    } else {
        Err(io::ErrorKind::NotADirectory.into())
    }
}

fn note(section: &mut Section<'_>, key: &str, path: &Path, fault: &Fault) {
    let error = fault.error();
    let text = match fault {
        Fault::Itself(error) => said(key, path, error),
        Fault::Directory(directory, error) => format!(
            "`{key}` is `{}`: the directory {}: {error}",
            path.display(),
            directory.display()
        ),
    };
    let is_missing = error.kind() == io::ErrorKind::NotFound;
    let is_made_at_start = ["/run", "/var/run"].iter().any(|run| path.starts_with(run));
    if is_missing && is_made_at_start {
        section.warning(
            key,
            format!(
                "{text}: it has to be made before each start, as RuntimeDirectory= of a unit does"
            ),
        );
    } else if error.kind() == io::ErrorKind::PermissionDenied {
        // The one who checks may have fewer rights than the one who starts it.
        section.warning(key, text);
    } else {
        section.error(key, text);
    }
}

fn said(key: &str, path: &Path, error: &io::Error) -> String {
    format!("`{key}` is `{}`: {error}", path.display())
}

const OWN_OUTPUTS: [&str; 4] = ["/dev/stdout", "/dev/stderr", "/dev/fd", "/proc/self/fd"];
