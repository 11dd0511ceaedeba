//! Asks a policy server whether a mail may come.
//!
//! ```text
//! cargo run -p policy-proto --example ask 127.0.0.1:10031 sender=alice@example.net recipient=bob@example.org
//! ```

use std::{
    error::Error,
    io::{Read, Write},
    net::TcpStream,
    time::Duration,
};

use bytes::{BufMut, BytesMut};
use policy_proto::{Action, MessageDecoder, Request, attr};

fn main() -> Result<(), Box<dyn Error>> {
    let mut words = std::env::args().skip(1);
    let address = words
        .next()
        .ok_or("usage: ask HOST:PORT [name=value ...]")?;
    let given: Vec<String> = words.collect();
    let given: Vec<_> = given
        .iter()
        .map(|word| word.split_once('=').unwrap_or((word, "")))
        .collect();
    let mut attributes = vec![
        (attr::REQUEST, attr::SMTPD_ACCESS_POLICY),
        (attr::PROTOCOL_STATE, "RCPT"),
    ];
    attributes.retain(|(name, _)| given.iter().all(|(given, _)| given != name));
    let request = Request::from_attributes(attributes.into_iter().chain(given))?;

    let mut server = TcpStream::connect(address)?;
    server.set_read_timeout(Some(Duration::from_secs(10)))?;
    server.write_all(request.as_bytes())?;
    let (mut decoder, mut input) = (MessageDecoder::new(), BytesMut::new());
    let response = loop {
        if let Some(response) = decoder.response(&mut input)? {
            break response;
        }
        let mut read = [0; 512];
        match server.read(&mut read)? {
            0 => return Err("the server closed the connection without an answer".into()),
            length => input.put_slice(&read[..length]),
        }
    };
    println!("{}", response.as_bytes().escape_ascii());
    match response.action() {
        Action::Reject(_) | Action::Status { code: 500.., .. } => println!("the mail is refused"),
        Action::Defer(_) | Action::DeferIfPermit(_) | Action::Status { .. } => {
            println!("the mail has to wait");
        }
        Action::Ok | Action::Relay | Action::Dunno => println!("nothing against it"),
        action => println!("{action:?}"),
    }
    Ok(())
}
