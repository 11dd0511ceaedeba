//! A policy server that answers with what it was asked.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::{TcpListener, TcpStream},
    thread,
};

/// Starts one, which ends with the test. In its answer `@NAME@` is an attribute, and `@conn@` the number of the connection.
pub(crate) fn start(port: u16, answer: &str) {
    let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
    let answer = answer.to_owned();
    thread::spawn(move || {
        for (number, stream) in (1..).zip(listener.incoming()) {
            let Ok(stream) = stream else { return };
            let answer = answer.replace("@conn@", &i32::to_string(&number));
            thread::spawn(move || serve(&stream, &answer));
        }
    });
}

fn serve(mut stream: &TcpStream, answer: &str) {
    let mut text = answer.to_owned();
    for line in BufReader::new(stream).lines() {
        let Ok(line) = line else { return };
        if let Some((name, value)) = line.split_once('=') {
            text = text.replace(&format!("@{name}@"), value);
        } else {
            if stream.write_all(format!("{text}\n\n").as_bytes()).is_err() {
                return;
            }
            answer.clone_into(&mut text);
        }
    }
}
