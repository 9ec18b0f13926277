//! `hardwire asm`: text to bytes.

use std::io::Write;
use std::path::PathBuf;

use clap::Args;
use hardwire::assembler::disasm::Code;
use hardwire::assembler::{encode, parse};

use crate::Ending;
use crate::failure::{Failure, Problem};
use crate::options::source;
use crate::output::Output;

const EXAMPLES: &str = "\
Examples:
  echo 'r0 = 2
        exit' | hardwire asm
  hardwire compile -e GET | hardwire asm --raw > prog.bin

The text is the kernel's dialect, as `hardwire compile`, `hardwire disasm`, bpftool and verifier
logs show it; slot numbers, opcodes and `;` comments may be there or not.";

/// Options of `asm`.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Options {
    /// The text; standard input if left away
    file: Option<PathBuf>,
    /// Hex digits, one instruction a line (the default)
    #[arg(long, conflicts_with = "raw")]
    hex: bool,
    /// The bytes themselves
    #[arg(long, conflicts_with = "json")]
    raw: bool,
}

/// Run the verb.
pub(crate) fn run(options: &Options, output: &mut Output) -> Result<Ending, Failure> {
    let (bytes, place) = match &options.file {
        Some(path) => (source::read(path)?, path.display().to_string()),
        None => (source::read_stdin()?, "standard input".to_owned()),
    };
    let text = source::text(bytes, &place)?;
    let codes = parse::parse(&text).map_err(|error| {
        let hint = "the text is what `hardwire disasm` prints";
        Problem::of(&error).at(place).hint(hint)
    })?;
    for code in codes {
        let slots = slots(&code);
        if options.raw {
            output.write_all(slots.as_flattened())?;
            continue;
        }
        let hex: String = slots.iter().flatten().map(|byte| format!("{byte:02x}")).collect();
        if output.json() {
            output.json_line(&serde_json::json!({ "bytes": hex, "text": code.to_string() }))?;
        } else {
            writeln!(output, "{hex}")?;
        }
    }
    Ok(Ending::Done)
}

fn slots(code: &Code) -> Vec<[u8; 8]> {
    match code {
        Code::Insn(insn) => encode::encode_all(&[*insn]),
        Code::Slot { bytes, .. } => vec![*bytes],
    }
}
