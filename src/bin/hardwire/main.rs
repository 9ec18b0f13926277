//! The `hardwire` command: reads the command line, hands it to one verb, turns its ending into an
//! exit status.
//!
//! Results go to standard output, everything said *about* them to standard error. Exit status: 0
//! done, 1 bad input or failure, 2 a command line that cannot be understood.

mod cmd;
mod delivery;
mod dump;
mod engine;
mod failure;
mod frame;
mod metrics;
mod options;
mod output;
#[allow(dead_code, reason = "the verbs that receive events take its parts one by one")]
mod show;
mod totals;

use clap::{ColorChoice, CommandFactory, FromArgMatches, Parser};
use std::ffi::OsString;
use std::process::ExitCode;

use failure::Failure;
use output::{Color, Output};

/// What a verb came to, if it did not fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    /// Exit status 0.
    Done,
    /// Exit status 1: the answer is "no", or everything there is to say was said.
    No,
}

/// The status that clap, too, ends with.
const EXIT_USAGE: u8 = 2;

const ABOUT: &str =
    "Compiles byte patterns into specialised eBPF programs: the pattern is the program";

const EXAMPLES: &str = "\
Examples:
  hardwire explain -e 'GET /admin'                 how a pattern becomes a program, and why
  hardwire compile -e 'GET /admin' | less          the program itself
  hardwire run --pcap file.pcap -x 'DE AD BE EF'   try it on a capture, without privileges
  hardwire attach eth0 -e 'GET /admin' --on-match drop

Exit status: 0 done, 1 bad input or failure, 2 a command line that cannot be understood.";

#[derive(Parser)]
#[command(name = "hardwire", version, about = ABOUT, after_help = EXAMPLES, max_term_width = 100)]
struct Cli {
    /// Machine-readable output: one JSON value a line
    #[arg(long, global = true)]
    json: bool,
    /// Colours on terminals; the environment variable NO_COLOR turns them off too
    #[arg(long, global = true, value_enum, default_value = "auto", value_name = "WHEN")]
    color: Color,
    #[command(subcommand)]
    verb: cmd::Verb,
}

/// Read the command line. `Err`: help was asked for, or it cannot be understood; either was told.
fn read(args: &[OsString]) -> Result<Cli, ExitCode> {
    let mut command = Cli::command().color(colors_of_help(args));
    let matches = command.try_get_matches_from_mut(args);
    let cli = matches.and_then(|matches| Cli::from_arg_matches(&matches));
    cli.map_err(|error| {
        let error = error.format(&mut command);
        match error.print().map_err(Failure::from) {
            Err(Failure::Problems(problems)) if !error.use_stderr() => {
                Output::new(false, Color::Auto).report(&problems);
                ExitCode::FAILURE
            }
            _ => ExitCode::from(if error.use_stderr() { EXIT_USAGE } else { 0 }),
        }
    })
}

/// What --color says, before anything else is understood: help and complaints go by it, too.
fn colors_of_help(args: &[OsString]) -> ColorChoice {
    let mut words = args.iter().filter_map(|word| word.to_str());
    let mut choice = ColorChoice::Auto;
    while let Some(word) = words.next().filter(|word| *word != "--") {
        let when = if word == "--color" { words.next() } else { word.strip_prefix("--color=") };
        choice = match when {
            Some("always") => ColorChoice::Always,
            Some("never") => ColorChoice::Never,
            _ => choice,
        };
    }
    choice
}

fn main() -> ExitCode {
    let args: Vec<OsString> = std::env::args_os().collect();
    let cli = match read(&args) {
        Ok(cli) => cli,
        Err(ended) => return ended,
    };
    let mut output = Output::new(cli.json, cli.color);
    let ending = cmd::run(cli.verb, &mut output);
    // What was written before a failure is still an answer: `run` reports the frames before damage.
    let ending = match (ending, output.flush_all()) {
        (Err(failure), _) | (Ok(_), Err(failure)) => Err(failure),
        (Ok(ending), Ok(())) => Ok(ending),
    };
    match ending {
        Ok(Ending::Done) | Err(Failure::ClosedPipe) => ExitCode::SUCCESS,
        Ok(Ending::No) => ExitCode::FAILURE,
        Err(Failure::Problems(problems)) => {
            output.report(&problems);
            ExitCode::FAILURE
        }
        Err(Failure::Usage(problem)) => {
            output.report(&[problem]);
            ExitCode::from(EXIT_USAGE)
        }
    }
}
