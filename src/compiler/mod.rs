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
mod codegen;
pub mod error;
pub mod estimate;
pub mod event;
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

pub use error::CompileError;
pub use estimate::Estimate;
pub use lower::Lowered;
pub use plan::Plan;
pub use strategy::Strategy;

/// Where the program will run: what it gets and what it returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Entry {
    /// XDP: sees the frame before the stack does, returns a verdict.
    Xdp,
    /// A socket filter: sees what the socket is about to receive, keeps it or drops it.
    SocketFilter,
}

/// What is generated besides the search.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Options {
    /// Count frames, bytes, outcomes, verdicts and hits. Without, the program has no result but
    /// its return value.
    pub counters: bool,
    /// Search the fragments of multi-buffer frames too, where the target has them.
    pub fragments: bool,
    /// How to search; `None` lets the plan choose.
    pub strategy: Option<Strategy>,
}

impl Default for Options {
    fn default() -> Self {
        Self { counters: true, fragments: true, strategy: None }
    }
}

/// A program, and how it came to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compiled {
    /// What is loaded.
    pub image: ProgramImage,
    /// What it searches.
    pub lowered: Lowered,
    /// How it searches, and why so.
    pub plan: Plan,
    /// What it is expected to cost the verifier.
    pub estimate: Estimate,
}

/// Compile `matcher` into one program.
///
/// # Errors
///
/// Patterns past the limits of [`ir`], or more than this target can hold.
pub fn compile(
    matcher: &ir::Matcher,
    entry: Entry,
    target: &Target,
    options: &Options,
) -> Result<Compiled, CompileError> {
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
    let lowered = lower::lower(matcher, options.strategy)?;
    let plan = plan::choose(&lowered, entry, target, options)?;
    let image = codegen::generate(matcher, &lowered, entry, target, options, &plan)?;
    let estimate = Estimate::new(matcher, &lowered, entry, target, &plan, &image);
    Ok(Compiled { image, lowered, plan, estimate })
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
        let target = Target { slots_max: 500, ..Target::newest() };
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
        ] {
            let options = Options { fragments, ..Options::default() };
            let compiled = compile(&matcher, entry, target, &options).expect("compiles");
            assert_eq!(compiled.image.frags(), expected, "{what}");
        }
    }
}
