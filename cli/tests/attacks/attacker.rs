//! Another user, who has a directory and a shell.

use std::{
    fs::{self, Permissions},
    io::Write,
    net::{TcpListener, TcpStream},
    os::{
        fd::{AsFd, OwnedFd},
        unix::fs::{MetadataExt, PermissionsExt, chown},
    },
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use nix::unistd::{Uid, setfsuid};
use policy_testing::handover::send;
use socket2::{Domain, SockRef, Socket, Type};
use tempfile::TempDir;

/// A user that no system has.
pub(crate) const ATTACKER: u32 = 31_337;

/// A directory of the attacker's in one that all can enter, and beside it one of root's with a precious file.
#[derive(Debug)]
pub(crate) struct Ground {
    _dir: TempDir,
    pub(crate) theirs: PathBuf,
    pub(crate) roots: PathBuf,
    pub(crate) victim: PathBuf,
}

impl Ground {
    pub(crate) fn new() -> Self {
        let dir = TempDir::new().unwrap();
        let place = |name: &str, mode| {
            let path = dir.path().join(name);
            fs::create_dir(&path).unwrap();
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            path
        };
        fs::set_permissions(dir.path(), Permissions::from_mode(0o755)).unwrap();
        let (theirs, roots) = (place("theirs", 0o711), place("roots", 0o755));
        chown(&theirs, Some(ATTACKER), Some(ATTACKER)).unwrap();
        let victim = roots.join("precious");
        fs::write(&victim, "precious").unwrap();
        fs::set_permissions(&victim, Permissions::from_mode(0o640)).unwrap();
        Self {
            _dir: dir,
            theirs,
            roots,
            victim,
        }
    }

    /// Root's file is as it was.
    pub(crate) fn assert_victim_untouched(&self, what: &str) {
        let found = fs::symlink_metadata(&self.victim).unwrap();
        let looks = (found.mode() & 0o7777, found.uid(), found.gid());
        assert_eq!(looks, (0o640, 0, 0), "{what}");
        assert_eq!(
            fs::read_to_string(&self.victim).unwrap(),
            "precious",
            "{what}"
        );
    }
}

/// A command of this user's, in namespaces of its own.
pub(crate) fn command_as(user: u32, directory: &Path, words: &[&str]) -> Command {
    let mut command = Command::new("unshare");
    let ids = [format!("--reuid={user}"), format!("--regid={user}")];
    command.args(["--mount", "--ipc", "--uts", "--", "setpriv"]);
    command.args(ids).args(["--clear-groups", "--"]).args(words);
    command.current_dir(directory);
    command
}

/// Has the attacker's shell run this to its end.
pub(crate) fn shell(directory: &Path, script: &str) {
    let mut command = command_as(ATTACKER, directory, &["/bin/sh", "-c", script]);
    assert!(command.status().unwrap().success(), "{script}");
}

/// A socket of the attacker's making, which root then binds: in namespaces of its own so can the attacker.
pub(crate) fn socket_of_attacker(domain: Domain, kind: Type) -> Socket {
    // That of this thread alone.
    setfsuid(Uid::from_raw(ATTACKER));
    let socket = Socket::new(domain, kind, None);
    setfsuid(Uid::from_raw(0));
    socket.unwrap()
}

/// A connection that takes a minute to be closed by the process that closes it last, as long as the second is kept.
pub(crate) fn lingering() -> (TcpStream, impl Sized) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (far, _) = listener.accept().unwrap();
    near.set_nonblocking(true).unwrap();
    while near.write(&[0; 65536]).is_ok() {}
    SockRef::from(&near)
        .set_linger(Some(Duration::from_secs(60)))
        .unwrap();
    (near, far)
}

/// A socket in which such a connection lies unread.
pub(crate) fn holding(kind: Type) -> (OwnedFd, impl Sized) {
    let (near, far) = Socket::pair(Domain::UNIX, kind, None).unwrap();
    let (lingering, kept) = lingering();
    send(&far, b"x", &[lingering.as_fd()]).unwrap();
    (near.into(), (far, kept))
}
