//! The pages of `--admin` in a real browser, Debian's chromium-headless-shell or chromium. Without one the test says so.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use policy_testing::{
    admin::address,
    port::Port,
    process::{Daemon, Process, mtpolicyd, policyd_weight},
    stub::{Script, Stub},
};
use tempfile::TempDir;

#[test]
fn a_browser_shows_the_pages_in_both_schemes_and_refuses_nothing_of_them() {
    let Some(browser) = browser() else {
        println!("SKIPPED: neither chromium-headless-shell nor chromium is installed");
        return;
    };
    for shown in [hapolicy_page(), mtpolicyd_page(), policyd_weight_page()] {
        let (name, page) = (shown.name, &shown.page);
        let directory = tempfile::tempdir().unwrap();
        let (dom, said) = run(&browser, directory.path(), &["--dump-dom", page]);
        for part in shown.parts {
            assert!(dom.contains(part), "{name}: {part}\n{dom}");
        }
        assert_eq!(dom.matches("<figure>").count(), 3, "{name}: {dom}");
        for complaint in ["Refused to", "violates", "Uncaught"] {
            assert!(!said.contains(complaint), "{name}: {said}");
        }

        // A scheme or a style that is not applied would give the same picture.
        let pictures = [
            ("light", "1", "1000,1400"),
            ("dark", "0", "1000,1400"),
            ("narrow", "1", "390,1800"),
        ];
        let pictures = pictures.map(|(kind, scheme, size)| {
            let file = directory.path().join(format!("{name}-{kind}.png"));
            let words = [
                &format!("--screenshot={}", file.display()),
                &format!("--blink-settings=preferredColorScheme={scheme}"),
                &format!("--window-size={size}"),
                page,
            ];
            run(&browser, directory.path(), &words.map(String::as_str));
            let picture = fs::read(&file).unwrap();
            assert!(picture.starts_with(b"\x89PNG"), "{name} {kind}");
            if let Some(kept) = std::env::var_os("STATUS_PAGE_PICTURES") {
                let kept = Path::new(&kept).join(format!("{name}-{kind}.png"));
                fs::write(kept, &picture).unwrap();
            }
            picture
        });
        assert_ne!(pictures[0], pictures[1], "{name}: light and dark");
    }
}

/// A daemon that shows itself, and what its page has to have.
struct Shown {
    name: &'static str,
    page: String,
    parts: &'static [&'static str],
    _process: Process,
    _stub: Option<Stub>,
    _port: Option<Port>,
    _directory: Option<TempDir>,
}

/// With a service that is up and one that is down.
fn hapolicy_page() -> Shown {
    let stub = Stub::tcp(Script::answer("dunno"));
    let good = format!("good={}", stub.address());
    let admin = ["--admin", "inet:127.0.0.1:0"];
    let services = ["-s", &good, "-s", "dead=127.0.0.1:1:1"];
    let daemon = Daemon::tcp(&[&admin[..], &services].concat());
    assert!(daemon.process.out.wait_lines(1, "metrics at "));
    for _ in 0..3 {
        assert_eq!(daemon.connect().ask_about("x"), "dunno");
    }
    Shown {
        name: "hapolicy",
        page: page(&daemon.process.out.text()),
        parts: &["<td class=\"bad\">down</td>"],
        _process: daemon.process,
        _stub: Some(stub),
        _port: None,
        _directory: None,
    }
}

/// With a store and a list.
fn mtpolicyd_page() -> Shown {
    let (directory, port) = (tempfile::tempdir().unwrap(), Port::any());
    let config = format!(
        "port = {port}\nadmin = inet:127.0.0.1:0\n\
         <Connection away>\nmodule = Redis\nserver = 127.0.0.1:1\n</Connection>\n\
         <VirtualHost {port}>\nname = test\n\
         <Plugin limited>\nmodule = Limit\nkey = sender\nstore = away\nlimits = 9/1h\n</Plugin>\n\
         <Plugin listed>\nmodule = RBL\ndomain = list.invalid\nself_test = 0\n</Plugin>\n</VirtualHost>\n",
        port = port.number()
    );
    let file = directory.path().join("mtpolicyd.conf");
    fs::write(&file, config).unwrap();
    let mut command = Command::new(mtpolicyd());
    command.args(["-f", "-c"]).arg(&file).stdin(Stdio::null());
    let process = Process::of(&mut command);
    assert!(process.err.wait_lines(1, "metrics at "));
    Shown {
        name: "mtpolicyd",
        page: page(&process.err.text()),
        parts: &[
            "<h2>Stores</h2>",
            "<td class=\"text\">away</td>",
            "<h2>DNS lists</h2>",
            "<td class=\"text\">list.invalid</td>",
        ],
        _process: process,
        _stub: None,
        _port: Some(port),
        _directory: Some(directory),
    }
}

/// With a list, and caches.
fn policyd_weight_page() -> Shown {
    let (directory, port) = (tempfile::tempdir().unwrap(), Port::any());
    let options = format!(
        "$LOCKPATH = '{0}/lock/'; $SPATH = ''; $PIDFILE = '{0}/pid'; $TCP_PORT = {1}; $NS = '127.0.0.1:1';\n\
         $LOG_TO = 'stdout'; $ADMIN = 'inet:127.0.0.1:0'; $USER = '{2}'; $GROUP = '{2}';\n\
         @dnsbl_score = ('list.invalid', 3, 0, 'LIST');\n",
        directory.path().display(),
        port.number(),
        rustix::process::geteuid().as_raw(),
    );
    let file = directory.path().join("policyd-weight.conf");
    fs::write(&file, options).unwrap();
    let mut command = Command::new(policyd_weight());
    command.arg("-D").arg("-f").arg(&file).arg("start");
    let process = Process::of(command.stdin(Stdio::null()));
    assert!(process.out.wait_lines(1, "metrics at "));
    Shown {
        name: "policyd-weight",
        page: page(&process.out.text()),
        parts: &["<td class=\"text\">list.invalid</td>", "<h2>Caches</h2>"],
        _process: process,
        _stub: None,
        _port: Some(port),
        _directory: Some(directory),
    }
}

fn page(log: &str) -> String {
    format!("http://{}/", address(log).unwrap())
}

/// What the browser printed, and what it said on standard error.
fn run(browser: &Path, directory: &Path, words: &[&str]) -> (String, String) {
    let output = Command::new(browser)
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--hide-scrollbars",
        ])
        .args(["--enable-logging=stderr", "--virtual-time-budget=2000"])
        .arg(format!(
            "--user-data-dir={}",
            directory.join("profile").display()
        ))
        .args(words)
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr))
}

fn browser() -> Option<PathBuf> {
    let names = ["chromium-headless-shell", "chromium"];
    let mut paths = names.iter().map(|name| Path::new("/usr/bin").join(name));
    paths.find(|path| path.is_file())
}
