//! From patterns to programs.
//!
//! The way is one: pattern text → [`ir::Matcher`] → plan → code → [`ProgramImage`]. Nothing here
//! does I/O, reads a clock or asks a kernel; what the kernel can do arrives as a
//! [`Target`].
//!
//! [`ProgramImage`]: crate::assembler::ProgramImage

pub mod analysis;
pub mod automaton;
pub mod byte_rank;
pub mod chain;
mod codegen;
pub mod entry;
pub mod error;
pub mod estimate;
pub mod event;
mod explore;
pub mod fingerprint;
pub mod frequency;
pub mod gram_interval;
pub mod ir;
mod lattice;
pub mod lower;
mod number;
pub mod pattern;
pub mod plan;
pub mod reference;
mod sample;
pub mod scope;
#[cfg(test)]
mod small;
pub mod split;
pub mod strategy;

use crate::assembler::{ProgramImage, Target};

pub use chain::Piece;
pub use entry::Entry;
pub use error::CompileError;
pub use estimate::Estimate;
pub use lower::Lowered;
pub use plan::Plan;
pub use strategy::Strategy;

/// What is generated besides the search.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Options {
    /// Count frames, bytes, outcomes, verdicts and hits. Without, the program has no result but
    /// its return value.
    pub counters: bool,
    /// Make an event of every matching frame. Counts, whatever [`counters`](Self::counters) says.
    pub events: Option<Events>,
    /// Let [`event::control`] be switched while the program runs. Counts, too.
    pub controls: bool,
    /// Let the verdict for matching frames have a limit for each source address
    /// ([`Control::limit_pps`](event::control::Control::limit_pps)). Has controls, too. Frames without
    /// an IP address get the verdict as ever; a socket filter has no verdicts to limit.
    pub source_limit: bool,
    /// Search the fragments of multi-buffer frames too, where the target has them. For XDP; socket buffers
    /// are always searched whole.
    pub fragments: bool,
    /// How to search; `None` lets the plan choose.
    pub strategy: Option<Strategy>,
    /// Split the search over at least so many programs, joined by tail calls, as far as the target
    /// has them and there is something to split. 1 is right but for tests: more only cost time.
    pub programs_min: usize,
    /// What the automaton of one expression may take. More let larger expressions through, and
    /// compiling take longer.
    pub limits: automaton::Limits,
}

/// Events: what a program says of single frames ([`event::record`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Events {
    /// Bytes of the frame that come with an event, at most
    /// [`CAPTURED_MAX`](event::record::CAPTURED_MAX).
    pub snap: u32,
    /// Bytes of the ring buffer: a power of two, [`RING_BYTES_MIN`] or more. Where the target has none,
    /// whoever reads makes perf buffers, and their size.
    pub ring_bytes: u32,
}

/// Fewest bytes of a ring buffer: a page.
pub const RING_BYTES_MIN: u32 = 4096;

impl Default for Events {
    /// Enough of a frame for its headers and a line of text; a ring for the events of some 10 ms at
    /// the highest rate.
    fn default() -> Self {
        Self { snap: 256, ring_bytes: 16 << 20 }
    }
}

impl Options {
    /// The same with all that these need: events and controls count, a limit has controls.
    ///
    /// # Errors
    ///
    /// A ring buffer that no kernel makes, more bytes of a frame than there are.
    fn complete(&self) -> Result<Self, CompileError> {
        if let Some(Events { snap, ring_bytes }) = self.events {
            let limit = event::record::CAPTURED_MAX;
            if snap > limit {
                let why = format!("a frame has at most {limit}");
                return Err(CompileError::Target { what: format!("events of {snap} bytes"), why });
            }
            if !ring_bytes.is_power_of_two() || ring_bytes < RING_BYTES_MIN {
                let what = format!("a ring buffer of {ring_bytes} bytes");
                let why = format!("it has a power of two of bytes, {RING_BYTES_MIN} or more");
                return Err(CompileError::Target { what, why });
            }
        }
        let controls = self.controls || self.source_limit;
        let counters = self.counters || self.events.is_some() || controls;
        Ok(Self { counters, controls, ..*self })
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            counters: true,
            events: None,
            controls: false,
            source_limit: false,
            fragments: true,
            strategy: None,
            programs_min: 1,
            limits: automaton::Limits::default(),
        }
    }
}

/// A program, and how it came to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compiled {
    /// What is loaded.
    pub image: ProgramImage,
    /// What it searches; without what its tails do.
    pub lowered: Lowered,
    /// How it searches, and why so.
    pub plan: Plan,
    /// What it is expected to cost the verifier.
    pub estimate: Estimate,
    /// The programs that it goes on in by tail calls, where one would pass a limit of the target: in
    /// the order of [`ProgramImage::tails`]. Mostly none.
    pub tails: Vec<Piece>,
}

