//! What a generated program costs, beside other ways to do the same, in one run.
//!
//! ```text
//! cargo bench --bench matcher                 about two minutes, a table and the bounds
//! cargo bench --bench matcher -- --quick      a few seconds, coarse
//! cargo bench --bench matcher -- --json       one line a measurement on standard output
//! ```
//!
//! Every matcher is first checked on planted packets; a wrong answer ends the run. Then all search
//! the same bytes, none of which hold the literal:
//!
//! - *warm*: the same packet again and again, by `BPF_PROG_TEST_RUN`, minus a program that does
//!   nothing; the least of many tries;
//! - *cold*: 256 distinct packets, one run each, minus the same of the program that does nothing;
//!   the mean of all, the best of many rounds. This is what a branch predictor has not learned by
//!   heart.
//!
//! The peers take turns with our programs, try by try, so that the noise of the machine hits all
//! alike: compare figures of one run only. Those in user space pay no packet path and no entry.

mod bounds;
mod callback;
#[path = "../../tests/support/frames.rs"]
mod frames;
mod live;
mod measure;
mod peers;
mod report;
mod residence;
mod subject;
mod text;

use std::{error::Error, process::ExitCode};

use hardwire::{
    assembler::Target,
    loader::{Capability, capability, features},
};

use measure::{Cell, Effort};
use report::{Cache, Report};
use subject::{Engine, Subject};
use text::{LITERALS, SIZES, Text};

/// All that run in the kernel, floors first.
const IN_KERNEL: [Engine; 11] = [
    Engine::EmptyXdp,
    Engine::EmptySocket,
    Engine::Hardwire,
    Engine::HardwireNocase,
    Engine::HardwireAttached,
    Engine::HardwirePayload,
    Engine::HardwireSocket,
    Engine::HardwireSocketAttached,
    Engine::MapArray,
    Engine::MapArrayByHand,
    Engine::Strnstr,
];

const THOROUGH: Effort = Effort { passes: 12, warm_rounds: 8, cold_rounds: 4, try_ns: 4e5 };
const QUICK: Effort = Effort { passes: 2, warm_rounds: 4, cold_rounds: 2, try_ns: 1e5 };

/// What was asked for.
struct Options {
    json: bool,
    quick: bool,
    /// Measure? Cargo says so, unless it runs benchmarks as tests.
    bench: bool,
}

fn main() -> ExitCode {
    let mut options = Options { json: false, quick: false, bench: false };
    for argument in std::env::args().skip(1) {
        match argument.as_str() {
            "--json" => options.json = true,
            "--quick" => options.quick = true,
            "--bench" => options.bench = true,
            other => {
                eprintln!("error: {other:?}; the options are --json and --quick");
                return ExitCode::from(2);
            }
        }
    }
    match run(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            let mut cause = error.source();
            while let Some(error) = cause {
                eprintln!("  because: {error}");
                cause = error.source();
            }
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<(), Box<dyn Error>> {
    let effort = if options.quick { QUICK } else { THOROUGH };
    let target = kernel();
    let mut report = Report::new(options.json)?;
    for (class, literal) in LITERALS {
        let mut subjects = subjects(literal, target.as_ref())?;
        for subject in &subjects {
            check(subject, literal)?;
        }
        if options.bench {
            measure(&mut report, class, literal, &mut subjects, effort)?;
            if let Some(target) = &target {
                long(&mut report, class, literal, target, effort)?;
            }
        }
    }
    if options.bench {
        report.finish();
    } else {
        eprintln!("every matcher answers as it should; `cargo bench` measures");
    }
    Ok(())
}

/// The running kernel as a target, or nothing, and why.
fn kernel() -> Option<Target> {
    let missing = capability::missing(&Capability::ATTACH);
    if !missing.is_empty() {
        let names: Vec<&str> = missing.iter().map(|c| c.name()).collect();
        eprintln!(
            "only the searchers in user space: programs need {} ({})",
            names.join(", "),
            capability::setcap(&missing)
        );
        return None;
    }
    features::target().map_err(|e| eprintln!("only the searchers in user space: {e}")).ok()
}

fn subjects<'a>(
    literal: &'a [u8],
    target: Option<&Target>,
) -> Result<Vec<Subject<'a>>, Box<dyn Error>> {
    let mut subjects = Vec::new();
    for engine in IN_KERNEL {
        let Some(target) = target else { break };
        match Subject::in_kernel(engine, literal, target)? {
            Some(subject) => subjects.push(subject),
            None => eprintln!("without {}: this kernel lacks what it needs", engine.name()),
        }
    }
    for engine in [Engine::Nothing, Engine::Memmem, Engine::Memchr] {
        subjects.push(Subject::in_user_space(engine, literal));
    }
    Ok(subjects)
}

/// A benchmark of something that answers wrongly is worth nothing.
fn check(subject: &Subject<'_>, literal: &[u8]) -> Result<(), Box<dyn Error>> {
    if subject.engine.floor().is_none() {
        return Ok(());
    }
    let ignore_case = subject.engine == Engine::HardwireNocase;
    for searched in text::planted(literal) {
        let expected = text::occurs(literal, &searched, ignore_case);
        let found = subject.finds(&subject.engine.dress(&searched))?;
        if found != expected {
            return Err(format!(
                "{} says {found} for {:?} in {:?}",
                subject.engine.name(),
                literal.escape_ascii().to_string(),
                searched.escape_ascii().to_string()
            )
            .into());
        }
    }
    Ok(())
}

/// All texts and sizes, each in every pass: a phase of noise that is longer than a pass spoils some
/// tries of everything, not all tries of one thing.
fn measure(
    report: &mut Report,
    class: &'static str,
    literal: &[u8],
    subjects: &mut [Subject<'_>],
    effort: Effort,
) -> Result<(), Box<dyn Error>> {
    let mut cells: Vec<Cell> = Text::ALL
        .into_iter()
        .flat_map(|text| SIZES.map(|bytes| Cell::new(text, literal, bytes, subjects.len())))
        .collect();
    for _ in 0..effort.passes {
        for cell in &mut cells {
            cell.measure_warm(subjects, effort)?;
            cell.measure_cold(subjects, effort)?;
        }
        for subject in &mut *subjects {
            subject.load_again()?;
        }
    }
    for cell in &cells {
        report.times(class, cell.text, cell.bytes, Cache::Warm, &cell.warm(subjects));
        report.times(class, cell.text, cell.bytes, Cache::Cold, &cell.cold(subjects));
    }
    for subject in subjects {
        report.cost(class, subject);
    }
    Ok(())
}

/// Packets of several pages: XDP frames of several buffers, and datagrams on a UDP socket.
fn long(
    report: &mut Report,
    class: &'static str,
    literal: &[u8],
    target: &Target,
    effort: Effort,
) -> Result<(), Box<dyn Error>> {
    for (bytes, times) in live::SIZES.into_iter().zip(live::measure(literal, target, effort)?) {
        report.times(class, Text::Prose, bytes, Cache::Warm, &times);
    }
    let mut subjects = Vec::new();
    for engine in [Engine::EmptyXdp, Engine::HardwireAttached] {
        subjects.extend(Subject::in_kernel(engine, literal, target)?);
    }
    let mut cells = live::SIZES.map(|bytes| Cell::new(Text::Prose, literal, bytes, subjects.len()));
    for _ in 0..effort.passes {
        for cell in &mut cells {
            cell.measure_warm(&subjects, effort)?;
        }
    }
    for cell in &cells {
        report.times(class, Text::Prose, cell.bytes, Cache::Warm, &cell.warm(&subjects));
    }
    Ok(())
}
