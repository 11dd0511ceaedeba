//! The command that is told of a block: `on_block_command`.
//!
//! What a client chooses, the key, comes to it as an argument or in the environment, and never as a part of a program's text.

use std::{path::Path, process::Stdio};

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::process;

use super::notice::{Notice, within};
use crate::config::{Section, Use};

/// A program by its whole path, and its arguments.
#[derive(Clone, Debug)]
pub(super) struct Command(Vec<String>);

impl Command {
    /// `None` if there is none.
    pub(super) fn read(section: &mut Section<'_>) -> Option<Self> {
        const KEY: &str = "on_block_command";
        let words = words(&section.text(KEY)?);
        let program = words.first()?;
        if !program.starts_with('/') {
            let text = format!("`{KEY}`: a program is named by its whole path");
            section.error(KEY, text);
        } else {
            section.opens(KEY, program, Use::Run);
        }
        if let Some((interpreter, code)) = code_with_key(&words) {
            let text = format!(
                "`{KEY}`: `{code}` is a program for `{interpreter}`, and a client that chooses its %KEY% would write a part \
                 of it: use $MTPOLICYD_KEY of the environment there"
            );
            section.warning(KEY, text);
        }
        Some(Self(words))
    }

    /// The program.
    pub(super) fn program(&self) -> &str {
        self.0.first().map_or("", String::as_str)
    }

    /// Runs it without a shell, in an environment that says what has happened and nothing else, and in a group of processes
    /// that ends with it.
    pub(super) async fn run(&self, notice: &Notice) -> Result<(), String> {
        let arguments = self.0.iter().skip(1).map(|word| notice.fill(word));
        let mut command = process::Command::new(self.program());
        command
            .args(arguments.map(|word| word.replace('\0', "?")))
            .env_clear()
            .envs(environment(notice))
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .kill_on_drop(true);
        let mut child = command.spawn().map_err(|error| error.to_string())?;
        let group = child
            .id()
            .and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        let status = within(async { child.wait().await.map_err(|error| error.to_string()) }).await;
        if let Some(group) = group {
            // There may be nobody left.
            _ = kill_process_group(group, Signal::KILL);
        }
        let status = status?;
        if status.success() {
            Ok(())
        } else {
            Err(status.to_string())
        }
    }
}

/// The keys of what is posted, in capitals. No value may hold a zero byte.
fn environment(notice: &Notice) -> [(&'static str, String); 7] {
    [
        ("MTPOLICYD_LIMIT", notice.limit.to_string()),
        ("MTPOLICYD_BY", notice.label.clone()),
        ("MTPOLICYD_KEY", notice.key.clone()),
        ("MTPOLICYD_METRIC", notice.metric.to_owned()),
        ("MTPOLICYD_WINDOW", notice.window.clone()),
        ("MTPOLICYD_USED", notice.used.to_string()),
        ("MTPOLICYD_TIME", notice.time.to_string()),
    ]
    .map(|(name, value)| (name, value.replace('\0', "?")))
}

/// An interpreter among the words, and the word that it takes for a program, if that has the key in it.
fn code_with_key(words: &[String]) -> Option<(&str, &str)> {
    let found = words.iter().enumerate().filter_map(|(at, word)| {
        let name = Path::new(word).file_name()?.to_str()?;
        let name = name.trim_end_matches(|char: char| char.is_ascii_digit() || char == '.');
        let known = INTERPRETERS.iter().find(|(known, _)| *known == name)?;
        Some((at, word.as_str(), known.1))
    });
    let has_key = |word: &&String| word.contains("%KEY%");
    for (at, interpreter, letters) in found {
        let rest = words.get(at + 1..).unwrap_or_default();
        let code = match letters {
            // All that comes is joined, and is the program of a shell.
            "" => rest.iter().find(has_key),
            _ => {
                let is_option = |word: &String| {
                    let letters_of = word.strip_prefix('-').filter(|word| !word.starts_with('-'));
                    letters_of
                        .is_some_and(|word| word.contains(|char: char| letters.contains(char)))
                };
                let option = rest.iter().position(is_option);
                // It may be written to the option, or be the next word.
                let option = option.and_then(|option| rest.get(option..));
                option.and_then(|rest| rest.iter().take(2).find(has_key))
            }
        };
        if let Some(code) = code {
            return Some((interpreter, code));
        }
    }
    None
}

/// Words with blanks between them; quotes hold one together.
fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    for char in text.chars() {
        match (quote, char) {
            (Some(open), _) if char == open => quote = None,
            (None, '"' | '\'') => {
                quote = Some(char);
                word.get_or_insert_default();
            }
            (None, _) if char.is_whitespace() => words.extend(word.take()),
            _ => word.get_or_insert_default().push(char),
        }
    }
    words.extend(word);
    words
}

