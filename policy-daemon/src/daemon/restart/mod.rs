//! A restart without loss: the next daemon takes the listening sockets of the one before it, and then its clients. No
//! client is refused, closed or kept waiting.
//!
//! Both daemons have the same `--handover` path, and talk over a UNIX socket there that keeps messages apart.
//!
//! ```text
//! successor                                   predecessor
//!     | sockets                                    |
//!     |------------------------------------------->|
//!     |        listen ENDPOINT  (one descriptor)   |
//!     |        keep ENDPOINT    (a manager's)      |
//!     |        earlier          (one descriptor)   |
//!     |        all                                 |
//!     |<-------------------------------------------|
//!     | hold                                       |
//!     |------------------------------------------->|  waits from here on, however long it takes,
//!     |        held                                |  or has said `late` before
//!     |<-------------------------------------------|
//!     | ready                                      |
//!     |------------------------------------------->|
//!     |        yours                               |
//!     |<-------------------------------------------|
//!     |        clients (up to 128 descriptors)     |
//!     |<-------------------------------------------|  closes the connection after the last ones
//! ```
//!
//! Between `held` and `ready` the successor changes modes and owners, and gives up its privileges. It can undo each of
//! these steps if a later one fails.
//!
//! `earlier` carries such a connection to a daemon before the predecessor, which has requests in progress: its clients
//! come over that connection.
//!
//! The system names the user of each end (SO_PEERCRED), as it was when the process connected. The successor of a daemon
//! that root has started is therefore root's, whatever user each of them becomes later. The successor in turn trusts no
//! data: descriptors are counted, and each socket has to be the announced one.

mod clients;
pub(crate) mod protocol;
pub(crate) mod server;
