//! Who answers `match` and `run`: one engine, or all of them against each other.
//!
//! The reference matcher defines the answer; the vm and the kernel run the generated program.

use clap::ValueEnum;
use hardwire::assembler::{ProgramImage, Target};
use hardwire::compiler::ir::{Match, Matcher, Outcome, Report};
use hardwire::compiler::{self, Entry, reference, scope::Hook};
use hardwire::engine::{self, Engine, EngineError, Kernel, Reference, Vm};

use crate::failure::{Failure, Problem};
use crate::options::TargetOption;
use crate::output::Output;

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

impl EngineWord {
    /// The target to compile for: an engine that enters the kernel needs what this kernel can do,
    /// the others what the user names.
    pub(crate) fn target(self, option: &TargetOption, output: &Output) -> Target {
        match self {
            Self::Reference | Self::Vm => option.or_newest(),
            Self::Kernel | Self::All => option.or_probed(output),
        }
    }
}

/// What is asked, and the programs that answer.
pub(crate) struct Question {
    matcher: Matcher,
    word: EngineWord,
    vm: Option<Prepared>,
    kernel: Option<Prepared>,
}

struct Prepared {
    entry: Entry,
    image: ProgramImage,
}

impl Question {
    /// Compile what the engine `word` needs: the vm runs a program for `vm`, the kernel one for
    /// `kernel`.
    ///
    /// # Errors
    ///
    /// The patterns do not fit into a program for this target.
    pub(crate) fn new(
        matcher: Matcher,
        word: EngineWord,
        vm: Entry,
        kernel: Entry,
        target: &Target,
    ) -> Result<Self, Failure> {
        let (in_vm, in_kernel) = match word {
            EngineWord::Reference => (false, false),
            EngineWord::Vm => (true, false),
            EngineWord::Kernel | EngineWord::All => (true, true),
        };
        let prepare = |entry| -> Result<Prepared, Failure> {
            let options = compiler::Options::default();
            let compiled = compiler::compile(&matcher, entry, target, &options)
                .map_err(|error| Problem::of_compilation(&error))?;
            Ok(Prepared { entry, image: compiled.image })
        };
        let vm = in_vm.then(|| prepare(vm)).transpose()?;
        let kernel = in_kernel.then(|| prepare(kernel)).transpose()?;
        Ok(Self { matcher, word, vm, kernel })
    }
}

/// What was said about one input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    /// The answer.
    pub(crate) outcome: Outcome,
    /// Do all engines give it? `None` if they were not compared.
    pub(crate) agreement: Option<Agreement>,
    /// Was the input too short for the kernel, so that others answered?
    pub(crate) too_short: bool,
}

/// Whether the engines agree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Agreement {
    /// They do.
    Same,
    /// They do not; in words.
    Different(String),
}

/// The engines that were asked for.
pub(crate) struct Panel<'a> {
    matcher: &'a Matcher,
    first: Box<dyn Engine + 'a>,
    first_entry: Entry,
    kernel: Option<(Kernel<'a>, Entry)>,
    compare: bool,
}

impl<'a> Panel<'a> {
    /// The engines, with their programs loaded.
    ///
    /// # Errors
    ///
    /// An engine cannot run here: the kernel does not take the program, or rights are missing.
    pub(crate) fn new(question: &'a Question) -> Result<Self, Failure> {
        let matcher = &question.matcher;
        let (first, first_entry): (Box<dyn Engine + 'a>, Entry) = match &question.vm {
            Some(Prepared { entry, image }) => {
                (Box::new(Vm::new(matcher, *entry, image).map_err(|e| problem(&e))?), *entry)
            }
            None => (Box::new(Reference::new(matcher, Entry::Xdp)), Entry::Xdp),
        };
        let kernel = match &question.kernel {
            Some(Prepared { entry, image }) => {
                Some((Kernel::new(matcher, *entry, image).map_err(|e| problem(&e))?, *entry))
            }
            None => None,
        };
        Ok(Self { matcher, first, first_entry, kernel, compare: question.word == EngineWord::All })
    }

    /// What becomes of `input`, and what is found in it.
    ///
    /// # Errors
    ///
    /// An engine could not run. "Not found" is not an error, and a difference is an answer.
    pub(crate) fn ask(&mut self, input: &[u8]) -> Result<Answer, Problem> {
        let by_kernel = match &mut self.kernel {
            None => None,
            Some((kernel, entry)) => match kernel.answer(input) {
                Ok(outcome) => Some((outcome, *entry)),
                Err(EngineError::TooShort { .. }) => None,
                Err(error) => return Err(problem(&error)),
            },
        };
        let too_short = self.kernel.is_some() && by_kernel.is_none();
        if !self.compare
            && let Some((outcome, _)) = by_kernel
        {
            return Ok(Answer { outcome, agreement: None, too_short });
        }
        let outcome = self.first.answer(input).map_err(|error| problem(&error))?;
        if !self.compare {
            return Ok(Answer { outcome, agreement: None, too_short });
        }
        let mut difference =
            self.difference(self.first.name(), self.first_entry, &outcome, input)?;
        if let Some((by_kernel, entry)) = by_kernel
            && difference.is_none()
        {
            difference = self.difference("kernel", entry, &by_kernel, input)?;
        }
        let agreement = difference.map_or(Agreement::Same, Agreement::Different);
        Ok(Answer { outcome, agreement: Some(agreement), too_short })
    }

    /// How the engine `name` contradicts the reference for the same hook.
    fn difference(
        &self,
        name: &str,
        entry: Entry,
        outcome: &Outcome,
        input: &[u8],
    ) -> Result<Option<String>, Problem> {
        let expected =
            Reference::new(self.matcher, entry).answer(input).map_err(|error| problem(&error))?;
        let all = match self.matcher.report {
            Report::All => expected.matches.clone(),
            Report::First => self.all_matches(input),
        };
        let difference = engine::difference(self.matcher.report, &expected, &all, outcome);
        Ok(difference
            .map(|difference| format!("the {name} differs from the reference: {difference}")))
    }

    fn all_matches(&self, input: &[u8]) -> Vec<Match> {
        let all = Matcher { report: Report::All, ..self.matcher.clone() };
        reference::search(&all, input, Hook::Xdp).matches
    }
}

/// An engine's error with the advice of its cause.
pub(crate) fn problem(error: &EngineError) -> Problem {
    let hint = match error {
        EngineError::Compile(error) => error.hint().map(str::to_owned),
        EngineError::Load(error) => error.hint(),
        EngineError::Map(error) => error.hint(),
        EngineError::TestRun(error) => error.hint(),
        EngineError::Setup(_)
        | EngineError::Trap(_)
        | EngineError::TooShort { .. }
        | EngineError::Counters { .. }
        | EngineError::Returned { .. }
        | EngineError::NoCounters
        | _ => None,
    };
    Problem::of(error).hint_if(hint)
}