/// Programs that run a text, without the digits of a version, and the letters of the option before it. None: their arguments are the text.
const INTERPRETERS: &[(&str, &str)] = &[
    ("sh", "c"),
    ("ash", "c"),
    ("bash", "c"),
    ("csh", "c"),
    ("dash", "c"),
    ("fish", "c"),
    ("ksh", "c"),
    ("mksh", "c"),
    ("rbash", "c"),
    ("tcsh", "c"),
    ("zsh", "c"),
    ("su", "c"),
    ("runuser", "c"),
    ("python", "c"),
    ("lua", "e"),
    ("node", "ep"),
    ("perl", "eE"),
    ("php", "r"),
    ("ruby", "e"),
    ("awk", ""),
    ("gawk", ""),
    ("mawk", ""),
    ("ssh", ""),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_cut_into_words() {
        for (text, expected) in [
            ("", &[][..]),
            ("/bin/a", &["/bin/a"]),
            ("/bin/a  b\tc ", &["/bin/a", "b", "c"]),
            (
                "/bin/a 'b c' \"d 'e'\" f'g h'i",
                &["/bin/a", "b c", "d 'e'", "fg hi"],
            ),
            ("/bin/a ''", &["/bin/a", ""]),
            ("/bin/a 'open", &["/bin/a", "open"]),
        ] {
            assert_eq!(words(text), expected, "{text}");
        }
    }

    #[test]
    fn a_program_s_text_with_the_key_in_it_is_found_and_an_argument_is_none() {
        for (text, expected) in [
            ("/bin/sh -c 'echo %KEY%'", Some(("/bin/sh", "echo %KEY%"))),
            ("/bin/bash -ec 'x %KEY%'", Some(("/bin/bash", "x %KEY%"))),
            ("/bin/sh -e -c 'x %KEY%'", Some(("/bin/sh", "x %KEY%"))),
            ("/usr/bin/env -i sh -c 'x %KEY%'", Some(("sh", "x %KEY%"))),
            (
                "/usr/bin/python3.11 -c 'x(\"%KEY%\")'",
                Some(("/usr/bin/python3.11", "x(\"%KEY%\")")),
            ),
            (
                "/usr/bin/perl -e'x %KEY%'",
                Some(("/usr/bin/perl", "-ex %KEY%")),
            ),
            (
                "/usr/bin/ssh host 'x %KEY%'",
                Some(("/usr/bin/ssh", "x %KEY%")),
            ),
            // The text is fixed, and the key is its argument.
            ("/bin/sh -c 'echo \"$1\"' sh %KEY%", None),
            ("/bin/sh -c 'echo \"$MTPOLICYD_KEY\"'", None),
            ("/bin/sh -c 'echo %USED%'", None),
            ("/bin/sh /usr/local/bin/told %KEY%", None),
            ("/bin/sh --login /usr/local/bin/told %KEY%", None),
            ("/usr/local/bin/told -c %KEY%", None),
        ] {
            assert_eq!(code_with_key(&words(text)), expected, "{text}");
        }
    }
}
