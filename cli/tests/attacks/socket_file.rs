//! The user who owns the directory of a listening socket puts something else in its place.

use std::{
    fs,
    os::unix::{fs::MetadataExt, net::UnixListener},
};

use policy_testing::{
    process::{Daemon, Ended, Process, hapolicy, is_root, run},
    stub::{Script, Stub},
};

use crate::attacker::{ATTACKER, Ground, command_as, shell};

/// A daemon in the attacker's directory, as in Postfix's `private/`, and its successors.
struct Site {
    ground: Ground,
    stub: Stub,
}

impl Site {
    fn new() -> Self {
        Self {
            ground: Ground::new(),
            stub: Stub::tcp(Script::default()),
        }
    }

    fn words(&self, mode: &str) -> Vec<String> {
        let socket = self.ground.theirs.join("policy.sock");
        let handover = self.ground.roots.join("handover.sock");
        let listen = format!("unix:{},mode={mode}", socket.display());
        let service = format!("a={}", self.stub.address());
        let handover = format!("unix:{}", handover.display());
        let words = ["--listen", &listen, "--handover", &handover, "-s", &service];
        words.map(str::to_owned).into()
    }

    fn start(&self, mode: &str) -> Daemon {
        Daemon::of(
            std::process::Command::new(hapolicy())
                .arg("-L")
                .args(self.words(mode)),
            1,
        )
    }

    fn try_start(&self, mode: &str) -> Ended {
        run(hapolicy(), &self.words(mode))
    }
}

#[test]
fn a_successor_changes_nothing_that_was_put_in_the_place_of_its_socket() {
    if !is_root() {
        return;
    }
    for (trap, script) in [
        ("a link", "ln -s ../roots/precious policy.sock"),
        ("a dangling link", "ln -s ../roots/missing policy.sock"),
        (
            "a link to a link",
            "ln -s ../roots/precious two; ln -s two policy.sock",
        ),
        ("a link to a directory", "ln -s ../roots policy.sock"),
        ("a plain file", "echo > policy.sock; chmod 0640 policy.sock"),
        ("another socket", "mv other.sock policy.sock"),
        (
            "a socket that nobody listens on",
            "mv dead.sock policy.sock",
        ),
        ("a directory", "mkdir -m 0640 policy.sock"),
        ("a hard link to another socket", "ln other.sock policy.sock"),
        ("nothing", ":"),
    ] {
        let site = Site::new();
        let theirs = &site.ground.theirs;
        let first = site.start("0600");
        let other = UnixListener::bind(theirs.join("other.sock")).unwrap();
        drop(UnixListener::bind(theirs.join("dead.sock")).unwrap());
        for name in ["other.sock", "dead.sock"] {
            let path = theirs.join(name);
            fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o640))
                .unwrap();
            std::os::unix::fs::chown(&path, Some(ATTACKER), Some(ATTACKER)).unwrap();
        }
        let mut client = first.connect();
        shell(theirs, &format!("mv policy.sock gone; {script}"));
        let look = || {
            let found = fs::symlink_metadata(theirs.join("policy.sock"));
            found
                .ok()
                .map(|found| (found.ino(), found.mode(), found.uid()))
        };
        let before = look();
        for mode in ["0666", "0600", "0777", "0640,owner=1,group=1"] {
            let ended = site.try_start(mode);
            assert_eq!(ended.code, Some(71), "{trap} {mode}: {ended:?}");
            assert_eq!(look(), before, "{trap} {mode}");
            site.ground.assert_victim_untouched(trap);
            assert!(!site.ground.roots.join("missing").exists(), "{trap}");
            assert_eq!(
                client.ask_about("x"),
                "dunno",
                "{trap}: the first one goes on"
            );
        }
        drop(other);
        first.stop();
        assert_eq!(look(), before, "{trap}: at the end");
    }
}

