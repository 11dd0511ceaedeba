//! A greylisting policy server: who is not known is asked to come back in a minute, which most
//! spammers do not. The classic of Postfix's own SMTPD_POLICY_README, in memory.
//!
//! ```text
//! cargo run -p policy-proto --example greylist 127.0.0.1:10031
//! main.cf: check_policy_service inet:127.0.0.1:10031
//! ```

use std::{
    collections::HashMap,
    error::Error,
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    sync::Mutex,
    thread,
    time::{Duration, Instant},
};

use bytes::{BufMut, BytesMut};
use policy_proto::{Action, MessageDecoder, ProtocolState, Request, Response, attr};

/// When each triplet of client, sender and recipient was first seen.
type Seen = Mutex<HashMap<[Vec<u8>; 3], Instant>>;

const DELAY: Duration = Duration::from_secs(60);

fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args()
        .nth(1)
        .unwrap_or_else(|| "127.0.0.1:10031".to_owned());
    let listener = TcpListener::bind(address)?;
    println!("listening on {}", listener.local_addr()?);
    let seen = Seen::default();
    thread::scope(|scope| {
        for client in listener.incoming().flatten() {
            scope.spawn(|| {
                // A server in trouble sends nothing: it logs, and disconnects.
                if let Err(error) = serve(client, &seen) {
                    eprintln!("closing a connection: {error}");
                }
            });
        }
    });
    Ok(())
}

/// Postfix keeps its connection open, and sends a request only after the reply to the one before.
fn serve(mut client: TcpStream, seen: &Seen) -> Result<(), Box<dyn Error>> {
    let (mut decoder, mut input, mut output) =
        (MessageDecoder::new(), BytesMut::new(), BytesMut::new());
    loop {
        while let Some(request) = decoder.request(&mut input)? {
            Response::try_from(action(&request, seen))?.encode(&mut output);
        }
        client.write_all(&output.split())?;
        let mut read = [0; 4096];
        match client.read(&mut read)? {
            0 => return Ok(decoder.finish(&input)?),
            length => input.put_slice(&read[..length]),
        }
    }
}

fn action(request: &Request, seen: &Seen) -> Action<'static> {
    if request.protocol_state() != Some(ProtocolState::Rcpt) {
        return Action::Dunno;
    }
    let triplet = [attr::CLIENT_ADDRESS, attr::SENDER, attr::RECIPIENT]
        .map(|name| request.get(name).unwrap_or_default().to_ascii_lowercase());
    let mut seen = seen.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    match seen.entry(triplet).or_insert_with(Instant::now).elapsed() {
        waited if waited < DELAY => Action::DeferIfPermit(b"Service is unavailable, try later"),
        _ => Action::Dunno,
    }
}
