//! The work of `scripts/corpora`: every pattern of the shared corpora is compiled for the kernel that
//! runs here and loaded, alone and in sets, and a table says what became of them.
//!
//! ```text
//! --corpora FOLDER   where they are; ../shared/corpora if nothing says it
//! --step N           every Nth pattern only; the table is printed, if --output does not say where to
//! --output FILE      the table; docs/patterns.md if nothing says it
//! --list FILE        also a line for each program
//! ```
//!
//! It does not: attach anything, or look at packets. The corpora are no part of the repository, and
//! neither are their patterns: a few stand in the table as examples.

mod corpora;
mod report;
mod trial;

use std::{
    collections::HashSet,
    error::Error,
    fs,
    path::PathBuf,
    process::ExitCode,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use hardwire::{
    compiler::{Entry, pattern::Written},
    loader::features,
};

use corpora::Subject;
use trial::{Ending, Trial};

/// What takes longer is told on the way.
const SLOW: Duration = Duration::from_secs(5);

struct Options {
    corpora: PathBuf,
    step: usize,
    output: Option<PathBuf>,
    list: Option<PathBuf>,
}

fn options() -> Result<Options, Box<dyn Error>> {
    let mut options =
        Options { corpora: PathBuf::from("../shared/corpora"), step: 1, output: None, list: None };
    let mut args = std::env::args().skip(1);
    while let Some(name) = args.next() {
        let value = args.next().ok_or_else(|| format!("{name} needs a value"))?;
        match name.as_str() {
            "--corpora" => options.corpora = value.into(),
            "--step" => options.step = value.parse()?,
            "--output" => options.output = Some(value.into()),
            "--list" => options.list = Some(value.into()),
            _ => return Err(format!("{name}: the head of this file says what is known").into()),
        }
    }
    Ok(options)
}

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let options = options()?;
    let started = Instant::now();
    let mut subjects = corpora::alone(&options.corpora)?;
    subjects = subjects.into_iter().step_by(options.step).collect();
    let mut trials = try_all(&subjects, 0)?;
    let of_sets = subjects.len();
    subjects.extend(corpora::sets(&options.corpora, &good(&subjects, &trials))?);
    trials.extend(try_all(&subjects, of_sets)?);
    if let Some(path) = &options.list {
        fs::write(path, report::list(&subjects, &trials))?;
    }
    let table = report::table(&subjects, &trials, (options.step, of_sets), started.elapsed())?;
    let whole = (options.step == 1).then(|| PathBuf::from("docs/patterns.md"));
    match options.output.or(whole) {
        Some(path) => fs::write(path, table)?,
        None => print!("{table}"),
    }
    let broken = |trial: &&Trial| matches!(trial.ending, Ending::Rejected { .. });
    let broken: Vec<&Trial> = trials.iter().filter(broken).collect();
    for trial in &broken {
        let Ending::Rejected { reason } = &trial.ending else { continue };
        let Subject { kind, text, .. } = &subjects[trial.subject];
        println!("REJECTED as {:?}: {kind}: {text}\n    {reason}", trial.entry);
    }
    println!(
        "{} programs in {:.0} s, {} of them rejected although nothing foretold it",
        trials.len(),
        started.elapsed().as_secs_f64(),
        broken.len()
    );
    Ok(if broken.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The patterns that were accepted alone, whatever the program.
fn good<'a>(subjects: &'a [Subject], trials: &[Trial]) -> HashSet<&'a Written> {
    let accepted = |trial: &&Trial| matches!(trial.ending, Ending::Accepted { .. });
    let refused: HashSet<usize> =
        trials.iter().filter(|trial| !accepted(trial)).map(|trial| trial.subject).collect();
    let subjects = subjects.iter().enumerate().filter(|(number, _)| !refused.contains(number));
    subjects.flat_map(|(_, subject)| &subject.patterns).collect()
}

/// Each subject from number `first` on, with each entry; in the order of the subjects.
fn try_all(subjects: &[Subject], first: usize) -> Result<Vec<Trial>, Box<dyn Error>> {
    let target = features::target()?;
    let next = AtomicUsize::new(first);
    let done = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let Some(subject) = subjects.get(number) else { return };
                    for entry in [Entry::Xdp, Entry::SocketFilter] {
                        let trial = Trial::of(number, subject, entry, &target);
                        if trial.compiling + trial.loading > SLOW {
                            let text: String = subject.text.chars().take(80).collect();
                            eprintln!("{:?}: {} {text}", trial.compiling, subject.kind);
                        }
                        done.lock().expect("no thread panics with it").push(trial);
                    }
                }
            });
        }
    });
    let mut trials = done.into_inner().expect("no thread panics with it");
    trials.sort_by_key(|trial| (trial.subject, trial.entry != Entry::Xdp));
    Ok(trials)
}
