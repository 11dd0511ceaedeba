//! What a daemon takes at most: clients, connections, memory; and that whoever takes more costs nobody else anything.

mod clients;
mod many_clients;
mod memory;
mod places;
