//! `--explain`: why a request from standard input is answered as a daemon would.

use std::{
    borrow::Cow,
    io::{self, Read, Write},
};

use policy_daemon::log::Log;
use policy_proto::{MessageDecoder, Request};

use super::{Args, Exit, handler::attributes, runtime, settings};
use crate::{policy::Policy, text::bytes};

pub(super) fn run(args: &Args) -> Result<(), Exit> {
    let policy = Policy::new(settings(args)?, Log::buffered());
    let request = read()?;
    let explained = runtime()?.block_on(policy.explain(&attributes(&request)));
    let explanation = explained.map_err(|error| no_answer(&error))?;
    let shown = if args.json {
        explanation.json() + "\n"
    } else {
        explanation.table()
    };
    _ = io::stdout().lock().write_all(&bytes_or_text(&shown));
    Ok(())
}

/// The first request, read as a daemon reads it.
fn read() -> Result<Request, Exit> {
    let mut text = vec![];
    let read = io::stdin().lock().take(MAX_INPUT).read_to_end(&mut text);
    read.map_err(|error| Exit::with_status(71, format!("cannot read standard input: {error}")))?;
    // The blank line at the end may be missing.
    text.extend_from_slice(b"\n\n");
    let request = MessageDecoder::new().request(&mut text.as_slice().into());
    let request = request.map_err(|error| no_answer(&error))?;
    request.ok_or_else(|| Exit::died("no request on standard input"))
}

fn no_answer(error: &dyn std::error::Error) -> Exit {
    Exit::died(format!(
        "a daemon closes the connection without an answer: {error}"
    ))
}

/// The bytes of a text whose characters are bytes; its UTF-8 where they are not.
fn bytes_or_text(text: &str) -> Cow<'_, [u8]> {
    if text.chars().all(|c| u32::from(c) < 256) {
        bytes(text)
    } else {
        Cow::Borrowed(text.as_bytes())
    }
}

/// More than a request may have.
const MAX_INPUT: u64 = 1 << 20;
