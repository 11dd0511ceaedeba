//! Connections are shared by the workers.

use std::fs;

use policy_testing::{
    eventually,
    process::{Client, Daemon, request},
    stub::{Script, Stub},
};
use tempfile::TempDir;

use super::{service, unix};

#[test]
fn requests_are_answered_by_any_number_of_workers() {
    let stub = Stub::tcp(Script::default());
    for workers in ["1", "2", "7"] {
        let daemon = Daemon::tcp(&["-s", &service(&stub), "--workers", workers]);
        let mut clients: Vec<Client> = (0..20).map(|_| daemon.connect()).collect();
        for client in &clients {
            client.send(&request(&[("instance", "1")]));
        }
        for client in &mut clients {
            assert_eq!(client.action(), "dunno");
        }
        daemon.stop();
    }
}

/// Connections are accepted by any of them: with one socket for all that may be one worker.
#[test]
fn connections_are_shared_out_among_the_workers() {
    let stub = Stub::tcp(Script::default());
    let dir = TempDir::new().unwrap();
    for listen in ["inet:127.0.0.1:0", &unix(&dir)] {
        let daemon = Daemon::start(&[listen], &["-s", &service(&stub), "--workers", "4"]);
        let before = watched(daemon.process.id());
        let clients: Vec<Client> = (0..64).map(|_| daemon.connect()).collect();
        let more = || {
            let now = watched(daemon.process.id());
            let more = now.iter().zip(&before).map(|(now, before)| now - before);
            more.collect::<Vec<_>>()
        };
        // Each worker has two descriptors of its epoll instance.
        let all = || more().iter().sum::<usize>() == 2 * clients.len();
        assert!(eventually(all), "{listen}: {:?}", more());
        let (least, most) = (more().into_iter().min(), more().into_iter().max());
        assert!(
            least >= Some(13) && most <= Some(19),
            "{listen}: {:?}",
            more()
        );
        daemon.stop();
    }
}

/// How much the epoll instances of a process watch, in the order of their descriptors, by proc(5).
fn watched(process: u32) -> Vec<usize> {
    let files = fs::read_dir(format!("/proc/{process}/fdinfo")).unwrap();
    let mut files: Vec<_> = files.map(|file| file.unwrap().path()).collect();
    files.sort_by_key(|file| {
        file.file_name()
            .unwrap()
            .to_str()
            .unwrap()
            .parse::<u32>()
            .unwrap()
    });
    // One that is closed meanwhile is none.
    let texts = files
        .iter()
        .filter_map(|file| fs::read_to_string(file).ok());
    let counts = texts.map(|text| text.matches("tfd:").count());
    counts.filter(|count| *count > 0).collect()
}
