//! `hardwire disasm`: bytes to text.

mod object;

use std::path::PathBuf;
use std::{
    fs,
    io::{self, Write},
};

use clap::Args;
use hardwire::assembler::disasm::codes;
use hardwire::assembler::{Origin, Phase, ProgramImage, ProgramKind, emit, encode};
use hardwire::loader::{
    Capability, Program, capability,
    xlated::{self, JitedFunction},
};
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
  hardwire disasm filter.o         an object: sections, maps, functions, source lines
  hardwire disasm filter.o --program count --labels     one program of it, as it is loaded
  hardwire disasm --id 42          a loaded program, as the verifier left it
  hardwire disasm --id 42 --jited --emit raw > jit.bin
  objdump -D -b binary -m i386:x86-64 jit.bin

Slots that are no instruction are shown with their bytes and the reason.";

/// Options of `disasm`.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Options {
    /// The bytes, or an object (ELF); standard input if left away
    #[arg(conflicts_with = "id")]
    file: Option<PathBuf>,
    /// Of an object: this program, with all functions that it calls and nothing left to fill in
    #[arg(long, value_name = "NAME", conflicts_with_all = ["id", "hex"])]
    program: Option<String>,
    /// The input is hex digits, white space as you like
    #[arg(long)]
    hex: bool,
    /// The program with this id in the kernel
    #[arg(long, value_name = "ID", conflicts_with = "hex")]
    id: Option<u32>,
    /// Its machine code, in hex digits, function by function
    #[arg(long, requires = "id")]
    jited: bool,
    /// In another form than the kernel's text; every slot must be an instruction
    #[arg(long, value_enum, value_name = "FORM")]
    emit: Option<Form>,
    #[command(flatten)]
    dump: DumpOptions,
}

/// Run the verb.
pub(crate) fn run(options: &Options, output: &mut Output) -> Result<Ending, Failure> {
    if options.emit.is_some() || options.program.is_some() {
        options.dump.form(options.emit, Form::Listing, output)?;
    } else {
        options.dump.unused()?; // the kernel's text is printed line by line, as it is
    }
    if let (Some(id), true) = (options.id, options.jited) {
        return machine_code(id, options, output);
    }
    let loaded = options.id.map(open).transpose()?;
    let slots = match &loaded {
        Some(loaded) => loaded.slots()?,
        None => {
            let (bytes, place) = read(options)?;
            if options.program.is_some() || !options.hex && object::is_one(&bytes) {
                return object::run(&bytes, &place, options, output);
            }
            given(bytes, place, options)?
        }
    };
    match (options.emit, &loaded) {
        // Bytes need not be instructions.
        (Some(Form::Raw), _) => options.dump.write_bytes(slots.as_flattened(), output)?,
        (Some(Form::Hex), _) => {
            let mut text = String::with_capacity(slots.len() * 17);
            for slot in &slots {
                emit::push_hex(&mut text, slot);
                text.push('\n');
            }
            options.dump.write_bytes(text.as_bytes(), output)?;
        }
        (Some(form), _) => options.dump.write(&image(&slots)?, form, Map::new(), output)?,
        (None, Some(loaded)) => {
            for line in loaded.lines()? {
                write_line(line.slot, &line.text, output)?;
            }
        }
        (None, None) => {
            let mut slot = 0;
            for code in codes(&slots) {
                write_line(slot, &code.to_string(), output)?;
                slot += code.slots();
            }
        }
    }
    Ok(Ending::Done)
}

fn write_line(slot: u32, text: &str, output: &mut Output) -> Result<(), Failure> {
    if output.json() {
        return output.json_line(&json!({ "slot": slot, "text": text }));
    }
    let number = output.paint(Paint::Dim, format!("{slot:>4}:"));
    Ok(writeln!(output, "{number} {text}")?)
}

/// Bytes as an image, of which no more is known.
fn image(slots: &[[u8; 8]]) -> Result<ProgramImage, Failure> {
    let insns = encode::decode_all(slots).map_err(|error| {
        Problem::of(&error).hint("without --emit such slots are shown with their bytes")
    })?;
    let origin = Origin::new(Phase::Text, "from bytes");
    Ok(ProgramImage::from_insns("bytes", ProgramKind::Xdp, insns, Vec::new(), origin))
}

/// The input, and what to call it.
fn read(options: &Options) -> Result<(Vec<u8>, String), Failure> {
    Ok(match &options.file {
        Some(path) => (source::read(path)?, path.display().to_string()),
        None => (source::read_stdin()?, "standard input".to_owned()),
    })
}

