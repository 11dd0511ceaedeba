//! The addresses of a host, found in a limited time: the system's resolver has no limit, and takes long where name servers are
//! silent.

use std::{
    collections::BTreeMap,
    io,
    net::{IpAddr, SocketAddr, ToSocketAddrs},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

/// Looks up the addresses of a host, by the system's resolver, and waits so long at most.
///
/// The look-up itself cannot be ended. It goes on, and who asks for the same host meanwhile waits for what is left of the time
/// since it began. So a silent name server costs one wait for each name, however often that is asked for, and one thread.
///
/// ```
/// use std::time::Duration;
///
/// let found = policy_daemon::look_up("127.0.0.1", 25, Duration::ZERO)?;
/// assert_eq!(found, ["127.0.0.1:25".parse().unwrap()]);
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Errors
///
/// The system's; `TimedOut` where the host is not found in this time.
pub fn look_up(host: &str, port: u16, patience: Duration) -> io::Result<Vec<SocketAddr>> {
    if let Ok(address) = host.parse::<IpAddr>() {
        return Ok(vec![(address, port).into()]);
    }
    let mut found = look_up_by(host, patience, |host| {
        (host, 0).to_socket_addrs().map(Iterator::collect)
    })?;
    for address in &mut found {
        address.set_port(port);
    }
    Ok(found)
}

/// The time for the host of an address to listen at, 6 s: a name server that does not answer costs the resolver 5 s, and the next
/// one may answer.
pub const LOOK_UP_TIME: Duration = Duration::from_secs(6);

/// The addresses, with port 0.
type Found = io::Result<Vec<SocketAddr>>;

fn look_up_by(host: &str, patience: Duration, resolve: fn(&str) -> Found) -> Found {
    let look_up = begun(host, resolve)?;
    let left = patience.saturating_sub(look_up.begin.elapsed());
    let found = look_up.found.lock().unwrap_or_else(PoisonError::into_inner);
    let waited = look_up
        .is_done
        .wait_timeout_while(found, left, |found| found.is_none());
    let (found, _) = waited.unwrap_or_else(PoisonError::into_inner);
    match &*found {
        Some(found) => again(found),
        None => {
            let text = format!("{host} is not found in time");
            Err(io::Error::new(io::ErrorKind::TimedOut, text))
        }
    }
}

/// A look-up that goes on, or has just ended.
#[derive(Debug)]
struct LookUp {
    begin: Instant,
    found: Mutex<Option<Found>>,
    is_done: Condvar,
}

/// The look-up of this host that is under way, or else a new one.
fn begun(host: &str, resolve: fn(&str) -> Found) -> io::Result<Arc<LookUp>> {
    let mut all = under_way();
    if let Some(look_up) = all.get(host) {
        return Ok(Arc::clone(look_up));
    }
    let look_up = Arc::new(LookUp {
        begin: Instant::now(),
        found: Mutex::default(),
        is_done: Condvar::new(),
    });
    let work = {
        let (host, look_up) = (host.to_owned(), Arc::clone(&look_up));
        move || {
            let found = resolve(&host);
            // Who asks from now on asks anew.
            under_way().remove(&host);
            let mut place = look_up.found.lock().unwrap_or_else(PoisonError::into_inner);
            *place = Some(found);
            look_up.is_done.notify_all();
        }
    };
    thread::Builder::new()
        .name("look-up".to_owned())
        .spawn(work)?;
    all.insert(host.to_owned(), Arc::clone(&look_up));
    Ok(look_up)
}

fn under_way() -> MutexGuard<'static, BTreeMap<String, Arc<LookUp>>> {
    // Nothing that holds the lock can panic half-way.
    UNDER_WAY.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A copy for one more who has waited.
fn again(found: &Found) -> Found {
    match found {
        Ok(found) => Ok(found.clone()),
        Err(error) => Err(match error.raw_os_error() {
            Some(number) => io::Error::from_raw_os_error(number),
            None => io::Error::new(error.kind(), error.to_string()),
        }),
    }
}

static UNDER_WAY: Mutex<BTreeMap<String, Arc<LookUp>>> = Mutex::new(BTreeMap::new());

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};

    use super::*;

    #[test]
    fn a_silent_resolver_costs_one_wait_and_one_look_up_for_a_name() {
        static ASKED: AtomicUsize = AtomicUsize::new(0);
        static ANSWERS: AtomicBool = AtomicBool::new(false);
        fn resolve(_: &str) -> Found {
            ASKED.fetch_add(1, SeqCst);
            while !ANSWERS.load(SeqCst) {
                thread::yield_now();
            }
            Ok(vec![([192, 0, 2, 1], 0).into()])
        }
        let name = "silent.example";
        for _ in 0..3 {
            let error = look_up_by(name, Duration::ZERO, resolve).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::TimedOut);
            assert_eq!(error.to_string(), "silent.example is not found in time");
        }
        // Another name has a look-up of its own.
        let other = "other.example";
        let found = look_up_by(other, FOREVER, |_| Ok(vec![]));
        assert_eq!(found.unwrap(), []);
        ANSWERS.store(true, SeqCst);
        let found = look_up_by(name, FOREVER, resolve).unwrap();
        assert_eq!(found, [([192, 0, 2, 1], 0).into()]);
        // The one that went on, and perhaps one more after its end.
        assert!((1..=2).contains(&ASKED.load(SeqCst)));
    }

    #[test]
    fn what_a_look_up_fails_with_is_told_to_all_who_wait() {
        let name = "failing.example";
        let failing = |_: &str| -> Found { Err(io::Error::other("no such name")) };
        let threads: Vec<_> = (0..4)
            .map(|_| thread::spawn(move || look_up_by(name, FOREVER, failing).unwrap_err()))
            .collect();
        for thread in threads {
            assert_eq!(thread.join().unwrap().to_string(), "no such name");
        }
        assert!(!under_way().contains_key(name));
    }

    const FOREVER: Duration = Duration::from_secs(3600);
}
