//! A store or a file of the cache that is away: said once, with what comes of it, and tried again; no request goes without an answer.
//!
//! Must be run as root; the Debian packages redis-server and mariadb-server-core must be installed.

use std::{
    fs::{self, File},
    io::Write,
    process::{Command, Stdio},
    thread,
};

use policy_testing::{
    servers::{Server, databases, redis},
    within,
};

use super::{
    PATIENCE,
    world::{GOOD, PROGRAM, Running, World, bad, good, has, request, text as said},
};

/// A daemon whose log is in the file `log`.
fn start_with_its_log(world: &World) -> Running {
    let log = File::create(world.path("log")).unwrap();
    let mut command = world.command(&["-D", "start"]);
    Running(command.stdout(log).spawn().unwrap())
}

/// Waits until the log says so many times that the cache's place fails or is back: these lines.
fn wait_for_lines(world: &World, count: usize) -> Vec<String> {
    let mut lines = vec![];
    let came = within(PATIENCE, || {
        let log = fs::read_to_string(world.path("log")).unwrap();
        let of_cache = log.lines().filter(|line| line.contains("the cache's "));
        lines = of_cache.map(str::to_owned).collect();
        lines.len() >= count
    });
    assert!(came, "{lines:?}");
    lines
}

/// A store that is not there yet, comes, goes and comes again: each is said once, with its place and its reason.
fn outages_are_said_once(mut server: Server, store: &str, shown: &str) {
    server.kill();
    let world = World::new(&format!("$CACHE_STORE = '{store}'; $LOG_TO = 'stdout';"));
    let _running = start_with_its_log(&world);
    assert_eq!(world.ask(&good("1")), GOOD);
    // In memory until the store is there.
    assert!(world.ask(&good("2")).contains(KNOWN));
    let fails = format!("[LOG warning]: warning: the cache's store {shown} cannot be used: ");
    let lines = wait_for_lines(&world, 1);
    assert!(
        lines[0].starts_with(&fails)
            && lines[0].contains(" refused")
            && lines[0].ends_with(": clients are remembered in memory until it can"),
        "{lines:?}"
    );
    server.start_again();
    let back = format!("[LOG info]: the cache's store {shown} can be used again");
    let lines = wait_for_lines(&world, 2);
    assert_eq!(lines[1], back);
    world.wait_until_answer(KNOWN, good);

    server.kill();
    for answer in load(&world, "gone") {
        assert_eq!(answer, GOOD);
    }
    let lines = wait_for_lines(&world, 3);
    assert!(
        lines[2].starts_with(&fails)
            && lines[2].ends_with(": no client is known until it can")
            && !lines[2].contains(" away"),
        "{lines:?}"
    );
    server.start_again();
    assert_eq!(wait_for_lines(&world, 4)[3..], [back]);
}

#[test]
fn outages_of_a_redis_are_said_once() {
    let server = redis::one();
    let address = server.address().to_owned();
    outages_are_said_once(
        server,
        &format!("redis://{address}/1"),
        &format!("redis at {address}/1"),
    );
}

#[test]
fn outages_of_a_mariadb_are_said_once() {
    let (server, name) = databases::mariadb();
    let address = server.address().to_owned();
    let database = name.rsplit('/').next().unwrap();
    let shown = format!("mysql database {database} at {address}");
    outages_are_said_once(server, &name, &shown);
}

#[test]
fn a_process_of_spawn_says_once_that_its_store_is_away() {
    let mut server = redis::one();
    server.kill();
    let address = server.address();
    let world = World::new(&format!("$CACHE_STORE = 'redis://:geheim-7@{address}';"));
    let printed = said(
        &world
            .feed(&["-d"], &[good("1"), good("2"), bad("3")].concat())
            .stdout,
    );
    let of_cache: Vec<_> = printed
        .lines()
        .filter(|line| line.contains("the cache's "))
        .collect();
    assert_eq!(of_cache.len(), 1, "{printed}");
    let fails = format!("the cache's store redis at {address} cannot be used: ");
    assert!(
        of_cache[0].contains(&fails)
            && of_cache[0].contains(" refused")
            && of_cache[0].ends_with(": no client is known until it can"),
        "{printed}"
    );
    assert!(!printed.contains("geheim-7"), "{printed}");
}

