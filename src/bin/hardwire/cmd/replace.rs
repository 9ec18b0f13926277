//! `hardwire replace`: another program in the place of one that stays, without a frame that meets
//! neither, and with the counts going on.

use std::io::Write;

use clap::Args;
use hardwire::attachment::{Attachment, Description, Hook, Keep, Seen};
use hardwire::compiler::event::EVENTS_MAP;
use hardwire::compiler::event::control::CONTROL_MAP;
use hardwire::compiler::event::record::Direction;
use hardwire::compiler::ir::Matcher;
use hardwire::compiler::pattern::Written;
use hardwire::compiler::{self, Compiled, Entry};
use hardwire::loader::ringbuf::RingBuffer;
use hardwire::loader::{LoadOptions, Program};
use serde_json::json;

use super::attach::pinned::{now, texts};
use super::{confirm, verify};
use crate::Ending;
use crate::failure::{Failure, Problem};
use crate::options::lifecycle::of_attachment;
use crate::options::{ControlOptions, MatcherOptions, Named, RootOption, TargetOption};
use crate::output::{Output, grouped};

const EXAMPLES: &str = "\
Examples:
  hardwire replace eth0-xdp -e 'GET /admin' -e 'POST /admin'     other patterns, the rest as it was
  hardwire replace eth0 --on-match drop                         the same patterns, another verdict
  hardwire replace eth0 -f patterns.txt --reset --confirm 60

What is not given stays as it is. Hits of patterns that are in both go on; --reset counts anew.";

/// Options of `replace`.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Options {
    /// The attachment, or the interface it is on
    #[arg(value_name = "NAME|IFACE")]
    name: String,
    #[command(flatten)]
    matcher: MatcherOptions,
    #[command(flatten)]
    target: TargetOption,
    /// Count anew
    #[arg(long)]
    reset: bool,
    /// Detach by itself after so many seconds, unless `hardwire confirm NAME` was run until then
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..=86_400))]
    confirm: Option<u32>,
    #[command(flatten)]
    root: RootOption,
}

/// What takes the place of another program.
pub(super) struct Exchange<'a> {
    pub(super) matcher: &'a Matcher,
    pub(super) named: &'a [Named],
    pub(super) compiler: &'a compiler::Options,
    pub(super) compiled: &'a Compiled,
    /// What is switched on; what they do not say stays as it is.
    pub(super) controls: Option<&'a ControlOptions>,
    pub(super) confirm: Option<u32>,
    pub(super) reset: bool,
    pub(super) root: &'a RootOption,
}

/// Run the verb.
pub(crate) fn run(options: &Options, output: &mut Output) -> Result<Ending, Failure> {
    let root = options.root.open()?;
    let attachment = root.find(&options.name).map_err(|error| of_attachment(&error))?;
    attachment.attached().map_err(|error| of_attachment(&error))?;
    // Whoever asks about it or detaches it does not wait for the compiler and the verifier.
    let seen = attachment.release();
    let description = seen.description();
    let (before, patterns) = before(description)?;
    let (matcher, named) = options.matcher.read_over(before, &patterns, output)?;
    let entry = entry(description.hook);
    let target = options.target.or_this_kernel(output)?;
    let compiler = description.options(options.target.compiler());
    let compiled = options.target.compile_with(&compiler, &matcher, entry, &target, output)?;
    verify::foresee(&compiled, output);
    let exchange = Exchange {
        matcher: &matcher,
        named: &named,
        compiler: &compiler,
        compiled: &compiled,
        controls: None,
        confirm: options.confirm,
        reset: options.reset,
        root: &options.root,
    };
    exchange.run(&seen, output)
}

/// Where a program for `hook` runs.
pub(super) fn entry(hook: Hook) -> Entry {
    match hook {
        Hook::Xdp => Entry::Xdp,
        Hook::Ingress => Entry::Tc(Direction::Ingress),
        Hook::Egress => Entry::Tc(Direction::Egress),
    }
}

