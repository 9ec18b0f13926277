//! Engines answer the same question about a frame: which patterns occur, and what becomes of it.
//!
//! The reference matcher defines the answer; the vm and the kernel run the generated program; all
//! of them together check each other.

mod reference;

use clap::ValueEnum;
use hardwire::compiler::ir::{Matcher, Outcome};
use hardwire::compiler::scope::Hook;

use crate::failure::Failure;

/// `--engine`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum EngineWord {
    /// The obvious matcher, which defines what is right.
    Reference,
    /// The generated program in Hardwire's own BPF machine.
    Vm,
    /// The generated program in the kernel (BPF_PROG_TEST_RUN).
    Kernel,
    /// All three, compared; a difference is a failure.
    All,
}

/// What is asked.
#[derive(Clone, Debug)]
pub(crate) struct Question {
    /// What to find, and what then.
    pub(crate) matcher: Matcher,
    /// What the program sees of a frame.
    pub(crate) hook: Hook,
}

/// What an engine says about one frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    /// The answer.
    pub(crate) outcome: Outcome,
    /// Did all engines give it? `None` if only one was asked.
    pub(crate) difference: Option<Option<String>>,
    /// Was the frame too short for the kernel, so that others answered?
    pub(crate) too_short: bool,
}

impl From<Outcome> for Answer {
    fn from(outcome: Outcome) -> Self {
        Self { outcome, difference: None, too_short: false }
    }
}

/// Something that answers.
pub(crate) trait Engine {
    /// What becomes of `input`, and what is found in it.
    ///
    /// # Errors
    ///
    /// The engine could not run; "not found" is not an error.
    fn search(&mut self, input: &[u8]) -> Result<Answer, Failure>;
}

/// The engine `word`, ready for `question`.
pub(crate) fn start(word: EngineWord, question: Question) -> Result<Box<dyn Engine>, Failure> {
    match word {
        EngineWord::Reference => Ok(Box::new(reference::Reference::new(question))),
        EngineWord::Vm | EngineWord::Kernel | EngineWord::All => {
            Err(crate::failure::Problem::new("this engine does not run yet").into())
        }
    }
}
