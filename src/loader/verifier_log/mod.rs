//! Reading the verifier's log: where it stopped, why that instruction exists, what the registers
//! held, and what the message means.
//!
//! The log is text for humans and differs between releases, so everything here is a best reading:
//! what is not recognised is `None`, the verifier's own words are always kept, and any text at all
//! (cut, garbled, empty) gives a result. A log on success holds only statistics; on rejection it is
//! a trace that may hold fragments of abandoned branches, so only what follows the last printed
//! instruction is taken for the reason.
//!
//! Tested on logs of several kernels in `tests/golden/verifier_log`.

mod explain;
mod state;
mod stats;

use std::fmt;

pub use state::Register;
pub use stats::VerifierStats;

use crate::assembler::{Origin, ProgramImage};
use state::{Place, Trace};

/// What a verifier log says about a rejected program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifierLog {
    /// The slot at which the verifier stopped.
    pub slot: Option<u32>,
    /// The instruction there, in the kernel's words; nothing if the check that failed came before
    /// instructions are looked at one by one.
    pub insn: Option<String>,
    /// Why that instruction exists.
    pub origin: Option<Origin>,
    /// The registers and stack slots just before it. Empty if the log does not say.
    pub registers: Vec<Register>,
    /// The verifier's own message, on one line.
    pub reason: String,
    /// One line of why, in words, for the common classes.
    pub explanation: Option<String>,
    /// What verifying took up to there.
    pub stats: VerifierStats,
    /// The whole text.
    pub whole: String,
    /// Whether the buffer held all of it.
    pub complete: bool,
}

impl VerifierLog {
    /// Read `text`. `complete` says whether the log fitted its buffer; `image` is what was loaded.
    pub fn read(text: &str, complete: bool, image: Option<&ProgramImage>) -> Self {
        let stats = VerifierStats::of_log(text);
        let trace = Trace::of_log(text);
        // Before Linux 6.4 a buffer that is too small holds the beginning of the log, and the
        // statistics, which end every log, are missing.
        let cut = !complete && stats.processed.is_none();
        if cut {
            return Self {
                slot: None,
                insn: None,
                origin: None,
                registers: Vec::new(),
                reason: format!("the log was cut after {} bytes, before its end", text.len()),
                explanation: None,
                stats,
                whole: text.to_owned(),
                complete,
            };
        }
        let reported = trace.report.as_ref().and_then(|report| report.slot);
        let place = match explain::place(&trace.messages) {
            Some(Place::Last) => image.map(|i| i.slot_count().saturating_sub(1)).or(reported),
            Some(Place::Slot(slot)) => Some(slot),
            None => trace.slot.or(reported),
        };
        // A message about another instruction than the last one printed says nothing about its
        // registers.
        let same = place == trace.slot;
        let registers = if same { trace.registers } else { Vec::new() };
        let insn = if same { trace.insn.map(str::to_owned) } else { None };
        let reason = match &trace.report {
            Some(report) if trace.messages.is_empty() => one_line(&[report.title], "; "),
            Some(_) | None => one_line(&trace.messages, "; "),
        };
        let reason = if reason.is_empty() { "no reason given".to_owned() } else { reason };
        let failure = explain::Failure {
            reason: &reason,
            insn: insn.as_deref().unwrap_or_default(),
            registers: &registers,
        };
        let explanation = explain::explain(&failure).or_else(|| {
            // The kernel's own words, where we have none.
            let report = trace.report.as_ref()?;
            Some(one_line(&report.reason, " ")).filter(|text| !text.is_empty())
        });
        Self {
            slot: place,
            insn,
            origin: place.zip(image).and_then(|(slot, image)| origin_at(image, slot)),
            registers,
            reason,
            explanation,
            stats,
            whole: text.to_owned(),
            complete,
        }
    }

    /// The state of a register (`R3`) or stack slot (`fp-8`), as the kernel prints it.
    pub fn register(&self, name: &str) -> Option<&str> {
        state::find(&self.registers, name)
    }
}

fn origin_at(image: &ProgramImage, slot: u32) -> Option<Origin> {
    image.index_at(slot).map(|index| image.origin(index).clone())
}

/// Longest line made of a log, in bytes; a log may hold anything.
const LINE_BYTES_MAX: usize = 400;

fn one_line(parts: &[&str], between: &str) -> String {
    let mut line = parts.join(between).replace(char::is_control, " ");
    if line.len() > LINE_BYTES_MAX {
        line.truncate(line.floor_char_boundary(LINE_BYTES_MAX));
        line.push('…');
    }
    line
}

/// `at slot 12 (confirm: match "GET " at +0; pattern 1, byte 0): R2 offset is outside of the packet`
impl fmt::Display for VerifierLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(slot) = self.slot {
            write!(f, "at slot {slot}")?;
            if let Some(origin) = &self.origin {
                write!(f, " ({origin}")?;
                match (origin.pattern, origin.byte) {
                    (Some(pattern), Some(byte)) => write!(f, "; pattern {pattern}, byte {byte}")?,
                    (Some(pattern), None) => write!(f, "; pattern {pattern}")?,
                    (None, _) => {}
                }
                f.write_str(")")?;
            }
            f.write_str(": ")?;
        }
        f.write_str(&self.reason)
    }
}
