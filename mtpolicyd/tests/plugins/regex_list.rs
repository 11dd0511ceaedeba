//! RegexList.

use std::{fs, path::Path};

use mtpolicyd::config::LoadOptions;

use crate::support::{Checker, findings, found};

const END: &str = "<Plugin end>\nmodule=Action\naction=ok end of chain\n</Plugin>\n";

fn list(parameters: &str) -> String {
    format!("<Plugin l>\nmodule=RegexList\n{parameters}\n</Plugin>\n{END}")
}

fn file(text: &str) -> (tempfile::TempDir, String) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("re.txt");
    fs::write(&path, text).unwrap();
    let path = path.to_str().unwrap().to_owned();
    (directory, path)
}

#[tokio::test(start_paused = true)]
async fn inline_file_and_inverted() {
    let (_directory, path) = file("# comment\n\n  # indented comment\n^spam@\n@bulk\\.example$\n");
    let blocks = format!(
        r#"
<Plugin a>
 module = "RegexList"
 key=request:client_name
 regex="^dyn[0-9]+\."
 action=reject dynamic
</Plugin>
<Plugin b>
 module = "RegexList"
 key=sender
 file={path}
 action=reject listed
</Plugin>
<Plugin c>
 module = "RegexList"
 key=recipient
 regex="@rcpt\.example$"
 invert=1
 action=reject not our domain
</Plugin>
{END}"#
    );
    Checker::new(&blocks, "")
        .expect(&[
            ("client_name=dyn12.carrier.example", "reject dynamic"),
            ("sender=spam@x", "reject listed"),
            ("sender=x@bulk.example", "reject listed"),
            ("sender=comment@x", "reject not our domain"),
            ("recipient=x@else.example", "reject not our domain"),
            ("client_name=(absent)", "reject not our domain"),
            ("", "reject not our domain"),
            ("recipient=x@rcpt.example", "ok end of chain"),
            ("recipient=(absent)", "ok end of chain"),
        ])
        .await;
}

