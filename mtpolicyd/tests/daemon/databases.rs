//! Database files: whole at the end, and begun again where what was in them is gone, which is said once.

use std::{fs, path::Path};

use policy_store::{Sql as _, Sqlite, SqliteOptions, StoreError, Value};
use policy_testing::{
    eventually,
    process::{Process, Signal},
};

use super::world::{World, ask, host};

const CONFIG: &str = "\
<Connection db>
  module = Sql
  dsn = dbi:SQLite:dbname=@TMP@/db.sqlite
</Connection>
";

/// Each client is on the auto whitelist from its first mail on, and counted.
const PLUGINS: &str = "\
<Plugin greylist>
  module = Greylist
  autowl_threshold = 0
  <Ticket>
    module = Memory
    min_retry_wait = 0
  </Ticket>
  on_error = continue
</Plugin>
<Plugin count>
  module = Accounting
  fields = sender
  on_error = continue
</Plugin>
";

fn start() -> (World, Process) {
    let world = World::new(&format!("{CONFIG}{}", host(PLUGINS)));
    let process = world.serve(&[]);
    (world, process)
}

fn request(instance: &str) -> String {
    format!(
        "protocol_state=RCPT\nsender=a@x.example\nrecipient=b@y\nclient_address=192.0.2.1\nsize=1\ninstance={instance}"
    )
}

/// What a statement gives, in a connection of its own.
fn sql(path: &Path, statement: &str) -> Result<Vec<Vec<Value>>, StoreError> {
    let runtime = tokio::runtime::Builder::new_current_thread();
    let work = async {
        let mut options = SqliteOptions::new(path);
        options.create = false;
        let file = Sqlite::open(options).await?;
        let rows = file.rows(statement, &[]).await;
        file.close().await;
        rows
    };
    { runtime }.enable_all().build().unwrap().block_on(work)
}

/// Asks until the pair of the client and the sender is in the table.
fn count(world: &World, name: &str) {
    let mut number = 0;
    let is_counted = || {
        number += 1;
        assert!(world.ask(&request(&format!("{name}{number}"))).is_some());
        sql(&world.path("db.sqlite"), "SELECT count FROM autowl").is_ok_and(|rows| rows.len() == 1)
    };
    assert!(eventually(is_counted), "{name}");
}

#[test]
fn at_the_end_the_file_alone_is_whole() {
    let (world, process) = start();
    count(&world, "a");
    assert!(world.path("db.sqlite-wal").exists());
    process.signal(Signal::TERM);
    assert_eq!(process.end().code, Some(0));
    assert!(!world.path("db.sqlite-wal").exists());
    let copy = world.path("copy.sqlite");
    fs::copy(world.path("db.sqlite"), &copy).unwrap();
    let rows = sql(&copy, "SELECT client_ip FROM autowl");
    assert_eq!(rows.unwrap(), [[Value::from("192.0.2.1")]]);
    // A task beside no daemon leaves none, either.
    assert_eq!(world.run(&["--cron", "hourly"]).code, Some(0));
    assert!(!world.path("db.sqlite-wal").exists());
}

/// The thread that tests the lists has the configuration of before as well.
#[test]
fn a_file_that_a_reload_has_left_is_closed() {
    let list = "<Plugin l>\nmodule=RBL\ndomain=list.invalid\n</Plugin>\n";
    let sessions = "<SessionCache>\nmodule=Sql\n</SessionCache>\n";
    let config = format!("{CONFIG}{sessions}{}", host(&(PLUGINS.to_owned() + list)));
    let world = World::new(&config);
    let process = world.serve(&[]);
    count(&world, "a");
    world.configure(&config.replace("db.sqlite", "other.sqlite"));
    process.signal(Signal::HUP);
    assert!(process.err.wait_lines(1, "the configuration is reloaded"));
    let is_open = |name: &str| {
        let descriptors = fs::read_dir(format!("/proc/{}/fd", process.id())).unwrap();
        let mut targets = descriptors.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
        targets.any(|target| target == world.path(name))
    };
    assert!(world.ask(&request("b")).is_some());
    assert!(eventually(|| is_open("other.sqlite")));
    assert!(eventually(|| !is_open("db.sqlite")));
    assert!(!world.path("db.sqlite-wal").exists());
}

#[test]
fn what_is_gone_is_said_once_and_has_its_tables_again() {
    let (world, process) = start();
    let path = world.path("db.sqlite");
    count(&world, "a");
    fs::File::options()
        .write(true)
        .truncate(true)
        .open(&path)
        .unwrap();
    let said = "connection db: sqlite ";
    let mut number = 0;
    let is_noticed = || {
        number += 1;
        world.ask(&request(&format!("n{number}")));
        process.err.lines(said).len() == 1
    };
    assert!(eventually(is_noticed), "{}", process.err.text());
    count(&world, "b");
    // Another one whose content is no database: it is removed after it has failed.
    fs::write(world.path("other"), [b'x'; 20_000]).unwrap();
    fs::rename(world.path("other"), &path).unwrap();
    for end in ["-wal", "-shm"] {
        _ = fs::remove_file(world.path(&format!("db.sqlite{end}")));
    }
    let has_failed = || {
        number += 1;
        world.ask(&request(&format!("n{number}")));
        process
            .err
            .lines("connection db is away")
            .iter()
            .any(|line| line.contains("file is not a database"))
    };
    assert!(eventually(has_failed), "{}", process.err.text());
    fs::remove_file(&path).unwrap();
    // It is tried in the background.
    assert!(process.err.wait_lines(1, "connection db is back"));
    count(&world, "c");
    process.signal(Signal::TERM);
    let log = process.end().err;
    let said = "was removed, replaced or cut to nothing, and is opened again";
    assert_eq!(log.matches(said).count(), 2, "{log}");
    assert!(!log.contains("no such table"), "{log}");
}

/// Each of them finds that the table is gone, and none is the one that makes it for the others.
#[test]
fn requests_at_one_time_have_their_table_again() {
    let (world, process) = start();
    count(&world, "a");
    let mut clients: Vec<_> = (0..24).map(|_| world.connect()).collect();
    for round in 0..8 {
        sql(&world.path("db.sqlite"), "DROP TABLE autowl").unwrap();
        for (index, client) in clients.iter_mut().enumerate() {
            let request = request(&format!("r{round}-{index}"));
            client.send(format!("request=smtpd_access_policy\n{request}\n\n").as_bytes());
        }
        for client in &mut clients {
            assert!(client.reply().is_some());
        }
    }
    assert_eq!(process.err.lines(" failed: "), Vec::<String>::new());
    assert!(ask(&mut clients[0], &request("z")).is_some());
}
