//! A question to one server over UDP, and over TCP when the answer was cut off.

use std::{io, net::SocketAddr};

use thiserror::Error;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpStream, UdpSocket},
};

use super::{
    super::{Outcome, Question},
    message::{DecodeError, Decoded, Query},
};

/// Why a server gave no answer.
#[derive(Debug, Error)]
pub(super) enum TransportError {
    #[error("no connection")]
    Io(#[from] io::Error),
    #[error("not readable")]
    Decode(#[from] DecodeError),
}

impl TransportError {
    pub(super) fn outcome(&self) -> Outcome {
        match self {
            Self::Io(_) => Outcome::Unreachable,
            Self::Decode(_) => Outcome::Failed(FORMERR),
        }
    }
}

/// Asks a server, and one that does not know EDNS once more without it (RFC 6891, 6.2.2). It waits as long as no answer
/// comes.
pub(super) async fn ask(
    server: SocketAddr,
    question: &Question,
) -> Result<Decoded, TransportError> {
    let decoded = ask_with(server, &Query::new(question)?).await?;
    if decoded.knows_no_edns() {
        ask_with(server, &Query::without_edns(question)?).await
    } else {
        Ok(decoded)
    }
}

async fn ask_with(server: SocketAddr, query: &Query) -> Result<Decoded, TransportError> {
    let decoded = over_udp(server, query).await?;
    if decoded.is_truncated() {
        over_tcp(server, query).await
    } else {
        Ok(decoded)
    }
}

/// Each question has a socket, and so a port of its own, that the system chooses by chance. It is connected: the
/// system drops what is not from the server, and tells when nothing listens there.
async fn over_udp(server: SocketAddr, query: &Query) -> Result<Decoded, TransportError> {
    let any = if server.is_ipv4() {
        "0.0.0.0:0"
    } else {
        "[::]:0"
    };
    let socket = UdpSocket::bind(any).await?;
    socket.connect(server).await?;
    socket.send(query.bytes()).await?;
    let mut buffer = vec![0; MAX_UDP];
    loop {
        let length = socket.recv(&mut buffer).await?;
        let datagram = buffer.get(..length).unwrap_or_default();
        // A message that does not belong to the question may be forged: the answer may still come.
        match query.decode(datagram) {
            Err(DecodeError::OtherQuestion) => {}
            result => return Ok(result?),
        }
    }
}

async fn over_tcp(server: SocketAddr, query: &Query) -> Result<Decoded, TransportError> {
    let mut stream = TcpStream::connect(server).await?;
    let length = u16::try_from(query.bytes().len()).map_err(|_| DecodeError::Malformed)?;
    stream
        .write_all(&[&length.to_be_bytes(), query.bytes()].concat())
        .await?;
    let length = stream.read_u16().await?;
    let mut message = vec![0; length.into()];
    stream.read_exact(&mut message).await?;
    Ok(query.decode(&message)?)
}

/// The size that the query asks for; a server may send more.
const MAX_UDP: usize = 4096;
const FORMERR: u16 = 1;
