//! Greylist.

use mtpolicyd::config::LoadOptions;
use policy_store::{Sql, Sqlite, SqliteOptions, Value};

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
        assert_eq!(left, "defer greylisting is active (0s left)");
        checker.advance(1).await;
        // It passes once: the next one is new.
        checker.expect(&[("", OK), ("", DEFERRED)]).await;
        // Who does not come again in two hours is new too.
        checker.advance(7200).await;
        assert_eq!(checker.ask("").await, DEFERRED);
    }
}

#[tokio::test(start_paused = true)]
async fn each_parameter_does_what_it_says() {
    let late = 301;
    // The parameters; the first answer; after which time; the second.
    for (parameters, first, seconds, second) in [
        ("", DEFERRED, late, OK),
        ("enabled=off", OK, 0, OK),
        ("mode=passive", DEFERRED, late, OK),
        ("mode=dunno", DEFERRED, late, "dunno"),
        ("mode=accept", DEFERRED, late, "dunno"),
        ("mode=other", DEFERRED, late, OK),
        (
            "defer_message=defer later",
            "defer later",
            100,
            "defer later (200s left)",
        ),
        ("append_waittime=0", DEFERRED, 100, DEFERRED),
        ("create_ticket=0", OK, 0, OK),
        ("min_retry_wait=60", DEFERRED, 61, OK),
        (
            "min_retry_wait=60",
            DEFERRED,
            59,
            "defer greylisting is active (1s left)",
        ),
        ("max_retry_wait=400", DEFERRED, 400, DEFERRED),
        ("max_retry_wait=400", DEFERRED, 399, OK),
    ] {
        let mut checker = Checker::new(&greylist(parameters), "");
        assert_eq!(checker.ask("").await, first, "{parameters}");
        checker.advance(seconds).await;
        assert_eq!(checker.ask("").await, second, "{parameters}");
    }
    // Those of the block come before those beside it; the original knows neither.
    for (compat, seconds, answer) in [
        (false, 9, "defer greylisting is active (1s left)"),
        (false, 11, OK),
        (true, 11, "defer greylisting is active (289s left)"),
    ] {
        let blocks = "<Plugin g>\nmodule=Greylist\nuse_autowl=0\nmin_retry_wait=60\n\
            <Ticket>\nmodule=Memory\nmin_retry_wait=10\nmax_retry_wait=600\nprefix=x\n</Ticket>\n\
            <AWL>\nmodule=Memory\n</AWL>\n</Plugin>\n";
        let mut checker = Checker::with(&format!("{blocks}{END}"), "", compat);
        checker.ask("").await;
        checker.advance(seconds).await;
        assert_eq!(checker.ask("").await, answer, "{compat} {seconds}");
    }
}

#[tokio::test(start_paused = true)]
async fn accept_reaches_postfix_in_the_original_alone() {
    let blocks = greylist("mode=accept");
    let mut checker = Checker::compat(&blocks, "");
    checker.ask("").await;
    checker.advance(301).await;
    assert_eq!(checker.ask("").await, "accept");
}

#[tokio::test(start_paused = true)]
async fn clients_of_a_network_count_as_one() {
    let left = "defer greylisting is active (300s left)";
    for (parameters, compat, first, second, answer) in [
        ("", false, "100.64.2.10", "100.64.2.11", DEFERRED),
        ("ipv4_mask=24", false, "100.64.2.10", "100.64.2.11", left),
        (
            "ipv4_mask=24",
            false,
            "100.64.2.10",
            "100.64.3.10",
            DEFERRED,
        ),
        ("", false, "2001:db8::1", "2001:db8::2", left),
        ("", false, "2001:db8::1", "2001:db8:0:1::1", DEFERRED),
        (
            "ipv6_mask=56",
            false,
            "2001:db8::1",
            "2001:db8:0:1::1",
            left,
        ),
        (
            "ipv6_mask=128",
            false,
            "2001:db8::1",
            "2001:db8::2",
            DEFERRED,
        ),
        ("", true, "2001:db8::1", "2001:db8::2", DEFERRED),
        ("ipv4_mask=24", false, "unknown", "other", DEFERRED),
    ] {
        let mut checker = Checker::with(&greylist(parameters), "", compat);
        checker.ask(&format!("client_address={first}")).await;
        let got = checker.ask(&format!("client_address={second}")).await;
        assert_eq!(got, answer, "{parameters} {second}");
    }
}

/// Tickets in memory, the auto whitelist in a file of SQLite.
fn with_table(path: &std::path::Path, parameters: &str) -> String {
    format!(
        "<Connection db>\nmodule=Sql\ndsn=\"dbi:SQLite:dbname={}\"\n</Connection>\n{}",
        path.display(),
        greylist(parameters).replace("<AWL>\nmodule=Memory", "<AWL>\nmodule=Sql")
    )
}

