//! policyd-weight: a score for each client of Postfix, by DNS lists, HELO name, sender and reverse names.
//!
//! | part | what it holds |
//! | --- | --- |
//! | [`perl`] | the language of configuration files: a part of Perl |
//! | [`config`] | options as typed values, sets of defaults, what is wrong with a file |
//! | [`mail`] | a request, and what follows from it alone |
//! | [`score`] | 23 steps over a request and what DNS has said, without DNS |

#![cfg_attr(not(test), warn(clippy::unwrap_used, clippy::panic))]

pub mod config;
pub mod mail;
pub mod number;
pub mod perl;
pub mod regex;
pub mod score;
