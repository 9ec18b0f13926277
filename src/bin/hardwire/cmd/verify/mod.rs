//! `hardwire verify`: does this kernel accept the program, what does it cost, and if not, why?

mod accepted;
mod rejected;

use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::{Args, ValueEnum};
use hardwire::assembler::ProgramImage;
use hardwire::compiler::{Compiled, Entry, estimate::Share, plan::Plan};
use hardwire::loader::{LoadError, LoadOptions, Object, Program, VerifierLog};

use super::asm::assemble;
use crate::Ending;
use crate::failure::{Failure, Problem};
use crate::options::{ControlOptions, MatcherOptions, TargetOption, TypeWord, source};
use crate::output::{Output, grouped};

const EXAMPLES: &str = "\
Examples:
  hardwire verify -e 'GET /admin'
  hardwire verify -f patterns.txt --type socket --json
  hardwire verify -e secret --target 5.10 --log full   would an old kernel's program load here?
  hardwire verify --asm program.txt                    a program of your own, as text
  hardwire compile -e secret | hardwire verify --asm -
  hardwire verify --object filter.o --program count    a program that clang compiled
  bpftool -d prog load a.o /sys/fs/bpf/a 2>&1 | hardwire verify --read-log -

The program is loaded and unloaded; nothing is attached. Exit status 1 if it is rejected. A log that
is read was somebody else's rejection: explaining it is success.";

/// `--log`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum LogForm {
    /// What happened, where, why, and what to try.
    Annotated,
    /// The same, and all that the verifier wrote.
    Full,
    /// The same as one JSON value, with all that the verifier wrote.
    Json,
}

/// Options of `verify`.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Options {
    #[command(flatten)]
    matcher: MatcherOptions,
    #[command(flatten)]
    target: TargetOption,
    /// What kind of program, xdp if nothing says it: a text may (.program), and an object's section
    #[arg(long = "type", visible_alias = "at", value_enum, value_name = "TYPE")]
    entry: Option<TypeWord>,
    #[command(flatten)]
    controls: ControlOptions,
    /// A program as text, as `hardwire asm` takes it, instead of patterns; - is standard input
    #[arg(long, value_name = "FILE", conflicts_with_all = OF_PATTERNS)]
    asm: Option<PathBuf>,
    /// A program from a relocatable object, as compilers make them, instead of patterns
    #[arg(long, value_name = "FILE", conflicts_with_all = OF_PATTERNS, conflicts_with = "asm")]
    object: Option<PathBuf>,
    /// Which program of the object, if it has several
    #[arg(long, value_name = "NAME", requires = "object")]
    program: Option<String>,
    /// A verifier log that was saved, of any program and from any loader; - is standard input
    #[arg(long, value_name = "FILE", conflicts_with_all = OF_PATTERNS)]
    #[arg(conflicts_with_all = ["asm", "object", "entry"])]
    read_log: Option<PathBuf>,
    /// What to print of a rejection
    #[arg(long, value_enum, value_name = "FORM", default_value = "annotated")]
    #[arg(num_args = 0..=1, default_missing_value = "full")]
    log: LogForm,
}

/// Options that are about patterns, by clap's names.
const OF_PATTERNS: [&str; 16] = [
    "literal",
    "hex",
    "regex",
    "file",
    "ignore-case",
    "offset",
    "depth",
    "scope",
    "report",
    "on_match",
    "on_miss",
    "out_of_scope",
    "version",
    "events",
    "dry_run",
    "limit_pps",
];

/// A program to verify, and how it came about.
struct Subject {
    image: ProgramImage,
    /// How patterns are searched by each of its programs; empty if it was not made from patterns.
    plans: Vec<Plan>,
}

/// Run the verb.
pub(crate) fn run(options: &Options, output: &mut Output) -> Result<Ending, Failure> {
    if let Some(path) = &options.read_log {
        return read_log(path, options.log, output);
    }
    let entry = Entry::from(options.entry.unwrap_or(TypeWord::Xdp));
    let subject = match (&options.asm, &options.object) {
        (Some(path), _) => of_text(path, entry, output)?,
        (None, Some(path)) => of_object(path, options)?,
        (None, None) => of_patterns(options, entry, output)?,
    };
    let started = Instant::now();
    let loaded = output
        .busy("the verifier is at work", || Program::load(&subject.image, &LoadOptions::default()));
    let took = started.elapsed();
    match loaded {
        Ok(program) => accepted::print(&subject, &program, took, output),
        Err(error) => rejection(&error, options.log, output),
    }
}

