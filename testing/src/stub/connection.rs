//! One connection of a stub: requests are read, and answered as the script says.

use std::io::{Read, Write};
use std::time::Duration;

use socket2::Socket;

use super::Reply;
use super::shared::Shared;

/// Serves one connection until either side is done with it.
pub(super) fn serve(number: usize, socket: &Socket, shared: &Shared) {
    let on_accept = shared.lock().script().reply.clone();
    match on_accept {
        Reply::CloseAtOnce => {
            shared.lock().take_script();
            return;
        }
        Reply::Banner(banner, _) if write(socket, &banner).is_none() => return,
        _ => {}
    }
    let mut buffer = Vec::new();
    while let Some(request) = read_request(socket, &mut buffer) {
        let mut state = shared.lock();
        state.requests.push((number, request.clone()));
        let script = state.take_script();
        drop(state);
        shared.changed.notify_all();
        let go_on = (!script.hold || shared.wait_release())
            && shared.pause(script.delay)
            && answer(socket, &request, &script.reply, shared).is_some();
        if !go_on || script.close {
            return;
        }
    }
    if !buffer.is_empty() {
        shared.lock().fragments.push(buffer);
    }
}

/// `None` when the connection is to be closed.
fn answer(mut socket: &Socket, request: &[u8], reply: &Reply, shared: &Shared) -> Option<()> {
    match reply {
        Reply::Bytes(bytes) => write(socket, bytes),
        Reply::Call(make) => write(socket, &make(request)),
        Reply::Choose(choose) => answer(socket, request, &choose(request), shared),
        Reply::Banner(_, reply) => answer(socket, request, reply, shared),
        Reply::CloseAtOnce | Reply::CloseUnanswered => None,
        Reply::Reset(bytes) => {
            write(socket, bytes)?;
            // The peer must have read them: a reset overtakes what is queued.
            shared.pause(Duration::from_millis(if bytes.is_empty() { 0 } else { 50 }));
            socket.set_linger(Some(Duration::ZERO)).ok()?;
            None
        }
        Reply::Drip(bytes, pause) => bytes.iter().try_for_each(|byte| {
            shared.pause(*pause).then_some(())?;
            write(socket, &[*byte])
        }),
        Reply::Pieces(pieces, pause) => pieces.iter().try_for_each(|piece| {
            write(socket, piece)?;
            shared.pause(*pause).then_some(())
        }),
        Reply::Flood => {
            for _ in 0..10 * 1024 {
                write(socket, &[b'x'; 1024])?;
            }
            None
        }
        Reply::Hang | Reply::Backlog => {
            let mut bytes = [0; 4096];
            while socket.read(&mut bytes).is_ok_and(|count| count > 0) {}
            None
        }
    }
}

pub(super) fn write(mut socket: &Socket, bytes: &[u8]) -> Option<()> {
    socket.write_all(bytes).ok()
}

/// The next bytes up to a blank line; what follows stays in the buffer.
fn read_request(mut socket: &Socket, buffer: &mut Vec<u8>) -> Option<Vec<u8>> {
    loop {
        if let Some(length) = request_length(buffer) {
            let rest = buffer.split_off(length);
            return Some(std::mem::replace(buffer, rest));
        }
        let mut bytes = [0; 4096];
        let count = socket.read(&mut bytes).ok().filter(|count| *count > 0)?;
        buffer.extend_from_slice(&bytes[..count]);
    }
}

fn request_length(buffer: &[u8]) -> Option<usize> {
    if buffer.starts_with(b"\n") {
        return Some(1);
    }
    let end = buffer.windows(2).position(|pair| pair == b"\n\n")?;
    Some(end + 2)
}
