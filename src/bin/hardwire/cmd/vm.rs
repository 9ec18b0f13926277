//! `hardwire vm`: run bytes as a program, without a kernel.

use std::io::Write;

use clap::Args;
use hardwire::assembler::{Insn, emit, encode};
use hardwire::vm::{Context, INSTRUCTION_LIMIT, Machine, Trap};
use serde_json::json;

use super::find::from_hex;
use crate::Ending;
use crate::failure::{Failure, Problem};
use crate::options::source;
use crate::output::Output;

const EXAMPLES: &str = "\
Examples:
  printf 'r0 = *(u8 *)(r1 +0)\\nexit\\n' | hardwire asm | hardwire vm --mem ff00
  hardwire vm --trace < program.hex

The program is hex on standard input. It starts with the address of the memory in r1 and its length
in r2 (both 0 without memory); r0 is printed. A trap is an error that names the slot, its instruction
and the reason, with the registers below it.";

/// Options of `vm`.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Options {
    /// The memory that the program gets, as hex
    #[arg(long, value_name = "HEX", default_value = "", hide_default_value = true)]
    mem: String,
    /// Show every instruction that runs, with the registers and the memory that it changes, on
    /// standard error
    #[arg(long)]
    trace: bool,
    /// Stop after this many instructions
    #[arg(long, value_name = "INSTRUCTIONS", default_value_t = INSTRUCTION_LIMIT)]
    limit: u64,
}

/// Run the verb.
pub(crate) fn run(options: &Options, output: &mut Output) -> Result<Ending, Failure> {
    let digits: String = options.mem.split_whitespace().collect();
    let mut memory = from_hex(digits.as_bytes()).map_err(|problem| problem.at("--mem"))?;
    let place = "the program on standard input";
    let text = source::text(source::read_stdin()?, place)?;
    let slots = emit::slots_from_hex(&text).map_err(|error| {
        Problem::of(&error).at(place).hint("write 16 hex digits for each slot; `hardwire asm` does")
    })?;
    let shown = "`hardwire disasm --hex` shows the program as it is read";
    let insns =
        encode::decode_all(&slots).map_err(|error| Problem::of(&error).at(place).hint(shown))?;
    let mut machine = Machine::from_insns(&insns, &[])
        .map_err(|error| Problem::of(&error).at(place).hint(shown))?;
    machine.set_instruction_limit(options.limit);

    let context = Context::memory(&mut memory);
    let ran = if options.trace {
        // The trace explains the result; it is not the result.
        machine.run_traced(context, &mut |step| output.diagnostic(step))
    } else {
        machine.run(context)
    };
    let traced = (!options.trace).then_some("--trace shows how it came there");
    let r0 = ran.map_err(|trap| trapped(&trap, &insns).at(place).hint_if(traced))?;
    if output.json() {
        output.json_line(&json!({ "r0": format!("{r0:#x}"), "executed": machine.executed() }))?;
    } else {
        writeln!(output, "{r0:#x}")?;
    }
    Ok(Ending::Done)
}

/// A trap, with the instruction and the registers below.
fn trapped(trap: &Trap, insns: &[Insn]) -> Problem {
    let mut slot = 0;
    let at = insns.iter().find(|insn| {
        let here = slot;
        slot += insn.slots();
        here == trap.slot
    });
    let insn = at.map(|insn| format!("{}: {insn}", trap.slot));
    insn.into_iter().chain(trap.describe_registers()).fold(Problem::of(trap), Problem::detail)
}
