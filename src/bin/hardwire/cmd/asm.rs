//! `hardwire asm`: text to bytes, or to any other form of a program.

use std::cell::RefCell;
use std::path::PathBuf;

use clap::Args;
use hardwire::assembler::parse::{self, Assembled};
use hardwire::assembler::{check, disasm::Code, emit, encode};
use hardwire::loader::btf;
use serde_json::{Map, json};

use crate::Ending;
use crate::dump::{DumpOptions, Form};
use crate::failure::{Failure, Problem};
use crate::options::source;
use crate::output::Output;

const EXAMPLES: &str = "\
Examples:
  echo 'r0 = 2
        exit' | hardwire asm
  hardwire compile -e GET --labels > get.s       edit it, then:
  hardwire asm get.s --emit c -o get.c
  hardwire compile -e GET | hardwire asm --raw > prog.bin

The text is the kernel's dialect, as `hardwire compile`, `hardwire disasm`, bpftool and verifier
logs show it; slot numbers, opcodes and `;` comments may be there or not. Directives:
  .program NAME xdp [frags]                            or sched_cls, socket_filter
  .map NAME array key 4 value 8 entries 1 [flags 0x80]   then: r1 = map[NAME]
  .data NAME 0x0 0001ff                                what the map holds at first
  .licence NAME                                        GPL if it is left away
  .function NAME                                       then: call NAME
  .slot 0x9500000000000000                             eight bytes, whatever they mean";

/// Options of `asm`.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Options {
    /// The text; standard input if left away
    file: Option<PathBuf>,
    /// In which form, hex if nothing says it
    #[arg(long, value_enum, value_name = "FORM")]
    emit: Option<Form>,
    /// Hex digits, one instruction a line (the default): --emit hex
    #[arg(long, conflicts_with_all = ["raw", "emit"])]
    hex: bool,
    /// The bytes themselves: --emit raw
    #[arg(long, conflicts_with_all = ["json", "emit"])]
    raw: bool,
    #[command(flatten)]
    dump: DumpOptions,
}

/// Run the verb.
pub(crate) fn run(options: &Options, output: &mut Output) -> Result<Ending, Failure> {
    let emit = if options.raw { Some(Form::Raw) } else { options.emit };
    let form = options.dump.form(emit, Form::Hex, output)?;
    if emit.is_none() && output.json() {
        options.dump.unused()?;
    }
    let (bytes, place) = match &options.file {
        Some(path) => (source::read(path)?, path.display().to_string()),
        None => (source::read_stdin()?, "standard input".to_owned()),
    };
    let text = source::text(bytes, &place)?;
    let assembled = assemble(&text, &place, output)?;
    match form {
        Form::Json if emit.is_none() => write_lines(&assembled.codes, output)?,
        // Bytes need not be instructions, and need not make a program.
        Form::Hex => options.dump.write_bytes(hex(&assembled.codes).as_bytes(), output)?,
        Form::Raw => options.dump.write_bytes(assembled.slots().as_flattened(), output)?,
        Form::Listing | Form::C | Form::Json | Form::Dot | Form::Elf => {
            let image =
                assembled.image().map_err(|error| Problem::of(&error).at(place.as_str()))?;
            if let Err(error) = check::check(&image) {
                output.warn(format!("{place}: no kernel will take it: {error}"));
            }
            options.dump.write(&image, form, Map::new(), output)?;
        }
    }
    Ok(Ending::Done)
}

/// Read `text`; kernel functions that are called by name get their numbers on this kernel.
pub(super) fn assemble(text: &str, place: &str, output: &Output) -> Result<Assembled, Failure> {
    let unreadable = RefCell::new(None);
    let number = |name: &str| match btf::function_id(name) {
        Ok(id) => {
            let id = i32::try_from(id?).ok()?;
            output.note(format!("{name} is kernel-function#{id} on this kernel"));
            Some(id)
        }
        Err(error) => {
            unreadable.replace(Some(error));
            None
        }
    };
    parse::assemble_with(text, &number).map_err(|error| {
        let problem = Problem::of(&error).at(place);
        match unreadable.take() {
            Some(cause) => problem.hint(format!("this kernel does not tell numbers: {cause}")),
            None => problem.hint("the text is what `hardwire disasm` prints"),
        }
        .into()
    })
}

fn write_lines(codes: &[Code], output: &mut Output) -> Result<(), Failure> {
    for code in codes {
        let bytes = hex(std::slice::from_ref(code));
        output.json_line(&json!({ "bytes": bytes.trim_end(), "text": code.to_string() }))?;
    }
    Ok(())
}

/// Hex digits, one instruction or raw slot a line.
fn hex(codes: &[Code]) -> String {
    let mut text = String::with_capacity(codes.len() * 17);
    for code in codes {
        match code {
            Code::Insn(insn) => {
                let (first, second) = encode::encode(insn);
                emit::push_hex(&mut text, &first);
                emit::push_hex(&mut text, second.as_slice().as_flattened());
            }
            Code::Slot { bytes, .. } => emit::push_hex(&mut text, bytes),
        }
        text.push('\n');
    }
    text
}
