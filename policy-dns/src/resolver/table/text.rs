//! The text of a zone.

use std::{collections::BTreeSet, str::FromStr, time::Duration};

use thiserror::Error;

use super::{Fault, Table};
use crate::{Data, Name, NameError, Outcome, Record, RecordType};

/// A line of a zone that cannot be read.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[error("line {line}: {problem}")]
pub struct ZoneError {
    line: usize,
    problem: Problem,
}

#[derive(Clone, Debug, Eq, Error, PartialEq)]
enum Problem {
    #[error("'{0}': {1}")]
    Name(String, NameError),
    #[error("no type in '{0}'")]
    Type(String),
    #[error("'{0}' is no data of the type {1}")]
    Data(String, RecordType),
    #[error("no fault '{0}'")]
    Fault(String),
    #[error("a quote is not closed")]
    Quote,
}

impl FromStr for Table {
    type Err = ZoneError;

    fn from_str(text: &str) -> Result<Self, ZoneError> {
        let mut table = Self::default();
        for (index, line) in text.lines().enumerate() {
            table.add(line).map_err(|problem| ZoneError {
                line: index + 1,
                problem,
            })?;
        }
        Ok(table)
    }
}

impl Table {
    fn add(&mut self, line: &str) -> Result<(), Problem> {
        let words = words(line)?;
        let Some((owner, rest)) = words.split_first() else {
            return Ok(());
        };
        let name = owner_name(owner)?;
        self.parents
            .extend(std::iter::successors(name.parent(), Name::parent));
        if rest.first().is_some_and(|word| word.starts_with('!')) {
            self.faults.entry(name).or_default().push(fault(rest)?);
            return Ok(());
        }
        let (ttl, rest) = match rest.split_first() {
            Some((first, rest)) if first.parse::<u32>().is_ok() => {
                (first.parse().unwrap_or(DEFAULT_TTL), rest)
            }
            _ => (DEFAULT_TTL, rest),
        };
        let no_type = || Problem::Type(rest.join(" "));
        let (kind, rest) = rest.split_first().ok_or_else(no_type)?;
        let kind = record_type(kind).ok_or_else(no_type)?;
        let data = data(kind, rest).ok_or_else(|| Problem::Data(rest.join(" "), kind))?;
        self.records
            .entry(name.clone())
            .or_default()
            .push(Record { name, ttl, data });
        Ok(())
    }
}

/// A name, an address for its reverse name, or an address in a list.
fn owner_name(text: &str) -> Result<Name, Problem> {
    let problem = |error| Problem::Name(text.into(), error);
    if let Ok(address) = text.parse() {
        return Ok(Name::reverse(address));
    }
    if let Some((address, list)) = text.split_once('@')
        && let Ok(address) = address.parse()
    {
        let list = Name::parse(list).map_err(problem)?;
        return Name::reversed_below(address, &list).map_err(problem);
    }
    Name::parse(unescaped(text)).map_err(problem)
}

fn record_type(word: &str) -> Option<RecordType> {
    RecordType::ALL
        .into_iter()
        .find(|kind| kind.as_str().eq_ignore_ascii_case(word))
}

fn data(kind: RecordType, words: &[String]) -> Option<Data> {
    let data = match (kind, words) {
        (RecordType::Txt, strings) => {
            Data::Txt(strings.iter().map(|text| unescaped(text)).collect())
        }
        (RecordType::A, [address]) => Data::A(address.parse().ok()?),
        (RecordType::Aaaa, [address]) => Data::Aaaa(address.parse().ok()?),
        (RecordType::Cname, [name]) => Data::Cname(name.parse().ok()?),
        (RecordType::Ptr, [name]) => Data::Ptr(name.parse().ok()?),
        (RecordType::Mx, [preference, name]) => Data::Mx {
            preference: preference.parse().ok()?,
            exchange: name.parse().ok()?,
        },
        _ => return None,
    };
    Some(data)
}

fn fault(words: &[String]) -> Result<(Fault, BTreeSet<RecordType>), Problem> {
    let unknown = || Problem::Fault(words.join(" "));
    let mut rest = words.iter().map(String::as_str);
    let fault = match rest.next().unwrap_or_default() {
        "!delay" => Fault::Delay(rest.next().and_then(duration).ok_or_else(unknown)?),
        "!silent" => Fault::Silent,
        "!servfail" => Fault::Outcome(Outcome::ServFail),
        "!refused" => Fault::Outcome(Outcome::Refused),
        "!code" => {
            let code = rest
                .next()
                .and_then(|code| code.parse().ok())
                .ok_or_else(unknown)?;
            Fault::Outcome(Outcome::Failed(code))
        }
        "!alias-only" => Fault::AliasOnly,
        "!truncated" => Fault::Truncated,
        "!cut-within" => Fault::CutWithin,
        "!silent-tcp" => Fault::SilentTcp,
        "!wrong-id" => Fault::WrongId,
        "!wrong-name" => Fault::WrongName,
        _ => return Err(unknown()),
    };
    let kinds = rest
        .map(|word| record_type(word).ok_or_else(unknown))
        .collect::<Result<_, _>>()?;
    Ok((fault, kinds))
}

/// `300ms` or `2s`.
fn duration(text: &str) -> Option<Duration> {
    if let Some(number) = text.strip_suffix("ms") {
        return number.parse().ok().map(Duration::from_millis);
    }
    text.strip_suffix('s')?
        .parse()
        .ok()
        .map(Duration::from_secs)
}

/// Words apart by blanks, quotes around those that hold some; `;` begins a comment. Escapes stay as they are.
fn words(line: &str) -> Result<Vec<String>, Problem> {
    let (mut words, mut chars) = (vec![], line.chars().peekable());
    while let Some(&next) = chars.peek() {
        match next {
            ';' => break,
            '"' => {
                chars.next();
                words.push(quoted(&mut chars)?);
            }
            blank if blank.is_whitespace() => {
                chars.next();
            }
            _ => {
                let mut word = String::new();
                while let Some(char) = chars.next_if(|char| !char.is_whitespace() && *char != ';') {
                    word.push(char);
                }
                words.push(word);
            }
        }
    }
    Ok(words)
}

fn quoted(chars: &mut impl Iterator<Item = char>) -> Result<String, Problem> {
    let mut word = String::new();
    loop {
        match chars.next().ok_or(Problem::Quote)? {
            '"' => return Ok(word),
            '\\' => word.extend(['\\', chars.next().ok_or(Problem::Quote)?]),
            char => word.push(char),
        }
    }
}

/// The bytes of a string: `\DDD` is a byte by its number, `\` makes any other character an ordinary one.
fn unescaped(text: &str) -> Box<[u8]> {
    let (mut bytes, mut rest) = (vec![], text.as_bytes());
    while let Some((&first, tail)) = rest.split_first() {
        let number = tail
            .get(..3)
            .and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok());
        let byte;
        (byte, rest) = match (first, number, tail.split_first()) {
            (b'\\', Some(number), _) => (number, tail.get(3..).unwrap_or_default()),
            (b'\\', None, Some((&escaped, tail))) => (escaped, tail),
            _ => (first, tail),
        };
        bytes.push(byte);
    }
    bytes.into()
}

const DEFAULT_TTL: u32 = 300;
