//! `hardwire clean`: remove what interrupted commands left behind.

use std::io::Write;

use clap::Args;
use hardwire::attachment::Tidy;
use serde_json::json;

use crate::Ending;
use crate::failure::{Failure, printable};
use crate::options::RootOption;
use crate::options::lifecycle::of_attachment;
use crate::output::Output;

const EXAMPLES: &str = "\
Examples:
  hardwire clean --dry-run     say what would be removed
  hardwire clean

Only what nothing runs of is removed, and only what has a description of Hardwire's beside it.";

/// Options of `clean`.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Options {
    /// Only say what would be done
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    root: RootOption,
}

/// Run the verb.
pub(crate) fn run(options: &Options, output: &mut Output) -> Result<Ending, Failure> {
    let root = options.root.open()?;
    let cleaned = root.clean(options.dry_run).map_err(|error| of_attachment(&error))?;
    for done in &cleaned {
        let word = match (done.tidy, options.dry_run) {
            (Tidy::Removed, false) => "removed",
            (Tidy::Removed, true) => "would be removed",
            (Tidy::Settled, false) => "replacement finished",
            (Tidy::Settled, true) => "replacement would be finished",
            (Tidy::Left, _) => "left alone",
        };
        if output.json() {
            output.json_line(&json!({
                "name": done.name,
                "removed": done.tidy == Tidy::Removed,
                "settled": done.tidy == Tidy::Settled,
                "dry_run": options.dry_run,
                "why": done.why,
            }))?;
        } else {
            writeln!(output, "{}: {word}: {}", printable(&done.name), printable(&done.why))?;
        }
    }
    if cleaned.is_empty() {
        output.note("there is nothing to clean");
    }
    Ok(Ending::Done)
}
