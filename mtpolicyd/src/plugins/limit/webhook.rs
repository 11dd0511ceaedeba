//! A web server that is told something: one POST of JSON, signed, to a fixed address.

use std::fmt;

use hmac::{Hmac, KeyInit as _, Mac as _};
use policy_store::Secret;
use sha2::Sha256;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpStream,
};

use super::tls::Tls;

/// `http://HOST[:PORT][/PATH]`, or with `https`.
#[derive(Clone, Eq, PartialEq)]
pub(super) struct Url {
    pub(super) is_https: bool,
    host: String,
    port: u16,
    path: String,
}

impl Url {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (scheme, rest) = text.split_once("://")?;
        let (is_https, usual) = match scheme {
            "http" => (false, 80),
            "https" => (true, 443),
            _ => return None,
        };
        let (authority, path) = rest.find('/').map_or((rest, "/"), |at| rest.split_at(at));
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => (host, port.parse().ok()?),
            _ => (authority, usual),
        };
        let is_plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic());
        let is_whole = !host.is_empty() && !host.contains('@') && port != 0;
        (is_whole && is_plain(text)).then(|| Self {
            is_https,
            host: host.to_owned(),
            port,
            path: path.to_owned(),
        })
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A path may hold a secret.
        let scheme = if self.is_https { "https" } else { "http" };
        write!(f, "{scheme}://{}:{}", self.host, self.port)
    }
}

impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Posts a body. It is done when a status of 200 to 299 comes; no other address is followed. With `https` the server's
/// certificate is verified, for which `tls` has to be there.
pub(super) async fn post(
    url: &Url,
    tls: Option<&Tls>,
    secret: Option<&Secret>,
    body: &str,
) -> Result<(), String> {
    let text = |error: std::io::Error| error.to_string();
    let host = url.host.trim_start_matches('[').trim_end_matches(']');
    let stream = TcpStream::connect((host, url.port)).await.map_err(text)?;
    match tls {
        Some(tls) => {
            let stream = tls.connect(host, stream).await.map_err(text)?;
            exchange(stream, url, secret, body).await
        }
        None if url.is_https => Err("there is no certificate of an authority".to_owned()),
        None => exchange(stream, url, secret, body).await,
    }
}

async fn exchange(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    url: &Url,
    secret: Option<&Secret>,
    body: &str,
) -> Result<(), String> {
    let text = |error: std::io::Error| error.to_string();
    let signature = secret.map_or_else(String::new, |secret| {
        format!(
            "X-Mtpolicyd-Signature: sha256={}\r\n",
            signature(secret, body)
        )
    });
    let head = format!(
        "POST {} HTTP/1.1\r\nHost: {}:{}\r\nUser-Agent: mtpolicyd\r\nContent-Type: application/json\r\n\
        Content-Length: {}\r\n{signature}Connection: close\r\n\r\n",
        url.path,
        url.host,
        url.port,
        body.len()
    );
    let request = [head.as_bytes(), body.as_bytes()].concat();
    stream.write_all(&request).await.map_err(text)?;
    stream.flush().await.map_err(text)?;
    let mut answer = Vec::new();
    let mut head = stream.take(MAX_ANSWER);
    while !answer.contains(&b'\n') {
        if head.read_buf(&mut answer).await.map_err(text)? == 0 {
            break;
        }
    }
    let line = answer
        .split(|byte| *byte == b'\n')
        .next()
        .unwrap_or_default();
    let line = String::from_utf8_lossy(line);
    let mut words = line.split_ascii_whitespace();
    let is_http = words.next().is_some_and(|word| word.starts_with("HTTP/1."));
    match words.next() {
        Some(status) if is_http && status.len() == 3 && status.starts_with('2') => Ok(()),
        Some(status) if is_http => Err(format!("status {}", status.escape_debug())),
        _ => Err("no answer of HTTP".to_owned()),
    }
}

/// HMAC-SHA256 of the body (RFC 2104), in hexadecimal digits.
fn signature(secret: &Secret, body: &str) -> String {
    // Keys of any length are taken.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.reveal().as_bytes()) else {
        return String::new();
    };
    mac.update(body.as_bytes());
    let bytes = mac.finalize().into_bytes();
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// More than a status line has.
const MAX_ANSWER: u64 = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_a_host_and_may_have_a_port_and_a_path() {
        let url = |host: &str, port, path: &str| {
            Some(Url {
                is_https: port == 443 || port == 8443,
                host: host.to_owned(),
                port,
                path: path.to_owned(),
            })
        };
        for (text, expected) in [
            ("http://a.example", url("a.example", 80, "/")),
            (
                "http://127.0.0.1:8080/x?y=1",
                url("127.0.0.1", 8080, "/x?y=1"),
            ),
            ("http://[::1]:8080/", url("[::1]", 8080, "/")),
            ("http://[::1]/", url("[::1]", 80, "/")),
            ("https://a.example/", url("a.example", 443, "/")),
            ("https://[::1]:8443/x", url("[::1]", 8443, "/x")),
            ("HTTP://a.example/", None),
            ("ftp://a.example/", None),
            ("http://", None),
            ("http://:80/", None),
            ("http://a:0/", None),
            ("http://a:x/", None),
            ("http://user@a/", None),
            ("http://a/b c", None),
            ("http://a/\r\nX: y", None),
        ] {
            assert_eq!(Url::parse(text), expected, "{text}");
        }
    }

    #[test]
    fn a_body_is_signed_as_in_rfc_4231() {
        let secret = Secret::from("Jefe");
        assert_eq!(
            signature(&secret, "what do ya want for nothing?"),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
    }
}
