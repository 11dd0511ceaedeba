//! The form of a file of requests with their expected answers.

use std::{fmt, time::Duration};

use policy_daemon::command_line::parse_duration;
use policy_proto::{ProtocolState, Request};

use super::{expectation::Expectation, words::attributes};
use crate::{
    input::NO_REQUEST,
    request::preset::Version,
    request::{Given, Preset, instance},
};

/// A file.
#[derive(Clone, Debug, Default)]
pub(crate) struct Script {
    /// Whom it asks.
    pub(crate) endpoint: Option<String>,
    pub(crate) tests: Vec<Test>,
}

/// Steps about one matter, over one connection.
#[derive(Clone, Debug)]
pub(crate) struct Test {
    pub(crate) name: String,
    pub(crate) steps: Vec<Step>,
}

/// A step of a test.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Ask(Question),
    Wait(Duration),
}

/// A request with its expected answer.
#[derive(Clone, Debug)]
pub(crate) struct Question {
    /// The line of the answer, from 1.
    pub(crate) line: usize,
    /// The request as it stands in the file.
    pub(crate) text: String,
    pub(crate) request: Request,
    pub(crate) expected: Expectation,
}

/// What is wrong with a file, after its name.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Fault {
    /// From 1; 0 where the whole file is at fault.
    line: usize,
    text: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, ": {}", self.text),
            line => write!(f, ":{line}: {}", self.text),
        }
    }
}

impl Script {
    pub(crate) fn parse(text: &str) -> Result<Self, Fault> {
        let mut reader = Reader::default();
        let mut last = 0;
        for (line, text) in (1..).zip(text.lines()) {
            last = line;
            let read = reader.line(line, text.trim_end());
            read.map_err(|text| Fault { line, text })?;
        }
        let ended = reader.end_of_request();
        ended.map_err(|text| Fault { line: last, text })?;
        if reader.script.questions() == 0 {
            let form = "lines '  > NAME=VALUE' and '  < ACTION' under the name of a test";
            let text = format!("{NO_REQUEST}: {form}");
            return Err(Fault { line: 0, text });
        }
        Ok(reader.script)
    }

    pub(crate) fn questions(&self) -> usize {
        let steps = self.tests.iter().flat_map(|test| &test.steps);
        steps.filter(|step| matches!(step, Step::Ask(_))).count()
    }
}

/// The state of reading a file.
#[derive(Debug)]
struct Reader {
    script: Script,
    preset: Preset,
    /// Attributes of all requests that follow.
    common: Vec<Given>,
    /// The attributes of the request whose answer is to come, and its text.
    request: Option<(Vec<Given>, String)>,
    instance: String,
}

impl Default for Reader {
    fn default() -> Self {
        Self {
            script: Script::default(),
            preset: Preset {
                stage: Some(ProtocolState::Rcpt),
                postfix: Version::NEWEST,
            },
            common: Vec::new(),
            request: None,
            instance: instance(),
        }
    }
}

impl Reader {
    fn line(&mut self, number: usize, line: &str) -> Result<(), String> {
        let text = line.trim_start();
        if text.is_empty() || text.starts_with('#') {
            return Ok(());
        }
        if text.len() < line.len() {
            return self.step(number, text);
        }
        self.end_of_request()?;
        if let Some(setting) = line.strip_prefix('@') {
            return self.setting(setting);
        }
        // The requests of a test are about one message, unless they say otherwise.
        self.instance = instance();
        self.script.tests.push(Test {
            name: line.to_owned(),
            steps: Vec::new(),
        });
        Ok(())
    }

    fn setting(&mut self, text: &str) -> Result<(), String> {
        let (name, value) = text.split_once(' ').unwrap_or((text, ""));
        let value = value.trim();
        match name {
            "endpoint" if !value.is_empty() => self.script.endpoint = Some(value.to_owned()),
            "preset" if value == "none" => self.preset.stage = None,
            "preset" => {
                let stage = ProtocolState::parse(value.to_ascii_uppercase().as_bytes());
                self.preset.stage =
                    Some(stage.ok_or_else(|| format!("'{value}' is no stage, nor 'none'"))?);
            }
            "postfix" => self.preset.postfix = value.parse().map_err(str::to_owned)?,
            "attributes" => self.common = attributes(value)?,
            _ => {
                let known = "@endpoint ENDPOINT, @preset STAGE, @postfix VERSION or @attributes NAME=VALUE...";
                return Err(format!("'@{text}' is not {known}"));
            }
        }
        Ok(())
    }