async fn passes_three_times_and_is_known(checker: &mut Checker) {
    for round in 0..3 {
        let request = format!("recipient=r{round}@ours.example");
        assert_eq!(checker.ask(&request).await, DEFERRED);
        checker.advance(301).await;
        assert_eq!(checker.ask(&request).await, "dunno");
    }
    checker
        .expect(&[
            ("recipient=new@ours.example", "dunno"),
            ("recipient=new@ours.example sender=X@ACME.example", "dunno"),
            ("recipient=new@ours.example sender=x@else.example", DEFERRED),
            (
                "recipient=new@ours.example client_address=100.64.2.11",
                DEFERRED,
            ),
        ])
        .await;
    // After 60 days without a mail it is new.
    checker.advance(5_184_001).await;
    let request = "recipient=new2@ours.example";
    assert_eq!(checker.ask(request).await, DEFERRED);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_has_passed_three_times_is_not_asked_any_more() {
    let mut checker = Checker::new(&greylist("mode=accept"), "");
    passes_three_times_and_is_known(&mut checker).await;
}

#[tokio::test]
async fn the_auto_whitelist_may_be_a_table() {
    let directory = tempfile::tempdir().unwrap();
    let blocks = with_table(&directory.path().join("db.sqlite"), "mode=accept");
    let mut checker = Checker::new(&blocks, "").in_real_time();
    passes_three_times_and_is_known(&mut checker).await;
}

#[tokio::test]
async fn nobody_gets_on_the_list_of_the_original() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("db.sqlite");
    let blocks = format!(
        "<Connection db>\nmodule=Sql\ndsn=\"dbi:SQLite:dbname={}\"\n</Connection>\n\
         <Connection memcached>\nmodule=Memory\n</Connection>\n\
         <Plugin g>\nmodule=Greylist\nmode=accept\n</Plugin>\n{END}",
        path.display()
    );
    let mut checker = Checker::compat(&blocks, "").in_real_time();
    for round in 0..4 {
        let request = format!("recipient=r{round}@ours.example");
        assert_eq!(checker.ask(&request).await, DEFERRED);
        checker.advance(301).await;
        assert_eq!(checker.ask(&request).await, "accept");
    }
    assert_eq!(checker.ask("recipient=new@ours.example").await, DEFERRED);
    assert_eq!(rows(&path).await, Vec::<Vec<Value>>::new());
}

async fn rows(path: &std::path::Path) -> Vec<Vec<Value>> {
    let file = Sqlite::open(SqliteOptions::new(path)).await.unwrap();
    let query = "SELECT sender_domain, client_ip, count FROM autowl ORDER BY id";
    file.rows(query, &[]).await.unwrap()
}

/// The parameters; how often the client has passed; days; the answer to one more mail then.
const AUTOWL: [(&str, usize, u64, &str); 7] = [
    ("autowl_threshold=1", 1, 0, OK),
    ("autowl_threshold=2", 1, 0, DEFERRED),
    ("autowl_threshold=2", 2, 0, OK),
    ("autowl_threshold=1\nuse_autowl=0", 1, 0, DEFERRED),
    ("autowl_threshold=1\nquery_autowl=0", 1, 0, DEFERRED),
    ("autowl_threshold=1\nautowl_expire_days=2", 1, 1, OK),
    ("autowl_threshold=1\nautowl_expire_days=2", 1, 3, DEFERRED),
];

async fn passes_and_comes_again(checker: &mut Checker, passes: usize, days: u64) -> String {
    for round in 0..passes {
        let request = format!("recipient=r{round}@ours.example");
        checker.ask(&request).await;
        checker.advance(301).await;
        assert_eq!(checker.ask(&request).await, OK);
    }
    checker.advance(days * 86_400).await;
    checker.ask("recipient=new@ours.example").await
}

#[tokio::test(start_paused = true)]
async fn each_parameter_of_the_auto_whitelist_does_what_it_says() {
    for (parameters, passes, days, answer) in AUTOWL {
        let mut checker = Checker::new(&greylist(parameters), "");
        let got = passes_and_comes_again(&mut checker, passes, days).await;
        assert_eq!(got, answer, "{parameters} {days}");
    }
}

#[tokio::test]
async fn each_parameter_does_so_with_a_table() {
    for (parameters, passes, days, answer) in AUTOWL {
        let directory = tempfile::tempdir().unwrap();
        let blocks = with_table(&directory.path().join("db.sqlite"), parameters);
        let mut checker = Checker::new(&blocks, "").in_real_time();
        let got = passes_and_comes_again(&mut checker, passes, days).await;
        assert_eq!(got, answer, "{parameters} {days}");
    }
}

