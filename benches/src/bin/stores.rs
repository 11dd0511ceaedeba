//! The cost of a store beside the bare client of the same server: calls per second and time per call, with 1 and with 16
//! callers. Starts redis-server and memcached on free ports; `--record` writes the table below `benches/record/`.
//!
//! ```text
//! cargo run --release -p policy-benches --bin stores -- --record
//! ```

use std::{
    error::Error,
    fs,
    future::Future,
    path::Path,
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use clap::Parser;
use policy_benches::machine;
use policy_store::{
    Event, MemcachedOptions, MemcachedStore, MemoryOptions, MemoryStore, RedisOptions,
    RedisServers, RedisStore, Sqlite, SqliteOptions, SqliteStore, Store, Windows,
};
use policy_testing::free_port;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    task::JoinSet,
};

type Failure = Box<dyn Error + Send + Sync>;

/// How long each line is measured, and how often: the best of them counts, since others use the machine too.
const TIME: Duration = Duration::from_millis(700);
const ROUNDS: usize = 5;

const TTL: Option<Duration> = Some(Duration::from_secs(300));
const VALUE: [u8; 200] = [b'v'; 200];

/// Measures what a store costs beside the bare client of the same server.
#[derive(Debug, Parser)]
struct Options {
    /// Write the table to benches/record
    #[arg(long)]
    record: bool,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let options = Options::parse();
    let directory = tempfile::tempdir()?;
    let (redis, memcached) = (free_port().to_string(), free_port().to_string());
    let _redis = Server::start(
        "redis-server",
        &["--port", &redis, "--save", "", "--appendonly", "no"],
    )?;
    let _memcached = Server::start("memcached", &["-p", &memcached, "-U", "0", "-u", "root"])?;
    let (redis, memcached) = (
        format!("127.0.0.1:{redis}"),
        format!("127.0.0.1:{memcached}"),
    );

    let mut table =
        String::from("| | 1 caller, us per call | 16 callers, calls/s |\n| --- | ---: | ---: |\n");
    let mut line = |name: &str, one: f64, many: Option<f64>| {
        let many = many.map_or_else(String::new, |many| format!("{many:.0}"));
        table.push_str(&format!("| {name} | {:.1} | {many} |\n", 1e6 / one));
    };
    let stores: [(&str, Arc<dyn Store>); 4] = [
        (
            "memory",
            Arc::new(MemoryStore::new(MemoryOptions::default())),
        ),
        (
            "SQLite",
            Arc::new(sqlite(&directory.path().join("store")).await?),
        ),
        (
            "Redis",
            Arc::new(RedisStore::new(RedisOptions::new(RedisServers::One(
                redis.clone(),
            )))?),
        ),
        (
            "memcached",
            Arc::new(MemcachedStore::new(MemcachedOptions::new([memcached
                .as_str()
                .into()]))?),
        ),
    ];
    for (name, store) in &stores {
        let ask = |what: What| {
            let store = store.clone();
            move |number| call(store.clone(), what, number)
        };
        for (what, verb) in [
            (What::Set, "set"),
            (What::Get, "get"),
            (What::Count, "count, three windows"),
        ] {
            let (one, many) = (rate(1, ask(what)).await?, rate(16, ask(what)).await?);
            line(&format!("{name}: {verb}"), one, Some(many));
        }
    }
    let client = redis::Client::open(format!("redis://{redis}"))?;
    let connection = client.get_multiplexed_async_connection().await?;
    let bare = move |_| {
        let mut connection = connection.clone();
        async move {
            let mut set = redis::cmd("SET");
            set.arg("bare").arg(&VALUE[..]).arg("PX").arg(300_000);
            Ok(set.query_async::<()>(&mut connection).await?)
        }
    };
    line(
        "redis crate alone: set",
        rate(1, bare.clone()).await?,
        Some(rate(16, bare).await?),
    );
    let one = memcached_alone(&memcached).await?;
    line("memcached over a bare socket: set", one, None);
    let one = sqlite_alone(&directory.path().join("alone"))?;
    line("rusqlite alone, a commit each: set", one, None);

    println!("{table}");
    if options.record {
        let text = format!(
            "# Stores beside the bare clients, {}\n\n{}.\n`cargo run --release -p policy-benches --bin stores -- \
             --record`\n\nValues of 200 bytes; the best of {ROUNDS} rounds of {TIME:?}. All on one thread of one \
             process, with the servers beside it on the same processors.\n\n{table}",
            machine::today(),
            machine::description(),
        );
        let path = format!(
            "{}/record/{}-stores.md",
            env!("CARGO_MANIFEST_DIR"),
            machine::today()
        );
        fs::write(path, text)?;
    }
    Ok(())
}

