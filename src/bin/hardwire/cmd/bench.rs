//! `hardwire bench`: what the program costs on this kernel, measured by running it there.

use std::io::Write;
use std::time::Instant;

use clap::{Args, ValueEnum};
use hardwire::assembler::{Alu, Assembler, Insn, ProgramImage, Reg, Target};
use hardwire::compiler::ir::Scope;
use hardwire::compiler::{self, Entry};
use hardwire::engine::{Engine, Reference};
use hardwire::loader::{LoadOptions, Program, test_run};
use serde_json::json;

use crate::Ending;
use crate::engine;
use crate::failure::{Failure, Problem};
use crate::frame;
use crate::options::{MatcherOptions, TargetOption, TypeOption};
use crate::output::{Output, Paint};

const EXAMPLES: &str = "\
Examples:
  hardwire bench -e 'GET /admin'
  hardwire bench -f patterns.txt --in raw --bytes 64,1500,9000 --json
  hardwire bench -x 'DE AD BE EF' --type socket --over random

Times are the best of many runs inside the kernel (BPF_PROG_TEST_RUN), less those of an empty
program; the bytes are warm in the cache and hold no match unless that is said.";

/// Bytes in front of a packet that the kernel takes off before a socket filter sees it.
const STRIPPED_BYTES: usize = 14;

/// What is searched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Over {
    /// Text as it stands in HTTP requests.
    Text,
    /// Random bytes.
    Random,
}

/// Options of `bench`.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Options {
    #[command(flatten)]
    matcher: MatcherOptions,
    #[command(flatten)]
    target: TargetOption,
    #[command(flatten)]
    kind: TypeOption,
    /// How many bytes are searched
    #[arg(long, value_name = "BYTES", value_delimiter = ',', default_value = "64,256,1500",
          value_parser = clap::value_parser!(u16).range(1..=60_000))]
    bytes: Vec<u16>,
    /// What is searched
    #[arg(long, value_enum, default_value = "text", value_name = "BYTES")]
    over: Over,
    /// How often to measure; the best counts
    #[arg(long, value_name = "TIMES", default_value_t = 50,
          value_parser = clap::value_parser!(u32).range(1..=100_000))]
    tries: u32,
    /// Runs of the program in one measurement
    #[arg(long, value_name = "RUNS", default_value_t = 10_000,
          value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    runs: u32,
}

/// Run the verb.
pub(crate) fn run(options: &Options, output: &mut Output) -> Result<Ending, Failure> {
    let entry = options.kind.entry();
    let (matcher, _) = options.matcher.read(entry, output)?;
    let target = options.target.or_probed(output);
    let compiled = compiler::compile(&matcher, entry, &target, &compiler::Options::default())
        .map_err(|error| Problem::of_compilation(&error))?;
    let started = Instant::now();
    let program = load(&compiled.image)?;
    let load_ms = started.elapsed().as_secs_f64() * 1e3;
    let empty = load(&empty(&compiled.image)?)?;
    let processed = program.info().ok().and_then(|info| info.verified_insns);
    let slots = compiled.image.slot_count();

    if output.json() {
        output.json_line(&json!({ "program": {
            "strategy": compiled.plan.strategy(),
            "slots": slots,
            "processed": processed,
            "load_ms": load_ms,
        }}))?;
    } else {
        let processed = processed.map_or_else(|| "?".to_owned(), |count| count.to_string());
        writeln!(
            output,
            "{}: {slots} slots, {processed} instructions processed by the verifier, loaded in \
             {load_ms:.1} ms",
            compiled.plan.strategy()
        )?;
        let head = format!("{:>8} {:>10} {:>8}", "bytes", "ns/packet", "GB/s");
        let head = output.paint(Paint::Bold, head);
        writeln!(output, "{head}")?;
    }
    for bytes in &options.bytes {
        let searched = options.over.bytes(usize::from(*bytes));
        let packet = match matcher.scope {
            Scope::Payload => frame::udp(&searched),
            Scope::Packet | Scope::Raw => searched,
        };
        let mut reference = Reference::new(&matcher, entry);
        let answer = reference.answer(&packet).map_err(|error| engine::problem(&error))?;
        let given = match entry {
            Entry::Xdp => packet,
            Entry::SocketFilter => [&[0; STRIPPED_BYTES], packet.as_slice()].concat(),
        };
        let floor = best(&empty, &given, options)?;
        // The floor is measured too, so a fast program can come out below it.
        let ns = best(&program, &given, options)?.saturating_sub(floor);
        let line = Line { bytes: *bytes, ns, floor, matched: !answer.matches.is_empty() };
        line.print(output)?;
    }
    Ok(Ending::Done)
}

/// One measurement.
struct Line {
    bytes: u16,
    ns: u32,
    floor: u32,
    matched: bool,
}

impl Line {
    fn print(&self, output: &mut Output) -> Result<(), Failure> {
        let Self { bytes, ns, floor, matched } = self;
        // Bytes a nanosecond are gigabytes a second.
        let speed = (*ns > 0).then(|| f64::from(*bytes) / f64::from(*ns));
        if output.json() {
            return output.json_line(&json!({
                "bytes": bytes,
                "ns": ns,
                "gb_per_s": speed,
                "empty_ns": floor,
                "match": matched,
            }));
        }
        let speed = speed.map_or_else(|| "-".to_owned(), |speed| format!("{speed:.1}"));
        let note = if *matched { "  (a pattern occurs: the search may stop early)" } else { "" };
        Ok(writeln!(output, "{bytes:>8} {ns:>10} {speed:>8}{note}")?)
    }
}

impl Over {
    fn bytes(self, count: usize) -> Vec<u8> {
        const TEXT: &[u8] = b"POST /cgi-bin/search?q=status&lang=en HTTP/1.1\r\nHost: \
            www.example.org\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\nAccept: \
            text/html,application/xhtml+xml\r\nCookie: session=8f14e45fceea167a5a36dedd4bea2543\r\n";
        match self {
            Self::Text => TEXT.iter().copied().cycle().take(count).collect(),
            Self::Random => {
                // xorshift32: the same bytes every time, so that runs can be compared.
                let mut state = 0x9e37_79b9_u32;
                let next = || {
                    state ^= state << 13;
                    state ^= state >> 17;
                    state ^= state << 5;
                    state.to_le_bytes()[1]
                };
                std::iter::repeat_with(next).take(count).collect()
            }
        }
    }
}

fn load(image: &ProgramImage) -> Result<Program, Failure> {
    Ok(Program::load(image, &LoadOptions::default()).map_err(|error| Problem::of_load(&error))?)
}

/// A program that does nothing: what entering and leaving costs.
fn empty(like: &ProgramImage) -> Result<ProgramImage, Failure> {
    let mut asm = Assembler::new("empty", like.kind());
    // Without it the kernel refuses frames of several buffers.
    asm.set_frags(like.frags());
    asm.emit(Alu::Mov.imm(Reg::R0, 2));
    asm.emit(Insn::exit());
    Ok(asm.finish(&Target::newest()).map_err(|error| Problem::of(&error))?)
}

/// Nanoseconds of the fastest measurement.
fn best(program: &Program, packet: &[u8], options: &Options) -> Result<u32, Failure> {
    let mut best = u32::MAX;
    for _ in 0..options.tries {
        let ran = test_run::run(program, packet, options.runs, false)
            .map_err(|error| Problem::of(&error).hint_if(error.hint()))?;
        best = best.min(ran.duration_ns);
    }
    Ok(best)
}
