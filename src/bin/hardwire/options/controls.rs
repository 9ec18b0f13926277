//! Events, and what can be switched while the program runs.

use clap::{ArgGroup, Args};
use hardwire::compiler::event::control::Control;
use hardwire::compiler::event::record::CAPTURED_MAX;
use hardwire::compiler::{self, Entry, Events};

use crate::failure::{Failure, Problem};

/// The heading of these options in the help.
const HEADING: &str = "Events and limits";

/// `--events` and its limits, `--dry-run`, `--limit-pps`.
#[derive(Args, Clone, Debug)]
#[command(group = ArgGroup::new("told").multiple(true))]
pub(crate) struct ControlOptions {
    /// Tell of every matching frame, with its first bytes
    #[arg(long, group = "told", help_heading = HEADING)]
    pub(crate) events: bool,
    /// How many bytes of the frame an event has, 0 to 65535; 256 if nothing says it
    #[arg(long, value_name = "BYTES", requires = "told",
        value_parser = clap::value_parser!(u32).range(0..=i64::from(CAPTURED_MAX)),
          help_heading = HEADING)]
    pub(crate) snap: Option<u32>,
    /// Tell of one in N matching frames of each CPU only
    #[arg(long, value_name = "1/N", value_parser = one_in, requires = "told", help_heading = HEADING)]
    pub(crate) sample: Option<u32>,
    /// Tell of at most N matching frames a second
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..), requires = "told", help_heading = HEADING)]
    pub(crate) rate: Option<u32>,
    /// Let every frame pass, and count those that would not have
    #[arg(long, help_heading = HEADING)]
    pub(crate) dry_run: bool,
    /// Let the first N matching frames of a source address pass in each second
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..),
          help_heading = HEADING)]
    pub(crate) limit_pps: Option<u32>,
}

pub(crate) fn one_in(text: &str) -> Result<u32, String> {
    match text.strip_prefix("1/").unwrap_or(text).parse() {
        Ok(0) | Err(_) => Err("write one in a hundred as 1/100".to_owned()),
        Ok(n) => Ok(n),
    }
}

impl ControlOptions {
    /// `options` with what these need in the program.
    pub(crate) fn apply(&self, options: compiler::Options) -> compiler::Options {
        let default = Events::default();
        let events = Events { snap: self.snap.unwrap_or(default.snap), ..default };
        compiler::Options {
            events: self.events.then_some(events),
            controls: self.control() != Control::default(),
            source_limit: self.limit_pps.is_some(),
            ..options
        }
    }

    /// A socket filter has no verdict that could be held back.
    ///
    /// # Errors
    ///
    /// Which option is about one.
    pub(crate) fn check(&self, entry: Entry) -> Result<(), Failure> {
        let about = [("--dry-run", self.dry_run), ("--limit-pps", self.limit_pps.is_some())];
        match about.into_iter().find(|(_, given)| *given && !entry.has_verdicts()) {
            None => Ok(()),
            Some((option, _)) => {
                let problem =
                    Problem::new("a socket filter gives no verdict, so none is held back");
                let hint = "--events, --sample and --rate are for socket filters, too";
                Err(Failure::Usage(problem.at(option).hint(hint)))
            }
        }
    }

    /// Is anything to be switched on?
    pub(crate) fn given(&self) -> bool {
        self.control() != Control::default()
    }

    /// What is switched on from the start.
    pub(crate) fn control(&self) -> Control {
        Control {
            dry_run: self.dry_run,
            sample: self.sample.unwrap_or(0),
            rate: self.rate.unwrap_or(0),
            limit_pps: self.limit_pps.unwrap_or(0),
            ..Control::default()
        }
    }

    /// The same over what is switched on already.
    pub(crate) fn over(&self, before: Control) -> Control {
        Control {
            dry_run: self.dry_run || before.dry_run,
            sample: self.sample.unwrap_or(before.sample),
            rate: self.rate.unwrap_or(before.rate),
            limit_pps: self.limit_pps.unwrap_or(before.limit_pps),
            ..before
        }
    }
}
