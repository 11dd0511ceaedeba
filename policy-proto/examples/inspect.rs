//! Reads requests from standard input and says what is in them, or what is wrong and where.
//!
//! ```text
//! cargo run -p policy-proto --example inspect < policy-proto/tests/data/010-rcpt-tls.req
//! ```

use std::{
    error::Error,
    io::{self, Read},
    process::ExitCode,
};

use bytes::{BufMut, BytesMut};
use policy_proto::MessageDecoder;

fn main() -> ExitCode {
    match inspect(io::stdin().lock()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn inspect(mut stream: impl Read) -> Result<(), Box<dyn Error>> {
    let (mut decoder, mut input) = (MessageDecoder::new(), BytesMut::new());
    let mut number = 0;
    loop {
        while let Some(request) = decoder.request(&mut input)? {
            number += 1;
            println!("request {number}: {} bytes", request.as_bytes().len());
            for (name, value) in request.attributes().filter(|(_, value)| !value.is_empty()) {
                println!(
                    "  {:<24} {}",
                    name.escape_ascii().to_string(),
                    value.escape_ascii()
                );
            }
        }
        let mut read = [0; 4096];
        match stream.read(&mut read)? {
            0 => return Ok(decoder.finish(&input)?),
            length => input.put_slice(&read[..length]),
        }
    }
}
