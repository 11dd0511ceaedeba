//! `Fail2Ban`: has fail2ban ban the client.

use std::{io, net::IpAddr, path::PathBuf, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::UnixStream,
    time::timeout,
};

use super::shared::{LOCAL, Networks, client_ip};
use crate::{
    chain::plugin::{Plugin, PluginError, Step},
    chain::{Call, Setting, answer},
    config::{Section, Use},
};

#[derive(Debug)]
struct Fail2Ban {
    enabled: Setting,
    socket: PathBuf,
    jail: String,
    /// Networks that are never banned.
    own: Networks,
    done: String,
}

pub(super) fn new(section: &mut Section<'_>) -> Box<dyn Plugin> {
    let jail = section.text_or("jail", "postfix");
    if jail.len() > usize::from(u8::MAX) {
        section.error("jail", "`jail` has more than 255 bytes");
    }
    let own = Networks::read(section, "own_networks");
    let own = if section.compat() {
        own
    } else {
        own.with(LOCAL).with(PRIVATE)
    };
    let socket = section.text_or("socket", "/var/run/fail2ban/fail2ban.sock");
    section.opens("socket", &socket, Use::Connect);
    Box::new(Fail2Ban {
        enabled: section.enabled(),
        socket: socket.into(),
        jail,
        own,
        done: format!("{}-fail2ban", section.name()),
    })
}

impl Fail2Ban {
    fn is_own(&self, call: &Call<'_>, client: IpAddr) -> bool {
        let server = call.text("server_address");
        let server = server.and_then(|server| server.parse::<IpAddr>().ok());
        self.own.contain(client) || server.is_some_and(|server| server.to_canonical() == client)
    }

    async fn ban(&self, client: IpAddr) -> io::Result<()> {
        let mut stream = UnixStream::connect(&self.socket).await?;
        stream.write_all(&command(&self.jail, client)).await?;
        // The answer says nothing that would change the mail's. It is read for fail2ban's sake, apart from the request.
        tokio::spawn(async move {
            let mut answer = [0; 4096];
            _ = timeout(TIMEOUT, stream.read(&mut answer)).await;
        });
        Ok(())
    }
}

/// `["set", JAIL, "banip", ADDRESS]` as Python pickles it (protocol 2), and the end mark of fail2ban's protocol.
fn command(jail: &str, client: IpAddr) -> Vec<u8> {
    let mut command = b"\x80\x02]q\x00(".to_vec();
    for (index, word) in ["set", jail, "banip", &client.to_string()]
        .into_iter()
        .enumerate()
    {
        // The jail's length is checked at the start; the others are short. Each word is put into the memo.
        let length = u8::try_from(word.len()).unwrap_or_default();
        let memo = u8::try_from(index + 1).unwrap_or_default();
        command.extend([b'U', length]);
        command.extend(word.as_bytes());
        command.extend([b'q', memo]);
    }
    command.extend(b"e.<F2B_END_COMMAND>");
    command
}

impl Plugin for Fail2Ban {
    fn run<'a>(&'a self, call: &'a mut Call<'_>) -> Step<'a> {
        if self.enabled.is_off(call.session()) || call.is_done(&self.done) {
            return answer(None);
        }
        // Nothing but an address goes to a socket whose owner is root.
        let Some(client) = client_ip(call) else {
            call.note(|| "the client has no address: it is not banned".to_owned());
            return answer(None);
        };
        if self.is_own(call, client) {
            call.note(|| format!("ip {client} is of an own network: it is not banned"));
            return answer(None);
        }
        if call.services().manner.is_rehearsal() {
            call.note(|| format!("would add ip {client} to fail2ban jail {}", self.jail));
            return answer(None);
        }
        call.note(|| format!("adding ip {client} to fail2ban jail {}", self.jail));
        Step::later(async move {
            let banned = timeout(TIMEOUT, self.ban(client)).await;
            let failed = |error| {
                let error = format!("cant connect fail2ban socket: {error}");
                PluginError::Other(error)
            };
            match banned {
                Ok(Ok(())) => Ok(None),
                Ok(Err(error)) => Err(failed(error.to_string())),
                Err(_) => Err(failed(format!("no answer within {TIMEOUT:?}"))),
            }
        })
    }
}

/// Networks that are somebody's own: RFC 1918, RFC 3927, RFC 4193, RFC 4291.
const PRIVATE: &[&str] = &[
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "169.254.0.0/16",
    "fc00::/7",
    "fe80::/10",
];

/// fail2ban is on this machine.
const TIMEOUT: Duration = Duration::from_secs(2);
