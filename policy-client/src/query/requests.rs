//! The requests of `query`: from its arguments, a template, or standard input, completed by a preset.

use std::{ffi::OsString, path::Path};

use policy_proto::Request;

use crate::{
    input::{self, Input, capture},
    request::{self, Given as Attribute, Preset},
    status::Status,
};

/// What the command line says about requests.
#[derive(Clone, Copy, Debug)]
pub(super) struct Given<'a> {
    pub(super) attributes: &'a [OsString],
    pub(super) template: Option<&'a Path>,
    pub(super) preset: Preset,
    pub(super) count: u64,
}

/// Requests in their order.
#[derive(Debug)]
pub(super) struct Requests<'a> {
    given: Given<'a>,
    source: Source,
}

#[derive(Debug)]
enum Source {
    /// The same ones again and again.
    Fixed {
        all: Vec<Vec<Attribute>>,
        asked: u64,
    },
    /// Those on standard input as they come.
    Input(Box<Input>),
}

/// A text for the person at the command line, and the status to end with.
type Wrong = (String, Status);

impl<'a> Given<'a> {
    /// Where the requests come from, or what is wrong on the command line.
    pub(super) fn requests(self) -> Result<Requests<'a>, Wrong> {
        let source = if self.attributes == ["-"] {
            if self.count > 1 || self.template.is_some() {
                let text = "'-' goes with neither --count nor --template";
                return Err((text.to_owned(), Status::Usage));
            }
            Source::Input(Box::new(Input::new()))
        } else {
            if self.attributes.iter().any(|word| word == "-") {
                let text = "'-' goes with no other attribute";
                return Err((text.to_owned(), Status::Usage));
            }
            let own = request::pairs(self.attributes).map_err(|text| (text, Status::Usage))?;
            let mut all = match self.template {
                Some(path) => template(path)?,
                None => vec![Vec::new()],
            };
            for request in &mut all {
                replace(request, &own);
            }
            Source::Fixed { all, asked: 0 }
        };
        let requests = Requests {
            given: self,
            source,
        };
        // What is wrong on the command line is said before anybody is asked.
        if let Source::Fixed { all, .. } = &requests.source {
            for request in all {
                let built = requests.complete(request);
                built.map_err(|text| (text, Status::Usage))?;
            }
        }
        Ok(requests)
    }
}

impl Requests<'_> {
    /// The next one; `None` at the end.
    pub(super) async fn next(&mut self) -> Result<Option<Request>, Wrong> {
        let given = match &mut self.source {
            Source::Fixed { all, asked } => {
                let each = all.len() as u64;
                if each == 0 || *asked >= self.given.count.saturating_mul(each) {
                    return Ok(None);
                }
                let index = usize::try_from(*asked % each).unwrap_or_default();
                *asked += 1;
                let request = all.get(index).map(Vec::as_slice).unwrap_or_default();
                if self.given.template.is_some() {
                    numbered(request, *asked)
                } else {
                    request.to_vec()
                }
            }
            Source::Input(input) => match input.next().await? {
                Some(request) => owned(&request),
                None => return Ok(None),
            },
        };
        let wrong = |text| (text, Status::Data);
        self.complete(&given).map(Some).map_err(wrong)
    }

    /// A request of these attributes, and of those that are missing.
    fn complete(&self, given: &[Attribute]) -> Result<Request, String> {
        self.given.preset.request(given, &request::instance())
    }
}

/// The requests of a template.
fn template(path: &Path) -> Result<Vec<Vec<Attribute>>, Wrong> {
    let shown = input::name(path);
    let file =
        capture::open(path).map_err(|error| (format!("{shown}: {error}"), Status::NoInput))?;
    let mut all = Vec::new();
    for captured in file {
        let captured = captured.map_err(|error| (format!("{shown}: {error}"), Status::Data))?;
        all.push(owned(&captured.request));
        if all.len() > MAX_REQUESTS {
            let text = format!("{shown}: more than {MAX_REQUESTS} requests");
            return Err((text, Status::Data));
        }
    }
    if all.is_empty() {
        return Err((format!("{shown}: {}", input::NO_REQUEST), Status::Data));
    }
    Ok(all)
}

fn owned(request: &Request) -> Vec<Attribute> {
    let attributes = request.attributes();
    attributes
        .map(|(name, value)| (name.to_vec(), Some(value.to_vec())))
        .collect()
}

/// Puts these into a request, each in the place of those of its name, if there are any.
fn replace(request: &mut Vec<Attribute>, own: &[Attribute]) {
    let mut rest = own.to_vec();
    let mut all = Vec::with_capacity(request.len() + own.len());
    for attribute in request.drain(..) {
        let (name, _) = &attribute;
        if own.iter().any(|(own, _)| own == name) {
            all.extend(rest.extract_if(.., |(own, _)| own == name));
        } else {
            all.push(attribute);
        }
    }
    all.extend(rest);
    *request = all;
}

/// A request of a template, its number in the place of `{n}`.
fn numbered(request: &[Attribute], number: u64) -> Vec<Attribute> {
    let number = number.to_string();
    let value = |value: &[u8]| {
        let mut numbered = Vec::with_capacity(value.len());
        let mut rest = value;
        while let Some(place) = rest.windows(NUMBER.len()).position(|part| part == NUMBER) {
            let (before, after) = rest.split_at(place);
            numbered.extend_from_slice(before);
            numbered.extend_from_slice(number.as_bytes());
            rest = after.get(NUMBER.len()..).unwrap_or_default();
        }
        numbered.extend_from_slice(rest);
        numbered
    };
    let numbered = request
        .iter()
        .map(|(name, of)| (name.clone(), of.as_deref().map(value)));
    numbered.collect()
}

/// The place of the request's number in a template.
const NUMBER: &[u8] = b"{n}";
/// As many as a template may have: they are kept in memory.
const MAX_REQUESTS: usize = 10_000;