/// The slots of the input.
fn given(bytes: Vec<u8>, place: String, options: &Options) -> Result<Vec<[u8; 8]>, Failure> {
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

/// A program of the kernel.
struct Loaded {
    program: Program,
    place: String,
}

fn open(id: u32) -> Result<Loaded, Failure> {
    let place = format!("program {id}");
    let program = Program::by_id(id).map_err(|error| {
        let hint = if error.kind() == io::ErrorKind::NotFound {
            "`bpftool prog` lists those that there are"
        } else {
            "it takes CAP_SYS_ADMIN: run as root"
        };
        Problem::because(format!("cannot open {place}"), &error).hint(hint)
    })?;
    Ok(Loaded { program, place })
}

impl Loaded {
    /// Its slots, as the verifier left them.
    fn slots(&self) -> Result<Vec<[u8; 8]>, Failure> {
        let slots = self.program.xlated().map_err(|error| self.unreadable(&error))?;
        if slots.is_empty() {
            return Err(self.hidden("the instructions", &["net/core/bpf_jit_harden"]));
        }
        Ok(slots)
    }

    fn lines(&self) -> Result<Vec<xlated::Line>, Failure> {
        Ok(self.program.xlated_lines().map_err(|error| self.unreadable(&error))?)
    }

    fn unreadable(&self, error: &io::Error) -> Problem {
        Problem::because(format!("cannot read {}", self.place), error)
    }

    /// The kernel shows less than it has: what, and the settings that have a say in it.
    fn hidden(&self, what: &str, settings: &[&str]) -> Failure {
        let missing = capability::missing(&[Capability::Bpf, Capability::Perfmon]);
        let hint = if missing.is_empty() {
            let settings: Vec<_> = settings.iter().map(|name| setting(name)).collect();
            format!("CAP_SYSLOG is needed where these forbid it: {}", settings.join(", "))
        } else {
            let names: Vec<_> = missing.iter().map(|capability| capability.name()).collect();
            format!("missing {}: run as root", names.join(", "))
        };
        Problem::new(format!("the kernel hides {what}")).at(self.place.as_str()).hint(hint).into()
    }
}

/// `kernel.kptr_restrict = 1`.
fn setting(name: &str) -> String {
    let value = fs::read_to_string(format!("/proc/sys/{name}"));
    let value = value.map_or_else(|_| "unknown".to_owned(), |value| value.trim().to_owned());
    format!("{} = {value}", name.replace('/', "."))
}

/// The settings that decide about addresses and machine code.
const ADDRESSES: [&str; 2] = ["kernel/kptr_restrict", "kernel/perf_event_paranoid"];

fn machine_code(id: u32, options: &Options, output: &mut Output) -> Result<Ending, Failure> {
    let loaded = open(id)?;
    let jited = loaded.program.jited().map_err(|error| loaded.unreadable(&error))?;
    if jited.functions.is_empty() {
        let missing = capability::missing(&[Capability::Bpf, Capability::Perfmon]);
        if jited.told_bytes == 0 && missing.is_empty() {
            let problem = Problem::new("there is no machine code: the program is interpreted");
            let jit = setting("net/core/bpf_jit_enable");
            return Err(problem
                .at(loaded.place)
                .hint(format!("{jit}; 1 compiles programs"))
                .into());
        }
        return Err(loaded.hidden("the machine code", &ADDRESSES));
    }
    let mut text = String::new();
    match options.emit {
        Some(Form::Raw) => {
            let bytes: Vec<u8> = jited.functions.into_iter().flat_map(|f| f.bytes).collect();
            options.dump.write_bytes(&bytes, output)?;
        }
        Some(Form::Hex) => {
            for function in &jited.functions {
                emit::push_hex(&mut text, &function.bytes);
                text.push('\n');
            }
            options.dump.write_bytes(text.as_bytes(), output)?;
        }
        None if output.json() => {
            for function in &jited.functions {
                text.clear();
                emit::push_hex(&mut text, &function.bytes);
                let (name, address) = (&function.name, function.address);
                output.json_line(&json!({ "name": name, "address": address, "bytes": text }))?;
            }
        }
        None => {
            for function in &jited.functions {
                write_code(function, output)?;
            }
        }
        Some(_) => {
            let what = "machine code has no such form";
            return Err(Problem::new(what).hint("--emit raw and hex are there").into());
        }
    }
    Ok(Ending::Done)
}

/// Sixteen bytes a line, as `xxd` has them.
fn write_code(function: &JitedFunction, output: &mut Output) -> Result<(), Failure> {
    let name = function.name.as_deref().unwrap_or("a function without a name");
    let at = function.address.map_or_else(String::new, |address| format!(" at {address:#x}"));
    let title = format!("; {name}{at}, {} bytes", function.bytes.len());
    let title = output.paint(Paint::Green, title);
    writeln!(output, "{title}")?;
    for (row, bytes) in function.bytes.chunks(16).enumerate() {
        let digits: Vec<_> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let offset = output.paint(Paint::Dim, format!("{:>6x}:", row * 16));
        writeln!(output, "{offset} {}", digits.join(" "))?;
    }
    Ok(())
}
