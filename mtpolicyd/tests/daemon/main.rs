//! The program from outside: what it says of a configuration, what it answers, its command line, its files, its reload.

mod allow;
mod command_line;
mod control;
mod databases;
mod explain;
mod files;
mod findings;
mod life;
mod log;
mod log_file;
mod overrides;
mod process;
mod references;
mod reload;
mod requests;
mod rights;
mod stores;
mod trace;
mod unchanged;
mod unreadable;
mod world;
