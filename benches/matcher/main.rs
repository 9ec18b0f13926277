//! What a generated program costs, beside other ways to do the same, in one run.
//!
//! ```text
//! cargo bench --bench matcher                    some minutes: tables, ratios, bounds
//! cargo bench --bench matcher -- --quick         a fraction of the time, coarse
//! cargo bench --bench matcher -- --class NAME    this class alone; again for more
//! cargo bench --bench matcher -- --load          from 1 to 10,000 literals to a program, alone
//! cargo bench --bench matcher -- --json          one line a measurement on standard output
//! cargo bench --bench matcher -- --record        keep the figures under benches/record, too
//! cargo bench --bench matcher -- --table         what is recorded, into the README
//! ```
//!
//! Every matcher is first checked on planted packets, of which a known number matches, and on all
//! packets that will be timed, of which none does; a wrong answer ends the run. Then all search the
//! same bytes:
//!
//! - *warm*: the same packet again and again, by `BPF_PROG_TEST_RUN`, minus a program that does
//!   nothing; the least of many tries;
//! - *cold*: 256 distinct packets, one run each, minus the same of the program that does nothing;
//!   the mean of all, the best of many rounds. This is what a branch predictor has not learned by
//!   heart.
//!
//! The peers take turns with our programs, try by try, so that the noise of the machine hits all
//! alike: compare figures of one run only. Those in user space pay no packet path and no entry.
//! What cannot be compiled is told on standard error, and the run fails in the end.

mod bounds;
mod callback;
mod class;
mod engine;
#[path = "../../tests/support/frames.rs"]
mod frames;
mod live;
mod load;
mod measure;
mod options;
mod peers;
mod report;
mod residence;
mod rules;
mod searcher;
mod speed;
mod subject;
mod tables;
mod text;

use std::{
    error::Error,
    io::{self, Write},
    process::ExitCode,
};

use hardwire::{
    assembler::Target,
    loader::{Capability, capability, features},
};

use class::Class;
use engine::Engine;
use measure::{Cell, Effort};
use options::Options;
use report::{Cache, Report};
use subject::{Lacking, NotYet, Subject};
use text::{SIZES, Text};

const THOROUGH: Effort = Effort { passes: 6, warm_rounds: 8, cold_rounds: 4, try_ns: 3e5 };
const QUICK: Effort = Effort { passes: 2, warm_rounds: 3, cold_rounds: 2, try_ns: 1e5 };

/// Classes with packets of several pages, too.
const LONG: [&str; 5] = ["literal-8", "literal-11", "literal-16", "set-100", "regex-http"];

fn main() -> ExitCode {
    let options = match Options::read(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::from(2);
        }
    };
    match run(&options) {
        Ok(absent) if absent.is_empty() => ExitCode::SUCCESS,
        Ok(absent) => {
            eprintln!("error: {} missing: {}", absent.len(), absent.join(", "));
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("error: {}", chain(&*error));
            ExitCode::FAILURE
        }
    }
}

/// An error with its causes, on one line.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text += &format!(": {error}");
        cause = error.source();
    }
    text
}

/// Do what is asked; what could not be measured although it should be, by name.
fn run(options: &Options) -> Result<Vec<String>, Box<dyn Error>> {
    if let Some(literals) = options.compile {
        load::compile_only(literals)?;
        return Ok(Vec::new());
    }
    if options.table {
        let report = Report::read(&report::record_path()?)?;
        tables::into_readme(&report)?;
        print(&tables::readme(&report));
        return Ok(Vec::new());
    }
    let effort = if options.quick { QUICK } else { THOROUGH };
    let target = kernel();
    let mut report = Report::new(options.json)?;
    let mut absent = Vec::new();
    let classes = class::all();
    for class in classes.iter().filter(|class| options.wants(class.name)) {
        match one_class(&mut report, class, target.as_ref(), effort, options.bench) {
            Ok(more) => {
                absent.extend(more);
                // Now, so that a run that is broken off has kept what it has.
                if options.record && options.bench {
                    report.record()?;
                }
            }
            Err(error) => return Err(format!("{}: {}", class.name, chain(&*error)).into()),
        }
    }
    if options.wants_loads() && options.bench {
        let missing = load::measure(&mut report, target.as_ref())?;
        absent.extend(missing);
    }
    if !options.bench {
        eprintln!("every matcher answers as it should; `cargo bench` measures");
        return Ok(absent);
    }
    if options.record {
        eprintln!("recorded in {}", report.record()?.display());
    }
    if !options.json {
        print(&tables::all(&report));
    }
    Ok(absent)
}