/// What a successor that fails undoes is undone in the socket's file only.
#[test]
fn nothing_is_undone_in_what_was_put_in_the_place_of_a_socket_meanwhile() {
    if !is_root() {
        return;
    }
    let site = Site::new();
    let theirs = site.ground.theirs.clone();
    let first = site.start("0600");
    let flips = "i=0; while [ $i -lt 150 ]; do i=$((i+1)); \
                 mv -T policy.sock real && ln -s ../roots/precious policy.sock; mv -fT real policy.sock; done";
    let mut flipping = Process::of(&mut command_as(
        ATTACKER,
        &theirs,
        &["/bin/sh", "-c", flips],
    ));
    let mut starts = 0;
    while flipping.is_running() || starts < 3 {
        // It has changed the mode when it finds that it may not become another user.
        let mut successor = std::process::Command::new("setpriv");
        successor.args(["--bounding-set=-setuid", hapolicy()]);
        successor
            .args(site.words("0666"))
            .args(["--user", "nobody"]);
        let ended = Process::of(&mut successor).end();
        assert_eq!(ended.code, Some(71), "{ended:?}");
        site.ground.assert_victim_untouched("a link that flips");
        starts += 1;
    }
    assert_eq!(flipping.end().code, Some(0));
    // Without a link it comes as far as that, and nothing is left of it.
    let mut successor = std::process::Command::new("setpriv");
    successor.args(["--bounding-set=-setuid", hapolicy()]);
    successor
        .args(site.words("0666"))
        .args(["--user", "nobody"]);
    let ended = Process::of(&mut successor).end();
    assert!(ended.err.contains("--user nobody"), "{ended:?}");
    let found = fs::symlink_metadata(theirs.join("policy.sock")).unwrap();
    assert_eq!(found.mode() & 0o7777, 0o600);
    first.stop();
}

#[test]
fn a_link_that_flips_while_successors_take_over_gains_nothing() {
    if !is_root() {
        return;
    }
    let site = Site::new();
    let theirs = site.ground.theirs.clone();
    let mut daemon = site.start("0600");
    let flips = "i=0; while [ $i -lt 150 ]; do i=$((i+1)); \
                 mv -T policy.sock real && ln -s ../roots/precious policy.sock; mv -fT real policy.sock; done";
    let mut flipping = Process::of(&mut command_as(
        ATTACKER,
        &theirs,
        &["/bin/sh", "-c", flips],
    ));
    let mut taken_over = 0;
    while flipping.is_running() {
        let mode = ["0666", "0600"][taken_over % 2];
        let mut successor = std::process::Command::new(hapolicy());
        let successor = Process::of(successor.arg("-L").args(site.words(mode)));
        // It takes over where it finds its socket, and leaves all as it is where it does not.
        if successor
            .out
            .wait(|out| out.ended || out.text.contains("listening on"))
        {
            site.ground.assert_victim_untouched("a link that flips");
        }
        if successor.out.text().contains("listening on") {
            daemon.ended_well();
            daemon = Daemon {
                process: successor,
                endpoints: Vec::new(),
            };
            taken_over += 1;
        } else {
            assert_eq!(successor.end().code, Some(71));
        }
    }
    assert_eq!(flipping.end().code, Some(0));
    // Without a link it takes over.
    let last = site.start("0640");
    daemon.ended_well();
    let found = fs::symlink_metadata(theirs.join("policy.sock")).unwrap();
    assert_eq!(found.mode() & 0o7777, 0o640);
    last.stop();
    site.ground.assert_victim_untouched("at the end");
}

#[test]
fn a_daemon_binds_in_a_directory_of_another_user_with_the_rights_of_that_user() {
    if !is_root() {
        return;
    }
    let site = Site::new();
    let theirs = site.ground.theirs.clone();
    let daemon = site.start("0600");
    let found = fs::symlink_metadata(theirs.join("policy.sock")).unwrap();
    let looks = (found.uid(), found.gid(), found.mode() & 0o7777);
    assert_eq!(looks, (ATTACKER, ATTACKER, 0o600));
    daemon.stop();
    assert!(
        !theirs.join("policy.sock").exists(),
        "removed in the same way"
    );
    // What is in the way stays, wherever it leads.
    for target in [
        "../roots/precious",
        "../roots/missing",
        "../roots/stale.sock",
    ] {
        drop(UnixListener::bind(site.ground.roots.join("stale.sock")));
        shell(&theirs, &format!("ln -sfn {target} policy.sock"));
        let ended = site.try_start("0666");
        assert_eq!(ended.code, Some(71), "{target}: {ended:?}");
        site.ground.assert_victim_untouched(target);
        assert!(!site.ground.roots.join("missing").exists());
        assert!(site.ground.roots.join("stale.sock").exists());
    }
}

