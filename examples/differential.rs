//! The long run of `tests/differential`: random programs in the kernel and in the vm.
//!
//! ```text
//! scripts/differential --count 1000000            as many as that, from a seed taken from the time
//! scripts/differential --seed 0x5eed --first 417  this program of this seed, and those after it
//! ```
//!
//! A difference is printed as the smallest program that shows it, with its seed, and ends the run
//! with status 1. So does a program that the verifier refuses, because the generator promises that
//! there is none.

use std::{
    error::Error,
    process::ExitCode,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

#[path = "../tests/differential/compare.rs"]
mod compare;
#[path = "../tests/differential/program.rs"]
mod program;
#[path = "../tests/differential/random.rs"]
mod random;
#[path = "../tests/differential/statement.rs"]
mod statement;

/// How often the run says how far it is.
const REPORT: Duration = Duration::from_secs(10);

struct Options {
    count: u64,
    seed: u64,
    first: u64,
}

fn options() -> Result<Options, Box<dyn Error>> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH)?;
    let mut options = Options { count: 100_000, seed: since.as_secs(), first: 0 };
    let mut args = std::env::args().skip(1);
    while let Some(name) = args.next() {
        let value = args.next().ok_or_else(|| format!("{name} needs a number"))?;
        let value = match value.strip_prefix("0x") {
            Some(digits) => u64::from_str_radix(digits, 16),
            None => value.parse(),
        }
        .map_err(|e| format!("{name} {value}: {e}"))?;
        match name.as_str() {
            "--count" => options.count = value,
            "--seed" => options.seed = value,
            "--first" => options.first = value,
            _ => return Err(format!("{name}: known are --count, --seed and --first").into()),
        }
    }
    Ok(options)
}

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let Options { count, seed, first } = options()?;
    let isa = compare::isa();
    println!("{count} programs of seed {seed:#x}, from program {first} on; {isa:?}");
    let start = Instant::now();
    let mut reported = start;
    for index in first..first.saturating_add(count) {
        let problem = match compare::check(seed, index, isa) {
            Ok(None) => None,
            Ok(Some(why)) => Some(format!("program {index} is refused: {why}")),
            Err(difference) => Some(difference.to_string()),
        };
        if let Some(problem) = problem {
            println!("{problem}");
            return Ok(ExitCode::FAILURE);
        }
        if reported.elapsed() >= REPORT {
            reported = Instant::now();
            println!("{}", rate(index + 1 - first, start));
        }
    }
    println!("{}: no difference", rate(count, start));
    Ok(ExitCode::SUCCESS)
}

fn rate(programs: u64, start: Instant) -> String {
    let seconds = start.elapsed().as_secs_f64();
    let each = f64::from(u32::try_from(programs).unwrap_or(u32::MAX)) / seconds;
    format!("{programs} programs in {seconds:.0} s, {each:.0} a second")
}