/// One program of those that are loaded together.
#[derive(Clone, Copy, Debug)]
pub struct Part<'a> {
    /// Its instructions.
    pub image: &'a ProgramImage,
    /// What it searches.
    pub lowered: &'a Lowered,
    /// How, and why so.
    pub plan: &'a Plan,
    /// What it is expected to cost the verifier.
    pub estimate: &'a Estimate,
}

impl Compiled {
    /// The programs in the order in which they run: one, or the first and its tails.
    pub fn programs(&self) -> impl Iterator<Item = Part<'_>> {
        let Self { image, lowered, plan, estimate, tails } = self;
        let tails = tails.iter().zip(image.tails()).map(|(piece, image)| {
            let Piece { lowered, plan, estimate } = piece;
            Part { image, lowered, plan, estimate }
        });
        [Part { image, lowered, plan, estimate }].into_iter().chain(tails)
    }

    /// Slots of all programs together.
    pub fn slot_count(&self) -> u64 {
        self.image.programs().map(|image| u64::from(image.slot_count())).sum()
    }
}

/// Compile `matcher` into a program, or into several joined by tail calls if one would pass a limit
/// of the target; see [`chain`].
///
/// # Errors
///
/// Patterns past the limits of [`ir`], or more than this target can hold; a verdict that means nothing
/// at this entry.
pub fn compile(
    matcher: &ir::Matcher,
    entry: Entry,
    target: &Target,
    options: &Options,
) -> Result<Compiled, CompileError> {
    entry.check(&matcher.verdicts)?;
    if matcher.patterns.len() > ir::PATTERNS_MAX {
        return Err(CompileError::TooManyPatterns {
            patterns: matcher.patterns.len(),
            limit: ir::PATTERNS_MAX,
        });
    }
    for pattern in &matcher.patterns {
        let ir::Body::Literal(literal) = &pattern.body else { continue };
        let bytes = literal.bytes.len();
        if bytes == 0 {
            return Err(CompileError::Empty { what: "the literal" });
        }
        if bytes > ir::LITERAL_BYTES_MAX {
            let limit = ir::LITERAL_BYTES_MAX;
            return Err(CompileError::TooLong { what: "the literal", bytes, limit });
        }
    }
    let options = &options.complete()?;
    let lowered = lower::lower(matcher, options.strategy, options.limits, target.may_goto)?;
    chain::compile(matcher, lowered, entry, target, options)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::assembler::KernelVersion;

    /// Goal: a set that is too large says what to do about it.
    #[test]
    fn a_program_past_the_limit_of_the_target_tells_both_numbers_and_to_split_the_set() {
        let pattern = |id| ir::Pattern::literal(id, format!("pattern {id}"));
        let matcher = ir::Matcher {
            patterns: (1..=100).map(pattern).collect(),
            scope: ir::Scope::Payload,
            report: ir::Report::First,
            verdicts: ir::Verdicts::default(),
        };
        let target = Target { slots_max: 500, tail_calls: false, ..Target::newest() };
        let error = compile(&matcher, Entry::Xdp, &target, &Options::default());
        let error = error.expect_err("too large");
        assert!(matches!(error, CompileError::ProgramTooLarge { limit: 500, .. }), "{error:?}");
        assert_eq!(error.hint(), Some("split the set over several programs"));
    }

    /// Goal: a program that can search fragments is given them, and no other is.
    #[test]
    fn a_program_takes_frames_of_several_buffers_if_it_searches_them() {
        let pattern = ir::Pattern::literal(1, b"pattern");
        let matcher = ir::Matcher {
            patterns: vec![pattern],
            scope: ir::Scope::Payload,
            report: ir::Report::First,
            verdicts: ir::Verdicts::default(),
        };
        let newest = Target::newest();
        let without_perfmon = Target { perfmon: false, ..newest.clone() };
        let old = Target::of_version(KernelVersion::new(5, 10));
        for (what, entry, target, fragments, expected) in [
            ("direct and windows", Entry::Xdp, &newest, true, true),
            ("windows alone", Entry::Xdp, &without_perfmon, true, true),
            ("linear part only", Entry::Xdp, &newest, false, false),
            ("no such frames", Entry::Xdp, &old, true, false),
            ("a socket filter", Entry::SocketFilter, &newest, true, false),
            ("a classifier", Entry::Tc(event::record::Direction::Ingress), &newest, true, false),
        ] {
            let options = Options { fragments, ..Options::default() };
            let compiled = compile(&matcher, entry, target, &options).expect("compiles");
            assert_eq!(compiled.image.frags(), expected, "{what}");
        }
    }
}
