//! A test client and a test server for Postfix policy servers.

use std::process::ExitCode;

fn main() -> ExitCode {
    policy_client::main()
}