fn of_patterns(options: &Options, entry: Entry, output: &mut Output) -> Result<Subject, Failure> {
    options.controls.check(entry)?;
    let (matcher, _) = options.matcher.read(entry, output)?;
    let target = options.target.or_probed(output);
    let compiler = options.controls.apply(options.target.compiler());
    let compiled = options.target.compile_with(&compiler, &matcher, entry, &target, output)?;
    foresee(&compiled, output);
    let plans = compiled.programs().map(|part| part.plan.clone()).collect();
    Ok(Subject { image: compiled.image, plans })
}

fn of_text(path: &Path, entry: Entry, output: &Output) -> Result<Subject, Failure> {
    let place = path.display().to_string();
    let text = source::text(source::read(path)?, &place)?;
    let mut assembled = assemble(&text, &place, output)?;
    if assembled.codes.is_empty() {
        let problem = Problem::new("there is no instruction").at(place);
        return Err(problem.hint("the shortest program is `r0 = 0` and `exit`").into());
    }
    assembled.program.get_or_insert_with(|| ("text".to_owned(), entry.kind(), false));
    let image = assembled.image().map_err(|error| {
        let hint = "a program to be loaded has instructions only, and its maps are declared";
        Problem::of(&error).at(place).hint(hint)
    })?;
    Ok(Subject { image, plans: Vec::new() })
}

fn of_object(path: &Path, options: &Options) -> Result<Subject, Failure> {
    let place = path.display().to_string();
    let bytes = source::read(path)?;
    let failed = |error| Problem::of_object(&error, place.as_str());
    let kind = options.entry.map(|word| Entry::from(word).kind());
    let object = Object::read(&bytes).map_err(failed)?;
    let image = object.image(options.program.as_deref(), kind).map_err(failed)?;
    Ok(Subject { image, plans: Vec::new() })
}

/// Say so if the verifier will probably refuse, before it takes minutes to.
pub(crate) fn foresee(compiled: &Compiled, output: &Output) {
    let nearest = compiled.programs().map(|part| part.estimate.nearest());
    for Share { name, value, limit } in nearest.filter(|share| share.value > share.limit) {
        output.warn(format!(
            "the verifier will probably refuse this, after a while: {name} about {} of at most {}; \
             fewer patterns, or such as begin differently, need less",
            grouped(value),
            grouped(limit)
        ));
    }
}

/// Tell if the program carries no types and lines.
pub(crate) fn without_types(program: &Program, output: &Output) {
    for why in program.programs().filter_map(Program::without_types).take(1) {
        output.note(format!("{why}; other tools' dumps and traces of it do not name the pattern"));
    }
}

fn rejection(error: &LoadError, form: LogForm, output: &mut Output) -> Result<Ending, Failure> {
    let Some(log) = error.verifier_log() else {
        return Err(Problem::of_load(error).into());
    };
    if output.json() || form == LogForm::Json {
        output.json_line(&rejected::as_json(log, form != LogForm::Annotated))?;
        return Ok(Ending::No);
    }
    rejected::print(log, form == LogForm::Full, output)?;
    let unknown = log.explanation.is_none() && form == LogForm::Annotated;
    let more = unknown.then(|| "--log full prints all that the verifier wrote".to_owned());
    Err(Problem::of(error).hint_if(log.advice.clone().or(more)).into())
}

fn read_log(path: &Path, form: LogForm, output: &mut Output) -> Result<Ending, Failure> {
    let place = path.display().to_string();
    // A log holds what somebody else's source holds: any bytes.
    let bytes = source::read_at_most(path, LOG_FILE_BYTES_MAX)?;
    let text = String::from_utf8_lossy(&bytes);
    let Some(text) = rejected::without_our_words(&text) else {
        let problem = Problem::new("this is what `hardwire verify` said of a log, not the log");
        let hint = "`hardwire verify --log` prints the log itself, too";
        return Err(problem.at(place).hint(hint).into());
    };
    let log = VerifierLog::read_saved(text);
    if log.is_of_something_else() {
        let problem = Problem::new("this is no log of the BPF verifier").at(place);
        let hint = "save what the loader prints when a program does not load, all of it";
        return Err(problem.hint(hint).into());
    }
    if !log.complete {
        output.warn(format!(
            "{place}: the log has no end (the line \"processed N insns\"): what is missing may hold \
             the reason"
        ));
    }
    if output.json() || form == LogForm::Json {
        output.json_line(&rejected::as_json(&log, form != LogForm::Annotated))?;
    } else if log.is_of_success() {
        accepted::print_stats(&log.stats, output)?;
    } else {
        rejected::print(&log, form == LogForm::Full, output)?;
    }
    Ok(Ending::Done)
}

/// Most bytes of a log that is read: four times what libbpf has a buffer for.
const LOG_FILE_BYTES_MAX: u64 = 64 << 20;
