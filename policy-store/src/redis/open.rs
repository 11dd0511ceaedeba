//! The opening of one connection to a server.

use std::{io, time::Duration};

use redis::{AsyncConnectionConfig, ConnectionAddr, ConnectionInfo, aio::MultiplexedConnection};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, UnixStream},
    time::timeout,
};

use super::{bounded::Bounded, error::error};
use crate::{StoreError, shared::Driven};

/// Connects and logs in within `wait`.
pub(super) async fn open(
    server: ConnectionInfo,
    wait: Duration,
) -> Result<Driven<MultiplexedConnection>, StoreError> {
    let connect = async {
        match server.addr() {
            ConnectionAddr::Tcp(host, port) => {
                let stream = TcpStream::connect((host.as_str(), *port)).await?;
                stream.set_nodelay(true)?;
                log_in(&server, stream).await
            }
            ConnectionAddr::Unix(path) => log_in(&server, UnixStream::connect(path).await?).await,
            _ => Err(StoreError::Refused("an address of another kind".into())),
        }
    };
    let connected = timeout(wait, connect).await;
    connected.unwrap_or_else(|_| Err(io::Error::from(io::ErrorKind::TimedOut).into()))
}

async fn log_in<S>(
    server: &ConnectionInfo,
    stream: S,
) -> Result<Driven<MultiplexedConnection>, StoreError>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    // The deadline of the whole call ends the wait for an answer.
    let config = AsyncConnectionConfig::new().set_response_timeout(None);
    let settings = server.redis_settings();
    let made = MultiplexedConnection::new_with_config(settings, Bounded::new(stream), config).await;
    let (connection, drive) = made.map_err(error)?;
    Ok(Driven::new(connection, drive))
}
