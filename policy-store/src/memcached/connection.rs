//! A connection to memcached.

use std::io;

use rustix::{
    io::Errno,
    net::{RecvFlags, recv},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpStream, UnixStream},
};

use super::protocol::{Expect, Reply, parse};
use crate::{StoreError, address::Address};

/// How much is read at a time.
const CHUNK: usize = 16 << 10;

#[derive(Debug)]
pub(super) struct Connection {
    stream: Stream,
    buffer: Vec<u8>,
}

#[derive(Debug)]
enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Connection {
    pub(super) async fn open(address: &Address) -> Result<Self, StoreError> {
        let stream = match address {
            Address::Inet(host, port) => {
                let stream = TcpStream::connect((host.as_str(), *port)).await?;
                stream.set_nodelay(true)?;
                Stream::Tcp(stream)
            }
            Address::Unix(path) => Stream::Unix(UnixStream::connect(path).await?),
        };
        Ok(Self {
            stream,
            buffer: Vec::new(),
        })
    }

    /// Whether nothing has come since the last answer, and the server has not closed. The kernel is asked: the runtime may not
    /// have heard yet.
    pub(super) fn is_quiet(&self) -> bool {
        let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT;
        let read = match &self.stream {
            Stream::Tcp(stream) => recv(stream, &mut [0; 1], flags),
            Stream::Unix(stream) => recv(stream, &mut [0; 1], flags),
        };
        matches!(read, Err(Errno::WOULDBLOCK))
    }

    /// Whether nothing has come since commands were sent last.
    pub(super) fn is_unanswered(&self) -> bool {
        self.buffer.is_empty()
    }

    /// Sends commands and reads one reply to each. After an error the connection is of no use.
    pub(super) async fn exchange(
        &mut self,
        commands: &[u8],
        expected: &[Expect<'_>],
    ) -> Result<Vec<Reply>, StoreError> {
        self.buffer.clear();
        match &mut self.stream {
            Stream::Tcp(stream) => stream.write_all(commands).await?,
            Stream::Unix(stream) => stream.write_all(commands).await?,
        }
        let mut replies = Vec::with_capacity(expected.len());
        let mut done = 0;
        for expect in expected {
            loop {
                let rest = self.buffer.get(done..).unwrap_or_default();
                if let Some((reply, length)) = parse(rest, *expect)? {
                    replies.push(reply);
                    done += length;
                    break;
                }
                self.read().await?;
            }
        }
        if done != self.buffer.len() {
            return Err(StoreError::Protocol("more than was asked for".into()));
        }
        if self.buffer.capacity() > 4 * CHUNK {
            self.buffer = Vec::new();
        }
        Ok(replies)
    }

    async fn read(&mut self) -> Result<(), StoreError> {
        self.buffer.reserve(CHUNK);
        let read = match &mut self.stream {
            Stream::Tcp(stream) => stream.read_buf(&mut self.buffer).await?,
            Stream::Unix(stream) => stream.read_buf(&mut self.buffer).await?,
        };
        if read == 0 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        Ok(())
    }
}
