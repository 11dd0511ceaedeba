//! The text of an answer: what in it is an address or a name, and what of either the request has.

use std::{
    cmp::Reverse,
    net::{IpAddr, Ipv4Addr, SocketAddr},
};

use policy_proto::{Request, attr};

use super::{Anonymiser, IPV6, PUBLIC, UNKNOWN, unquoted};

/// What a request says about people, in lower case, and what replaces it; the longest first.
type Known = Vec<(String, String)>;

impl Anonymiser {
    /// An answer to this request. Its first word, the action's name, stays if it is none of an address or a name.
    pub(super) fn text(&self, action: &[u8], request: &Request) -> Vec<u8> {
        let action = String::from_utf8_lossy(action);
        let known = self.known(request);
        let begin = action.find(char::is_whitespace).unwrap_or(action.len());
        let (name, text) = action.split_at(begin);
        let mut replaced = self.words(name, &Known::new());
        for piece in pieces(text, &known, is_part) {
            match piece {
                Piece::Kept(text) => replaced += &self.words(text, &known),
                Piece::Replaced(text) => replaced += text,
            }
        }
        replaced.into_bytes()
    }

    /// The values of a request that are replaced, and their parts, in the ways in which a text may have them.
    fn known(&self, request: &Request) -> Known {
        let mut known = Known::new();
        for (name, value) in request.attributes() {
            let name = String::from_utf8_lossy(name);
            let text = String::from_utf8_lossy(value);
            if PUBLIC.contains(&&*name) || text == UNKNOWN {
                continue;
            }
            let replaced = self.value(name.as_bytes(), value);
            let replaced = String::from_utf8_lossy(&replaced).into_owned();
            let inner = text.trim_matches(['[', ']']);
            if let Ok(address) = inner.parse() {
                known.extend(ways(address).into_iter().zip(ways(self.address(address))));
            }
            if let Some((local, domain)) = text.rsplit_once('@') {
                known.push((domain.to_owned(), self.host(domain)));
                let local = unquoted(local);
                let parts = local.split('+').chain([local]);
                known.extend(parts.map(|part| (part.to_owned(), self.mailbox(part))));
            }
            known.push((text.into_owned(), replaced));
        }
        known.retain(|(text, _)| is_telling(text));
        for (text, _) in &mut known {
            text.make_ascii_lowercase();
        }
        known.sort_by_key(|(text, _)| Reverse(text.len()));
        known
    }

    /// A text, word by word.
    fn words(&self, text: &str, known: &Known) -> String {
        let mut replaced = String::with_capacity(text.len());
        let mut rest = text;
        while !rest.is_empty() {
            let (word, after) = rest.split_at(end_of_word(rest));
            // What ends a sentence is no part of a name.
            let core = word.trim_end_matches(['.', ':', '-', '=']);
            match self.word(core) {
                Some(word) => replaced += &word,
                None => {
                    for piece in pieces(core, known, char::is_alphanumeric) {
                        replaced += match piece {
                            Piece::Kept(text) => text,
                            Piece::Replaced(text) => text,
                        };
                    }
                }
            }
            replaced += word.get(core.len()..).unwrap_or_default();
            let next = after.find(|c| is_part(c) || c == '"');
            let (between, after) = after.split_at(next.unwrap_or(after.len()));
            replaced += between;
            rest = after;
        }
        replaced
    }

    /// What replaces a word that is an address or a name, or has one; `None` for another one.
    fn word(&self, word: &str) -> Option<String> {
        // As in a URL.
        if word.contains(ESCAPED_AT) {
            let replaced = self.word(&word.replace(ESCAPED_AT, "@"))?;
            return Some(replaced.replace('@', ESCAPED_AT));
        }
        if let Some((name, value)) = word.split_once('=') {
            return self.pair(name, value);
        }
        if word.contains('@') {
            return Some(self.mailbox(word));
        }
        if let Some((prefix, address)) = word.split_at_checked(IPV6.len())
            && prefix.eq_ignore_ascii_case(IPV6)
        {
            return Some(format!("{prefix}{}", self.word(address)?));
        }
        if let Ok(socket) = word.parse::<SocketAddr>() {
            let address = self.address(socket.ip());
            return Some(SocketAddr::new(address, socket.port()).to_string());
        }
        if let Ok(address) = word.replace('-', ".").parse::<Ipv4Addr>()
            && word.contains('-')
        {
            let replaced = self.address(address.into()).to_string();
            return Some(replaced.replace('.', "-"));
        }
        let has_letters = word.contains(char::is_alphabetic);
        let is_host = word.parse::<IpAddr>().is_ok() || has_letters && word.contains('.');
        is_host.then(|| self.host(word))
    }

