//! The peers of a case beside the program: servers of Debian's, files, tables.

use std::{
    fs,
    net::TcpStream,
    os::unix::net::UnixListener,
    path::Path,
    process::{Command, Stdio},
};

use policy_testing::{
    NameServer, eventually, geoip, own_address,
    port::Port,
    process::{Process, run},
};
use serde_json::Value;

use crate::{case::Case, directory_server, policy_server, zone};

/// The peers of a case; they end with it.
#[derive(Default)]
pub(crate) struct Peers {
    processes: Vec<Process>,
    pub(crate) dns: Option<NameServer>,
    pub(crate) redis: Option<u16>,
    pub(crate) memcached: Option<u16>,
    /// The socket of fail2ban.
    pub(crate) sink: Option<UnixListener>,
    ports: Vec<Port>,
}

impl Peers {
    /// Starts all that the configuration names, and gives the configuration with their ports.
    pub(crate) fn start(case: &Case, directory: &Path) -> (Self, String) {
        let mut peers = Self::default();
        let mut config = case
            .config
            .replace("@TMP@", &directory.display().to_string());
        files(case, directory);
        for (standard, program, module) in [
            ("127.0.0.1:11211", "memcached", "Memcached"),
            ("127.0.0.1:6379", "redis-server", "Redis"),
        ] {
            let block = format!("<Connection {}>", module.to_lowercase());
            if !case.config.contains(&block) && !case.config.contains(standard) {
                continue;
            }
            let port = peers.port();
            peers.server(program, port, directory);
            if module == "Redis" {
                peers.redis = Some(port);
            } else {
                peers.memcached = Some(port);
            }
            if config.contains(standard) {
                config = config.replace(standard, &format!("127.0.0.1:{port}"));
            } else {
                let module = format!("module = \"{module}\"\n");
                config = config.replacen(
                    &module,
                    &format!("{module}  server = \"127.0.0.1:{port}\"\n"),
                    1,
                );
            }
        }
        if !case.zone().is_empty() {
            let zone = zone::translate(&case.zone()) + TEST_ENTRIES;
            // Programs ask at port 53.
            let server = (own_address(), 53).into();
            peers.dns = Some(NameServer::start_at(server, &zone));
        }
        if let Some(servers) = case.need("policy_servers") {
            for server in servers.as_object().unwrap().values() {
                let port = peers.port();
                let standard = format!("127.0.0.1:{}", server["port"]);
                config = config.replace(&standard, &format!("127.0.0.1:{port}"));
                policy_server::start(port, server["answer"].as_str().unwrap());
            }
        }
        if let Some(entries) = case.need("ldap") {
            let port = peers.port();
            config = config.replace("port = 389", &format!("port = {port}"));
            peers.processes.push(directory_server::start(
                port,
                &entries["entries"],
                directory,
            ));
        }
        if let Some((_, name)) = case.config.split_once("socket=@TMP@/") {
            let path = directory.join(name.lines().next().unwrap());
            peers.sink = Some(UnixListener::bind(path).unwrap());
        }
        (peers, config)
    }

    /// A port that nobody else gets.
    pub(crate) fn port(&mut self) -> u16 {
        let port = Port::any();
        let number = port.number();
        self.ports.push(port);
        number
    }

    fn server(&mut self, program: &str, port: u16, directory: &Path) {
        let port = port.to_string();
        let mut command = Command::new(program);
        match program {
            "memcached" => {
                command.args(["-l", "127.0.0.1", "-p", &port, "-U", "0", "-u", "nobody"])
            }
            _ => command
                .args([
                    "--port",
                    &port,
                    "--bind",
                    "127.0.0.1",
                    "--save",
                    "",
                    "--dir",
                ])
                .arg(directory),
        };
        self.processes
            .push(Process::of(command.stdin(Stdio::null())));
        let address = format!("127.0.0.1:{port}");
        assert!(
            eventually(|| TcpStream::connect(&address).is_ok()),
            "{program}"
        );
    }
}

/// What lists have to have for their tests, which are done by default.
const TEST_ENTRIES: &str = "\
127.0.0.2@list.example A 127.0.0.2
127.0.0.2@other.example A 127.0.0.2
127.0.0.2@wl.example A 127.0.0.2
127.0.0.2@zen.example A 127.0.0.2
127.0.0.2@sorbs.example A 127.0.0.2
127.0.0.2@spamcop.example A 127.0.0.2
test.dlist.example A 127.0.1.2
";

/// Writes the files and makes the tables that the case needs.
fn files(case: &Case, directory: &Path) {
    let pairs = |kind| match case.need(kind) {
        Some(Value::Object(map)) => map,
        _ => serde_json::Map::new(),
    };
    for (name, text) in pairs("files") {
        fs::write(directory.join(name), text.as_str().unwrap()).unwrap();
    }
    for (name, statements) in pairs("sqlite") {
        let statements: Vec<_> = statements
            .as_array()
            .unwrap()
            .iter()
            .map(|text| text.as_str().unwrap())
            .collect();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let path = directory.join(name);
        runtime.block_on(async {
            use policy_store::Sql as _;
            let file = policy_store::Sqlite::open(policy_store::SqliteOptions::new(path))
                .await
                .unwrap();
            for statement in statements {
                file.execute(statement, &[]).await.unwrap();
            }
        });
    }
    let networks = pairs("geoip");
    if !networks.is_empty() {
        let network = |(network, country): (String, Value)| {
            let (address, length) = network.split_once('/').unwrap();
            let number = match country.as_str().unwrap() {
                "CN" => geoip::CN,
                "DE" => geoip::DE,
                "US" => geoip::US,
                other => panic!("the number of {other}"),
            };
            (address.parse().unwrap(), length.parse().unwrap(), number)
        };
        let networks: Vec<_> = networks.into_iter().map(network).collect();
        fs::write(directory.join("geo.dat"), geoip::geoip_dat(&networks)).unwrap();
    }
    for (name, text) in pairs("postmap") {
        let path = directory.join(name);
        fs::write(&path, text.as_str().unwrap()).unwrap();
        let path = format!("hash:{}", path.display());
        assert_eq!(run("postmap", &[&path]).code, Some(0));
    }
}
