//! Each block of the manual is run; the manual and its pages have each option and each line of the log, and no other.

mod front_page;
mod log_rows;
mod options;

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use policyd_weight::{config::DefaultSet, perl::evaluate};

fn manual() -> String {
    document("policyd-weight.md")
}

fn document(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../docs")
        .join(name);
    fs::read_to_string(path).expect("a document")
}

/// The kinds and the texts of the manual's blocks.
fn blocks(text: &str) -> Vec<(String, String)> {
    let mut blocks = vec![];
    let mut open: Option<(String, String)> = None;
    for line in text.lines() {
        match (line.strip_prefix("```"), &mut open) {
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (Some(kind), None) => open = Some((kind.to_owned(), String::new())),
            (None, Some((_, block))) => {
                block.push_str(line);
                block.push('\n');
            }
            (None, None) => {}
        }
    }
    blocks
}

/// Runs each line after `$ `, and compares what it prints with the lines after it.
fn console(block: &str, directory: &Path) {
    let program = PathBuf::from(env!("CARGO_BIN_EXE_policyd-weight"));
    let path = format!(
        "{}:{}",
        program.parent().unwrap().display(),
        env::var("PATH").unwrap()
    );
    for command in block.split("$ ").filter(|command| !command.is_empty()) {
        let (line, expected) = command.split_once('\n').unwrap();
        let output = Command::new("sh")
            .args(["-c", line])
            .env("PATH", &path)
            .current_dir(directory)
            .output()
            .unwrap();
        let printed = String::from_utf8_lossy(&output.stdout);
        assert_eq!(
            printed,
            expected,
            "{line}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        assert!(output.status.success(), "{line}");
    }
}

/// Postfix takes a file, and says nothing against it.
fn postfix(name: &str, block: &str, words: &[&str]) {
    let directory = tempfile::tempdir().unwrap();
    for file in ["main.cf", "master.cf"] {
        fs::write(
            directory.path().join(file),
            if file == name { block } else { "" },
        )
        .unwrap();
    }
    let output = Command::new("/usr/sbin/postconf")
        .arg("-c")
        .arg(directory.path())
        .args(words)
        .output();
    let output = output.expect("the Debian package postfix");
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && printed.contains("policyd-weight") | printed.contains("12525"),
        "{output:?}"
    );
    assert!(output.stderr.is_empty(), "{output:?}");
}

#[test]
fn each_block_of_the_manual_is_right() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(
        directory.path().join("old.conf"),
        "@dnsbl_score = ('bl.spamcop.net', 3.75, -1.5, 'SPAMCOP');\n",
    )
    .unwrap();
    let mut kinds = vec![];
    for (kind, block) in blocks(&manual()) {
        match kind.as_str() {
            "console" => console(&block, directory.path()),
            "perl" => file(&block),
            "main.cf" => postfix("main.cf", &block, &["-n"]),
            "master.cf" => postfix("master.cf", &block, &["-M"]),
            "install" => install(&block),
            "text" => trace(&block),
            _ => panic!("a block of no kind: {kind}"),
        }
        kinds.push(kind);
    }
    kinds.sort();
    kinds.dedup();
    assert_eq!(
        kinds,
        ["console", "install", "main.cf", "master.cf", "perl", "text"]
    );
}

/// The lines of a trace are only shown, since its times are others each time: they have the form that the tests of `ctl trace`
/// see.
fn trace(block: &str) {
    let mut lines = block.lines();
    let command = lines.next().unwrap_or_default();
    assert!(
        command.starts_with("$ policyd-weight ctl trace "),
        "{command}"
    );
    let steps: Vec<&str> = lines
        .map(|line| line.split_once(" [3] ").expect(line).1)
        .collect();
    assert!(steps[0].starts_with("request: request="), "{steps:?}");
    assert_eq!(steps[1], "decided by: score");
    assert!(steps[2].starts_with("step "), "{steps:?}");
    let last = steps.last().unwrap();
    assert!(
        last.starts_with("action=") && last.ends_with(" ms]"),
        "{last}"
    );
}

/// A file without a fault and without anything to be said about.
fn file(block: &str) {
    let defaults = DefaultSet::Debian.options(false).unwrap();
    assert_eq!(evaluate(block.as_bytes(), &defaults).unwrap().warnings, []);
}

#[test]
fn each_file_of_the_page_on_migration_is_read() {
    let blocks = blocks(&document("migrate.md"));
    let files: Vec<_> = blocks.iter().filter(|(kind, _)| kind == "perl").collect();
    assert_eq!(files.len(), 1);
    let directory = tempfile::tempdir().unwrap();
    for (_, block) in files {
        file(block);
        fs::write(directory.path().join("weights.conf"), block).unwrap();
        console(
            "$ policyd-weight --check-config -f weights.conf\nweights.conf: no error, debian defaults\n",
            directory.path(),
        );
    }
}

/// Each line of the installation is run, in `/etc` and `/usr/local` of its own: the build stands for the release's.
fn install(block: &str) {
    let lines: Vec<&str> = block.lines().collect();
    let place = |text: &str| lines.iter().position(|line| line.contains(text));
    assert!(lines[0].ends_with("-p policyd-weight"), "{block}");
    assert!(place("adduser").unwrap() < place("install").unwrap());
    let program = env!("CARGO_BIN_EXE_policyd-weight");
    let script = lines[1..]
        .join("\n")
        .replace("target/release/policyd-weight", program);
    let directory = tempfile::tempdir().unwrap();
    let output = Command::new("unshare")
        .args(["--mount", "sh", "-ec"])
        .arg(format!("{LAYERS}{script}\n{INSTALLED}"))
        .arg("sh")
        .arg(directory.path())
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(".."))
        .output()
        .expect("the Debian package util-linux");
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success()
            && printed.contains("/etc/policyd-weight.conf: no error, modern defaults"),
        "{output:?}"
    );
    // A unit of this program that systemd takes.
    assert!(printed.contains("\nverified\n"), "{output:?}");
}

const LAYERS: &str = r#"
mount --make-rprivate /
mount -t tmpfs none "$1"
for name in etc usr/local; do
    mkdir -p "$1/$name/upper" "$1/$name/work"
    mount -t overlay -o "lowerdir=/$name,upperdir=$1/$name/upper,workdir=$1/$name/work" overlay "/$name"
done
PATH=/usr/local/sbin:$PATH
set -x
"#;

const INSTALLED: &str = r#"
set +x
id polw >/dev/null
test "$(stat -c %a /usr/local/sbin/policyd-weight)" = 755
if command -v systemd-analyze >/dev/null; then
    test -z "$(systemd-analyze verify --man=no /etc/systemd/system/policyd-weight.service 2>&1)"
fi
echo verified
"#;

#[test]
fn manual_pages_can_be_read() {
    for page in ["policyd-weight.8", "policyd-weight.conf.5"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../docs")
            .join(page);
        let output = Command::new("man")
            .args(["--warnings", "-l"])
            .arg(&path)
            .env("MANWIDTH", "80")
            .output();
        let output = output.expect("the Debian package man-db");
        assert!(
            output.status.success() && output.stderr.is_empty(),
            "{page}: {output:?}"
        );
        assert!(output.stdout.len() > 500, "{page}");
    }
}
