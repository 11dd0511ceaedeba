//! The daemon beside HAProxy, nginx and the Perl script, in interleaved rounds.
//!
//! ```text
//! benches/compare --help
//! ```

mod arena;
mod calls;
mod case;
mod contest;
mod contestant;
mod figures;
mod idle;
mod options;
mod outcome;
mod report;
mod rounds;

use std::error::Error;

use clap::Parser;
use policy_benches::{
    process::raise_descriptors,
    stub::{self, ANSWER, Reply},
};

use crate::options::{Alone, Options};

fn main() -> Result<(), Box<dyn Error>> {
    let options = Options::parse();
    raise_descriptors()?;
    match options.alone {
        None => {}
        Some(Alone::Stub { endpoints }) => {
            return Ok(stub::run(&endpoints, |_| Reply::Now(ANSWER.into()))?);
        }
    }
    let options = options.complete();
    let outcome = contest::run(&options)?;
    print!("\n{}", report::summary(&outcome));
    if let Some(folder) = options.folder() {
        report::write(&outcome, &folder)?;
    }
    Ok(())
}
