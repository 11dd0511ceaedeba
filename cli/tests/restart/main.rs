//! One daemon after the other: the handover between two, and a service manager that keeps sockets and connections.

mod activation;
mod handover;
