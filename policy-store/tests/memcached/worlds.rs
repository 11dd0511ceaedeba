//! Servers that do what they are asked and then close, hang or drip at any byte of their replies, while many callers ask:
//! nothing is done twice, nobody has another's reply, and each call ends.

use std::{
    collections::HashMap,
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use policy_store::{MemcachedOptions, MemcachedStore, Store as _};
use tokio::task::JoinSet;

use crate::{
    suite::LONG,
    support::faults::{self, by_deadline},
};

/// How often each key was added to.
type Sums = Arc<Mutex<HashMap<String, u64>>>;

/// Numbers that are the same for each seed.
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (self.0 >> 33) as usize % end
    }
}

/// How a connection ends.
#[derive(Clone, Copy, Debug)]
enum Fault {
    Close,
    /// With what the client has sent still unread, where there is something.
    Reset,
    Hang,
    Drip,
}

const FAULTS: [Fault; 6] = [
    Fault::Close,
    Fault::Close,
    Fault::Reset,
    Fault::Drip,
    Fault::Close,
    Fault::Hang,
];

/// Does all that has come, and of the replies says at least a byte.
fn serve(mut stream: TcpStream, sums: &Sums, chance: &mut Chance) {
    let fault = FAULTS[chance.below(FAULTS.len())];
    let mut good = chance.below(40);
    let (mut bytes, mut chunk) = (Vec::new(), [0; 4096]);
    loop {
        let Ok(read @ 1..) = stream.read(&mut chunk) else {
            return;
        };
        bytes.extend_from_slice(&chunk[..read]);
        let end = bytes.iter().rposition(|byte| *byte == b'\n');
        let Some(end) = end else { continue };
        let commands: Vec<u8> = bytes.drain(..=end).collect();
        let commands = String::from_utf8(commands).unwrap();
        let replies: String = commands.lines().map(|line| done(line, sums)).collect();
        if good > 0 {
            good -= 1;
            _ = stream.write_all(replies.as_bytes());
            continue;
        }
        let part = &replies.as_bytes()[..1 + chance.below(replies.len())];
        match fault {
            Fault::Drip => {
                for byte in replies.as_bytes() {
                    _ = stream.write_all(&[*byte]);
                }
            }
            Fault::Hang => {
                _ = stream.write_all(part);
                // Until the client closes.
                while stream.read(&mut chunk).is_ok_and(|read| read > 0) {}
                return;
            }
            Fault::Close => {
                _ = stream.write_all(part);
                return;
            }
            Fault::Reset => {
                _ = stream.write_all(part);
                let mut peeked = [0; 1];
                _ = stream.peek(&mut peeked);
                return;
            }
        }
    }
}

fn done(line: &str, sums: &Sums) -> String {
    let mut sums = sums.lock().unwrap();
    let words: Vec<_> = line.split(' ').collect();
    match words[..] {
        ["incr", key, delta] => {
            let sum = sums.entry(key.to_owned()).or_default();
            *sum += delta.parse::<u64>().unwrap();
            format!("{sum}\r\n")
        }
        ["gets", key] => {
            let value = format!("{key} is {}", sums.get(key).copied().unwrap_or_default());
            format!("VALUE {key} 0 {} 1\r\n{value}\r\nEND\r\n", value.len())
        }
        _ => panic!("{line}"),
    }
}

/// One caller, which has a key of its own.
async fn call(store: MemcachedStore, caller: u64, mut chance: Chance) -> (String, u64, u64) {
    let key = format!("key{caller}");
    let (mut asked, mut last) = (0, 0);
    for _ in 0..60 {
        // Some are given up.
        let wait = Duration::from_micros([100, 700, 10_000_000][chance.below(3)]);
        if chance.below(3) == 0 {
            let got = tokio::time::timeout(wait, by_deadline(store.get(key.as_bytes()))).await;
            if let Ok(Ok(Some(value))) = got {
                let value = String::from_utf8(value.to_vec()).unwrap();
                let sum = value.strip_prefix(&format!("{key} is ")).expect(&value);
                let sum: u64 = sum.parse().unwrap();
                assert!((last..=asked).contains(&sum), "{sum} of {last} to {asked}");
            }
            continue;
        }
        asked += 1;
        let added = by_deadline(store.add(key.as_bytes(), 1, LONG));
        if let Ok(Ok(sum)) = tokio::time::timeout(wait, added).await {
            assert!(
                (last + 1..=asked).contains(&sum),
                "{sum} of {last} to {asked}"
            );
            last = sum;
        }
    }
    (key, last, asked)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_done_twice_and_nobody_has_anothers_reply() {
    let mut worlds = JoinSet::new();
    for seed in 1..=12 {
        worlds.spawn(world(seed));
    }
    worlds.join_all().await;
}

async fn world(seed: u64) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (sums, ends) = (Sums::default(), Arc::<AtomicBool>::default());
    let (of_server, has_ended) = (sums.clone(), ends.clone());
    let server = thread::spawn(move || {
        for (number, stream) in listener.incoming().enumerate() {
            if has_ended.load(Ordering::Relaxed) {
                return;
            }
            let sums = of_server.clone();
            let mut chance = Chance(seed * 1000 + number as u64);
            thread::spawn(move || serve(stream.unwrap(), &sums, &mut chance));
        }
    });
    let mut options = MemcachedOptions::new([address.to_string().as_str().into()]);
    options.remote = faults::remote();
    options.remote.failures = u32::MAX;
    let store = MemcachedStore::new(options).unwrap();
    let mut callers = JoinSet::new();
    for caller in 0..12 {
        callers.spawn(call(store.clone(), caller, Chance(seed << 32 | caller)));
    }
    for (key, last, asked) in callers.join_all().await {
        let sum = sums.lock().unwrap().get(&key).copied().unwrap_or_default();
        assert!(
            (last..=asked).contains(&sum),
            "{key}: {sum} of {last} to {asked}, seed {seed}"
        );
    }
    ends.store(true, Ordering::Relaxed);
    drop(TcpStream::connect(address));
    server.join().unwrap();
}
