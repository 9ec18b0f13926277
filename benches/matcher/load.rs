//! What it costs to come from literals to a loaded program, by their number.
//!
//! Compiling is measured in a process of its own, which does nothing else: its peak of memory is
//! that of compiling.

use std::{env, fs, process::Command, time::Instant};

use hardwire::{
    assembler::{ProgramImage, Target},
    compiler::{
        self, Entry, Options,
        ir::{Matcher, Report as Matches, Scope, Verdicts},
    },
    loader::{LoadOptions, Program},
};
use serde_json::{Value, json};

use crate::{
    class::written,
    report::{Report, Set},
    rules,
    subject::Failure,
};

/// The numbers of literals.
pub(crate) const COUNTS: [usize; 4] = [1, 100, 1_000, 10_000];
/// Compilations and loads of each, of which the best counts.
const TRIES: usize = 3;

/// Compile and load each set, and note it; what could not be, told on standard error.
pub(crate) fn measure(
    report: &mut Report,
    target: Option<&Target>,
) -> Result<Vec<String>, Failure> {
    let mut absent = Vec::new();
    for literals in COUNTS {
        match set_of(literals, target) {
            Ok((set, None)) => report.sets.push(set),
            Ok((set, Some(error))) => {
                eprintln!("error: load of {literals} literals: {error}");
                absent.push(format!("load of {literals} literals"));
                report.sets.push(set);
            }
            Err(error) => {
                eprintln!("compilation of {literals} literals: {error}");
                absent.push(format!("compilation of {literals} literals"));
            }
        }
    }
    Ok(absent)
}

/// What compiling costs, and loading, or why that failed.
fn set_of(literals: usize, target: Option<&Target>) -> Result<(Set, Option<Failure>), Failure> {
    let mut set = Set {
        literals,
        compile_ms: f64::INFINITY,
        peak_mb: f64::INFINITY,
        slots: 0,
        processed: None,
        load_ms: None,
    };
    for _ in 0..TRIES {
        let told = in_process(literals)?;
        let number = |name: &str| told[name].as_f64().ok_or_else(|| format!("no {name} was told"));
        set.compile_ms = set.compile_ms.min(number("compile_ms")?);
        set.peak_mb = set.peak_mb.min(number("peak_mb")?);
        set.slots = u32::try_from(told["slots"].as_u64().ok_or("no slots were told")?)?;
    }
    let failed = target.and_then(|target| load(&mut set, target).err());
    Ok((set, failed))
}

fn load(set: &mut Set, target: &Target) -> Result<(), Failure> {
    let image = compile(&literals_of(set.literals), target)?;
    for _ in 0..TRIES {
        let start = Instant::now();
        let program = Program::load(&image, &LoadOptions::default())?;
        let ms = (start.elapsed().as_secs_f64() * 1e4).round() / 10.0;
        set.load_ms = Some(set.load_ms.map_or(ms, |best| best.min(ms)));
        set.processed = program.info()?.verified_insns;
    }
    Ok(())
}

fn literals_of(count: usize) -> Vec<Vec<u8>> {
    rules::random(count, 8, 16)
}

/// The linear form: raw scope, no counters, no fragments.
fn compile(all: &[Vec<u8>], target: &Target) -> Result<ProgramImage, Failure> {
    let patterns: Result<_, _> =
        (1..).zip(all).map(|(id, literal)| written(literal, false).lower(id)).collect();
    let matcher = Matcher {
        patterns: patterns?,
        scope: Scope::Raw,
        report: Matches::First,
        verdicts: Verdicts::default(),
    };
    let options =
        Options { counters: false, fragments: false, strategy: None, ..Options::default() };
    let compiled = compiler::compile(&matcher, Entry::Xdp, target, &options)?;
    Ok(compiled.image)
}

fn in_process(literals: usize) -> Result<Value, Failure> {
    let child =
        Command::new(env::current_exe()?).args(["--compile", &literals.to_string()]).output()?;
    if !child.status.success() {
        return Err(String::from_utf8_lossy(&child.stderr).trim().to_owned().into());
    }
    Ok(serde_json::from_slice(&child.stdout)?)
}

/// What the process of [`in_process`] does and tells.
pub(crate) fn compile_only(literals: usize) -> Result<(), Failure> {
    let target = Target::newest();
    let literals = literals_of(literals);
    let start = Instant::now();
    let image = compile(&literals, &target)?;
    let compile_ms = (start.elapsed().as_secs_f64() * 1e4).round() / 10.0;
    let status = fs::read_to_string("/proc/self/status")?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let peak_kb: f64 = peak
        .and_then(|text| text.trim().strip_suffix(" kB"))
        .ok_or("no VmHWM in /proc/self/status")?
        .parse()?;
    let peak_mb = (peak_kb / 102.4).round() / 10.0;
    println!(
        "{}",
        json!({ "compile_ms": compile_ms, "peak_mb": peak_mb, "slots": image.slot_count() })
    );
    Ok(())
}
