//! The Perl script's own options by the rules of its parser, Perl's Getopt::Long with bundling: other
//! programs' command lines, which work today, must mean the same.
//!
//! - Long names may be abbreviated while it is clear among these five: `--serv=X`, `--def X`, `--s X`.
//! - One-letter options may be bundled, and a value attached: `-lvsX`, `-dA`. What follows the letter
//!   is the value as it stands, so `-d=A` is `=A`, and `-service=X` is `-s` with `ervice=X`.
//! - `-v=CATEGORY` is the one form that the script refuses and this program takes.
//! - `-s` and `-d` take the next word whatever it looks like. Letters are case sensitive.
//!
//! Long options that are none of the five are left over, with every word that is no option, for the
//! parser of the newer ones.

use std::{
    ffi::{OsStr, OsString},
    os::unix::ffi::{OsStrExt, OsStringExt},
};

use policy_proxy::options::{Detail, UnknownCategory};

/// The values of the Perl script's options.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Classic {
    pub(crate) services: Vec<OsString>,
    pub(crate) default: Option<OsString>,
    pub(crate) logging: bool,
    pub(crate) verbose: bool,
    /// Those of `-v=CATEGORY,...`, which the Perl script refuses.
    pub(crate) categories: Detail,
    pub(crate) stdout: bool,
    /// Words that are not for these options.
    pub(crate) rest: Vec<OsString>,
}

/// Why a command line cannot be read.
#[derive(Debug, PartialEq)]
pub(crate) struct WrongWord {
    /// A line for the user.
    pub(crate) text: String,
    /// The word at fault.
    pub(crate) word: OsString,
}

/// Reads a command line.
pub(crate) fn parse(words: Vec<OsString>) -> Result<Classic, WrongWord> {
    let mut classic = Classic::default();
    // Only there it is an option, which the Perl script has none of.
    let shows_config = words.iter().any(|word| word == "--show-config");
    let mut words = words.into_iter();
    while let Some(word) = words.next() {
        let wrong = |text| WrongWord {
            text,
            word: word.clone(),
        };
        match word.as_bytes() {
            b"--" => {
                // The rest are words even if they look like options.
                classic.rest.push(word);
                classic.rest.extend(words.by_ref());
            }
            [b'-', b'-', long @ ..] => {
                if !parse_long(&mut classic, long, &mut words).map_err(wrong)? {
                    classic.rest.push(word);
                }
            }
            b"-n" if shows_config => classic.rest.push(word),
            [b'-', letters @ ..] if !letters.is_empty() => {
                parse_letters(&mut classic, letters, &mut words).map_err(wrong)?;
            }
            _ => classic.rest.push(word),
        }
    }
    Ok(classic)
}

/// `name` or `name=value`; whether it is one of the five.
fn parse_long(
    classic: &mut Classic,
    long: &[u8],
    words: &mut impl Iterator<Item = OsString>,
) -> Result<bool, String> {
    let (name, value) = match long.iter().position(|byte| *byte == b'=') {
        Some(equals) => (&long[..equals], Some(&long[equals + 1..])),
        None => (long, None),
    };
    let shown = OsStr::from_bytes(name).to_string_lossy();
    let Some(letter) = letter_of(name) else {
        return Ok(false);
    };
    match (takes_value(letter), value) {
        (false, None) => classic.set(letter),
        (false, Some(value)) if letter == b'v' => classic.add_categories(value)?,
        (false, Some(_)) => return Err(format!("Option {shown} does not take an argument")),
        (true, Some([])) => return Err(format!("Option {shown} requires an argument")),
        (true, Some(value)) => classic.give(letter, OsString::from_vec(value.to_vec())),
        (true, None) => match words.next() {
            Some(value) => classic.give(letter, value),
            None => return Err(format!("Option {shown} requires an argument")),
        },
    }
    Ok(true)
}

fn parse_letters(
    classic: &mut Classic,
    mut letters: &[u8],
    words: &mut impl Iterator<Item = OsString>,
) -> Result<(), String> {
    while let [letter, rest @ ..] = letters {
        let shown = char::from(*letter);
        match letter {
            b'v' if rest.starts_with(b"=") => {
                return classic.add_categories(rest.get(1..).unwrap_or_default());
            }
            b'l' | b'v' | b'L' => classic.set(*letter),
            b's' | b'd' => {
                let value = match rest {
                    [] => words
                        .next()
                        .ok_or_else(|| format!("Option {shown} requires an argument"))?,
                    rest => OsString::from_vec(rest.to_vec()),
                };
                classic.give(*letter, value);
                return Ok(());
            }
            _ => return Err(format!("Unknown option: {}", shown.escape_default())),
        }
        letters = rest;
    }
    Ok(())
}

impl Classic {
    fn set(&mut self, letter: u8) {
        match letter {
            b'l' => self.logging = true,
            b'v' => self.verbose = true,
            _ => self.stdout = true,
        }
    }

