//! The bytes of a conversation on standard error, a line each, as they pass.

use std::io::Write;

use policy_daemon::log::printable;

use crate::exchange::{Direction, Watch};

/// Shows each line after one of these marks. A piece that ends within a line says so.
pub(crate) fn show_on_standard_error(to_server: &'static str, from_server: &'static str) -> Watch {
    Watch::new(move |direction, bytes| {
        let mark = match direction {
            Direction::ToServer => to_server,
            Direction::FromServer => from_server,
        };
        // Nobody may read it; that is no failure of the conversation.
        _ = std::io::stderr()
            .lock()
            .write_all(lines(mark, bytes).as_bytes());
    })
}

fn lines(mark: &str, bytes: &[u8]) -> String {
    let mut shown = String::new();
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        let (text, end) = match line.strip_suffix(b"\n") {
            Some(text) => (text, ""),
            None => (line, " (no line feed)"),
        };
        // The other characters that command a terminal are escaped, too.
        let text = match text.strip_suffix(b"\r") {
            Some(text) => format!("{}\\r", printable(text)),
            None => printable(text),
        };
        shown += mark;
        if !text.is_empty() || !end.is_empty() {
            shown += &format!(" {text}{end}");
        }
        shown.push('\n');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::lines;

    #[test]
    fn each_line_has_its_mark_and_what_is_no_text_is_escaped() {
        for (bytes, shown) in [
            (&b"a=b\n\n"[..], "> a=b\n>\n"),
            (b"a=\x1b[2J\r\n", "> a=?[2J\\r\n"),
            (b"action=REJ", "> action=REJ (no line feed)\n"),
            (b"x\xff\n", "> x\\xff\n"),
        ] {
            assert_eq!(lines(">", bytes), shown);
        }
    }
}