    /// `NAME=VALUE`, or a mail address in which `=` stands for `@`.
    fn pair(&self, name: &str, value: &str) -> Option<String> {
        let replaced = self.word(value);
        let lower = name.to_ascii_lowercase();
        let is_key = KEYS.contains(&&*lower) || attr::since(&lower).is_some();
        let is_plain = name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte));
        if is_key || is_plain && replaced.is_none() {
            return replaced.map(|value| format!("{name}={value}"));
        }
        let value = replaced.unwrap_or_else(|| value.to_owned());
        Some(format!("{}={value}", self.mailbox(name)))
    }
}

/// A part of a text.
enum Piece<'a> {
    Kept(&'a str),
    Replaced(&'a str),
}

/// The parts of a text that are known or not. Known is what has none of the inner characters beside it.
fn pieces<'a>(text: &'a str, known: &'a Known, is_inner: impl Fn(char) -> bool) -> Vec<Piece<'a>> {
    let lower = text.to_ascii_lowercase();
    let mut pieces = Vec::new();
    let (mut kept, mut at) = (0, 0);
    while let Some(next) = text.get(at..).and_then(|rest| rest.chars().next()) {
        let (before, rest) = lower.split_at(at);
        let found = known.iter().find(|(known, _)| {
            let after = rest.strip_prefix(known.as_str());
            // The local part of a mail address in quotation marks is replaced with its domain.
            after.is_some_and(|after| !after.starts_with(&is_inner) && !after.starts_with("\"@"))
        });
        match found {
            Some((known, by)) if !before.ends_with(&is_inner) => {
                pieces.push(Piece::Kept(&text[kept..at]));
                pieces.push(Piece::Replaced(by));
                at += known.len();
                kept = at;
            }
            _ => at += next.len_utf8(),
        }
    }
    pieces.push(Piece::Kept(&text[kept..]));
    pieces
}

/// The length of the word at the beginning of a text: of a mail address with the local part in quotation marks as well.
fn end_of_word(text: &str) -> usize {
    let quoted = text
        .strip_prefix('"')
        .and_then(|rest| rest.split_once("\"@"));
    let begin = match quoted {
        Some((local, _)) if !local.contains('"') => local.len() + 2,
        // A quotation mark alone.
        _ if text.starts_with('"') => return 1,
        _ => 0,
    };
    let rest = text.get(begin..).unwrap_or_default();
    begin + rest.find(|c| !is_part(c)).unwrap_or(rest.len())
}

/// Whether a character may be one of an address or a name.
fn is_part(c: char) -> bool {
    c.is_alphanumeric() || ".:@+-_=%".contains(c)
}

/// Whether a part of a request is looked for: not if it is in every other text.
fn is_telling(text: &str) -> bool {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    text.chars().count() >= if is_number { 6 } else { 3 }
}

/// An address in the ways in which a text may have it: as it is, with dashes, and the other way round.
fn ways(address: IpAddr) -> Vec<String> {
    let text = address.to_string();
    let IpAddr::V4(address) = address else {
        return vec![text.replace(':', "-"), text];
    };
    let [a, b, c, d] = address.octets();
    let reversed = Ipv4Addr::new(d, c, b, a).to_string();
    let dashed = [&text, &reversed].map(|text| text.replace('.', "-"));
    [text, reversed].into_iter().chain(dashed).collect()
}

/// `@` in a URL.
const ESCAPED_AT: &str = "%40";
/// Names before `=` that are no local part of a mail address, besides those of attributes: of SPF's explanations and of
/// Authentication-Results.
const KEYS: &[&str] = &[
    "client-ip",
    "domain",
    "envelope-from",
    "from",
    "header.from",
    "helo",
    "host",
    "id",
    "identity",
    "ip",
    "mailfrom",
    "mechanism",
    "name",
    "r",
    "receiver",
    "s",
    "smtp.helo",
    "smtp.mailfrom",
    "to",
    "user",
];
