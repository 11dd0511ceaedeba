//! Text files that are read whole: scripts of `batch` and `serve`.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};

use crate::{input, status::Status};

/// Reads a text; `-` is standard input. An error is what is wrong, after the name of the file, and the status to end with.
pub(crate) fn read(path: &Path) -> Result<String, (Status, String)> {
    let name = input::name(path);
    let unreadable = |error: io::Error| (Status::NoInput, format!("{name}: {error}"));
    let input: Box<dyn Read> = if path.as_os_str() == "-" {
        Box::new(io::stdin())
    } else {
        Box::new(File::open(path).map_err(unreadable)?)
    };
    let mut bytes = Vec::new();
    let mut bounded = input.take(MAX_LENGTH + 1);
    bounded.read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > MAX_LENGTH {
        let text = format!("{name}: longer than {MAX_LENGTH} bytes");
        return Err((Status::Data, text));
    }
    String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let before = error.as_bytes().get(..valid).unwrap_or_default();
        let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
        (Status::Data, format!("{name}:{line}: not UTF-8"))
    })
}

/// More than anybody writes by hand; `/dev/zero` has no end.
const MAX_LENGTH: u64 = 16 << 20;
