//! One daemon after the other, without a client that notices: `--handover`.

mod fails;
mod hindrance;
mod permission;
mod successor;
mod under_load;
