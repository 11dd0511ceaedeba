//! A policy server that answers with the request's own mark, and misbehaves at random.

use std::{cell::RefCell, error::Error, fs, io, rc::Rc, time::Duration};

use fastrand::Rng;
use policy_benches::endpoint::Endpoint;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, UnixListener},
    task::spawn_local,
    time::sleep,
};

/// Until the process is killed, or whoever started it has ended.
pub(crate) async fn serve(endpoint: &Endpoint, seed: u64) -> Result<(), Box<dyn Error>> {
    std::thread::spawn(|| {
        _ = io::copy(&mut io::stdin(), &mut io::sink());
        std::process::exit(0);
    });
    let chance = Rc::new(RefCell::new(Rng::with_seed(seed)));
    match endpoint {
        Endpoint::Tcp(address) => {
            let listener = TcpListener::bind(address).await?;
            loop {
                let (stream, _) = listener.accept().await?;
                spawn_local(answer(stream, chance.clone()));
            }
        }
        Endpoint::Unix(path) => {
            // What the last one left, which was killed.
            _ = fs::remove_file(path);
            let listener = UnixListener::bind(path)?;
            loop {
                let (stream, _) = listener.accept().await?;
                spawn_local(answer(stream, chance.clone()));
            }
        }
    }
}

async fn answer(mut stream: impl AsyncRead + AsyncWrite + Unpin, chance: Rc<RefCell<Rng>>) {
    let mut request = Vec::with_capacity(2048);
    loop {
        request.clear();
        while !request.ends_with(b"\n\n") {
            if !matches!(stream.read_buf(&mut request).await, Ok(1..)) {
                return;
            }
        }
        let Some(mark) = mark(&request) else {
            return;
        };
        let whole = [b"action=OK ", mark, b"\n\n"].concat();
        let (what, when, half) = {
            let mut chance = chance.borrow_mut();
            let what = chance.u32(0..3000);
            (what, chance.u64(500..1500), chance.usize(1..whole.len()))
        };
        let written = match what {
            // Late: about when the daemon gives up, before it or after.
            0 => {
                sleep(Duration::from_millis(when)).await;
                stream.write_all(&whole).await
            }
            // Closes in place of an answer, ...
            1 => return,
            // ... in the middle of it, ...
            2 => {
                _ = stream.write_all(&whole[..half]).await;
                return;
            }
            // ... and behind it.
            3 => {
                _ = stream.write_all(&whole).await;
                return;
            }
            // Hangs until it is given up.
            4 => {
                _ = stream.read_u8().await;
                return;
            }
            5 => stream.write_all(b"220 hello\n").await,
            // In two pieces.
            6..=20 => {
                let (begin, end) = whole.split_at(half);
                let begun = stream.write_all(begin).await;
                sleep(Duration::from_millis(1)).await;
                begun.and(stream.write_all(end).await)
            }
            // An answer that nobody has asked for, behind it.
            21 => {
                let two = [&whole[..], b"action=OK nobody asked\n\n"].concat();
                stream.write_all(&two).await
            }
            _ => stream.write_all(&whole).await,
        };
        if written.is_err() {
            return;
        }
    }
}

/// The value of `instance`.
fn mark(request: &[u8]) -> Option<&[u8]> {
    let mut lines = request.split(|byte| *byte == b'\n');
    lines.find_map(|line| line.strip_prefix(b"instance="))
}
