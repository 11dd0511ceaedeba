//! The page of `--admin` in a real browser, Debian's chromium-headless-shell or chromium. Without one the test says so.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use policy_testing::{
    admin::address,
    process::Daemon,
    stub::{Script, Stub},
};

#[test]
fn a_browser_shows_the_page_in_both_schemes_and_refuses_nothing_of_it() {
    let Some(browser) = browser() else {
        println!("SKIPPED: neither chromium-headless-shell nor chromium is installed");
        return;
    };
    let stub = Stub::tcp(Script::answer("dunno"));
    let good = format!("good={}", stub.address());
    let admin = ["--admin", "inet:127.0.0.1:0"];
    let services = ["-s", &good, "-s", "dead=127.0.0.1:1:1"];
    let daemon = Daemon::tcp(&[&admin[..], &services].concat());
    assert!(daemon.process.out.wait_lines(1, "metrics at "));
    for _ in 0..3 {
        assert_eq!(daemon.connect().ask_about("x"), "dunno");
    }
    let page = format!("http://{}/", address(&daemon.process.out.text()).unwrap());
    let directory = tempfile::tempdir().unwrap();

    let (dom, said) = run(&browser, directory.path(), &["--dump-dom", &page]);
    assert!(dom.contains("<td class=\"bad\">down</td>"), "{dom}");
    assert_eq!(dom.matches("<figure>").count(), 3, "{dom}");
    for complaint in ["Refused to", "violates", "Uncaught"] {
        assert!(!said.contains(complaint), "{said}");
    }

    // A scheme or a style that is not applied would give the same picture.
    let pictures = [
        ("light", "1", "1000,1200"),
        ("dark", "0", "1000,1200"),
        ("narrow", "1", "390,1200"),
    ];
    let pictures = pictures.map(|(name, scheme, size)| {
        let file = directory.path().join(format!("{name}.png"));
        let words = [
            &format!("--screenshot={}", file.display()),
            &format!("--blink-settings=preferredColorScheme={scheme}"),
            &format!("--window-size={size}"),
            &page,
        ];
        run(&browser, directory.path(), &words.map(String::as_str));
        let picture = fs::read(&file).unwrap();
        assert!(picture.starts_with(b"\x89PNG"), "{name}");
        if let Some(kept) = std::env::var_os("STATUS_PAGE_PICTURES") {
            fs::write(Path::new(&kept).join(format!("{name}.png")), &picture).unwrap();
        }
        picture
    });
    assert_ne!(pictures[0], pictures[1], "light and dark");
    daemon.stop();
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
