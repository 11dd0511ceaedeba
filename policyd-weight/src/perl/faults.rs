//! Reading a file past its faults, for who wants to know one option of it all the same.

use super::{Variables, interpreter::Interpreter};
use crate::text::characters;

/// The options as a file sets them without its statements that have a fault; and of these the lines in which they begin. None where
/// there are too many of them.
pub(crate) fn evaluate_past_faults(
    text: &[u8],
    options: &Variables,
) -> Option<(Variables, Vec<String>)> {
    let mut interpreter = Interpreter::new(&characters(text), options.clone());
    let mut faulty = vec![];
    loop {
        interpreter.cursor.skip_blanks();
        let begin = interpreter.cursor.position();
        match interpreter.step() {
            Ok(true) => {}
            Ok(false) => return Some((interpreter.scope.options, faulty)),
            Err(_) if faulty.len() == MAX_FAULTS => return None,
            Err(_) => {
                faulty.push(interpreter.cursor.problem(begin, "").source);
                // What a quote without its end has swallowed is read.
                interpreter.cursor.go_behind_line(begin);
            }
        }
    }
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
        for (text, pid_file, lines) in [
            ("$PIDFILE = 'a';", "a", &[][..]),
            ("if (1) {\n$PIDFILE = 'a';\n}", "a", &["if (1) {", "}"]),
            (
                "$REJECTMSG = '550;\n$PIDFILE = 'a';",
                "a",
                &["$REJECTMSG = '550;"],
            ),
            (
                "@dnsbl_score = (\n 'x' 1, 2, 'X',\n 'y', 1, 2, 'Y',\n);\n$PIDFILE = 'a';\n",
                "a",
                &[
                    "@dnsbl_score = (",
                    " 'x' 1, 2, 'X',",
                    " 'y', 1, 2, 'Y',",
                    ");",
                ],
            ),
            ("$PIDFILE = ;\n", "default", &["$PIDFILE = ;"]),
        ] {
            let (read, faulty) = evaluate_past_faults(text.as_bytes(), &options).unwrap();
            assert_eq!(read.scalar("PIDFILE").to_string(), pid_file, "{text}");
            let faulty: Vec<_> = faulty.iter().map(|line| line.trim_end()).collect();
            assert_eq!(faulty, lines, "{text}");
        }
        assert!(evaluate_past_faults("if\n".repeat(200).as_bytes(), &options).is_none());
    }
}
