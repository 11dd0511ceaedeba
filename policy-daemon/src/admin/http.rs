//! The part of HTTP/1.1 that read-only pages need: one request a connection, GET and HEAD.

use std::time::Duration;

use httparse::{Error, Status as Parsed};

/// A request for a page.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Request {
    pub(super) path: String,
    /// Only the head of the answer is wanted.
    pub(super) is_head: bool,
    /// The value of `Accept`.
    pub(super) accept: String,
    /// The host that is asked for, with its port. Clients that are no browsers may name none.
    pub(super) host: Option<String>,
}

/// What has come of a request so far.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Progress {
    /// It is whole.
    Whole(Request),
    /// The rest has not come.
    Partial,
    /// It cannot be answered with a page.
    Wrong(Response),
}

/// An answer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Response {
    pub(super) status: &'static str,
    pub(super) content_type: &'static str,
    /// What a browser may load for it.
    pub(super) policy: &'static str,
    pub(super) body: String,
}

impl Response {
    /// A page of plain text, which ends in a line feed.
    pub(super) fn text(status: &'static str, text: &str) -> Self {
        Self {
            status,
            content_type: "text/plain; charset=utf-8",
            policy: NO_POLICY,
            body: format!("{text}\n"),
        }
    }

    /// The bytes of the answer, without the body where only the head is wanted.
    pub(super) fn to_bytes(&self, is_head: bool) -> Vec<u8> {
        let Self {
            status,
            content_type,
            policy,
            body,
        } = self;
        let allow = if *status == METHOD_NOT_ALLOWED {
            "Allow: GET, HEAD\r\n"
        } else {
            ""
        };
        let length = body.len();
        let head = format!(
            "HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {length}\r\n{allow}\
             Cache-Control: no-store\r\nContent-Security-Policy: {policy}\r\nReferrer-Policy: no-referrer\r\n\
             X-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n"
        );
        let body = if is_head { "" } else { body };
        [head.as_bytes(), body.as_bytes()].concat()
    }
}

/// Reads a request from all that has come.
pub(super) fn read(received: &[u8]) -> Progress {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut request = httparse::Request::new(&mut headers);
    match request.parse(received) {
        Ok(Parsed::Complete(_)) => {}
        Ok(Parsed::Partial) if received.len() < MAX_HEAD => return Progress::Partial,
        Ok(Parsed::Partial) | Err(Error::TooManyHeaders) => return wrong(TOO_LARGE),
        Err(_) => return wrong(BAD_REQUEST),
    }
    let is_head = request.method == Some("HEAD");
    if !is_head && request.method != Some("GET") {
        return wrong(METHOD_NOT_ALLOWED);
    }
    let target = request.path.unwrap_or_default();
    let values = |name: &str| {
        let all = request.headers.iter();
        let of_name = all.filter(|header| header.name.eq_ignore_ascii_case(name));
        let texts = of_name.map(|header| String::from_utf8_lossy(header.value).into_owned());
        texts.collect::<Vec<_>>()
    };
    let mut hosts = values("host");
    if hosts.len() > 1 {
        return wrong(BAD_REQUEST);
    }
    Progress::Whole(Request {
        path: path_of(target).to_owned(),
        is_head,
        accept: values("accept").into_iter().next().unwrap_or_default(),
        host: authority_of(target)
            .map(str::to_owned)
            .or_else(|| hosts.pop()),
    })
}

/// The host of a target that is whole, which counts before the header.
fn authority_of(target: &str) -> Option<&str> {
    let (_, rest) = target.split_once("://")?;
    rest.split('/').next()
}

/// The path of a target, which may be whole, as for a proxy, and may have a query.
fn path_of(target: &str) -> &str {
    let path = match target.split_once("://") {
        Some((_, rest)) => rest.find('/').map_or("/", |at| &rest[at..]),
        None => target,
    };
    path.split(['?', '#']).next().unwrap_or_default()
}

fn wrong(status: &'static str) -> Progress {
    Progress::Wrong(Response::text(status, status))
}