    fn step(&mut self, number: usize, text: &str) -> Result<(), String> {
        let Some(test) = self.script.tests.last_mut() else {
            return Err(
                "the name of a test, which is not indented, is missing before this".to_owned(),
            );
        };
        if let Some(words) = text.strip_prefix('>') {
            let given = attributes(words)?;
            let words = words.trim();
            match &mut self.request {
                Some((all, text)) => {
                    all.extend(given);
                    *text = format!("{text} {words}");
                }
                None => self.request = Some((given, words.to_owned())),
            }
        } else if let Some(expected) = text.strip_prefix('<') {
            let expected = Expectation::parse(expected.trim_start())?;
            let Some((given, text)) = self.request.take() else {
                return Err("there is no request, '> ...', before this answer".to_owned());
            };
            // What the request gives counts more than what all have.
            let is_common = |(name, _): &&Given| given.iter().all(|(given, _)| given != name);
            let common = self.common.iter().filter(is_common).cloned();
            let all: Vec<Given> = common.chain(given.iter().cloned()).collect();
            let request = self.preset.request(&all, &self.instance)?;
            test.steps.push(Step::Ask(Question {
                line: number,
                text,
                request,
                expected,
            }));
        } else if let Some(duration) = text.strip_prefix("wait ") {
            let wait = parse_duration(duration.trim())?;
            test.steps.push(Step::Wait(wait));
        } else {
            return Err(format!(
                "'{text}' is not '> NAME=VALUE...', '< ACTION' or 'wait DURATION'"
            ));
        }
        Ok(())
    }

    /// Fails where a request has no answer.
    fn end_of_request(&self) -> Result<(), String> {
        match &self.request {
            Some((_, text)) => Err(format!(
                "the request '{text}' has no answer, '< ...', after it"
            )),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use policy_proto::attr;

    use super::*;

    #[test]
    fn a_file_is_tests_of_requests_with_answers() {
        let text = "# Comment\n@endpoint inet:127.0.0.1:1\n@attributes sender=a@x helo_name=h\n\n\
                    first test\n  > recipient=b@y\n  > sender=\n  # Comment\n  < DUNNO\n  wait 1.5s\n  > -sender\n  < -\n\
                    second\n\t>\n\t<~ ^OK\n";
        let script = Script::parse(text).unwrap();
        assert_eq!(script.endpoint.as_deref(), Some("inet:127.0.0.1:1"));
        assert_eq!(script.questions(), 3);
        let names: Vec<_> = script.tests.iter().map(|test| test.name.as_str()).collect();
        assert_eq!(names, ["first test", "second"]);
        let [Step::Ask(first), Step::Wait(wait), Step::Ask(second)] = &*script.tests[0].steps
        else {
            panic!("{script:?}");
        };
        assert_eq!(
            (first.line, first.text.as_str()),
            (9, "recipient=b@y sender=")
        );
        assert_eq!(*wait, Duration::from_millis(1500));
        let get = |question: &Question, name| question.request.get(name).map(<[u8]>::to_vec);
        for (question, name, value) in [
            (first, attr::RECIPIENT, Some("b@y")),
            (first, attr::SENDER, Some("")),
            (first, attr::HELO_NAME, Some("h")),
            (first, attr::MAIL_VERSION, Some("3.12.0")),
            (second, attr::SENDER, None),
            (second, attr::HELO_NAME, Some("h")),
        ] {
            assert_eq!(get(question, name), value.map(Into::into), "{name}");
        }
        let instances = [first, second].map(|question| get(question, attr::INSTANCE));
        assert_eq!(instances[0], instances[1]);
    }

    #[test]
    fn settings_hold_for_what_follows() {
        let text = "@preset data\n@postfix 2.1\na\n > x=1\n < OK\n@preset none\nb\n > x=1\n < OK\n";
        let script = Script::parse(text).unwrap();
        let requests = script.tests.iter().map(|test| match &*test.steps {
            [Step::Ask(question)] => {
                String::from_utf8_lossy(question.request.as_bytes()).into_owned()
            }
            other => panic!("{other:?}"),
        });
        let [first, second] = &*requests.collect::<Vec<_>>() else {
            panic!("two");
        };
        assert!(
            first.contains("protocol_state=DATA\n") && !first.contains("size="),
            "{first}"
        );
        assert_eq!(
            second.lines().filter(|line| !line.is_empty()).count(),
            4,
            "{second}"
        );
    }

    #[test]
    fn a_fault_is_told_with_its_line() {
        for (text, line) in [
            ("", 0),
            ("a\n", 0),
            ("  > a=1\n", 1),
            ("a\n  > b\n", 2),
            ("a\n  < OK\n", 2),
            ("a\n  > x=1\nb\n", 3),
            ("a\n  > x=1\n", 2),
            ("a\n  > x=1\n  <~ (\n", 3),
            ("a\n  > x=1\n  <\n", 3),
            ("a\n  > =1\n  < OK\n", 3),
            ("a\n  then OK\n", 2),
            ("a\n  wait 1\n", 2),
            ("@colour red\n", 1),
            ("@preset later\n", 1),
            ("@postfix 1.0\n", 1),
        ] {
            let fault = Script::parse(text).unwrap_err();
            assert_eq!(fault.line, line, "{text}: {fault}");
        }
    }
}
