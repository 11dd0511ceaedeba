//! A check of what the process would start with: its user, groups and root, and the files and sockets that it makes.
//!
//! Only `--check-config` looks: a start does all this itself, and says what fails.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use policy_daemon::DaemonOptions;
use rustix::fs::{Access, access};

use super::{globals::Globals, section::Section};

/// Notes what a start would fail at.
pub(super) fn check(section: &mut Section<'_>, globals: &Globals) {
    user_and_groups(section, globals);
    if let Some(root) = &globals.chroot
        && let Err(error) = directory(root)
    {
        section.error("chroot", said("chroot", root, &error));
    }
    let files = [
        ("pid_file", &globals.pid_file),
        ("log_file", &globals.log_file),
    ];
    for (key, path) in files {
        let Some(path) = path else { continue };
        if let Err(fault) = creatable(path) {
            note(section, key, path, &fault);
        }
    }
    let sockets = |key: &'static str, texts: &[String]| {
        let path = |text: &String| {
            let path = text.strip_prefix("unix:")?.split(',').next()?;
            Some((key, PathBuf::from(path)))
        };
        texts.iter().filter_map(path).collect::<Vec<_>>()
    };
    let mut sockets = [
        sockets("port", &globals.listen),
        sockets("admin", &globals.admin),
    ]
    .concat();
    sockets.extend(globals.control.clone().map(|path| ("control", path)));
    for (key, path) in sockets {
        if let Some(parent) = path.parent()
            && let Err(error) = directory(parent)
        {
            note(
                section,
                key,
                &path,
                &Fault::Directory(parent.to_owned(), error),
            );
        }
    }
}

fn user_and_groups(section: &mut Section<'_>, globals: &Globals) {
    let is_known = |user: String| {
        let mut options = DaemonOptions::new("");
        options.user = Some(user);
        options.check_user().is_ok()
    };
    let unknown = |section: &mut Section<'_>, key: &str, name: &str| {
        let text = format!("`{key}` is `{name}`, but this system knows no such {key}");
        // Who starts it as another user than root stays that one.
        if rustix::process::geteuid().is_root() {
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

fn creatable(path: &Path) -> Result<(), Fault> {
    match fs::metadata(path) {
        Ok(found) if found.is_dir() => Err(Fault::Itself(io::ErrorKind::IsADirectory.into())),
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

fn directory(path: &Path) -> io::Result<()> {
    if fs::metadata(path)?.is_dir() {
        Ok(())
    } else {
        Err(io::ErrorKind::NotADirectory.into())
    }
}

fn note(section: &mut Section<'_>, key: &str, path: &Path, fault: &Fault) {
    let (text, error) = match fault {
        Fault::Itself(error) => (said(key, path, error), error),
        Fault::Directory(directory, error) => {
            let text = format!(
                "`{key}` is `{}`: the directory {}: {error}",
                path.display(),
                directory.display()
            );
            (text, error)
        }
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