/// How long a client may take to send its request, and again to read the answer.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);
/// As many bytes as a request may have: a browser sends less than one KiB.
pub(super) const MAX_HEAD: usize = 8 * 1024;
const MAX_HEADERS: usize = 64;

/// Nothing is loaded for a text, whatever a browser takes it for.
pub(super) const NO_POLICY: &str = "default-src 'none'; frame-ancestors 'none'";
pub(super) const OK: &str = "200 OK";
pub(super) const NOT_FOUND: &str = "404 Not Found";
pub(super) const UNAVAILABLE: &str = "503 Service Unavailable";
pub(super) const TIMEOUT: &str = "408 Request Timeout";
pub(super) const MISDIRECTED: &str = "421 Misdirected Request";
const BAD_REQUEST: &str = "400 Bad Request";
const METHOD_NOT_ALLOWED: &str = "405 Method Not Allowed";
const TOO_LARGE: &str = "431 Request Header Fields Too Large";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_read_as_soon_as_it_is_whole() {
        let whole = b"GET /metrics?x=1 HTTP/1.1\r\nHost: a\r\naccept: text/plain\r\n\r\n";
        for end in 0..whole.len() {
            assert_eq!(read(&whole[..end]), Progress::Partial, "{end}");
        }
        let expected = Request {
            path: "/metrics".to_owned(),
            is_head: false,
            accept: "text/plain".to_owned(),
            host: Some("a".to_owned()),
        };
        assert_eq!(read(whole), Progress::Whole(expected));
    }

    #[test]
    fn a_request_that_is_none_for_a_page_is_told_why() {
        let many = format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(65));
        let long = format!("GET /{} HTTP/1.1\r\n", "a".repeat(MAX_HEAD));
        for (request, status) in [
            (&b"POST /metrics HTTP/1.1\r\n\r\n"[..], METHOD_NOT_ALLOWED),
            (b"request=smtpd_access_policy\n\n", BAD_REQUEST),
            (b"\x16\x03\x01\x02\0\x01", BAD_REQUEST),
            (
                b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: b\r\n\r\n",
                BAD_REQUEST,
            ),
            (many.as_bytes(), TOO_LARGE),
            (long.as_bytes(), TOO_LARGE),
        ] {
            let Progress::Wrong(response) = read(request) else {
                panic!("{}", request.escape_ascii());
            };
            assert_eq!(response.status, status, "{}", request.escape_ascii());
        }
    }

    #[test]
    fn a_path_stands_without_a_host_and_a_query() {
        for (target, path) in [
            ("/", "/"),
            ("/readyz?verbose", "/readyz"),
            ("http://localhost:9100/metrics", "/metrics"),
            ("http://localhost:9100", "/"),
            ("*", "*"),
        ] {
            assert_eq!(path_of(target), path);
        }
    }

    #[test]
    fn the_host_of_a_whole_target_counts_before_the_header() {
        for (head, host) in [
            ("GET / HTTP/1.1\r\nHost: a:1\r\n\r\n", Some("a:1")),
            (
                "GET http://b:2/metrics HTTP/1.1\r\nHost: a\r\n\r\n",
                Some("b:2"),
            ),
            ("GET http://b HTTP/1.1\r\n\r\n", Some("b")),
            ("GET / HTTP/1.0\r\n\r\n", None),
        ] {
            let Progress::Whole(request) = read(head.as_bytes()) else {
                panic!("{head}");
            };
            assert_eq!(request.host.as_deref(), host, "{head}");
        }
    }

    #[test]
    fn only_the_body_tells_an_answer_to_get_from_one_to_head() {
        let response = Response::text(OK, "ok");
        let (whole, head) = (response.to_bytes(false), response.to_bytes(true));
        assert_eq!(whole, [&head[..], b"ok\n"].concat());
        let head = String::from_utf8(head).unwrap();
        assert!(head.contains("Content-Length: 3\r\n"), "{head}");
    }
}
