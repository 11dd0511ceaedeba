//! A question to one server over UDP, and over TCP when the answer was cut off.

use std::{net::SocketAddr, sync::Arc};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::{
    super::Question,
    message::{DecodeError, Decoded},
    query::Query,
    servers::Try,
    sockets::Sockets,
    transport_error::TransportError,
};

/// Asks a server, and one that does not know EDNS once more without it (RFC 6891, 6.2.2). It waits as long as no answer
/// comes.
pub(super) async fn ask(
    sockets: &Sockets,
    a_try: &Try<'_>,
    question: &Question,
) -> Result<Decoded, TransportError> {
    let decoded = ask_with(sockets, a_try, Query::new(question)).await?;
    if decoded.knows_no_edns() {
        // It is rare, and would make each question larger.
        Box::pin(ask_with(sockets, a_try, Query::without_edns(question))).await
    } else {
        Ok(decoded)
    }
}

async fn ask_with(
    sockets: &Sockets,
    a_try: &Try<'_>,
    query: Query,
) -> Result<Decoded, TransportError> {
    let query = Arc::new(query);
    let said = sockets.ask(a_try.server(), &query).await;
    // It is not silent, even if nobody can read that, or if it says nothing over TCP.
    if matches!(said, Ok(_) | Err(TransportError::Decode(_))) {
        a_try.hear();
    }
    let decoded = said?;
    if decoded.is_truncated() {
        Box::pin(over_tcp(a_try.server(), &query)).await
    } else {
        Ok(decoded)
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
    let decoded = query.decode_whole(&message)?;
    if decoded.is_truncated() {
        // There is nothing that would bring the rest.
        return Err(DecodeError::Malformed.into());
    }
    Ok(decoded)
}
