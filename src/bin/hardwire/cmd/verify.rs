//! `hardwire verify`: does this kernel accept the program, and what does it cost?

use std::io::Write;
use std::time::{Duration, Instant};

use clap::Args;
use hardwire::compiler::{self, Compiled, Entry};
use hardwire::loader::{LoadError, LoadOptions, Program, VerifierLog};
use serde_json::{Value, json};

use crate::Ending;
use crate::failure::{Failure, Problem};
use crate::options::{MatcherOptions, TargetOption, TypeWord};
use crate::output::{Output, Paint};

const EXAMPLES: &str = "\
Examples:
  hardwire verify -e 'GET /admin'
  hardwire verify -f patterns.txt --type socket --json
  hardwire verify -e secret --target 5.10 --log     would an old kernel's program load here?

The program is loaded and unloaded; nothing is attached.";

/// Options of `verify`.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Options {
    #[command(flatten)]
    matcher: MatcherOptions,
    #[command(flatten)]
    target: TargetOption,
    /// What kind of program
    #[arg(long = "type", value_enum, default_value = "xdp", value_name = "TYPE")]
    entry: TypeWord,
    /// If the program is rejected, print the verifier's whole log
    #[arg(long)]
    log: bool,
}

/// Run the verb.
pub(crate) fn run(options: &Options, output: &mut Output) -> Result<Ending, Failure> {
    let entry = Entry::from(options.entry);
    let (matcher, _) = options.matcher.read(entry, output)?;
    let target = options.target.or_probed(output);
    let compiled = compiler::compile(&matcher, entry, &target, &compiler::Options::default())
        .map_err(|error| Problem::of_compilation(&error))?;

    let started = Instant::now();
    let loaded = Program::load(&compiled.image, &LoadOptions::default());
    let took = started.elapsed();
    match loaded {
        Ok(program) => accepted(&compiled, &program, took, output),
        Err(error) => rejected(&error, options.log, output),
    }
}

fn accepted(
    compiled: &Compiled,
    program: &Program,
    took: Duration,
    output: &mut Output,
) -> Result<Ending, Failure> {
    let info = program.info().map_err(|error| super::of_info(&error))?;
    without_types(program, output);
    let slots = compiled.image.slot_count();
    let milliseconds = took.as_secs_f64() * 1e3;
    if output.json() {
        output.json_line(&json!({
            "accepted": true,
            "slots": slots,
            "processed": info.verified_insns,
            "load_ms": milliseconds,
            "jited_bytes": info.jited_prog_len,
            "strategy": compiled.plan.strategy(),
        }))?;
        return Ok(Ending::Done);
    }
    let word = output.paint(Paint::Green, "accepted");
    writeln!(output, "{word}: {} ({})", compiled.plan.strategy(), compiled.plan.why)?;
    writeln!(output, "  {slots} slots")?;
    match info.verified_insns {
        Some(count) => writeln!(output, "  {count} instructions processed by the verifier")?,
        None => writeln!(output, "  instructions processed: not told by this kernel")?,
    }
    writeln!(output, "  {milliseconds:.1} ms to create the maps, verify and load")?;
    match info.jited_prog_len {
        0 => writeln!(output, "  no machine code: interpreted, or hidden by the kernel")?,
        bytes => writeln!(output, "  {bytes} bytes of machine code")?,
    }
    Ok(Ending::Done)
}

/// Tell if the program carries no types and lines.
pub(crate) fn without_types(program: &Program, output: &Output) {
    if let Some(why) = program.without_types() {
        output.note(format!("{why}; other tools' dumps and traces of it do not name the pattern"));
    }
}

fn rejected(error: &LoadError, whole: bool, output: &mut Output) -> Result<Ending, Failure> {
    let Some(log) = error.verifier_log() else {
        return Err(Problem::of_load(error).into());
    };
    if output.json() {
        output.json_line(&as_json(log, whole))?;
        return Ok(Ending::No);
    }
    annotated(log, output)?;
    if whole {
        let title = output.paint(Paint::Bold, "the verifier's log");
        writeln!(output, "{title}\n{}", log.whole.trim_end())?;
    }
    let more = "please report this program; --log prints all that the verifier wrote";
    let hint = error.hint().or_else(|| (!whole).then(|| more.to_owned()));
    Err(Problem::of(error).hint_if(hint).into())
}

/// What the log says, in the terms of the pattern.
fn annotated(log: &VerifierLog, output: &mut Output) -> Result<(), Failure> {
    let word = output.paint(Paint::Red, "rejected");
    match (log.slot, &log.insn) {
        (Some(slot), Some(insn)) => writeln!(output, "{word} at slot {slot}: {insn}")?,
        (Some(slot), None) => writeln!(output, "{word} at slot {slot}")?,
        (None, _) => writeln!(output, "{word}")?,
    }
    writeln!(output, "  the verifier says: {}", log.reason)?;
    if let Some(explanation) = &log.explanation {
        writeln!(output, "  that means: {explanation}")?;
    }
    if let Some(origin) = &log.origin {
        let of = match (origin.pattern, origin.byte) {
            (Some(pattern), Some(byte)) => format!(", pattern {pattern} byte {byte}"),
            (Some(pattern), None) => format!(", pattern {pattern}"),
            (None, _) => String::new(),
        };
        writeln!(output, "  the instruction is there for: {origin}{of}")?;
    }
    for register in &log.registers {
        writeln!(output, "  {} = {}", register.name, register.value)?;
    }
    if let Some(processed) = log.stats.processed {
        writeln!(output, "  {processed} instructions were processed until then")?;
    }
    Ok(())
}

fn as_json(log: &VerifierLog, whole: bool) -> Value {
    let origin = log.origin.as_ref().map(|origin| {
        json!({
            "phase": origin.phase.name(),
            "pattern": origin.pattern,
            "byte": origin.byte,
            "text": origin.text,
        })
    });
    let registers: serde_json::Map<_, _> = log
        .registers
        .iter()
        .map(|register| (register.name.clone(), register.value.clone().into()))
        .collect();
    json!({
        "accepted": false,
        "slot": log.slot,
        "instruction": log.insn,
        "registers": registers,
        "origin": origin,
        "reason": log.reason,
        "explanation": log.explanation,
        "processed": log.stats.processed,
        "log": whole.then_some(&log.whole),
    })
}
