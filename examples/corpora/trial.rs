//! One program: made, foretold, loaded.
#![allow(
    clippy::wildcard_enum_match_arm,
    reason = "errors without a group of their own stand for themselves"
)]

use std::{
    error::Error,
    time::{Duration, Instant},
};

use hardwire::{
    assembler::Target,
    compiler::{
        self, CompileError, Compiled, Entry, Estimate, Options,
        automaton::BuildError,
        ir::{Matcher, Report, Scope, Verdicts},
    },
    loader::{LoadError, LoadOptions, Program},
};

use super::corpora::Subject;

/// What became of a subject as one kind of program.
pub(crate) struct Trial {
    /// Its number.
    pub(crate) subject: usize,
    pub(crate) entry: Entry,
    /// Without loading.
    pub(crate) compiling: Duration,
    pub(crate) loading: Duration,
    /// What was made, if something was.
    pub(crate) made: Option<Made>,
    pub(crate) ending: Ending,
}

/// What is known of a program before it is loaded.
pub(crate) struct Made {
    pub(crate) strategy: &'static str,
    /// How many programs it takes, joined by tail calls.
    pub(crate) programs: usize,
    /// Of all of them.
    pub(crate) slots: u64,
    /// What the verifier was expected to process, of all of them.
    pub(crate) expected: u64,
}

/// How it ended.
pub(crate) enum Ending {
    /// It is not compiled.
    Refused {
        /// A few words that many patterns share.
        group: String,
        /// The whole error.
        error: String,
    },
    /// The verifier took it.
    Accepted {
        /// What it processed, of all programs together.
        processed: Option<u64>,
        /// Had we said that it would not?
        foreseen: bool,
    },
    /// The verifier did not, as was said before.
    Foreseen { reason: String },
    /// The verifier did not, and nothing foretold it.
    Rejected { reason: String },
}

impl Trial {
    /// Try `subject`, which has that number.
    pub(crate) fn of(number: usize, subject: &Subject, entry: Entry, target: &Target) -> Self {
        let started = Instant::now();
        let compiled = compile(subject, entry, target);
        let compiling = started.elapsed();
        let started = Instant::now();
        let (made, ending) = match compiled {
            Err(error) => {
                (None, Ending::Refused { group: group(&error), error: with_causes(&error) })
            }
            Ok(compiled) => {
                let of_each = || compiled.programs().map(|part| part.estimate);
                let programs = of_each().count();
                let made = Made {
                    strategy: if programs == 1 { compiled.plan.strategy() } else { "several" },
                    programs,
                    slots: compiled.slot_count(),
                    expected: of_each().map(|estimate| estimate.processed.value).sum(),
                };
                let passed = |estimate: &Estimate| estimate.nearest().ratio() > 1.0;
                let ending = load(&compiled, of_each().any(passed));
                (Some(made), ending)
            }
        };
        let loading = started.elapsed();
        Self { subject: number, entry, compiling, loading, made, ending }
    }

    /// What the verifier processed, if it took the program.
    pub(crate) fn processed(&self) -> Option<u64> {
        match self.ending {
            Ending::Accepted { processed, .. } => processed,
            Ending::Refused { .. } | Ending::Foreseen { .. } | Ending::Rejected { .. } => None,
        }
    }
}

fn compile(subject: &Subject, entry: Entry, target: &Target) -> Result<Compiled, CompileError> {
    let patterns = (1..).zip(&subject.patterns).map(|(id, written)| written.lower(id));
    let patterns = patterns.collect::<Result<Vec<_>, _>>()?;
    let (scope, report) = (Scope::Payload, Report::All);
    let matcher = Matcher { patterns, scope, report, verdicts: Verdicts::default() };
    compiler::compile(&matcher, entry, target, &Options::default())
}

fn load(compiled: &Compiled, foreseen: bool) -> Ending {
    match Program::load(&compiled.image, &LoadOptions::default()) {
        Ok(program) => {
            let of_each = program.programs().map(|one| one.info().ok()?.verified_insns);
            Ending::Accepted { processed: of_each.map(|one| one.map(u64::from)).sum(), foreseen }
        }
        Err(error) => {
            let reason = if let LoadError::Rejected { log, .. } = &error {
                log.reason.clone()
            } else {
                with_causes(&error)
            };
            if foreseen { Ending::Foreseen { reason } } else { Ending::Rejected { reason } }
        }
    }
}

fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut at = error;
    while let Some(source) = at.source() {
        text += &format!(": {source}");
        at = source;
    }
    text
}

/// What a refusal is about, in words that many share.
fn group(error: &CompileError) -> String {
    let fixed = match error {
        CompileError::Syntax { what, .. } | CompileError::NotSupported { what, .. } => {
            return of_syntax(what);
        }
        CompileError::Automaton { source, .. } => match source {
            BuildError::States { limit, .. } => {
                return format!("too large: more than {limit} states");
            }
            BuildError::Memory { what, limit } => {
                return format!("too large: {what} takes more than {} MiB", limit >> 20);
            }
            BuildError::Places { limit, .. } => {
                return format!("too large: its places take more than {limit} words");
            }
            BuildError::Work { what, .. } => return format!("too large: {what} takes too long"),
            BuildError::Form(_) => "no finite automaton holds it",
        },
        CompileError::ProgramTooLarge { .. } => "too large: more slots than a program may have",
        CompileError::TooManyPatterns { .. } => "too many patterns",
        CompileError::TooManyPositions { .. } => "too large with its repetitions written out",
        CompileError::TooLong { .. } => "too long",
        CompileError::Empty { .. } => "empty",
        CompileError::Target { .. } => "too large: more than the verifier would process",
        other => return other.to_string(),
    };
    fixed.to_owned()
}

/// The form that was met, without the text of it.
fn of_syntax(what: &str) -> String {
    const FORMS: [(&str, &str); 11] = [
        ("look-ahead", "look-around"),
        ("look-behind", "look-around"),
        ("back-reference", "back-reference"),
        ("atomic group", "atomic group"),
        ("condition", "condition"),
        ("recursion", "recursion"),
        ("flag u", "Unicode"),
        ("Unicode", "Unicode"),
        ("more than one byte", "Unicode"),
        ("escape", "an escape that the regex crate does not have"),
        ("repetition", "a repetition that the regex crate does not take"),
    ];
    let form = FORMS.iter().find(|(word, _)| what.contains(word));
    form.map_or(what, |(_, group)| group).to_owned()
}