/// Both belong to one daemon, so that who listens is the same; or the same user is to own both.
#[test]
fn the_socket_of_another_directory_does_not_get_the_mode_that_is_meant_for_this_one() {
    if !is_root() {
        return;
    }
    for (owner, roots_owner) in [("", 0), (&*format!(",owner={ATTACKER}"), ATTACKER)] {
        let ground = Ground::new();
        let stub = Stub::tcp(Script::default());
        let place = ground.theirs.join("place");
        fs::create_dir(&place).unwrap();
        std::os::unix::fs::chown(&place, Some(ATTACKER), Some(ATTACKER)).unwrap();
        let (theirs, roots) = (place.join("policy"), ground.roots.join("policy"));
        let words = |mode: &str| {
            [
                "--listen".to_owned(),
                format!("unix:{},mode={mode},owner={ATTACKER}", theirs.display()),
                "--listen".to_owned(),
                format!("unix:{},mode=0600{owner}", roots.display()),
                "--handover".to_owned(),
                format!("unix:{}/handover.sock", ground.roots.display()),
                "-s".to_owned(),
                format!("a={}", stub.address()),
            ]
        };
        let mut first = std::process::Command::new(hapolicy());
        let first = Daemon::of(first.arg("-L").args(words("0660")), 2);
        shell(&ground.theirs, "mv place gone && ln -s ../roots place");
        // With both listeners it is seen that they are at one address.
        let ended = run(hapolicy(), &words("0666"));
        assert_eq!(ended.code, Some(78), "{owner}: {ended:?}");
        let of_theirs = [&words("0666")[..2], &words("0666")[4..]].concat();
        let ended = run(hapolicy(), &of_theirs);
        assert_eq!(ended.code, Some(71), "{owner}: {ended:?}");
        let found = fs::symlink_metadata(&roots).unwrap();
        let looks = (found.mode() & 0o7777, found.uid());
        assert_eq!(looks, (0o600, roots_owner), "{owner}");
        first.stop();
    }
}

/// A daemon that root has nothing to do with, in a directory of its group.
#[test]
fn nor_does_it_where_the_daemon_is_an_ordinary_users() {
    if !is_root() {
        return;
    }
    let ground = Ground::new();
    let stub = Stub::tcp(Script::default());
    let (place, own) = (ground.theirs.join("place"), ground.theirs.join("../own"));
    for (path, user, mode) in [(&place, ATTACKER, 0o770), (&own, USER, 0o711)] {
        fs::create_dir(path).unwrap();
        std::os::unix::fs::chown(path, Some(user), Some(USER)).unwrap();
        fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
    }
    let own = own.canonicalize().unwrap();
    let words = |mode: &str| {
        [
            "--listen".to_owned(),
            format!("unix:{}/policy,mode={mode}", place.display()),
            "--listen".to_owned(),
            format!("unix:{}/policy,mode=0600", own.display()),
            "--handover".to_owned(),
            format!("unix:{}/handover.sock", own.display()),
            "-s".to_owned(),
            format!("a={}", stub.address()),
        ]
    };
    let first = Daemon::of(
        command_as(USER, &own, &[hapolicy(), "-L"]).args(words("0660")),
        2,
    );
    shell(&ground.theirs, "mv place gone && ln -s ../own place");
    let of_theirs = [&words("0666")[..2], &words("0666")[4..]].concat();
    for (words, status) in [(&words("0666")[..], 78), (&of_theirs, 71)] {
        let ended = Process::of(command_as(USER, &own, &[hapolicy()]).args(words)).end();
        assert_eq!(ended.code, Some(status), "{ended:?}");
    }
    let found = fs::symlink_metadata(own.join("policy")).unwrap();
    assert_eq!(found.mode() & 0o7777, 0o600);
    first.stop();
}

/// Of no system either.
const USER: u32 = 31_338;
