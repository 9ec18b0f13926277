//! `hardwire compile`: the generated program, in the form that is asked for.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use hardwire::assembler::listing::{self, Listing, Style};
use hardwire::assembler::{ProgramImage, Target, emit};
use hardwire::compiler::{self, Compiled, Entry};
use serde_json::{Value, json};

use crate::Ending;
use crate::failure::{Failure, Problem};
use crate::options::{MatcherOptions, TargetOption, TypeWord};
use crate::output::Output;

const EXAMPLES: &str = "\
Examples:
  hardwire compile -e 'GET /admin' | less
  hardwire compile -x 'DE AD BE EF' --in packet --target 6.1 --emit c -o filter.c
  hardwire compile -f patterns.txt --emit json | jq .plan
  hardwire compile -e secret --type socket --emit hex | hardwire disasm --hex";

/// `--emit`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Form {
    /// Instructions as text, with the reason above each run of them.
    Listing,
    /// Hex digits, one instruction a line.
    Hex,
    /// The bytes themselves.
    Raw,
    /// A C array of struct bpf_insn.
    C,
    /// Everything about the program: instructions, reasons, maps, plan.
    Json,
}

/// Options of `compile`.
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
    /// In which form; --json means json
    #[arg(long, value_enum, default_value = "listing", value_name = "FORM")]
    emit: Form,
    /// Write to this file instead of standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// Run the verb.
pub(crate) fn run(options: &Options, output: &mut Output) -> Result<Ending, Failure> {
    let entry = Entry::from(options.entry);
    let (matcher, _) = options.matcher.read(entry, output)?;
    let target = options.target.or_probed(output);
    let compiled = compiler::compile(&matcher, entry, &target, &compiler::Options::default())
        .map_err(|error| Problem::of_compilation(&error))?;

    let form = if output.json() { Form::Json } else { options.emit };
    let colors = options.output.is_none() && output.colors();
    let bytes = emitted(&compiled, &target, form, colors)?;
    match &options.output {
        Some(path) => write_file(path, &bytes)?,
        None => output.write_all(&bytes)?,
    }
    Ok(Ending::Done)
}

fn emitted(
    compiled: &Compiled,
    target: &Target,
    form: Form,
    colors: bool,
) -> Result<Vec<u8>, Failure> {
    let image = &compiled.image;
    let text = match form {
        Form::Raw => return Ok(emit::raw(image)),
        Form::Listing => {
            let style = if colors { Style::Ansi } else { Style::Plain };
            Listing::new(image).style(style).to_string()
        }
        Form::Hex => emit::hex(image),
        Form::C => emit::c(image),
        Form::Json => serde_json::to_string(&as_json(compiled, target))
            .map(|text| text + "\n")
            .map_err(|error| Problem::because("cannot write JSON", &error))?,
    };
    Ok(text.into_bytes())
}

fn as_json(compiled: &Compiled, target: &Target) -> Value {
    let image = &compiled.image;
    json!({
        "name": image.name(),
        "type": image.kind().name(),
        "frags": image.frags(),
        "target": target.version.to_string(),
        "slots": image.slot_count(),
        "plan": plan_as_json(compiled),
        "maps": maps_as_json(image),
        "instructions": instructions_as_json(image),
    })
}

/// The plan and what it costs.
pub(crate) fn plan_as_json(compiled: &Compiled) -> Value {
    json!({
        "strategy": compiled.plan.strategy(),
        "why": compiled.plan.why,
        "slots": compiled.image.slot_count(),
    })
}

/// The maps, in the order of the image.
pub(crate) fn maps_as_json(image: &ProgramImage) -> Value {
    let maps = image.maps().iter().map(|map| {
        json!({
            "name": map.name,
            "kind": map.kind.name(),
            "key_bytes": map.key_bytes,
            "value_bytes": map.value_bytes,
            "entries_max": map.entries_max,
            "flags": map.flags,
        })
    });
    maps.collect()
}

fn instructions_as_json(image: &ProgramImage) -> Value {
    let instructions = listing::lines(image).into_iter().map(|line| {
        let bytes: String = line.bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let origin = line.origin;
        json!({
            "slot": line.slot,
            "bytes": bytes,
            "text": line.text,
            "origin": {
                "phase": origin.phase.name(),
                "pattern": origin.pattern,
                "byte": origin.byte,
                "text": origin.text,
            },
        })
    });
    instructions.collect()
}

/// Write a result to a file that the user named.
pub(crate) fn write_file(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let written = File::create(path).and_then(|mut file| file.write_all(bytes));
    Ok(written.map_err(|error| {
        Problem::because(format!("cannot write {}", path.display()), &error)
            .hint("name another file with -o, or leave -o away for standard output")
    })?)
}
