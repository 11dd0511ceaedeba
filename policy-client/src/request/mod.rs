//! Requests that are put together: what a preset has, and what is given besides.

use std::{
    ffi::OsString,
    os::unix::ffi::OsStrExt,
    process,
    sync::atomic::{AtomicU64, Ordering},
    time::{SystemTime, UNIX_EPOCH},
};

use policy_proto::{ProtocolState, Request, attr};

use crate::request::preset::{Version, attributes};

pub(crate) mod preset;

/// What is sent besides the attributes that are given.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Preset {
    /// All that Postfix sends at this stage; else no more than a request has to have.
    pub(crate) stage: Option<ProtocolState>,
    pub(crate) postfix: Version,
}

/// An attribute that is given: its name, and its value, or none where it is taken away.
pub(crate) type Given = (Vec<u8>, Option<Vec<u8>>);

impl Preset {
    /// A request of the preset in which the given attributes stand in place of those of the same name, or at the end. Without
    /// a stage they stand as they are given, after what is missing.
    pub(crate) fn request(self, given: &[Given], instance: &str) -> Result<Request, String> {
        let preset = match self.stage {
            Some(stage) => attributes(stage, self.postfix, instance),
            None => vec![
                (attr::REQUEST, attr::SMTPD_ACCESS_POLICY.to_owned()),
                (
                    attr::PROTOCOL_STATE,
                    ProtocolState::Rcpt.as_str().to_owned(),
                ),
                (attr::INSTANCE, instance.to_owned()),
            ],
        };
        let mut all: Vec<(&[u8], &[u8])> = Vec::new();
        let mut rest: Vec<&Given> = given.iter().collect();
        for (name, value) in &preset {
            let name = name.as_bytes();
            if !given.iter().any(|(given, _)| given == name) {
                all.push((name, value.as_bytes()));
            } else if self.stage.is_some() {
                let replaced = rest.extract_if(.., |(given, _)| given == name);
                all.extend(replaced.filter_map(pair));
            }
        }
        all.extend(rest.into_iter().filter_map(pair));
        of(&all)
    }
}

/// A request of these attributes; an error names the one that is at fault.
pub(crate) fn of(all: &[(&[u8], &[u8])]) -> Result<Request, String> {
    Request::from_attributes(all.iter().copied()).map_err(|error| {
        let is_wrong = |one: &&(&[u8], &[u8])| Request::from_attributes([**one]).is_err();
        match all.iter().find(is_wrong) {
            Some((name, _)) => format!("'{}': {error}", name.escape_ascii()),
            None => error.to_string(),
        }
    })
}

fn pair(given: &Given) -> Option<(&[u8], &[u8])> {
    let (name, value) = given;
    value.as_deref().map(|value| (name.as_slice(), value))
}

/// Attributes on a command line.
pub(crate) fn pairs(words: &[OsString]) -> Result<Vec<Given>, String> {
    let pair = |word: &OsString| {
        let mut parts = word.as_bytes().splitn(2, |&byte| byte == b'=');
        match (parts.next(), parts.next()) {
            (Some(name), Some(value)) => Ok((name.to_owned(), Some(value.to_owned()))),
            _ => Err(format!("'{}' is not name=value", word.display())),
        }
    };
    words.iter().map(pair).collect()
}

/// A value of `instance` that no other request has, of this process or another.
pub(crate) fn instance() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH);
    let time = since_epoch.unwrap_or_default().as_micros();
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("{:x}.{time:x}.{number}", process::id())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_replaces_takes_away_or_adds() {
        let preset = Preset {
            stage: None,
            postfix: Version::NEWEST,
        };
        let given = |name: &str, value: Option<&str>| (name.into(), value.map(Into::into));
        for (attributes, expected) in [
            (
                vec![],
                "request=smtpd_access_policy\nprotocol_state=RCPT\ninstance=i\n\n",
            ),
            (
                vec![
                    given("protocol_state", Some("DATA")),
                    given("instance", None),
                    given("x", Some("")),
                ],
                "request=smtpd_access_policy\nprotocol_state=DATA\nx=\n\n",
            ),
            (
                vec![
                    given("instance", Some("1")),
                    given("instance", Some("2")),
                    given("x", None),
                ],
                "request=smtpd_access_policy\nprotocol_state=RCPT\ninstance=1\ninstance=2\n\n",
            ),
        ] {
            let request = preset.request(&attributes, "i").unwrap();
            assert_eq!(request.as_bytes(), expected.as_bytes());
        }
        let smuggled = [given("a", Some("b\nc=d"))];
        assert!(preset.request(&smuggled, "i").is_err());
    }

    #[test]
    fn instances_differ() {
        assert_ne!(instance(), instance());
    }
}
