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
    let is_needed = |name: &str| needed.contains(&name);
    let mut interpreter = Interpreter::new(&characters(text), options.clone());
    let (mut faults, mut open) = (0, 0);
    loop {
        interpreter.cursor.skip_blanks();
        let begin = interpreter.cursor.position();
        match interpreter.step() {
            Ok(true) if faults > 0 && has_set(&interpreter, begin, is_needed) => {
                let statement = interpreter.cursor.text_since(begin);
                let is_composed = !names(&statement).all(is_needed);
                // What another variable is may follow from a fault, and a block need not be done.
                if is_composed || open > 0 {
                    return None;
                }
            }
            Ok(true) => {}
            Ok(false) => return Some(interpreter.scope.options),
            Err(_) => {
                faults += 1;
                let line = interpreter.cursor.line(begin);
                if faults > MAX_FAULTS || needed.iter().any(|name| may_mean(&line, name)) {
                    return None;
                }
                open = 0.max(open + opened(&line));
                // What a quote without its end has swallowed is read.
                interpreter.cursor.go_behind_line(begin);
            }
        }
    }
}

/// Whether the statement that begins there has set an option of these.
fn has_set(interpreter: &Interpreter, begin: usize, is_needed: impl Fn(&str) -> bool) -> bool {
    let mut places = interpreter.places.iter();
    places.any(|(name, place)| *place >= begin && is_needed(name.trim_start_matches('$')))
}

/// How many parts a faulty line opens, less those that it closes, of which it is not known what comes of their lines: blocks, and the
/// text behind `<<`, whose end is not looked for.
fn opened(line: &str) -> i32 {
    let braces: i32 = line
        .chars()
        .map(|c| i32::from(c == '{') - i32::from(c == '}'))
        .sum();
    braces + i32::from(line.contains("<<"))
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
        let options =
            define("$PIDFILE = 'default'; $SPATH = ''; $REJECTMSG = ''; @dnsbl_score = ();")
                .unwrap();
        let read = |text: &str| evaluate_past_faults(text.as_bytes(), &options, &["PIDFILE"]);
        for (text, pid_file) in [
            ("$PIDFILE = 'a';", Some("a")),
            ("if\n$REJECTMSG = $PIDFILE;", Some("default")),
            ("my $i = 'b'; $PIDFILE = \"a$i\";", Some("ab")),
            ("if (1) {\n$REJECTMSG = '';\n}\n$PIDFILE = 'a';", Some("a")),
            ("if (1) { $REJECTMSG = ''; }\n$PIDFILE = 'a';", Some("a")),
            ("$PIDFILE = 'a';\nif (1) {", Some("a")),
            ("$SPATH = \"$PIDFILE.s\";\nif", Some("default")),
            ("my $i = 'b';\n$PIDFILE = \"a$i\";\n$i = b-1;", Some("ab")),
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
            (
                "$REJECTMSG = b-1;\n$REJECTMSG = $PIDFILE = \"a$REJECTMSG\";",
                None,
            ),
            // It may be set in a block that is not done, or in a text.
            ("if (0) {\n$PIDFILE = 'a';\n}", None),
            ("if (0)\n{\n$REJECTMSG = '';\n$PIDFILE = 'a';\n}", None),
            ("if (0) { if (0) {\n}\n$PIDFILE = 'a';\n}", None),
            ("$REJECTMSG = <<END;\n$PIDFILE = 'a';\nEND\n", None),
            ("my $i = '';\n$i = b-1;\n$PIDFILE =\n\"a${i}\";", None),
        ] {
            let read = read(text).map(|options| options.scalar("PIDFILE").to_string());
            assert_eq!(read.as_deref(), pid_file, "{text}");
        }
        assert!(read(&"if\n".repeat(200)).is_none());
    }
}