/// It is tried while nobody asks: Postfix keeps processes that have nothing to do for long.
#[test]
fn a_process_of_spawn_without_requests_finds_its_store_again() {
    let mut server = redis::one();
    server.kill();
    let world = World::new(&format!("$CACHE_STORE = 'redis://{}';", server.address()));
    let log = File::create(world.path("log")).unwrap();
    let mut command = world.command(&["-d"]);
    let mut child = command.stdin(Stdio::piped()).stdout(log).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    input.write_all(good("1").as_bytes()).unwrap();
    let lines = wait_for_lines(&world, 1);
    assert!(lines[0].contains(" cannot be used: "), "{lines:?}");
    server.start_again();
    let lines = wait_for_lines(&world, 2);
    assert!(lines[1].ends_with(" can be used again"), "{lines:?}");
    drop(input);
    assert!(child.wait().unwrap().success());
}

/// A file that cannot be opened, and then can.
#[test]
fn a_file_that_cannot_be_used_is_said_once_and_tried_again() {
    let world = World::new("$LOG_TO = 'stdout';");
    let file = world.path("lock/cache.sqlite");
    fs::create_dir_all(&file).unwrap();
    let printed = said(&world.feed(&["-d"], &[good("1"), bad("2")].concat()).stdout);
    let _running = start_with_its_log(&world);
    let lines = wait_for_lines(&world, 1);
    let shown = file.display();
    let fails = format!("[LOG warning]: warning: the cache's file {shown} cannot be used: ");
    let line = format!("{fails}no regular file: clients are remembered in memory until it can");
    assert_eq!(lines[0], line);
    assert!(
        !printed.contains("the cache's "),
        "-d has a file of its own: {printed}"
    );
    assert_eq!(world.ask(&good("3")), GOOD);
    fs::remove_dir(&file).unwrap();
    let lines = wait_for_lines(&world, 2);
    assert_eq!(
        lines[1],
        format!("[LOG info]: the cache's file {shown} can be used again")
    );
    let written = within(PATIENCE, || {
        let files = [file.clone(), world.path("lock/cache.sqlite-wal")];
        files.iter().any(|file| has(file, "100.64.2.10-acme.test"))
    });
    assert!(written, "the file has no entries");
    assert!(world.cached(&[])[0].starts_with("pass: 100.64.2.10-acme.test "));

    // A process of spawn(8) has no time to try again.
    let world = World::new("");
    fs::write(world.path("lock"), "").unwrap();
    let printed = said(&world.feed(&["-d"], &[good("1"), good("2")].concat()).stdout);
    assert_eq!(printed.matches("the cache's ").count(), 1, "{printed}");
    let shown = world.path("lock/cache.sqlite.debug");
    let fails = format!("the cache's file {} cannot be used: ", shown.display());
    assert!(
        printed.contains(&fails)
            && printed.contains(": this process remembers its clients alone\n"),
        "{printed}"
    );
}

/// Asks about so many mails on as many connections, twice each.
fn load(world: &World, prefix: &str) -> Vec<String> {
    thread::scope(|scope| {
        let asked: Vec<_> = (0..100)
            .map(|number| {
                scope.spawn(move || {
                    let mut connection = world.connect();
                    ["a", "b"].map(|mail| {
                        let instance = format!("{prefix}{number}{mail}");
                        super::world::ask(&mut connection, &good(&instance))
                    })
                })
            })
            .collect();
        asked
            .into_iter()
            .flat_map(|asked| asked.join().unwrap())
            .collect()
    })
}

const KNOWN: &str = "using cached result";

