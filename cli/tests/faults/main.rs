//! Each way in which a policy server goes wrong, on real sockets: the client gets another's answer,
//! who is to blame is, and nobody else.

mod no_memory;

use policy_testing::faults::{self, Trouble};

#[test]
fn a_fault_on_a_new_connection_is_met_as_the_table_says() {
    faults::check(|fault| !matches!(fault.trouble, Trouble::Far(_)), false);
}

#[test]
fn a_fault_on_a_kept_connection_is_met_as_the_table_says() {
    faults::check(|fault| !matches!(fault.trouble, Trouble::Far(_)), true);
}
