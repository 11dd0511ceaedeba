//! Reading a file past its faults, for who wants to know some options of it all the same.

use super::{Variables, interpreter::Interpreter, variables::distance};
use crate::text::characters;

/// The options as a file sets them without its statements that have a fault. None where one of these may concern an option that is
/// `needed`, or where there are too many of them.
pub(crate) fn evaluate_past_faults(
    text: &[u8],
    options: &Variables,
    needed: &[&str],
) -> Option<Variables> {
    let text = characters(text);
    let mut interpreter = Interpreter::new(&text, options.clone());
    let (mut faults, mut is_composed) = (0, false);
    loop {
        interpreter.cursor.skip_blanks();
        let begin = interpreter.cursor.position();
        match interpreter.step() {
            Ok(true) => {
                let length = interpreter.cursor.position() - begin;
                let statement: String = text.chars().skip(begin).take(length).collect();
                let is_needed = |name: &str| needed.contains(&name);
                let mut names = names(&statement);
                is_composed |= names.next().is_some_and(is_needed) && !names.all(is_needed);
            }
            // What another variable is may follow from a fault.
            Ok(false) => {
                let is_sure = faults == 0 || !is_composed;
                return is_sure.then_some(interpreter.scope.options);
            }
            Err(_) => {
                faults += 1;
                let line = interpreter.cursor.problem(begin, "").source;
                if faults > MAX_FAULTS || needed.iter().any(|name| may_mean(&line, name)) {
                    return None;
                }
                // What a quote without its end has swallowed is read.
                interpreter.cursor.go_behind_line(begin);
            }
        }
    }
}

/// Whether a line has this name, or one that may be a slip for it.
fn may_mean(line: &str, name: &str) -> bool {
    let most = name.len() / 3;
    line.contains(name)
        || names(line).any(|found| distance(&found.to_ascii_uppercase(), name) <= most)
}

/// The names of variables in a text.
fn names(text: &str) -> impl Iterator<Item = &str> {
    let behind = text.split(['$', '@', '%']).skip(1);
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    behind.map(move |rest| {
        let rest = rest.trim_start_matches('{');
        rest.split(|c| !is_part(c)).next().unwrap_or_default()
    })
}

/// Each of them may have been looked for up to the end of the file.
const MAX_FAULTS: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::perl::define;

    #[test]
    fn what_follows_a_fault_is_read() {
        let options = define("$PIDFILE = 'default'; $REJECTMSG = ''; @dnsbl_score = ();").unwrap();
        let read = |text: &str| evaluate_past_faults(text.as_bytes(), &options, &["PIDFILE"]);
        for (text, pid_file) in [
            ("$PIDFILE = 'a';", Some("a")),
            ("if\n$REJECTMSG = $PIDFILE;", Some("default")),
            ("my $i = 'b'; $PIDFILE = \"a$i\";", Some("ab")),
            ("if (1) {\n$PIDFILE = 'a';\n}", Some("a")),
            ("$REJECTMSG = '550;\n$PIDFILE = 'a';", Some("a")),
            (
                "@dnsbl_score = (\n 'x' 1, 2, 'X',\n 'y', 1, 2, 'Y',\n);\n$PIDFILE = 'a';\n",
                Some("a"),
            ),
            ("$REJCTMSG = '';", Some("default")),
            // The fault may be in what names the file.
            ("$PIDFILE = ;\n", None),
            ("$PIDFLE = 'a';", None),
            ("if (1) { $pid_file = 'a'; }", None),
            ("my $i = b-1;\n$PIDFILE = \"a$i\";", None),
            ("my $i = '';\n$i = b-1;\n$PIDFILE =\n\"a${i}\";", None),
        ] {
            let read = read(text).map(|options| options.scalar("PIDFILE").to_string());
            assert_eq!(read.as_deref(), pid_file, "{text}");
        }
        assert!(read(&"if\n".repeat(200)).is_none());
    }
}