#[derive(Clone, Copy)]
enum What {
    Set,
    Get,
    Count,
}

async fn call(store: Arc<dyn Store>, what: What, number: u64) -> Result<(), Failure> {
    let key = format!("key {}", number % 1000);
    match what {
        What::Set => store.set(key.as_bytes(), &VALUE, TTL).await?,
        What::Get => {
            store
                .get(key.as_bytes())
                .await?
                .ok_or("a value is missing")?;
        }
        What::Count => {
            let windows: Windows = "1000000/1m, 1000000/1h, 1000000/1d".parse()?;
            let key = format!("window {}", number % 1000);
            let usage = store
                .count(key.as_bytes(), &windows, Event::Amount(1))
                .await?;
            assert!(usage.allowed);
        }
    }
    Ok(())
}

/// Calls per second with so many callers.
async fn rate<F>(
    callers: u64,
    ask: impl Fn(u64) -> F + Clone + Send + 'static,
) -> Result<f64, Failure>
where
    F: Future<Output = Result<(), Failure>> + Send,
{
    let mut best = 0.0_f64;
    for _ in 0..ROUNDS {
        let begin = Instant::now();
        let mut tasks = JoinSet::new();
        for caller in 0..callers {
            let ask = ask.clone();
            tasks.spawn(async move {
                let mut calls = 0;
                while begin.elapsed() < TIME {
                    ask(caller * 61 + calls).await?;
                    calls += 1;
                }
                Ok::<_, Failure>(calls)
            });
        }
        let mut calls = 0;
        while let Some(done) = tasks.join_next().await {
            calls += done??;
        }
        best = best.max(calls as f64 / begin.elapsed().as_secs_f64());
    }
    Ok(best)
}

async fn sqlite(path: &Path) -> Result<SqliteStore, Failure> {
    Ok(SqliteStore::new(Sqlite::open(SqliteOptions::new(path)).await?).await?)
}

async fn memcached_alone(address: &str) -> Result<f64, Failure> {
    let mut stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let command = [b"set bare 0 300 200\r\n", &VALUE[..], b"\r\n"].concat();
    let mut best = 0.0_f64;
    for _ in 0..ROUNDS {
        let (begin, mut calls) = (Instant::now(), 0);
        while begin.elapsed() < TIME {
            stream.write_all(&command).await?;
            let mut reply = [0; 8];
            stream.read_exact(&mut reply).await?;
            assert_eq!(&reply, b"STORED\r\n");
            calls += 1;
        }
        best = best.max(f64::from(calls) / begin.elapsed().as_secs_f64());
    }
    Ok(best)
}

fn sqlite_alone(path: &Path) -> Result<f64, Failure> {
    let connection = rusqlite::Connection::open(path)?;
    connection.query_row("PRAGMA journal_mode=WAL", [], |_| Ok(()))?;
    connection.execute_batch(
        "PRAGMA synchronous=NORMAL; CREATE TABLE t (id INTEGER PRIMARY KEY, key BLOB UNIQUE, value BLOB, expires INTEGER)",
    )?;
    let mut set = connection
        .prepare("INSERT OR REPLACE INTO t (key, value, expires) VALUES (?1, ?2, 1764364701000)")?;
    let mut best = 0.0_f64;
    for _ in 0..ROUNDS {
        let (begin, mut calls) = (Instant::now(), 0_u32);
        while begin.elapsed() < TIME {
            set.execute((format!("key {}", calls % 1000).as_bytes(), &VALUE))?;
            calls += 1;
        }
        best = best.max(f64::from(calls) / begin.elapsed().as_secs_f64());
    }
    Ok(best)
}

/// A server that ends with the program.
struct Server(Child);

impl Server {
    fn start(program: &str, arguments: &[&str]) -> Result<Self, Failure> {
        let mut command = Command::new(program);
        command
            .args(arguments)
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let server = Self(
            command
                .spawn()
                .map_err(|error| format!("{program}: {error}"))?,
        );
        let port = arguments.get(1).copied().unwrap_or_default();
        while std::net::TcpStream::connect(format!("127.0.0.1:{port}")).is_err() {
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(server)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
