//! Who answers `match` and `run`: one engine, or all of them against each other.
//!
//! The reference matcher defines the answer; the vm and the kernel run the generated program.

use std::borrow::Cow;

use clap::ValueEnum;
use hardwire::assembler::{ProgramImage, Target};
use hardwire::compiler::ir::{Matcher, Outcome, Report, Scope, Verdict};
use hardwire::compiler::{self, Entry};
use hardwire::engine::{self, Engine, EngineError, Kernel, Reference, Vm};

use crate::failure::{Failure, Problem};
use crate::frame;
use crate::options::TargetOption;
use crate::output::Output;

/// Bytes of a frame that programs with counted loops search at least; what lies behind may be out of
/// their reach.
const COUNTED_REACH_BYTES: usize = 9_000;

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
            Self::Reference | Self::Vm => option.or_newest(output),
            Self::Kernel | Self::All => option.or_probed(output),
        }
    }
}

/// How an input reaches a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// As it is, by this entry.
    Plain(Entry),
    /// As the UDP payload of a made frame, by XDP: the kernel runs XDP programs on Ethernet frames
    /// only, and a haystack is none.
    Framed,
}

impl Form {
    fn entry(self) -> Entry {
        match self {
            Self::Plain(entry) => entry,
            Self::Framed => Entry::Xdp,
        }
    }

    fn matcher(self, matcher: &Matcher) -> Matcher {
        match self {
            Self::Plain(_) => matcher.clone(),
            Self::Framed => Matcher { scope: Scope::Payload, ..matcher.clone() },
        }
    }

    fn input(self, input: &[u8]) -> Cow<'_, [u8]> {
        match self {
            Self::Plain(_) => input.into(),
            Self::Framed => frame::udp(input).into(),
        }
    }
}

/// What is asked, and the programs that answer.
pub(crate) struct Question {
    word: EngineWord,
    /// What the vm runs, and what the reference answers.
    first: Prepared,
    /// What the kernel runs; its answer is that of the first one.
    kernel: Vec<Prepared>,
}

struct Prepared {
    form: Form,
    matcher: Matcher,
    image: Option<ProgramImage>,
    /// Loops with a counter: the target has no others.
    counted: bool,
}

impl Question {
    /// Compile what the engine `word` needs: the vm runs a program for `vm`, the kernel one for
    /// each of `kernel`.
    ///
    /// # Errors
    ///
    /// The patterns do not fit into a program for this target.
    pub(crate) fn new(
        matcher: &Matcher,
        word: EngineWord,
        vm: Entry,
        kernel: &[Form],
        target: &Target,
        options: &compiler::Options,
    ) -> Result<Self, Failure> {
        let prepare = |form: Form| -> Result<Prepared, Failure> {
            let matcher = form.matcher(matcher);
            let compiled = compiler::compile(&matcher, form.entry(), target, options)
                .map_err(|error| Problem::of_compilation(&error))?;
            let counted = !target.may_goto;
            Ok(Prepared { form, matcher, image: Some(compiled.image), counted })
        };
        let form = Form::Plain(vm);
        let first = match word {
            EngineWord::Reference => {
                Prepared { form, matcher: matcher.clone(), image: None, counted: false }
            }
            EngineWord::Vm | EngineWord::Kernel | EngineWord::All => prepare(form)?,
        };
        let kernel = match word {
            EngineWord::Reference | EngineWord::Vm => &[],
            EngineWord::Kernel => &kernel[..kernel.len().min(1)],
            EngineWord::All => kernel,
        };
        let kernel = kernel.iter().map(|form| prepare(*form)).collect::<Result<_, _>>()?;
        Ok(Self { word, first, kernel })
    }
}

/// What was said about one input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    /// The answer.
    pub(crate) outcome: Outcome,
    /// Do all engines give it? `None` if they were not compared.
    pub(crate) agreement: Option<Agreement>,
    /// Why the kernel could not be given the input, so that others answered: in the words of the
    /// machine formats.
    pub(crate) kernel: Option<&'static str>,
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
    first: Member<'a>,
    kernel: Vec<Member<'a>>,
    compare: bool,
}

/// One engine with what it was made for.
struct Member<'a> {
    engine: Box<dyn Engine + 'a>,
    form: Form,
    matcher: &'a Matcher,
    /// The same question with all matches reported: one that is named must be among these.
    all: Matcher,
    /// Its program has counted loops, and stops before the end of a long frame.
    counted: bool,
}

