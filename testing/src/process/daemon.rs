//! `hapolicy --listen` as a process of a test.

use std::process::{Command, Stdio};

use super::{Client, Ended, Process, Signal, hapolicy};

/// `hapolicy --listen` with its log on standard output.
#[derive(Debug)]
pub struct Daemon {
    pub process: Process,
    /// Where it listens, in the order of its command line.
    pub endpoints: Vec<String>,
}

impl Daemon {
    /// Listens on a port of the system's choice.
    pub fn tcp(args: &[&str]) -> Self {
        Self::start(&["inet:127.0.0.1:0"], args)
    }

    /// Listens there, and waits until it does.
    pub fn start(listen: &[&str], args: &[&str]) -> Self {
        let listen_args = listen.iter().flat_map(|endpoint| ["--listen", endpoint]);
        let all: Vec<&str> = ["-L"]
            .into_iter()
            .chain(listen_args)
            .chain(args.iter().copied())
            .collect();
        let mut command = Command::new(hapolicy());
        Self::of(command.args(all).stdin(Stdio::null()), listen.len())
    }

    /// Starts it by a command, and waits until it listens at so many endpoints.
    pub fn of(command: &mut Command, endpoints: usize) -> Self {
        let process = Process::of(command);
        let ready = process.out.wait_lines(endpoints, LISTENING);
        assert!(
            ready,
            "no daemon of {command:?}: {} {}",
            process.out.text(),
            process.err.text()
        );
        let endpoint = |line: &String| line.split(LISTENING).nth(1).map(str::to_owned);
        let endpoints = process.out.lines(LISTENING);
        let endpoints = endpoints.iter().filter_map(endpoint).collect();
        Self { process, endpoints }
    }

    /// Its first endpoint.
    pub fn endpoint(&self) -> &str {
        &self.endpoints[0]
    }

    pub fn connect(&self) -> Client {
        Client::connect(self.endpoint())
    }

    /// Has it end, as it should.
    pub fn stop(self) -> Ended {
        self.process.signal(Signal::TERM);
        self.ended_well()
    }

    /// Waits for its end, which is to be an orderly and silent one.
    pub fn ended_well(self) -> Ended {
        let ended = self.process.end();
        assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""), "{ended:?}");
        ended
    }
}

/// `-s` arguments for services at these addresses, called a, b, ...
pub fn services(addresses: &[String]) -> Vec<String> {
    let names = 'a'..='z';
    let service = |(name, address): (char, &String)| ["-s".to_owned(), format!("{name}={address}")];
    names.zip(addresses).flat_map(service).collect()
}

const LISTENING: &str = "listening on ";
