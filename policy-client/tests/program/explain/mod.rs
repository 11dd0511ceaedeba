//! `policy-client query`: what it says of an answer beside the action, and where there is none, as Postfix would take it.

mod action;
mod excess;
mod no_answer;
