//! The codec beside its peers, in one process and in turns, as a Markdown table. With `--record` it
//! is kept under `benches/record/`.
//!
//! ```text
//! cargo run --release -p policy-benches --bin table [-- --record]
//! ```
//!
//! With `RUSTFLAGS="-C target-cpu=x86-64-v3"` for AVX2, which is recorded apart.
//!
//! Times are medians. A ratio is the median of the ratios round by round: what disturbs a machine
//! disturbs all that are measured in one round.

mod arrival;
mod contest;
mod decoding;
mod operations;
mod report;

use std::{env, error::Error, fs, path::Path};

use policy_benches::{machine, samples};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let keep = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => false,
        ["--record"] => true,
        _ => return Err("usage: table [--record]".into()),
    };
    let (build, suffix) = match cfg!(target_feature = "avx2") {
        true => (", built for AVX2", "-avx2"),
        false => ("", ""),
    };
    let mut page = format!(
        "# The codec, {}\n\n{}{build}.\n`cargo run --release -p policy-benches --bin table -- --record`\n",
        machine::today(),
        machine::description(),
    );
    page += &decoding::thousand();
    for (name, sample) in samples::by_size() {
        page += &decoding::size(name, &sample);
    }
    page += &arrival::arrival();
    page += &operations::operations();
    print!("{page}");
    if keep {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("record");
        fs::create_dir_all(&folder)?;
        let file = folder.join(format!("{}-codec{suffix}.md", machine::today()));
        fs::write(&file, page)?;
        eprintln!("recorded in {}", file.display());
    }
    Ok(())
}
