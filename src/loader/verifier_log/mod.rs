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

mod excerpt;
mod explain;
mod path;
mod state;
mod stats;
mod value;
mod window;

use std::fmt;

pub use path::Branch;
pub use state::Register;
pub use stats::VerifierStats;
pub use window::WindowLine;

use crate::assembler::{Origin, ProgramImage};
use path::Path;
use state::{Place, Trace};
use value::{Access, Value};

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
    /// One line of what to try, where there is an explanation.
    pub advice: Option<String>,
    /// The conditional jumps and calls that led there, each once for each way it went, in the order in which
    /// they were passed last; at most [`BRANCHES_MAX`].
    pub path: Vec<Branch>,
    /// Whether there were more, or the log does not hold the beginning of the path.
    pub path_cut: bool,
    /// The instructions around the failure, of the image or as far as the log shows them.
    pub window: Vec<WindowLine>,
    /// The line of source that the log shows for the instruction. Programs of ours carry their
    /// origins as such lines.
    pub source: Option<String>,
    /// What verifying took up to there.
    pub stats: VerifierStats,
    /// The whole text.
    pub whole: String,
    /// Whether the buffer held all of it.
    pub complete: bool,
}

/// Most branches that are told.
pub const BRANCHES_MAX: usize = 64;

impl VerifierLog {
    /// Read a log that somebody else saved: as [`read`](Self::read), but first without what
    /// loaders print around it, and whole if its end is there.
    pub fn read_saved(text: &str) -> Self {
        let text = excerpt::of(text);
        let complete = VerifierStats::of_log(&text).processed.is_some();
        // A saved log was cut by whoever saved it, and what there is of it may hold the reason.
        let mut log = Self::read(&text, true, None);
        log.complete = complete;
        log
    }

    /// Does the log end without a complaint, with the numbers of a program that was accepted?
    pub fn is_of_success(&self) -> bool {
        self.stats.processed.is_some() && self.reason == NO_REASON
    }

    /// Is there nothing in the text that a verifier writes?
    pub fn is_of_something_else(&self) -> bool {
        self.insn.is_none() && self.explanation.is_none() && self.stats == VerifierStats::default()
    }

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
                path: Vec::new(),
                path_cut: true,
                window: Vec::new(),
                source: None,
                advice: None,
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
        let insn = if same { trace.insn.map(|insn| one_line(&[insn], "")) } else { None };
        let reason = match &trace.report {
            Some(report) if trace.messages.is_empty() => one_line(&[report.title], "; "),
            Some(_) | None => one_line(&trace.messages, "; "),
        };
        let reason = if reason.is_empty() { NO_REASON.to_owned() } else { reason };
        let failure = explain::Failure {
            reason: &reason,
            insn: insn.as_deref().unwrap_or_default(),
            registers: &registers,
        };
        let (explanation, advice) =
            explain::explain(&failure).map(|said| (said.cause, said.advice)).unzip();
        // The kernel's own words, where we have none.
        let report = |lines: fn(&state::Report<'_>) -> String| {
            trace.report.as_ref().map(lines).filter(|text| !text.is_empty())
        };
        let explanation = explanation.or_else(|| report(|it| one_line(&it.reason, " ")));
        let advice = advice.or_else(|| report(|it| one_line(&it.suggestion, " ")));
        // The path leads to the last instruction that was looked at, and to no other.
        let path = if same { Path::of_log(text) } else { Path::default() };
        let mut branches = path.branches();
        let more = branches.len().saturating_sub(BRANCHES_MAX);
        branches.drain(..more);
        let window = match (place, image) {
            (Some(slot), Some(image)) => window::of_image(image, slot),
            (Some(slot), None) => window::of_log(text, slot),
            (None, _) => Vec::new(),
        };
        let source = place.and_then(|slot| window::source_of(text, slot));
        Self {
            slot: place,
            insn,
            origin: place.zip(image).and_then(|(slot, image)| origin_at(image, slot)),
            registers,
            reason,
            explanation,
            advice,
            path: branches,
            path_cut: path.is_cut() || more > 0,
            window,
            source: source.map(|source| one_line(&[source], "")),
            stats,
            whole: text.to_owned(),
            complete,
        }
    }

    /// The state of a register (`R3`) or stack slot (`fp-8`), as the kernel prints it.
    pub fn register(&self, name: &str) -> Option<&str> {
        state::find(&self.registers, name)
    }

    /// The registers that the instruction and the message name, in words: `r6` and `a packet
    /// pointer, 0..37 bytes proven readable, the load needs 38`. Empty if the log does not show
    /// their state.
    pub fn registers_in_words(&self) -> Vec<(String, String)> {
        let insn = self.insn.as_deref().unwrap_or_default();
        let mut names = value::registers_of_insn(insn);
        let of_message: Vec<_> = explain::registers(&self.reason).map(|(name, _)| name).collect();
        names.extend(of_message);
        let access = Access::of_insn(insn);
        let mut words: Vec<(String, String)> = Vec::new();
        for name in names {
            if words.iter().any(|(known, _)| *known == name) {
                continue;
            }
            if let Some(state) = self.register(&name.to_ascii_uppercase()) {
                let access = access.as_ref().filter(|access| access.register == name);
                let value = Value::of(state);
                let all = self.registers.iter().map(|register| Value::of(&register.value));
                let text = value.words(access, value.proven(all));
                words.push((name, one_line(&[&text], "")));
            }
        }
        words
    }
}

fn origin_at(image: &ProgramImage, slot: u32) -> Option<Origin> {
    image.index_at(slot).map(|index| image.origin(index).clone())
}

/// The reason of a log without a complaint.
const NO_REASON: &str = "no reason given";

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
