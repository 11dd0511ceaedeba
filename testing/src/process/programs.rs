//! The paths of the programs that the tests run.

use std::{
    env, fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::LazyLock,
};

/// The path of `hapolicy`.
pub fn hapolicy() -> &'static str {
    static PATH: LazyLock<String> = LazyLock::new(|| path_of("hapolicy"));
    &PATH
}

/// The path of `policy-client`.
pub fn policy_client() -> &'static str {
    static PATH: LazyLock<String> = LazyLock::new(|| path_of("policy-client"));
    &PATH
}

/// The path of `mtpolicyd`.
pub fn mtpolicyd() -> &'static str {
    static PATH: LazyLock<String> = LazyLock::new(|| path_of("mtpolicyd"));
    &PATH
}

/// The path of `policyd-weight`.
pub fn policyd_weight() -> &'static str {
    static PATH: LazyLock<String> = LazyLock::new(|| path_of("policyd-weight"));
    &PATH
}

/// Copies `hapolicy` into a directory, for a user who cannot reach the original; its new path.
pub fn copy_hapolicy(directory: &Path) -> PathBuf {
    let copy = directory.join("hapolicy");
    copy_program(hapolicy(), &copy);
    copy
}

/// Copies a program.
///
/// Another process writes the copy. This one must not: a child that another thread starts at the same time would hold the
/// copy open for writing until it executes something, and so long the copy cannot be executed (`ETXTBSY`).
pub fn copy_program(program: impl AsRef<Path>, copy: &Path) {
    install(program.as_ref(), copy, "");
}

/// Makes a program of a script, as another process as well.
pub fn write_program(program: &Path, script: &str) {
    install(Path::new("/dev/stdin"), program, script);
}

fn install(from: &Path, to: &Path, input: &str) {
    let mut command = Command::new("install");
    command.arg("--mode=755").args([from, to]);
    let mut install = command.stdin(Stdio::piped()).spawn().expect("install(1)");
    let mut pipe = install.stdin.take().expect("it is piped");
    pipe.write_all(input.as_bytes()).expect("it reads");
    drop(pipe);
    assert!(
        install.wait().expect("our child").success(),
        "{}",
        to.display()
    );
}

/// The path of a program of this workspace: cargo puts a profile's programs into one directory, and its tests into the
/// directory `deps` of that one.
///
/// # Panics
///
/// If it is not there. Cargo builds the programs of a package with the package's integration tests; for a test of
/// another package they have to be built before.
fn path_of(name: &str) -> String {
    let test = env::current_exe().expect("the path of this test");
    let mut directory: PathBuf = test.parent().expect("it is a file").to_owned();
    if directory.ends_with("deps") {
        directory.pop();
    }
    let program = directory.join(name);
    assert!(
        fs::metadata(&program).is_ok_and(|found| found.is_file()),
        "no program {}: build it first, with `cargo build -p {name}` and this test's profile and target",
        program.display()
    );
    let path = program.into_os_string().into_string();
    path.expect("the target directory's path is UTF-8")
}