/// What is in place now, without patterns, and those.
fn before(description: &Description) -> Result<(Matcher, Vec<Written>), Problem> {
    let unknown = || {
        Problem::new("the description of what is attached says what this version does not know")
            .at(format!("made by Hardwire {}", description.version))
            .hint("detach it and attach anew")
    };
    let matcher = Matcher {
        patterns: Vec::new(),
        scope: description.scope().ok_or_else(unknown)?,
        report: description.report().ok_or_else(unknown)?,
        verdicts: description.verdicts().ok_or_else(unknown)?,
    };
    let patterns: Option<Vec<_>> = description.patterns.iter().map(|text| text.written()).collect();
    Ok((matcher, patterns.ok_or_else(unknown)?))
}

impl Exchange<'_> {
    /// Load it and put it in place.
    pub(super) fn run(&self, seen: &Seen, output: &mut Output) -> Result<Ending, Failure> {
        let image = &self.compiled.image;
        // The program before goes on until the exchange: what is new must not be switched for it, and
        // what takes its place must not run a moment without it.
        let controls = self.controls.is_none() && self.confirm.is_none();
        let keep = Keep { counts: !self.reset, controls };
        let shared = seen.shared(image, keep).map_err(|error| of_attachment(&error))?;
        let load = || Program::load_sharing(image, &LoadOptions::default(), &shared);
        let program = output
            .busy("the verifier is at work", load)
            .map_err(|error| Problem::of_load(&error))?;
        verify::without_types(&program, output);
        let attachment = seen.lock().map_err(|error| of_attachment(&error))?;
        if !shared.iter().any(|map| map.spec().name == CONTROL_MAP) {
            self.switch(&attachment, &program)?;
        }
        let mut description = Description {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            patterns: texts(self.named),
            slots: self.compiled.slot_count(),
            created: now(),
            ..attachment.description().clone()
        };
        description.set_matcher(self.matcher);
        description.set_options(self.compiler);
        let name = attachment.name().to_owned();
        let interface = description.interface.clone();
        let old = attachment.program().info().map_err(|error| super::of_info(&error))?.id;
        let ring = attachment.map(EVENTS_MAP).and_then(|map| RingBuffer::open(map).ok());
        let attachment = attachment
            .replace(&program, &description, self.reset)
            .map_err(|error| of_attachment(&error))?;
        // The program before runs no more: what is in its ring is all that will ever be.
        if let Some(bytes) = ring.map(|ring| ring.used()).filter(|bytes| *bytes > 0) {
            output.note(format!(
                "{} bytes of events of program {old} are unread: whoever listens now gets them, \
                 nobody later",
                grouped(bytes)
            ));
        }
        drop(attachment);
        let new = program.info().map_err(|error| super::of_info(&error))?.id;
        let slots = description.slots;
        if output.json() {
            output.json_line(&json!({
                "replaced": {
                    "name": name,
                    "interface": interface,
                    "program_id": new,
                    "old_program_id": old,
                    "slots": slots,
                    "reset": self.reset,
                    "confirm_seconds": self.confirm,
                }
            }))?;
            return Ok(Ending::Done);
        }
        let counts = if self.reset { "counts begin anew" } else { "counts go on" };
        writeln!(
            output,
            "{name}: program {new} ({slots} slots) took the place of program {old} on {interface}; \
             {counts}"
        )?;
        Ok(Ending::Done)
    }

    /// Switch in `program`, which has controls of its own, what is to be switched, the rest as it is,
    /// and have the confirmation awaited. All of that before it runs: whenever this process ends, what
    /// runs has its deadline, and somebody who keeps it.
    fn switch(&self, attachment: &Attachment, program: &Program) -> Result<(), Failure> {
        let of = |error| of_attachment(&error);
        let before = attachment.control().map_err(of)?.unwrap_or_default();
        let mut control = self.controls.map_or(before, |controls| controls.over(before));
        let deadline_ns = self.confirm.map(confirm::deadline);
        control.deadline_ns = deadline_ns.unwrap_or(before.deadline_ns);
        attachment.prepare(program, &control).map_err(of)?;
        if let Some(deadline_ns) = deadline_ns {
            confirm::watch_over(attachment.name(), self.root, deadline_ns)?;
        }
        Ok(())
    }
}