    fn add_categories(&mut self, names: &[u8]) -> Result<(), String> {
        let names = String::from_utf8_lossy(names);
        let added = names
            .parse()
            .map_err(|error: UnknownCategory| format!("Option verbose: {error}"))?;
        self.categories = self.categories.and(added);
        Ok(())
    }

    fn give(&mut self, letter: u8, value: OsString) {
        match letter {
            b's' => self.services.push(value),
            _ => self.default = Some(value),
        }
    }
}

fn takes_value(letter: u8) -> bool {
    matches!(letter, b's' | b'd')
}

/// The option of this name, of its one letter, or of a name that begins so.
fn letter_of(name: &[u8]) -> Option<u8> {
    const NAMES: [(&[u8], u8); 5] = [
        (b"service", b's'),
        (b"default", b'd'),
        (b"logging", b'l'),
        (b"verbose", b'v'),
        (b"stdout", b'L'),
    ];
    if let [letter] = name
        && NAMES.iter().any(|(_, known)| known == letter)
    {
        return Some(*letter);
    }
    let mut matching = NAMES
        .iter()
        .filter(|(known, _)| !name.is_empty() && known.starts_with(name));
    match (matching.next(), matching.next()) {
        (Some((_, letter)), None) => Some(*letter),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &[&str]) -> Result<String, String> {
        let classic = parse(line.iter().map(OsString::from).collect());
        let classic = classic.map_err(|wrong| wrong.text)?;
        let mut said = vec![format!("{:?}", classic.services)];
        said.extend(classic.default.map(|action| format!("d{action:?}")));
        for (flag, name) in [
            (classic.logging, "l"),
            (classic.verbose, "v"),
            (classic.stdout, "L"),
        ] {
            said.extend(flag.then(|| name.to_owned()));
        }
        let categories = classic.categories;
        said.extend((categories != Detail::default()).then(|| format!("v={categories}")));
        said.extend((!classic.rest.is_empty()).then(|| format!("{:?}", classic.rest)));
        Ok(said.join(" "))
    }

    #[test]
    fn every_form_that_the_perl_script_takes_means_the_same_and_categories_are_taken_besides() {
        for (line, expected) in [
            (&["-s", "a", "-s", "b"][..], r#"["a", "b"]"#),
            (&["-sa", "-db"], r#"["a"] d"b""#),
            (&["-lvsa"], r#"["a"] l v"#),
            (&["-lvL", "-l"], "[] l v L"),
            (&["--service", "a", "--service=b"], r#"["a", "b"]"#),
            (&["--serv=a", "--s", "b", "--s=c"], r#"["a", "b", "c"]"#),
            (&["--def", "x", "--d=y"], r#"[] d"y""#),
            (&["--de=x"], r#"[] d"x""#),
            (&["--l", "--v", "--L"], "[] l v L"),
            (&["--log", "--verb", "--st"], "[] l v L"),
            (&["-v=requests", "-l"], "[] l v=requests"),
            (&["-lv=services,connections"], "[] l v=services,connections"),
            (
                &["--verb=requests", "-v=services", "-v"],
                "[] v v=requests,services",
            ),
            (&["-d=A"], r#"[] d"=A""#),
            (&["-service=X"], r#"["ervice=X"]"#),
            (&["-d", ""], r#"[] d"""#),
            (&["-s", "-l", "-d", "--"], r#"["-l"] d"--""#),
            (&["--service=a=b"], r#"["a=b"]"#),
            (&["-l", "word", "-v"], r#"[] l v ["word"]"#),
            (&["--", "-l"], r#"[] ["--", "-l"]"#),
            (&["-"], r#"[] ["-"]"#),
            (
                &["--listen", "x", "--li", "--deadline=5s"],
                r#"[] ["--listen", "x", "--li", "--deadline=5s"]"#,
            ),
            (
                &["--S", "--unknown", "--"],
                r#"[] ["--S", "--unknown", "--"]"#,
            ),
        ] {
            assert_eq!(read(line).as_deref(), Ok(expected), "{line:?}");
        }
    }

    #[test]
    fn what_the_perl_script_refuses_is_refused() {
        for (line, error) in [
            (&["-x"][..], "Unknown option: x"),
            (&["-lx"], "Unknown option: x"),
            (&["-S", "a"], "Unknown option: S"),
            (&["-s"], "Option s requires an argument"),
            (&["-ls"], "Option s requires an argument"),
            (&["--service"], "Option service requires an argument"),
            (&["--default="], "Option default requires an argument"),
            (&["--logging=1"], "Option logging does not take an argument"),
            (&["-l=1"], "Unknown option: ="),
            (
                &["--verbose=1"],
                "Option verbose: no category '1': there are requests, services and connections",
            ),
            (
                &["-v="],
                "Option verbose: no category '': there are requests, services and connections",
            ),
        ] {
            assert_eq!(read(line), Err(error.to_owned()), "{line:?}");
        }
    }
}
