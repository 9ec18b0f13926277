//! `hardwire set`: switch an attachment that stays while its program runs.

use std::io::Write;

use clap::{Args, ValueEnum, value_parser};
use hardwire::attachment::Error;
use hardwire::compiler::event::control::Control;
use serde_json::json;

use crate::Ending;
use crate::delivery::monotonic_ns;
use crate::failure::{Failure, Problem};
use crate::options::RootOption;
use crate::options::controls::one_in;
use crate::options::lifecycle::of_attachment;
use crate::output::Output;

const EXAMPLES: &str = "\
Examples:
  hardwire set eth0-xdp --dry-run off          from now on its verdicts hold
  hardwire set eth0-xdp --sample 1/100         of each hundred matching frames one event
  hardwire set eth0-xdp --rate 0               as many events as there are

The program is not exchanged; 0 switches a limit off.";

/// On or off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Switch {
    /// Every frame passes, and is counted that would not have.
    On,
    /// Verdicts hold.
    Off,
}

/// Options of `set`.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
#[group(multiple = true)]
pub(crate) struct Options {
    /// The attachment, or the interface it is on
    #[arg(value_name = "NAME|IFACE")]
    name: String,
    /// Let every frame pass, and count those that would not have
    #[arg(long, value_enum, value_name = "WHEN")]
    dry_run: Option<Switch>,
    /// Tell of one in N matching frames of each CPU only
    #[arg(long, value_name = "1/N", value_parser = one_in)]
    sample: Option<u32>,
    /// Tell of at most N matching frames a second
    #[arg(long, value_name = "N")]
    rate: Option<u32>,
    /// Let the first N matching frames of a source address pass in each second
    #[arg(long, value_name = "N", value_parser = value_parser!(u32))]
    limit_pps: Option<u32>,
    #[command(flatten)]
    root: RootOption,
}

/// Run the verb.
pub(crate) fn run(options: &Options, output: &mut Output) -> Result<Ending, Failure> {
    let numbers = [options.sample, options.rate, options.limit_pps];
    if options.dry_run.is_none() && numbers.iter().all(Option::is_none) {
        let problem = Problem::new("nothing to change");
        let hint =
            "give --dry-run, --sample, --rate or --limit-pps; `hardwire show` says what is set";
        return Err(Failure::Usage(problem.hint(hint)));
    }
    let of = |error: Error| of_attachment(&error);
    let attachment = options.root.open()?.find(&options.name).map_err(of)?;
    attachment.attached().map_err(of)?;
    let description = attachment.description();
    let needs = |flag: &str, what: &str| {
        let problem = Problem::new(format!("{} was attached without {what}", attachment.name()));
        problem.at(flag.to_owned()).hint(format!("attach it with {what}"))
    };
    if (options.sample.is_some() || options.rate.is_some()) && description.events.is_none() {
        return Err(needs("--sample, --rate", "--events").into());
    }
    if options.limit_pps.is_some_and(|limit| limit > 0) && !description.source_limit {
        return Err(needs("--limit-pps", "--limit-pps").into());
    }
    let before = attachment.control().map_err(of)?.unwrap_or_default();
    let control = Control {
        dry_run: options.dry_run.map_or(before.dry_run, |switch| switch == Switch::On),
        sample: options.sample.unwrap_or(before.sample),
        rate: options.rate.unwrap_or(before.rate),
        limit_pps: options.limit_pps.unwrap_or(before.limit_pps),
        ..before
    };
    attachment.set_control(&control).map_err(of)?;
    if output.json() {
        output.json_line(&json!({
            "set": {
                "name": attachment.name(),
                "dry_run": control.dry_run,
                "sample": control.sample,
                "rate": control.rate,
                "limit_pps": control.limit_pps,
            }
        }))?;
    } else {
        writeln!(output, "{}: {}", attachment.name(), in_words(&control))?;
    }
    Ok(Ending::Done)
}

/// What is switched on.
pub(super) fn in_words(control: &Control) -> String {
    let mut words = Vec::new();
    words.push(if control.dry_run { "dry run" } else { "verdicts hold" }.to_owned());
    if control.sample > 1 {
        words.push(format!("events of 1/{} frames", control.sample));
    }
    if control.rate > 0 {
        words.push(format!("at most {} events a second", control.rate));
    }
    if control.limit_pps > 0 {
        words.push(format!("{} matching frames of a source a second pass", control.limit_pps));
    }
    if control.deadline_ns > 0 {
        let left = control.deadline_ns.saturating_sub(monotonic_ns()) / 1_000_000_000;
        words.push(format!("to be confirmed within {left} s"));
    }
    words.join(", ")
}
