//! Our `hapolicy` beside the Perl script of the Debian package `hapolicy`: the same command lines,
//! the same input, the same policy servers, and all that can be seen from outside is compared.
//!
//! The cases are numbered as the clauses of section 3 (what a drop-in replacement keeps) and
//! section 2 (defects that it mends) of `compat.md`.
//! `HAPOLICY_CASES=3.4` runs those alone whose number begins so.
#![allow(unreachable_pub, reason = "the modules of a test are private anyway")]

mod support;

#[path = "perl_side_by_side/mod.rs"]
mod side_by_side;

/// Run again inside the namespaces that [`side_by_side::world`] makes, it works through the table.
#[test]
fn every_clause_is_kept_and_every_defect_is_mended() {
    side_by_side::world::enter_and(side_by_side::work_through);
}
