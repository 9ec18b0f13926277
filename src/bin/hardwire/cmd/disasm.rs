//! `hardwire disasm`: bytes to text.

use std::io::Write;
use std::path::PathBuf;

use clap::Args;
use hardwire::assembler::disasm::disassemble;
use hardwire::assembler::{Origin, Phase, ProgramImage, ProgramKind, emit, encode};
use hardwire::loader::Program;
use serde_json::{Map, json};

use crate::Ending;
use crate::dump::{DumpOptions, Form};
use crate::failure::{Failure, Problem};
use crate::options::source;
use crate::output::{Output, Paint};

const EXAMPLES: &str = "\
Examples:
  echo '95 00 00 00 00 00 00 00' | hardwire disasm --hex
  hardwire disasm prog.bin
  hardwire disasm prog.bin --emit dot | dot -Tsvg > prog.svg
  hardwire disasm --id 42          a loaded program, as the verifier left it

Slots that are no instruction are shown with their bytes and the reason.";

/// Options of `disasm`.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Options {
    /// The bytes; standard input if left away
    #[arg(conflicts_with = "id")]
    file: Option<PathBuf>,
    /// The input is hex digits, white space as you like
    #[arg(long)]
    hex: bool,
    /// The program with this id in the kernel
    #[arg(long, value_name = "ID", conflicts_with = "hex")]
    id: Option<u32>,
    /// In another form than the kernel's text; every slot must be an instruction
    #[arg(long, value_enum, value_name = "FORM")]
    emit: Option<Form>,
    #[command(flatten)]
    dump: DumpOptions,
}

/// Run the verb.
pub(crate) fn run(options: &Options, output: &mut Output) -> Result<Ending, Failure> {
    let slots = match options.id {
        Some(id) => loaded(id)?,
        None => given(options)?,
    };
    if let Some(form) = options.emit {
        options.dump.write(&image(&slots)?, form, Map::new(), output)?;
        return Ok(Ending::Done);
    }
    let mut slot = 0;
    for code in disassemble(&slots) {
        if output.json() {
            output.json_line(&json!({ "slot": slot, "text": code.to_string() }))?;
        } else {
            let number = output.paint(Paint::Dim, format!("{slot:>4}:"));
            writeln!(output, "{number} {code}")?;
        }
        slot += code.slots();
    }
    Ok(Ending::Done)
}

/// Bytes as an image, of which no more is known.
fn image(slots: &[[u8; 8]]) -> Result<ProgramImage, Failure> {
    let insns = encode::decode_all(slots).map_err(|error| {
        Problem::of(&error).hint("without --emit such slots are shown with their bytes")
    })?;
    let origin = Origin::new(Phase::Text, "from bytes");
    Ok(ProgramImage::from_insns("bytes", ProgramKind::Xdp, insns, Vec::new(), origin))
}

fn given(options: &Options) -> Result<Vec<[u8; 8]>, Failure> {
    let (bytes, place) = match &options.file {
        Some(path) => (source::read(path)?, path.display().to_string()),
        None => (source::read_stdin()?, "standard input".to_owned()),
    };
    if options.hex {
        let text = source::text(bytes, &place)?;
        let slots = emit::slots_from_hex(&text);
        return Ok(slots.map_err(|error| {
            Problem::of(&error).at(place).hint("without --hex the input is taken as bytes")
        })?);
    }
    let (slots, rest) = bytes.as_chunks::<8>();
    if !rest.is_empty() {
        let what = format!("{} bytes are not a whole number of slots of 8", bytes.len());
        return Err(Problem::new(what).at(place).hint("for hex digits add --hex").into());
    }
    Ok(slots.to_vec())
}

fn loaded(id: u32) -> Result<Vec<[u8; 8]>, Failure> {
    let place = format!("program {id}");
    let program = Program::by_id(id).map_err(|error| {
        Problem::because(format!("cannot open {place}"), &error)
            .hint("`bpftool prog` lists them; it takes CAP_SYS_ADMIN")
    })?;
    let slots = program.xlated().map_err(|error| {
        Problem::because(format!("cannot read {place}"), &error)
            .hint("was it unloaded meanwhile? `bpftool prog` lists what there is")
    })?;
    if slots.is_empty() {
        let problem = Problem::new("the kernel hides the instructions").at(place);
        return Err(problem.hint("it shows them to CAP_BPF and CAP_PERFMON").into());
    }
    Ok(slots)
}
