//! The verbs, one file each.

mod find;
mod run;

use clap::Subcommand;

use crate::Ending;
use crate::failure::Failure;
use crate::output::Output;

/// What to do.
#[derive(Subcommand)]
pub(crate) enum Verb {
    /// Search haystacks given as hex on standard input
    Match(find::Options),
    /// Search the frames of a capture
    Run(run::Options),
}

/// Do it.
pub(crate) fn run(verb: Verb, output: &mut Output) -> Result<Ending, Failure> {
    match verb {
        Verb::Match(options) => find::run(&options, output),
        Verb::Run(options) => run::run(&options, output),
    }
}