/// A reader that has seen enough is no failure.
fn print(text: &str) {
    let _ = io::stdout().write_all(text.as_bytes());
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

/// Check and, if `bench`, measure; what is missing of it.
fn one_class(
    report: &mut Report,
    class: &Class,
    target: Option<&Target>,
    effort: Effort,
    bench: bool,
) -> Result<Vec<String>, Box<dyn Error>> {
    let mut absent = Vec::new();
    let mut subjects = Vec::new();
    let floors = [Engine::EmptyXdp, Engine::EmptySocket, Engine::Nothing];
    for engine in floors.into_iter().chain(class.engines.iter().copied()) {
        if engine.needs_kernel() && target.is_none() {
            continue;
        }
        match Subject::new(engine, class, target) {
            Ok(subject) => subjects.push(subject),
            Err(error) if error.is::<Lacking>() => {
                eprintln!("{} without {}: {error}", class.name, engine.name());
            }
            Err(error) => {
                let not_yet = if error.is::<NotYet>() { "" } else { "error: " };
                eprintln!("{not_yet}{} {}: {}", class.name, engine.name(), chain(&*error));
                absent.push(format!("{} {}", class.name, engine.name()));
            }
        }
    }
    check(class, &subjects)?;
    if bench {
        measure(report, class, &mut subjects, effort)?;
        let ours = subjects.iter().any(|subject| subject.engine == Engine::HardwireAttached);
        if let Some(target) = target.filter(|_| ours && LONG.contains(&class.name)) {
            long(report, class, target, effort)?;
        }
    }
    Ok(absent)
}

/// A benchmark of something that answers wrongly is worth nothing.
fn check(class: &Class, subjects: &[Subject<'_>]) -> Result<(), Box<dyn Error>> {
    let packets = text::planted(class);
    let expected: Vec<bool> = packets.iter().map(|packet| class.matches(packet)).collect();
    let matching = expected.iter().filter(|&&matches| matches).count();
    if class.matching.is_some_and(|defined| defined != matching) {
        let all = packets.len();
        return Err(
            format!("{matching} of {all} planted packets match, not {:?}", class.matching).into()
        );
    }
    for subject in subjects.iter().filter(|subject| subject.engine.floor().is_some()) {
        // It looks for something else.
        if subject.engine == Engine::HardwireLiteral {
            continue;
        }
        let mut found = 0;
        for (packet, &expected) in packets.iter().zip(&expected) {
            let answer = subject.finds(&subject.engine.dress(packet))?;
            found += usize::from(answer);
            if answer != expected {
                let (name, packet) = (subject.engine.name(), packet.escape_ascii());
                return Err(format!("{name} says {answer} for {packet}").into());
            }
        }
        assert_eq!(found, matching, "packet by packet it was right");
    }
    Ok(())
}

/// All texts and sizes, each in every pass: a phase of noise that is longer than a pass spoils some
/// tries of everything, not all tries of one thing.
fn measure(
    report: &mut Report,
    class: &Class,
    subjects: &mut [Subject<'_>],
    effort: Effort,
) -> Result<(), Box<dyn Error>> {
    let mut cells: Vec<Cell> = Text::ALL
        .into_iter()
        .flat_map(|text| SIZES.map(|bytes| Cell::new(text, class, bytes, subjects.len())))
        .collect();
    for cell in &cells {
        cell.check(subjects)?;
    }
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
        report.times(class.name, cell.text, cell.bytes, Cache::Warm, &cell.warm(subjects));
        report.times(class.name, cell.text, cell.bytes, Cache::Cold, &cell.cold(subjects));
    }
    for subject in subjects {
        report.cost(class.name, subject);
    }
    Ok(())
}

/// Packets of several pages: XDP frames of several buffers, and datagrams on a UDP socket.
fn long(
    report: &mut Report,
    class: &Class,
    target: &Target,
    effort: Effort,
) -> Result<(), Box<dyn Error>> {
    for (bytes, times) in live::SIZES.into_iter().zip(live::measure(class, target, effort)?) {
        report.times(class.name, Text::Prose, bytes, Cache::Warm, &times);
    }
    let mut subjects = Vec::new();
    for engine in [Engine::EmptyXdp, Engine::HardwireAttached] {
        subjects.push(Subject::new(engine, class, Some(target))?);
    }
    let mut cells = live::SIZES.map(|bytes| Cell::new(Text::Prose, class, bytes, subjects.len()));
    for _ in 0..effort.passes {
        for cell in &mut cells {
            cell.measure_warm(&subjects, effort)?;
        }
    }
    for cell in &cells {
        report.times(class.name, Text::Prose, cell.bytes, Cache::Warm, &cell.warm(&subjects));
    }
    Ok(())
}
