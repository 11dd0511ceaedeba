//! Paths that only root and the daemon's user may have made.

use std::{
    ffi::OsStr,
    fs::{self, File, Metadata},
    io,
    os::unix::{
        ffi::OsStrExt,
        fs::{MetadataExt, PermissionsExt, fchown},
    },
    path::{Path, PathBuf},
};

use nix::unistd::{Gid, Uid};
use policy_daemon::{DaemonOptions, FilePlace};
use rustix::fs::Dir;

use super::{Exit, account::Account, pid_file, within};
use crate::perl::Variables;

/// The paths of a configuration.
#[derive(Clone, Debug)]
pub(super) struct Paths {
    pub(super) directory: PathBuf,
    pub(super) pid_file: PathBuf,
    /// The socket of `-s` and `-k`; none where there is to be none.
    pub(super) socket: Option<PathBuf>,
    pub(super) account: Account,
    /// Behind the names of what a daemon has for itself.
    suffix: &'static str,
}

impl Paths {
    pub(super) fn new(options: &Variables, debug: bool) -> Self {
        let text = |name: &str| options.scalar(name).to_string();
        let suffix = if debug { ".debug" } else { "" };
        let pid_file = if debug && !Uid::effective().is_root() {
            "/tmp/policyd-weight.pid.debug".to_owned()
        } else {
            format!("{}{suffix}", text("PIDFILE"))
        };
        let socket = Some(text("SPATH")).filter(|path| !path.is_empty());
        Self {
            directory: text("LOCKPATH").into(),
            pid_file: pid_file.into(),
            // The default has two slashes in a row.
            socket: socket.map(|path| {
                let path = PathBuf::from(format!("{path}{suffix}"));
                path.components().collect()
            }),
            account: Account::new(options),
            suffix,
        }
    }

    /// The file of the cache; none where nothing is to outlive the process.
    pub(super) fn cache_file(&self) -> Option<PathBuf> {
        self.socket.as_ref()?;
        let name = format!("cache.sqlite{}", self.suffix);
        Some(within(&self.directory.to_string_lossy(), &name))
    }

    /// Refuses links, paths of other users, and what every user can write to.
    pub(super) fn check(&self) -> Result<(), Exit> {
        let lock = self.directory.join("cache_lock");
        let paths = [
            Some(&self.directory),
            Some(&self.pid_file),
            self.socket.as_ref(),
            Some(&lock),
        ];
        paths
            .into_iter()
            .flatten()
            .try_for_each(|path| self.check_path(path))
    }

    fn check_path(&self, path: &Path) -> Result<(), Exit> {
        // A slash at the end would have the link followed.
        let path: PathBuf = path.components().collect();
        match fs::symlink_metadata(&path) {
            Ok(found) => self.check_found(&path, &found),
            Err(_) => Ok(()),
        }
    }

    fn check_found(&self, path: &Path, found: &Metadata) -> Result<(), Exit> {
        let shown = path.display();
        if found.is_symlink() {
            let text = format!(
                "master: init:: {shown} is a symbolic link. Symbolic links are not expected and not allowed within policyd-weight. Exiting!"
            );
            return Err(Exit::died(text));
        }
        let is_own =
            |id: u32, own: u32, user: Option<u32>| id == 0 || id == own || Some(id) == user;
        let (uid, gid) = (found.uid(), found.gid());
        let owner = is_own(
            uid,
            Uid::effective().as_raw(),
            self.account.uid().map(Uid::as_raw),
        );
        let group = is_own(
            gid,
            Gid::effective().as_raw(),
            self.account.gid().map(Gid::as_raw),
        );
        if !owner || !group {
            return Err(Exit::died(format!(
                "master: init:: {shown} is owned by UID {uid}, GID {gid}. Exiting!"
            )));
        }
        if found.permissions().mode() & 0o002 != 0 {
            return Err(Exit::died(format!(
                "master: init:: {shown} is world writeable. Exiting!"
            )));
        }
        Ok(())
    }

    /// Makes the directory for the daemon's user alone. What is looked at and given to that user is the directory that is open,
    /// whatever is put in its place meanwhile.
    pub(super) fn make_directory(&self, as_user: bool) -> Result<(), Exit> {
        let shown = self.directory.display();
        let failed =
            |error: io::Error| Exit::died(format!("daemon: error while creating {shown}: {error}"));
        let owner = if as_user {
            let missing = || Exit::died(format!("User {} doesn't exist!", self.account.user()));
            Some(self.account.uid().ok_or_else(missing)?)
        } else {
            None
        };
        if owner.is_none() && self.directory.exists() {
            // It may be the daemon's, which who debugs need not be able to read.
            return self.check_path(&self.directory);
        }
        let place = std::path::absolute(&self.directory).and_then(|path| FilePlace::at(&path));
        let directory = place.and_then(|place| place.directory(0o700));
        let directory = directory.map_err(failed)?;
        let found = directory.metadata().map_err(failed)?;
        self.check_found(&self.directory, &found)?;
        let Some(uid) = owner else {
            return Ok(());
        };
        if found.uid() != uid.as_raw()
            && let Some(other) = self.foreign_entry(&directory).map_err(failed)?
        {
            return Err(Exit::died(format!(
                "master: init:: {shown} is to be for user {} alone, and holds {}: name a directory of its own in $LOCKPATH. Exiting!",
                self.account.user(),
                other.display()
            )));
        }
        fchown(&directory, Some(uid.as_raw()), None).map_err(failed)?;
        let mode = fs::Permissions::from_mode(0o700);
        directory.set_permissions(mode).map_err(failed)
    }

