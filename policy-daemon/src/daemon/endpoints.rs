//! The addresses where a daemon listens.

use std::io;

use policy_socket::Endpoint;

use crate::listen::{set::ListenSet, socket::ListenSocket};

/// The addresses where a daemon listens.
#[derive(Debug)]
pub(crate) struct Endpoints {
    pub(crate) clients: Vec<Endpoint>,
    pub(crate) admin: Vec<Endpoint>,
    pub(crate) control: Option<Endpoint>,
}

impl Endpoints {
    /// Those of all sockets.
    pub(crate) fn of(sockets: &ListenSet) -> io::Result<Self> {
        let of = |sockets: &[ListenSocket]| {
            let endpoints = sockets.iter().map(ListenSocket::endpoint);
            endpoints.collect::<io::Result<_>>()
        };
        Ok(Self {
            clients: sockets.with_clients(of)?,
            admin: of(sockets.admin())?,
            control: sockets.control().map(ListenSocket::endpoint).transpose()?,
        })
    }
}