#[tokio::test]
async fn a_table_of_the_original_is_used_and_gets_its_index() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("db.sqlite");
    let file = Sqlite::open(SqliteOptions::new(&path)).await.unwrap();
    let create = "CREATE TABLE mine (`id` INTEGER PRIMARY KEY AUTOINCREMENT, `sender_domain` VARCHAR(255) NOT NULL, \
        `client_ip` VARCHAR(39) NOT NULL, `count` INT UNSIGNED NOT NULL, `last_seen` INTEGER NOT NULL)";
    file.execute(create, &[]).await.unwrap();
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap()
        .as_secs();
    for count in [2, 7] {
        let insert = format!(
            "INSERT INTO mine VALUES (NULL, 'acme.example', '100.64.2.10', {count}, {now})"
        );
        file.execute(&insert, &[]).await.unwrap();
    }
    let blocks = format!(
        "<Connection db>\nmodule=Sql\ndsn=\"dbi:SQLite:dbname={}\"\n</Connection>\n\
         <Plugin g>\nmodule=Greylist\nautowl_table=mine\n<Ticket>\nmodule=Memory\n</Ticket>\n</Plugin>\n{END}",
        path.display()
    );
    let mut checker = Checker::new(&blocks, "");
    assert_eq!(checker.ask("").await, OK);
    let rows = file
        .rows("SELECT count FROM mine ORDER BY id", &[])
        .await
        .unwrap();
    assert_eq!(rows, [[Value::Int(8)]]);
}

#[tokio::test]
async fn the_hourly_task_forgets_clients_that_do_not_come() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("db.sqlite");
    let blocks = with_table(&path, "");
    let mut checker = Checker::new(&blocks, "").in_real_time();
    for (client, days) in [("100.64.2.10", 30), ("100.64.2.11", 31)] {
        let request = format!("client_address={client}");
        checker.ask(&request).await;
        checker.advance(301).await;
        assert_eq!(checker.ask(&request).await, OK);
        checker.advance(days * 86_400).await;
    }
    let plugin = &checker.config.hosts[0].chain.links()[0].plugin;
    plugin.cron("daily", &checker.services).await.unwrap();
    assert_eq!(rows(&path).await.len(), 2);
    plugin.cron("hourly", &checker.services).await.unwrap();
    let left = rows(&path).await;
    assert_eq!(left.len(), 1);
    assert_eq!(left[0][1], Value::from("100.64.2.11"));
}

#[tokio::test(start_paused = true)]
async fn passing_scores_each_mail_once() {
    let sum = "<Plugin h>\nmodule=ScoreAction\nthreshold=0\nmatch=lt\naction=\"reject %SCORE%%SCORE_DETAIL%\"\n</Plugin>\n";
    for (parameters, answer) in [
        ("score=-5", "reject -5, g=-5"),
        ("score=-5\nscore_field=other", "reject 0"),
        ("", "reject 0"),
    ] {
        let blocks = greylist(parameters).replace(END, sum);
        let mut checker = Checker::new(&blocks, "").with_sessions();
        assert_eq!(checker.ask("instance=a").await, DEFERRED);
        checker.advance(301).await;
        checker
            .expect(&[("instance=b", answer), ("instance=b", answer)])
            .await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_known_of_a_mail_can_bypass_greylisting() {
    let zone =
        "acme.example TXT \"v=spf1 ip4:100.64.2.10 -all\"\n100.64.2.10@wl.example A 127.0.10.1";
    let other = "client_address=100.64.2.11";
    let before = "<Plugin spf>\nmodule=SPF\ncheck_helo=off\nfail_mode=passive\npass_score=-2\n</Plugin>\n\
        <Plugin wl>\nmodule=RBL\ndomain=wl.example\nmode=passive\n</Plugin>\n";
    for (parameters, request, answer) in [
        ("", "", DEFERRED),
        ("bypass_score=-2", "", OK),
        ("bypass_score=-2.5", "", DEFERRED),
        ("bypass_score=-2", other, DEFERRED),
        ("bypass_score=-2\nscore_field=none", "", DEFERRED),
        ("bypass_spf=spf", "", OK),
        ("bypass_spf=spf", other, DEFERRED),
        ("bypass_spf=\"no, spf\"", "", OK),
        ("bypass_spf=no", "", DEFERRED),
        ("bypass_list=wl", "", OK),
        ("bypass_list=wl", other, DEFERRED),
        ("bypass_list=no", "", DEFERRED),
        ("whitelist=100.64.2.0/29, 100.64.2.11", other, OK),
        ("whitelist=100.64.2.0/29", other, DEFERRED),
    ] {
        let blocks = format!("{before}{}", greylist(parameters));
        assert_eq!(
            Checker::new(&blocks, zone).ask(request).await,
            answer,
            "{parameters}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn the_session_turns_it_off() {
    let set = "<Plugin s>\nmodule=SetField\nkey=f\nvalue=off\n</Plugin>\n";
    let blocks = format!("{set}{}", greylist("uc_enabled=f"));
    assert_eq!(Checker::new(&blocks, "").ask("").await, OK);
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
        answer.starts_with("closed: plugin g failed: db: "),
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
