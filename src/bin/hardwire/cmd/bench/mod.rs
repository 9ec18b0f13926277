//! `hardwire bench`: what the program costs on this kernel, measured by running it there.

mod measure;
mod packets;

use std::io::Write;
use std::path::PathBuf;
use std::time::Instant;

use clap::Args;
use hardwire::assembler::ProgramImage;
use hardwire::compiler::Compiled;
use hardwire::loader::{LoadOptions, Program};
use serde_json::json;

use self::measure::{Effort, Measured};
use self::packets::{Over, Packets};
use crate::Ending;
use crate::failure::{Failure, Problem};
use crate::options::{MatcherOptions, TargetOption, TypeOption};
use crate::output::{Output, Paint};

const EXAMPLES: &str = "\
Examples:
  hardwire bench -e 'GET /admin'
  hardwire bench -f patterns.txt --in raw --bytes 64,1500,9000 --json
  hardwire bench -x 'DE AD BE EF' -i -e admin --report all --over ascii
  hardwire bench -x 'DE AD BE EF' --type socket --over random
  hardwire bench -f patterns.txt --pcap traffic.pcap

Times are those inside the kernel (BPF_PROG_TEST_RUN), less those of an empty program.
  warm: one packet again and again, the best of many tries: the processor knows it by heart
  cold: different packets in turn, once each, the mean: nothing of the next one is known
With --pcap, warm is the mean over a few frames of the capture, and cold goes through all of it in
order. The bytes that are made hold no match unless that is said.";

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
    /// Search the frames of this capture instead (pcap or pcapng; the first 65,536 of them)
    #[arg(long, value_name = "FILE", conflicts_with_all = ["bytes", "over"])]
    pcap: Option<PathBuf>,
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
    // Read before anything is loaded: a mistyped name should not cost that.
    let mut all = match &options.pcap {
        Some(path) => vec![Packets::of_capture(path, output)?],
        None => {
            let made = |bytes: &u16| Packets::made(options.over, usize::from(*bytes), &matcher);
            options.bytes.iter().map(made).collect()
        }
    };
    let target = options.target.or_probed(output);
    let started = Instant::now();
    let compiled = options.target.compile(&matcher, entry, &target, output)?;
    let compile_ms = started.elapsed().as_secs_f64() * 1e3;
    let started = Instant::now();
    let program = load(&compiled.image)?;
    let load_ms = started.elapsed().as_secs_f64() * 1e3;
    let empty = load(&measure::empty(&compiled.image)?)?;

    About { compiled: &compiled, program: &program, compile_ms, load_ms }.print(output)?;
    let effort = Effort { tries: options.tries, runs: options.runs };
    for packets in &mut all {
        let matched = packets.prepare(&matcher, entry)?;
        let measured = measure::measure(&program, &empty, packets, effort)?;
        Line { packets, matched, measured }.print(output)?;
    }
    Ok(Ending::Done)
}

fn tenths(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

fn load(image: &ProgramImage) -> Result<Program, Failure> {
    Ok(Program::load(image, &LoadOptions::default()).map_err(|error| Problem::of_load(&error))?)
}

/// What is known before any packet.
struct About<'a> {
    compiled: &'a Compiled,
    program: &'a Program,
    compile_ms: f64,
    load_ms: f64,
}

impl About<'_> {
    fn print(&self, output: &mut Output) -> Result<(), Failure> {
        let Self { compiled, program, compile_ms, load_ms } = self;
        let strategy = compiled.plan.strategy();
        let slots = compiled.slot_count();
        let of_each = program.programs().map(|one| one.info().ok()?.verified_insns.map(u64::from));
        let processed = of_each.sum::<Option<u64>>();
        let estimated: u64 = compiled.programs().map(|part| part.estimate.processed.value).sum();
        if output.json() {
            return output.json_line(&json!({ "program": {
                "strategy": strategy,
                "slots": slots,
                "processed": processed,
                "processed_estimated": estimated,
                "compile_ms": tenths(*compile_ms),
                "load_ms": tenths(*load_ms),
            }}));
        }
        let several = match compiled.tails.len() {
            0 => String::new(),
            tails => format!(" in {} programs", tails + 1),
        };
        let processed = processed.map_or_else(|| "?".to_owned(), |count| count.to_string());
        writeln!(
            output,
            "{strategy}: {slots} slots{several}, compiled in {compile_ms:.1} ms; {processed} instructions \
             processed by the verifier ({estimated} were estimated), loaded in {load_ms:.1} ms"
        )?;
        let head = format!(
            "{:>8} {:>10} {:>8} {:>10} {:>8}",
            "bytes", "warm ns", "GB/s", "cold ns", "GB/s"
        );
        let head = output.paint(Paint::Bold, head);
        Ok(writeln!(output, "{head}")?)
    }
}

/// One measurement.
struct Line<'a> {
    packets: &'a Packets,
    /// In how many packets a pattern occurs.
    matched: usize,
    measured: Measured,
}

impl Line<'_> {
    fn print(&self, output: &mut Output) -> Result<(), Failure> {
        let Self { packets, matched, measured: Measured { warm, floor, cold, cold_floor } } = self;
        let bytes = packets.bytes();
        // Bytes a nanosecond are gigabytes a second.
        let speed = |bytes: f64, ns: f64| (ns > 0.0).then(|| tenths(bytes / ns));
        let warm_speed = speed(packets.sample_bytes(), f64::from(*warm));
        let cold_speed = speed(bytes, *cold);
        if output.json() {
            let mut line = json!({
                "bytes": tenths(bytes),
                "ns": warm,
                "gb_per_s": warm_speed,
                "empty_ns": floor,
                "cold_ns": tenths(*cold),
                "cold_gb_per_s": cold_speed,
                "cold_empty_ns": tenths(*cold_floor),
                "match": *matched > 0,
            });
            match packets.frames() {
                Some(frames) => {
                    line["frames"] = json!(frames);
                    line["matched"] = json!(matched);
                }
                // Nobody asked for half a byte.
                None => line["bytes"] = json!(packets.asked()),
            }
            return output.json_line(&line);
        }
        let shown =
            |speed: Option<f64>| speed.map_or_else(|| "-".to_owned(), |s| format!("{s:.1}"));
        let (warm_speed, cold_speed) = (shown(warm_speed), shown(cold_speed));
        let note = match packets.frames() {
            Some(frames) => format!("  ({frames} frames, a pattern occurs in {matched})"),
            None if *matched > 0 => "  (a pattern occurs: the search may stop early)".to_owned(),
            None => String::new(),
        };
        Ok(writeln!(
            output,
            "{bytes:>8.0} {warm:>10} {warm_speed:>8} {cold:>10.1} {cold_speed:>8}{note}"
        )?)
    }
}
