//! policyd-weight: a score for each client of Postfix, by DNS lists, HELO name, sender and reverse names.
//!
//! | part | what it holds |
//! | --- | --- |
//! | [`perl`] | the language of configuration files: a part of Perl |
//! | [`config`] | options as typed values, sets of defaults, what is wrong with a file |
//! | [`mail`] | a request, and what follows from it alone |
//! | [`dns`] | what DNS has to answer for a request, asked all at once |
//! | [`cache`], [`memory`] | what is remembered of clients, and of the last mails |
//! | `text` | texts whose characters are bytes |
//! | `counters` | what is counted on the way |
//! | `admin` | what `$ADMIN` shows of it |
//! | [`policy`] | the answer to a request |
//! | [`program`] | the command line, the daemon, spawn(8) |
//! | [`score`] | 23 steps over a request and what DNS has said, without DNS |

#![cfg_attr(not(test), warn(clippy::unwrap_used, clippy::panic))]

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

mod admin;
pub mod cache;
pub mod config;
mod counters;
pub mod dns;
pub mod mail;
pub mod memory;
pub mod number;
pub mod perl;
pub mod policy;
pub mod program;
pub mod regex;
pub mod score;
mod text;
