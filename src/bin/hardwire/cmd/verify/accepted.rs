//! What is told of a program that the kernel accepts.

use std::io::Write;
use std::time::Duration;

use hardwire::assembler::ProgramImage;
use hardwire::compiler::plan::Plan;
use hardwire::loader::{Program, VerifierStats};
use serde_json::{Value, json};

use super::Subject;
use crate::Ending;
use crate::failure::Failure;
use crate::output::{Output, Paint, grouped};

/// What is known of one program.
struct Row {
    slots: u32,
    stats: VerifierStats,
    jited_bytes: u32,
    strategy: Option<&'static str>,
}

impl Row {
    fn of(image: &ProgramImage, plan: Option<&Plan>, program: &Program) -> Result<Self, Failure> {
        let info = program.info().map_err(|error| super::super::of_info(&error))?;
        // What the verifier says about a program it says in a log, for which it has to look again.
        let mut stats = Program::measure(image).unwrap_or_default();
        stats.processed = info.verified_insns.map(u64::from).or(stats.processed);
        let jited_bytes = info.jited_prog_len;
        Ok(Self {
            slots: image.slot_count(),
            stats,
            jited_bytes,
            strategy: plan.map(Plan::strategy),
        })
    }

    fn as_json(&self) -> Value {
        let Self { slots, stats, jited_bytes, strategy } = self;
        json!({
            "slots": slots,
            "processed": stats.processed,
            "processed_max": stats.processed_max,
            "states": stats.states,
            "states_peak": stats.states_peak,
            "stack_bytes": stats.stack_bytes,
            "verify_ms": stats.time_us.map(as_milliseconds),
            "jited_bytes": jited_bytes,
            "strategy": strategy,
        })
    }

    fn print(&self, output: &mut Output) -> Result<(), Failure> {
        row(output, "slots", &grouped(self.slots.into()))?;
        costs(&self.stats, output)?;
        let machine_code = match self.jited_bytes {
            0 => "none: interpreted, or hidden by the kernel".to_owned(),
            bytes => format!("{} bytes", grouped(bytes.into())),
        };
        row(output, "machine code", &machine_code)
    }
}

/// The table, or one JSON value.
pub(super) fn print(
    subject: &Subject,
    program: &Program,
    took: Duration,
    output: &mut Output,
) -> Result<Ending, Failure> {
    super::without_types(program, output);
    let mut rows = Vec::new();
    for (number, (image, program)) in subject.image.programs().zip(program.programs()).enumerate() {
        rows.push(Row::of(image, subject.plans.get(number), program)?);
    }
    let milliseconds = took.as_secs_f64() * 1e3;
    if output.json() {
        let mut told = rows.first().map(Row::as_json).unwrap_or_default();
        told["accepted"] = true.into();
        told["load_ms"] = milliseconds.into();
        if rows.len() > 1 {
            told["tails"] = rows[1..].iter().map(Row::as_json).collect();
        }
        output.json_line(&told)?;
        return Ok(Ending::Done);
    }
    let word = output.paint(Paint::Green, "accepted");
    if subject.plans.is_empty() {
        writeln!(output, "{word}")?;
    }
    for (plan, of_one) in subject.plans.iter().zip(&rows) {
        writeln!(output, "{word}: {} ({})", plan.strategy(), plan.why)?;
        if rows.len() > 1 {
            of_one.print(output)?;
        }
    }
    if let [only] = &rows[..] {
        only.print(output)?;
    }
    let time: Option<u64> = rows.iter().map(|row| row.stats.time_us).sum();
    let verifying = time.map_or(String::new(), |time| {
        format!("; {:.1} ms of verifying when it was measured", as_milliseconds(time))
    });
    row(
        output,
        "time",
        &format!("{milliseconds:.1} ms to create the maps, verify and load{verifying}"),
    )?;
    Ok(Ending::Done)
}

/// The table of a log of a program that was accepted.
pub(super) fn print_stats(stats: &VerifierStats, output: &mut Output) -> Result<(), Failure> {
    let word = output.paint(Paint::Green, "accepted");
    writeln!(output, "{word}, or stopped without a complaint")?;
    costs(stats, output)?;
    if let Some(time) = stats.time_us {
        row(output, "time", &format!("{:.1} ms of verifying", as_milliseconds(time)))?;
    }
    Ok(())
}

fn costs(stats: &VerifierStats, output: &mut Output) -> Result<(), Failure> {
    let processed = match (stats.processed, stats.processed_max) {
        (Some(count), Some(limit)) => {
            format!("{} instructions of at most {}", grouped(count), grouped(limit))
        }
        (Some(count), None) => format!("{} instructions", grouped(count)),
        (None, _) => "not told by this kernel".to_owned(),
    };
    row(output, "processed", &processed)?;
    if let Some(states) = stats.states {
        let mut text = format!("{} in all", grouped(states));
        if let Some(peak) = stats.states_peak {
            text += &format!(", at the peak {}", grouped(peak));
        }
        if let Some(most) = stats.states_per_insn_max {
            text += &format!(", at most {} for one instruction", grouped(most));
        }
        row(output, "states", &text)?;
    }
    if !stats.stack_bytes.is_empty() {
        let of_each: Vec<_> = stats.stack_bytes.iter().map(u64::to_string).collect();
        let several = of_each.len() > 1;
        let each = if several { " (by function, of 512 together)" } else { " of 512" };
        // The kernel adds it behind its own check (`do_misc_fixups()` in `kernel/bpf/verifier.c`).
        let over = stats.stack_bytes.iter().sum::<u64>() > STACK_BYTES_MAX;
        let over = if over { ", not counting what the kernel adds for may_goto" } else { "" };
        row(output, "stack", &format!("{} bytes{each}{over}", of_each.join(" + ")))?;
    }
    Ok(())
}

/// `MAX_BPF_STACK` in `include/linux/filter.h`.
const STACK_BYTES_MAX: u64 = 512;

fn row(output: &mut Output, name: &str, text: &str) -> Result<(), Failure> {
    Ok(writeln!(output, "  {name:<13} {text}")?)
}

fn as_milliseconds(microseconds: u64) -> f64 {
    Duration::from_micros(microseconds).as_secs_f64() * 1e3
}