impl<'a> Panel<'a> {
    /// The engines, with their programs loaded.
    ///
    /// # Errors
    ///
    /// An engine cannot run here: the kernel does not take the program, or rights are missing.
    pub(crate) fn new(question: &'a Question) -> Result<Self, Failure> {
        let Prepared { form, matcher, image, .. } = &question.first;
        let engine: Box<dyn Engine + 'a> = match image {
            Some(image) => {
                Box::new(Vm::new(matcher, form.entry(), image).map_err(|e| problem(&e))?)
            }
            None => Box::new(Reference::new(matcher, form.entry())),
        };
        let first = Member::new(engine, &question.first);
        let mut kernel = Vec::new();
        for prepared in &question.kernel {
            let Prepared { form, matcher, image, .. } = prepared;
            let Some(image) = image else { continue };
            let engine = Kernel::new(matcher, form.entry(), image).map_err(|e| problem(&e))?;
            kernel.push(Member::new(Box::new(engine), prepared));
        }
        Ok(Self { first, kernel, compare: question.word == EngineWord::All })
    }

    /// What becomes of `input`, and what is found in it.
    ///
    /// # Errors
    ///
    /// An engine could not run. "Not found" is not an error, and a difference is an answer.
    pub(crate) fn ask(&mut self, input: &[u8]) -> Result<Answer, Problem> {
        let (mut kernel, mut by_kernel, mut difference) = (None, None, None);
        for member in &mut self.kernel {
            let shaped = member.form.input(input);
            match member.answer(&shaped) {
                Ok(outcome) => {
                    if self.compare && difference.is_none() {
                        difference = member.difference(&outcome, &shaped)?;
                    }
                    by_kernel.get_or_insert((member.form, outcome));
                }
                Err(EngineError::TooShort { .. }) => kernel = Some("too short"),
                Err(EngineError::TooLong { .. }) => kernel = Some("too long"),
                Err(error) => return Err(problem(&error)),
            }
        }
        if by_kernel.is_some() {
            kernel = None; // in another form it could
        }
        if !self.compare
            && let Some((_, outcome)) = by_kernel
        {
            return Ok(Answer { outcome, agreement: None, kernel });
        }
        let outcome = self.first.answer(input).map_err(|error| problem(&error))?;
        if !self.compare {
            return Ok(Answer { outcome, agreement: None, kernel });
        }
        if difference.is_none() {
            difference = self.first.difference(&outcome, input)?;
        }
        // Each may stop before the end of a frame, but the same program does so everywhere.
        if let Some((form, by_kernel)) = by_kernel
            && form == self.first.form
            && by_kernel.searched != outcome.searched
        {
            let (kernel, vm) = (by_kernel.searched, outcome.searched);
            difference.get_or_insert(format!("searched to the end: kernel {kernel}, vm {vm}"));
        }
        let agreement = difference.map_or(Agreement::Same, Agreement::Different);
        Ok(Answer { outcome, agreement: Some(agreement), kernel })
    }
}

impl<'a> Member<'a> {
    fn new(engine: Box<dyn Engine + 'a>, prepared: &'a Prepared) -> Self {
        let matcher = &prepared.matcher;
        let all = Matcher { report: Report::All, ..matcher.clone() };
        Self { engine, form: prepared.form, matcher, all, counted: prepared.counted }
    }

    /// What this engine says about `input`.
    fn answer(&mut self, input: &[u8]) -> Result<Outcome, EngineError> {
        let mut outcome = self.engine.answer(input)?;
        let found = outcome.matches.len();
        // A program that found something counts a match, whatever it could not reach. With `all`
        // the others may be there: then the answer is no whole one.
        if self.counted
            && self.matcher.report == Report::All
            && (1..self.matcher.patterns.len()).contains(&found)
            && input.len() > COUNTED_REACH_BYTES
        {
            outcome.searched = false;
        }
        Ok(outcome)
    }

    /// How `outcome`, this engine's for `input`, contradicts the reference.
    fn difference(&self, outcome: &Outcome, input: &[u8]) -> Result<Option<String>, Problem> {
        let entry = self.form.entry();
        let mut expected =
            Reference::new(self.matcher, entry).answer(input).map_err(|error| problem(&error))?;
        if !outcome.searched {
            self.limit(&mut expected, outcome);
        }
        let all = match self.matcher.report {
            Report::All => expected.matches.clone(),
            Report::First => {
                let all = Reference::new(&self.all, entry).answer(input);
                all.map_err(|error| problem(&error))?.matches
            }
        };
        let difference = engine::difference(self.matcher.report, &expected, &all, outcome);
        let name = self.engine.name();
        Ok(difference.map(|text| format!("the {name} differs from the reference: {text}")))
    }

    /// Turn `expected` into what must be said of a frame that could not be searched whole: that no
    /// match was found is no statement about matches, and the verdict is that of a miss.
    fn limit(&self, expected: &mut Outcome, outcome: &Outcome) {
        expected.searched = false;
        if outcome.matches.is_empty() {
            // Whether it is in scope may stand in the part that was not reached, too.
            expected.in_scope = true;
            expected.matches.clear();
            expected.verdict = match self.form.entry() {
                Entry::Xdp | Entry::Tc(_) => self.matcher.verdicts.on_miss,
                Entry::SocketFilter => Verdict::Drop,
            };
        } else {
            expected.matches.retain(|it| outcome.matches.iter().any(|found| found.id == it.id));
        }
    }
}

/// An engine's error with the advice of its cause.
pub(crate) fn problem(error: &EngineError) -> Problem {
    if let EngineError::Load(error) = error {
        return Problem::of_load(error);
    }
    let hint = match error {
        EngineError::Compile(error) => error.hint().map(str::to_owned),
        EngineError::Map(error) => error.hint(),
        EngineError::TestRun(error) => error.hint(),
        EngineError::Load(_)
        | EngineError::Setup(_)
        | EngineError::Trap(_)
        | EngineError::TooShort { .. }
        | EngineError::TooLong { .. }
        | EngineError::Counters { .. }
        | EngineError::Returned { .. }
        | EngineError::NoCounters
        | _ => None,
    };
    Problem::of(error).hint_if(hint)
}
