//! How many events a second reach user space, and how many packets a second `hardwire watch -w` writes.
//!
//! ```text
//! cargo bench --bench events                a few seconds: figures with kernel and processor
//! cargo bench --bench events -- --json      one line a measurement
//! ```
//!
//! Two measurements, each with the writer on one CPU and the reader on another:
//!
//! - `ring`: a generated XDP program that hands over every frame, run by `BPF_PROG_TEST_RUN` without a
//!   pause; the reader reads every record and sums up its bytes. Nothing may be lost.
//! - `watch -w`: the command itself, in a network namespace of its own, writes a file; its program is run
//!   in the same way at rising rates, because no generator here reaches what it can take. What counts is
//!   the highest rate at which nothing is lost.
//!
//! Exit 1 if less is reached than the project promises.

mod ring;
mod watch;

use std::{error::Error, fs, io, process::ExitCode};

use nix::{
    sched::{CpuSet, sched_getaffinity, sched_setaffinity},
    unistd::Pid,
};
use serde_json::{Value, json};

/// Events a second that are promised.
const EVENTS_BOUND: f64 = 5e6;
/// Packets a second that are promised of `watch -w`.
const PACKETS_BOUND: f64 = 5e5;

/// Two CPUs that this process may use: one for the writer, one for the reader.
fn two_cpus() -> io::Result<[usize; 2]> {
    let mine = sched_getaffinity(Pid::from_raw(0))?;
    let mut cpus = (0..CpuSet::count()).filter(|cpu| mine.is_set(*cpu).unwrap_or(false));
    match (cpus.next(), cpus.next()) {
        (Some(first), Some(second)) => Ok([first, second]),
        _ => Err(io::Error::other("it takes two CPUs")),
    }
}

/// Keep the calling thread on `cpu`, and what it starts.
fn stay_on(cpu: usize) -> io::Result<()> {
    let mut only = CpuSet::new();
    only.set(cpu)?;
    Ok(sched_setaffinity(Pid::from_raw(0), &only)?)
}

/// Processor and kernel.
fn machine() -> [String; 2] {
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    let processors = read("/proc/cpuinfo");
    let name = processors.lines().find_map(|line| line.strip_prefix("model name"));
    let name = name.map_or("unknown", |line| line.trim_start_matches([' ', '\t', ':']));
    [name.to_owned(), read("/proc/sys/kernel/osrelease").trim_end().to_owned()]
}

/// One figure, and whether it is good enough.
struct Figure {
    what: &'static str,
    per_second: f64,
    bound: f64,
    more: Value,
}

fn measure(quick: bool) -> Result<Vec<Figure>, Box<dyn Error>> {
    let cpus = two_cpus()?;
    let (per_second, more) = ring::measure(cpus, quick)?;
    let ring = Figure { what: "events, 64 bytes", per_second, bound: EVENTS_BOUND, more };
    let (per_second, more) = watch::measure(cpus, quick)?;
    let watch = Figure { what: "watch -w", per_second, bound: PACKETS_BOUND, more };
    Ok(vec![ring, watch])
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().collect();
    let given = |name: &str| args.iter().any(|arg| arg == name);
    // `cargo test --benches` gives no `--bench`: then everything is tried, and nothing is judged.
    let quick = !given("--bench") || given("--quick");
    let figures = match measure(quick) {
        Ok(figures) => figures,
        Err(error) => {
            eprintln!("cannot measure: {error}");
            let required = std::env::var_os("KERNEL_TESTS").is_some_and(|v| v == "required");
            return ExitCode::from(u8::from(required || !quick));
        }
    };
    let [processor, kernel] = machine();
    if !given("--json") {
        println!("{processor}, Linux {kernel}");
    }
    let mut good = true;
    for Figure { what, per_second, bound, more } in figures {
        if given("--json") {
            println!(
                "{}",
                json!({"what": what, "per_second": per_second.round(), "more": more,
                       "processor": processor, "kernel": kernel})
            );
        } else {
            let millions = per_second / 1e6;
            println!("{what:<20} {millions:>7.2} million a second, none lost   {more}");
        }
        if per_second < bound && !quick {
            eprintln!("{what}: {per_second:.0} a second; {bound:.0} are promised");
            good = false;
        }
    }
    ExitCode::from(u8::from(!good))
}