#[tokio::test(start_paused = true)]
async fn each_parameter_does_what_it_says() {
    let nested = "<Plugin n>\nmodule=Action\naction=reject nested\n</Plugin>";
    let field = "<Plugin f>\nmodule=SetField\nkey=f\nvalue=carol\n</Plugin>\n";
    for (before, parameters, answer) in [
        ("", "key=sender\nregex=carol\naction=reject a", "reject a"),
        (
            "",
            "key=sender\nregex=^arol\naction=reject a",
            "ok end of chain",
        ),
        (
            "",
            "key=sender\nregex=CAROL\naction=reject a",
            "ok end of chain",
        ),
        (
            "",
            "key=sender\nregex=(?i)CAROL\naction=reject a",
            "reject a",
        ),
        (
            "",
            "key=sender\nregex=carol\nenabled=off\naction=reject a",
            "ok end of chain",
        ),
        ("", "key=sender\ninvert=1\naction=reject a", "reject a"),
        (field, "key=s:f\nregex=^carol$\naction=reject a", "reject a"),
        (
            field,
            "key=session:g\nregex=.\naction=reject a",
            "ok end of chain",
        ),
        (
            "",
            &format!("key=sender\nregex=carol\n{nested}"),
            "reject nested",
        ),
        (
            "",
            &format!("key=sender\nregex=other\n{nested}"),
            "ok end of chain",
        ),
        (field, "key=sender\nregex=carol\nuc_action=f", "carol"),
        (
            "<Plugin f>\nmodule=SetField\nkey=f\nvalue=off\n</Plugin>\n",
            "key=sender\nregex=carol\nuc_enabled=f\naction=reject a",
            "ok end of chain",
        ),
        (
            "",
            "key=x:sender\nregex=carol",
            "closed: plugin l failed: unknown scope x while retrieving variable for x:sender",
        ),
    ] {
        let blocks = format!("{before}{}", list(parameters));
        assert_eq!(
            Checker::new(&blocks, "").ask("").await,
            answer,
            "{parameters}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_mail_is_scored_once() {
    let sum = "<Plugin g>\nmodule=ScoreAction\nthreshold=0\naction=\"reject %SCORE%%SCORE_DETAIL%\"\n</Plugin>\n";
    let set = "<Plugin s>\nmodule=SetField\nkey=own\nvalue=7\n</Plugin>\n";
    for (before, parameters, answer) in [
        ("", "score=2", "reject 2, l=2"),
        (set, "score=2\nuc_score=own", "reject 7, l=7"),
        ("", "score=2\nscore_field=other", "reject 0"),
    ] {
        let own =
            format!("<Plugin l>\nmodule=RegexList\nkey=sender\nregex=.\n{parameters}\n</Plugin>\n");
        let mut checker = Checker::new(&format!("{before}{own}{sum}"), "").with_sessions();
        checker.expect(&[("", answer), ("", answer)]).await;
    }
}

#[tokio::test(start_paused = true)]
async fn the_log_has_the_words_of_the_original() {
    let mut checker = Checker::new(&list("key=sender\nregex=carol"), "");
    checker.ask("").await;
    assert_eq!(checker.notes, ["sender=carol@acme.example matched l"]);
    checker.ask("sender=(absent)").await;
    assert_eq!(checker.notes, ["no attribute 'sender' in request"]);
}

#[tokio::test(start_paused = true)]
async fn a_file_that_changes_is_read_again() {
    let (_directory, path) = file("^spam@\n");
    let mut checker = Checker::new(
        &list(&format!("key=sender\nfile={path}\naction=reject listed")),
        "",
    );
    let (spam, bulk) = ("sender=spam@x", "sender=bulk@x");
    checker
        .expect(&[(spam, "reject listed"), (bulk, "ok end of chain")])
        .await;
    fs::write(&path, "^bulk@\n(\n").unwrap();
    answers_once(&mut checker, bulk, "reject listed").await;
    assert_eq!(checker.ask(spam).await, "ok end of chain");
    let log = String::from_utf8(checker.services.journal.log().take_buffered()).unwrap();
    assert!(
        log.contains(&format!("{path} has changed and is read again")),
        "{log}"
    );
    assert!(
        log.contains(&format!("{path}:2 is left out, it is no expression")),
        "{log}"
    );
    // A file that is gone leaves what it held, and that is said.
    fs::remove_file(&path).unwrap();
    checker.advance(2).await;
    assert_eq!(checker.ask(bulk).await, "reject listed");
    fs::write(&path, "^spam@\n").unwrap();
    answers_once(&mut checker, spam, "reject listed").await;
}

/// The file is looked at at most once a second, apart from requests.
async fn answers_once(checker: &mut Checker, request: &str, answer: &str) {
    for _ in 0..1000 {
        checker.advance(1).await;
        if checker.ask(request).await == answer {
            return;
        }
        tokio::task::spawn_blocking(|| {}).await.unwrap();
    }
    panic!("{request}: {answer} never came");
}

#[test]
fn mistakes_are_found_at_the_start() {
    let (directory, path) = file("^a\n(\n^b\n");
    let blocks = list(&format!("key=sender\nfile={path}"));
    let left_out = format!("{path}:2 is left out, it is no expression: ");
    let skipped = found(&blocks);
    assert!(
        skipped[0].starts_with(&format!("warning: {left_out}")),
        "{skipped:?}"
    );
    let check = LoadOptions {
        is_check: true,
        ..LoadOptions::default()
    };
    let refused = findings(&blocks, check);
    assert!(
        refused[0].starts_with(&format!("error: {left_out}")),
        "{refused:?}"
    );
    let gone = Path::new(directory.path()).join("gone");
    for (parameters, finding) in [
        ("regex=x", "error: `key` is missing in `l`".to_owned()),
        (
            "key=sender\nregex=(",
            "error: `regex` is no regular expression: ".to_owned(),
        ),
        (
            &*format!("key=sender\nfile={}", gone.display()),
            format!("error: `file`: {}: No such file", gone.display()),
        ),
        (
            "key=sender\ninvert=yes",
            "error: `invert` is `yes`, but 1 or 0 is wanted".to_owned(),
        ),
    ] {
        let found = found(&list(parameters));
        assert!(
            found.iter().any(|text| text.starts_with(&finding)),
            "{parameters}: {found:?}"
        );
    }
}