    /// Makes the directory of the cache's file, if there is to be one and it is missing: root makes it for the daemon's user.
    pub(super) fn make_cache_directory(&self) -> Result<(), Exit> {
        let is_for_user = self.is_for_user();
        if self.socket.is_none() || (!is_for_user && self.directory.is_dir()) {
            return Ok(());
        }
        self.make_directory(is_for_user)
    }

    /// Whether root does something for the daemon's user: not with `-d`.
    fn is_for_user(&self) -> bool {
        Uid::effective().is_root() && self.suffix.is_empty()
    }

    /// Gives root's rights up, for good, for those of the daemon's user, whose directory the cache's file is in: what that
    /// user puts there leads to nothing of root's. With `-d` there is no other user.
    pub(super) fn take_rights(&self) -> Result<(), Exit> {
        if !self.is_for_user() {
            return Ok(());
        }
        let mut options = DaemonOptions::new("policyd-weight");
        self.set_user(&mut options)?;
        if self.directory.is_dir() {
            // With `-d` root may have made it for itself. One of others' stays theirs.
            _ = self.make_directory(true);
        }
        let dropped = options.drop_privileges();
        dropped.map_err(|error| Exit::with_status(error.exit_status(), error.line()))
    }

    /// Has a daemon become `$USER`, if root starts it.
    pub(super) fn set_user(&self, options: &mut DaemonOptions) -> Result<(), Exit> {
        if !self.is_for_user() {
            return Ok(());
        }
        self.account.set(options)
    }

    /// What is in the directory and is not of this program: such a directory is not taken from its owner.
    fn foreign_entry(&self, directory: &File) -> io::Result<Option<PathBuf>> {
        let files = [Some(&self.pid_file), self.socket.as_ref()];
        let mut names: Vec<_> = files
            .into_iter()
            .flatten()
            .filter_map(|path| path.file_name())
            .collect();
        names.extend([".", ".."].map(OsStr::new));
        names.extend(OWN_NAMES.map(OsStr::new));
        for entry in Dir::read_from(directory)? {
            let entry = entry?;
            let name = OsStr::from_bytes(entry.file_name().to_bytes());
            let text = name.to_string_lossy();
            // A pid file that is being written, and what is there with `-d`.
            let plain = pid_file::without_process(&text).unwrap_or(&text);
            let plain = plain.strip_suffix(".debug").unwrap_or(plain);
            let is_own = text.starts_with("cache.sqlite");
            if !is_own && !names.contains(&OsStr::new(plain)) {
                return Ok(Some(name.into()));
            }
        }
        Ok(None)
    }
}

/// Names in the directory that are the Perl program's.
const OWN_NAMES: [&str; 2] = ["cache_lock", "cores"];

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::{config::DefaultSet, perl::evaluate};

    fn paths(directory: &Path) -> Paths {
        let text = format!(
            "$LOCKPATH = '{0}/lock/'; $SPATH = $LOCKPATH.'/s'; $PIDFILE = '{0}/pid';",
            directory.display()
        );
        let options = evaluate(text.as_bytes(), &DefaultSet::Debian.options(true).unwrap())
            .unwrap()
            .options;
        Paths::new(&options, false)
    }

    #[test]
    fn a_directory_with_files_of_others_is_told_from_one_of_its_own() {
        let directory = tempfile::tempdir().unwrap();
        let paths = paths(directory.path());
        paths.make_directory(false).unwrap();
        let own = "cache.sqlite cache.sqlite-wal cache_lock s s.debug pid pid.debug pid.12.new";
        for name in own.split(' ') {
            fs::write(paths.directory.join(name), "").unwrap();
        }
        let entry = || {
            let directory = File::open(&paths.directory).unwrap();
            paths.foreign_entry(&directory).unwrap()
        };
        assert_eq!(entry(), None);
        fs::write(paths.directory.join("pid.x.new"), "").unwrap();
        assert_eq!(entry(), Some("pid.x.new".into()));
        fs::remove_file(paths.directory.join("pid.x.new")).unwrap();
        fs::create_dir(paths.directory.join("etc")).unwrap();
        assert_eq!(entry(), Some("etc".into()));
    }

    #[test]
    fn what_others_can_change_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let paths = paths(directory.path());
        assert_eq!(paths.check(), Ok(()));
        paths.make_directory(false).unwrap();
        assert_eq!(paths.check(), Ok(()));

        fs::write(&paths.pid_file, "1").unwrap();
        fs::set_permissions(&paths.pid_file, fs::Permissions::from_mode(0o666)).unwrap();
        assert!(
            paths
                .check()
                .unwrap_err()
                .message
                .ends_with("/pid is world writeable. Exiting!")
        );
        fs::remove_file(&paths.pid_file).unwrap();

        symlink("/etc/passwd", directory.path().join("lock/s")).unwrap();
        assert!(
            paths
                .check()
                .unwrap_err()
                .message
                .contains("lock/s is a symbolic link.")
        );
    }
}
