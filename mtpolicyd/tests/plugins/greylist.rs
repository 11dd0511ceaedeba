//! Greylist.

mod autowl;
mod parameters;

use mtpolicyd::config::LoadOptions;

use crate::support::{Checker, findings, found};

const END: &str = "<Plugin end>\nmodule=Action\naction=ok end of chain\n</Plugin>\n";
const DEFERRED: &str = "defer greylisting is active";
const OK: &str = "ok end of chain";

/// Tickets and the auto whitelist in memory.
fn greylist(parameters: &str) -> String {
    format!(
        "<Plugin g>\nmodule=Greylist\n<Ticket>\nmodule=Memory\n</Ticket>\n<AWL>\nmodule=Memory\n</AWL>\n\
         {parameters}\n</Plugin>\n{END}"
    )
}

#[tokio::test(start_paused = true)]
async fn a_mail_passes_when_it_comes_again_after_five_minutes() {
    for compat in [false, true] {
        let blocks = format!(
            "<Connection memcached>\nmodule=Memory\n</Connection>\n\
             <Plugin g>\nmodule=Greylist\nuse_autowl=0\n<AWL>\nmodule=Memory\n</AWL>\n</Plugin>\n{END}"
        );
        let mut checker = Checker::with(&blocks, "", compat);
        checker
            .expect(&[
                ("", DEFERRED),
                ("", "defer greylisting is active (300s left)"),
                ("recipient=other@ours.example", DEFERRED),
                ("client_address=100.64.2.77", DEFERRED),
                ("sender=a@x", DEFERRED),
            ])
            .await;
        checker.advance(300).await;
        let left = checker.ask("").await;
        // It is over after this second, which the original says of none.
        let expected = if compat { 0 } else { 1 };
        assert_eq!(
            left,
            format!("defer greylisting is active ({expected}s left)")
        );
        checker.advance(1).await;
        // It passes once: the next one is new.
        checker.expect(&[("", OK), ("", DEFERRED)]).await;
        // Who does not come again in two hours is new too.
        checker.advance(7200).await;
        assert_eq!(checker.ask("").await, DEFERRED);
    }
}

#[tokio::test(start_paused = true)]
async fn plugins_share_their_tickets_as_in_the_original() {
    let first = greylist("create_ticket=0\nmode=dunno").replace(END, "");
    let last = greylist("").replace("<Plugin g>", "<Plugin last>");
    let mut checker = Checker::new(&(first + &last), "");
    assert_eq!(checker.ask("").await, DEFERRED);
    checker.advance(301).await;
    assert_eq!(checker.ask("").await, "dunno");
}

#[tokio::test(start_paused = true)]
async fn no_sender_names_the_ticket_of_another_mail() {
    let mut checker = Checker::new(&greylist(""), "");
    // Joined by commas both would be the same.
    let one = "sender=a client_address=1.2.3.4 recipient=b,1.2.3.4,c";
    let other = "sender=a,1.2.3.4,b client_address=1.2.3.4 recipient=c";
    checker.expect(&[(one, DEFERRED), (other, DEFERRED)]).await;
}

#[tokio::test(start_paused = true)]
async fn the_log_has_the_words_of_the_original() {
    let mut checker = Checker::new(&greylist("autowl_threshold=1"), "");
    let triplet = "carol@acme.example,100.64.2.10,dave@ours.example";
    checker.ask("").await;
    assert_eq!(
        checker.notes,
        ["client is not on autowl", "creating new greylisting ticket"]
    );
    checker.ask("").await;
    let wait = format!("{triplet} has a invalid greylisting ticket. wait again");
    assert_eq!(checker.notes[1], wait);
    checker.advance(301).await;
    checker.ask("").await;
    assert_eq!(
        checker.notes[1],
        format!("{triplet} has a valid greylisting ticket")
    );
    checker.ask("").await;
    assert_eq!(
        checker.notes,
        [
            "client has valid autowl. updating database",
            "client on greylist autowl"
        ]
    );
    let mut checker = Checker::new(&greylist("autowl_threshold=2"), "");
    checker.ask("").await;
    checker.advance(301).await;
    checker.ask("").await;
    checker.ask("").await;
    assert_eq!(
        checker.notes[0],
        "client has not yet reached autowl_threshold"
    );
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_away_fails_the_plugin() {
    let directory = tempfile::tempdir().unwrap();
    let blocks = format!(
        "<Connection db>\nmodule=Sql\ndsn=\"dbi:SQLite:dbname={}/none/db\"\n</Connection>\n\
         <Plugin g>\nmodule=Greylist\non_error=continue\n<Ticket>\nmodule=Sql\n</Ticket>\n</Plugin>\n{END}",
        directory.path().display()
    );
    assert_eq!(Checker::new(&blocks, "").ask("").await, OK);
    let blocks = blocks.replace("on_error=continue\n", "");
    let answer = Checker::new(&blocks, "").ask("").await;
    assert!(
        answer.starts_with("closed: plugin g failed: db (sqlite /"),
        "{answer}"
    );
}

#[test]
fn mistakes_are_found_at_the_start() {
    for (blocks, finding) in [
        (
            "<Plugin g>\nmodule=Greylist\n</Plugin>".to_owned(),
            "error: there is no <Connection memcached> with a module Memory, Memcached, Redis or Sql",
        ),
        (
            "<Plugin g>\nmodule=Greylist\n</Plugin>".to_owned(),
            "error: there is no <Connection db> with a module Sql",
        ),
        (
            "<Plugin g>\nmodule=Greylist\n<Ticket>\nmodule=File\n</Ticket>\n</Plugin>".to_owned(),
            "error: there is no module `File` for greylisting: use one of Memory, Memcached, Redis, Sql",
        ),
        (greylist("autowl_threshold=many"), "error: `autowl_threshold` is `many`, but a whole number is wanted"),
        (greylist("min_retry_wait=7200"), "error: `max_retry_wait` is not above `min_retry_wait`: no mail would ever pass"),
        (greylist("autowl_table=a;b"), "error: `autowl_table`: `a;b` is no name of a table"),
        (greylist("use_autowl=yes"), "error: `use_autowl` is `yes`, but 1 or 0 is wanted"),
        (greylist("bypass_score=low"), "error: `bypass_score` is `low`, but a number is wanted"),
        (greylist("whitelist=x"), "error: `whitelist`: `x` is no address and no network"),
        (
            "<Plugin g>\nmodule=Greylist\nuse_autowl=0\n<Ticket>\nmodule=Memory\nmin_retry=1\n</Ticket>\n</Plugin>".to_owned(),
            "warning: `min_retry` means nothing in `Ticket`",
        ),
    ] {
        let found = found(&blocks);
        assert!(found.iter().any(|text| text == finding), "{finding}: {found:?}");
    }
    // Without an auto whitelist no database is wanted.
    let blocks =
        "<Plugin g>\nmodule=Greylist\nuse_autowl=0\n<Ticket>\nmodule=Memory\n</Ticket>\n</Plugin>";
    assert_eq!(
        findings(blocks, LoadOptions::default()),
        Vec::<String>::new()
    );
}