/// What one of the stores' faults costs is its entries: no request goes without an answer.
#[test]
fn a_store_that_stops_or_ends_costs_its_entries_and_no_answer() {
    let mut server = redis::one();
    let world = World::new(&format!("$CACHE_STORE = 'redis://{}';", server.address()));
    let _running = world.start();
    assert_eq!(world.ask(&good("1")), GOOD);
    assert!(world.ask(&good("2")).contains(KNOWN));

    server.stop();
    for answer in load(&world, "stopped") {
        assert_eq!(answer, GOOD);
    }
    server.go_on();
    world.wait_until_answer(KNOWN, good);

    server.kill();
    for answer in load(&world, "killed") {
        assert_eq!(answer, GOOD);
    }
    // The recipients of one mail need no store.
    let again = world.ask(&good("killed0a"));
    assert!(again.contains("DUNNO multirecipient-mail"), "{again}");
    server.start_again();
    world.wait_until_answer(KNOWN, good);
}

/// The store and DNS at once: each request has its deadline and no more.
#[test]
fn a_store_and_name_servers_that_stop_leave_each_request_its_answer() {
    let server = redis::one();
    let world = World::new(&format!(
        "$CACHE_STORE = 'redis://{}'; $DNS_RETRIES = 3; $DNS_RETRY_IVAL = 30;",
        server.address()
    ));
    let _running = world.start();
    assert_eq!(world.ask(&good("1")), GOOD);
    server.stop();
    world.dns.set_zone("test !silent\n*.test !silent\n");
    thread::scope(|scope| {
        for number in 0..100 {
            let world = &world;
            scope.spawn(move || {
                let sender = format!("x@h{number}.other.test");
                let instance = number.to_string();
                let request = request("100.70.1.7", "h.other.test", &sender, &instance);
                // Each fifth by a process of its own, as under spawn(8).
                let answer = if number % 5 == 0 {
                    said(&world.feed(&[], &request).stdout)
                } else {
                    world.ask(&request)
                };
                assert!(
                    answer.starts_with("action=PREPEND X-policyd-weight: "),
                    "{answer}"
                );
            });
        }
    });
    server.go_on();
}

/// What a daemon remembers while its place is away is shown as that, and nothing is forgotten that would come back.
#[test]
fn a_place_that_is_away_from_the_start_is_told_of() {
    let world = World::new("");
    fs::create_dir_all(world.path("lock/cache.sqlite")).unwrap();
    let control = world.path("control");
    let with_control = format!("$CONTROL = 'unix:{}';", control.display());
    let store = format!("{with_control} $CACHE_STORE = 'redis://:geheim-7@127.0.0.1:1';");
    for (options, place, why) in [
        (&store, "store redis at 127.0.0.1:1".to_owned(), " refused"),
        (
            &with_control,
            format!("file {}", world.path("lock/cache.sqlite").display()),
            "no regular file",
        ),
    ] {
        world.configure(options);
        let _running = world.start();
        assert_eq!(world.ask(&good("1")), GOOD);
        let ctl = |words: &[&str]| {
            let mut command = Command::new(PROGRAM);
            command.args(["ctl", "--socket"]).arg(&control).args(words);
            command.output().unwrap()
        };
        let away = format!("the cache's {place} cannot be used: ");
        for shown in [world.run(&["-s"]), ctl(&["cache", "show"])] {
            assert_eq!(shown.status.code(), Some(0), "{shown:?}");
            let printed = said(&shown.stdout);
            assert!(
                printed.contains(&format!("in memory alone: {away}")) && printed.contains(why),
                "{printed}"
            );
            let last = printed.lines().last().unwrap();
            assert!(
                last.starts_with("pass: 100.64.2.10-acme.test "),
                "{printed}"
            );
            assert!(!printed.contains("geheim-7"), "{printed}");
        }
        for refused in [world.run(&["-k"]), ctl(&["cache", "forget", "100.64.2.10"])] {
            let printed = said(&refused.stderr);
            assert_eq!(refused.status.code(), Some(1), "{printed}");
            assert!(
                printed.contains(&away) && printed.contains(why),
                "{printed}"
            );
            assert!(!printed.contains("geheim-7"), "{printed}");
        }
        assert!(
            world.ask(&good("2")).contains(KNOWN),
            "nothing is forgotten"
        );
    }
}
