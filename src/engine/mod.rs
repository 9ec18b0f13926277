//! The engines: one question, asked of the reference matcher, of the vm, or of the kernel.
//!
//! They answer with the same [`Outcome`], so that they can be compared ([`difference`]). This room
//! joins what must not know each other: the compiler, the vm and the loader.
//!
//! What a socket filter returns is not a verdict. Its outcome has the verdict `pass` for a packet
//! that is kept and `drop` for one that is not.

mod error;
mod kernel;
mod vm;

pub use error::EngineError;
pub use kernel::Kernel;
pub use vm::Vm;

use crate::compiler::{
    Entry,
    event::Counters,
    ir::{Match, Matcher, Outcome, Report, Verdict},
    reference::Obvious,
    scope::Hook,
};

/// Bytes of the linear part that `BPF_PROG_TEST_RUN` gives an XDP program; what is longer lies in
/// fragments. Source: `bpf_prog_test_run_xdp()` in `net/bpf/test_run.c`, measured on 6.18: a page
/// less 256 bytes of headroom and 320 of `skb_shared_info`.
pub const TEST_RUN_LINEAR_BYTES: usize = 3520;

/// Something that answers for inputs.
pub trait Engine {
    /// `reference`, `vm` or `kernel`.
    fn name(&self) -> &'static str;

    /// What becomes of `input`, and what was found in it.
    ///
    /// # Errors
    ///
    /// The engine cannot be given this input, or failed.
    fn answer(&mut self, input: &[u8]) -> Result<Outcome, EngineError>;
}

/// The obvious matcher.
#[derive(Debug)]
pub struct Reference<'a> {
    obvious: Obvious<'a>,
    entry: Entry,
}

impl<'a> Reference<'a> {
    /// The reference for programs that run at `entry`.
    pub fn new(matcher: &'a Matcher, entry: Entry) -> Self {
        Self { obvious: Obvious::new(matcher), entry }
    }
}

impl Engine for Reference<'_> {
    fn name(&self) -> &'static str {
        "reference"
    }

    fn answer(&mut self, input: &[u8]) -> Result<Outcome, EngineError> {
        let hook = match self.entry {
            Entry::Xdp => Hook::Xdp,
            Entry::SocketFilter | Entry::Tc(_) => Hook::Skb { vlan_tag: false },
        };
        let mut outcome = self.obvious.search(input, hook);
        if self.entry == Entry::SocketFilter {
            outcome.verdict =
                if outcome.matches.is_empty() { Verdict::Drop } else { Verdict::Pass };
        }
        Ok(outcome)
    }
}

/// How `other` contradicts `expected`, or nothing. DESIGN section 3, "Engines": scope, verdict and
/// matched-or-not are equal; with [`Report::All`] also ids and ends; with [`Report::First`] each
/// named pattern must be one that occurs (`all` is the outcome of the reference for
/// [`Report::All`]).
pub fn difference(
    report: Report,
    expected: &Outcome,
    all: &[Match],
    other: &Outcome,
) -> Option<String> {
    if expected.in_scope != other.in_scope {
        return Some(format!("in scope: {}, expected {}", other.in_scope, expected.in_scope));
    }
    if expected.searched != other.searched {
        return Some(format!("searched: {}, expected {}", other.searched, expected.searched));
    }
    if expected.verdict != other.verdict {
        let (is, should) = (other.verdict.name(), expected.verdict.name());
        return Some(format!("verdict {is}, expected {should}"));
    }
    let wrong = match report {
        Report::All => expected.matches != other.matches,
        Report::First => {
            expected.matches.is_empty() != other.matches.is_empty()
                || !other.matches.iter().all(|m| all.iter().any(|a| a.id == m.id))
        }
    };
    wrong.then(|| format!("matches {:?}, expected {:?}", other.matches, expected.matches))
}

/// The outcome that follows from what a program counted for one frame and returned. `told`: does it have
/// events, so that a socket filter keeps nothing?
fn outcome(
    matcher: &Matcher,
    entry: Entry,
    counted: &Counters,
    (returned, told): (u32, bool),
    matches: Vec<Match>,
) -> Result<Outcome, EngineError> {
    use crate::compiler::event::Counter;
    let one = |counter| counted.get(counter) == 1;
    let kinds = [Counter::OutOfScope, Counter::Unsearched, Counter::Matched, Counter::Missed];
    if !one(Counter::Frames) || kinds.iter().filter(|&&kind| one(kind)).count() != 1 {
        return Err(EngineError::Counters { counted: Box::new(*counted) });
    }
    let verdicts = matcher.verdicts;
    let verdict = match entry {
        Entry::SocketFilter => match (one(Counter::Pass), returned) {
            (true, 0) if told => Verdict::Pass,
            (false, 0) => Verdict::Drop,
            (true, 1..) if !told => Verdict::Pass,
            _ => return Err(EngineError::Returned { returned }),
        },
        // Several verdicts return one number there, so the counters decide between them.
        Entry::Xdp | Entry::Tc(_) => [verdicts.on_match, verdicts.on_miss, verdicts.out_of_scope]
            .into_iter()
            .filter(|v| entry == Entry::Xdp || one(Counter::of_verdict(*v)))
            .find(|v| entry.returned(*v).cast_unsigned() == returned)
            .ok_or(EngineError::Returned { returned })?,
    };
    Ok(Outcome {
        in_scope: !one(Counter::OutOfScope),
        searched: !one(Counter::Unsearched),
        verdict,
        matches,
    })
}
