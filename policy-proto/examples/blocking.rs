//! A policy server with threads and blocking sockets, without tokio.
//!
//! ```text
//! cargo run -p policy-proto --example blocking 127.0.0.1:10031
//! main.cf: check_policy_service inet:127.0.0.1:10031, after reject_unauth_destination
//! ```

use std::{
    error::Error,
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    thread,
};

use bytes::{BufMut, BytesMut};
use policy_proto::{MessageDecoder, Response};

fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1);
    let listener = TcpListener::bind(address.as_deref().unwrap_or("127.0.0.1:10031"))?;
    for client in listener.incoming().flatten() {
        thread::spawn(|| serve(client).map_err(|error| eprintln!("closing a connection: {error}")));
    }
    Ok(())
}

/// Postfix keeps its connection open. A server in trouble sends nothing, and disconnects.
fn serve(mut client: TcpStream) -> Result<(), Box<dyn Error>> {
    let (mut decoder, mut input, mut output) = <(MessageDecoder, BytesMut, BytesMut)>::default();
    let mut read = [0; 4096];
    loop {
        while let Some(request) = decoder.request(&mut input)? {
            let response = match request.sender() {
                Some(sender) if sender.ends_with(b"@spam.example") => Response::reject("no")?,
                _ => Response::dunno(),
            };
            response.encode(&mut output);
        }
        client.write_all(&output.split())?;
        match client.read(&mut read)? {
            0 => return Ok(decoder.finish(&input)?),
            length => input.put_slice(&read[..length]),
        }
    }
}
