//! Debian's mtpolicyd, the Perl program, asked by each subcommand as its administrator would.

use policy_testing::process::{policy_client, run};
use serde_json::Value;
use tempfile::TempDir;

use crate::{
    bench::{number, report},
    daemons::{mtpolicyd, original_mtpolicyd},
    query,
    tap::Tap,
};

#[test]
fn the_original_mtpolicyd_is_asked_watched_and_compared() {
    let Some(original) = original_mtpolicyd(PLUGINS) else {
        println!("mtpolicyd is not there: the Debian package mtpolicyd has it");
        return;
    };
    let endpoint = &*original.address;

    let ended = query(&[endpoint, "sender=a@example.net", "--count", "2", "--json"]);
    let objects = ended.out.lines().map(serde_json::from_str::<Value>);
    let asked: Vec<_> = objects
        .map(Result::unwrap)
        .map(|object| [object["action"].clone(), object["connection"].clone()])
        .collect();
    assert_eq!(
        asked,
        [["reject A", "new"], ["reject A", "kept"]],
        "{ended:?}"
    );

    let file = format!("{}/tests/data/mtpolicyd.batch", env!("CARGO_MANIFEST_DIR"));
    let ended = run(policy_client(), &["batch", &file, endpoint]);
    let said = ": 7 passed, 0 failed, 0 warnings, 0 skipped\n";
    assert!(
        ended.code == Some(0) && ended.out.ends_with(said),
        "{ended:?}"
    );

    let args = [
        "check",
        endpoint,
        "--expect",
        "^dunno$",
        "--warning",
        "1m",
        "--critical",
        "1m",
    ];
    let ended = run(policy_client(), &args);
    assert_eq!(ended.code, Some(0), "{ended:?}");

    let report = report(endpoint, &["-n", "200", "-c", "2", "--expect", "^dunno$"]);
    assert_eq!(number(&report, "/answers"), 200);

    let ended = run(
        policy_client(),
        &["conform", endpoint, "--only", "1.1,1.3,2,3"],
    );
    assert_eq!(ended.code, Some(0), "{ended:?}");

    let dir = TempDir::new().unwrap();
    let record = dir.path().join("record").display().to_string();
    let tap = Tap::start(endpoint, &["--record", &record]);
    let senders = [
        "sender=a@example.net",
        "sender=b@example.net",
        "sender=c@example.net",
    ];
    for (sender, action) in senders.into_iter().zip(["reject A", "reject B", "dunno"]) {
        let ended = query(&[&tap.endpoint, "--preset", "rcpt", sender]);
        assert_eq!(ended.out.trim_end(), action, "{ended:?}");
        let shown = format!("{sender} recipient=recipient@example.org -> {action} (");
        assert!(tap.process.out.wait_lines(1, &shown));
    }
    tap.stop();
    // Ours answers as the original does.
    let ours = mtpolicyd(PLUGINS);
    for other in ["recorded", endpoint] {
        let args = [
            "replay",
            &record,
            &ours.address,
            "--diff",
            other,
            "--full-speed",
        ];
        let ended = run(policy_client(), &args);
        assert_eq!(ended.code, Some(0), "{ended:?}");
        assert!(ended.out.contains("0 of 3 differ\n"), "{ended:?}");
    }
}

const PLUGINS: &str = "<Plugin a>\nmodule = Condition\nkey = sender\nmatch = a@example.net\naction = reject A\n</Plugin>\n\
                       <Plugin b>\nmodule = Condition\nkey = sender\nmatch = b@example.net\naction = reject B\n</Plugin>\n";
