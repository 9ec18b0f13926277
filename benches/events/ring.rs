//! Events of a generated program, read as fast as they are made.

use std::{
    error::Error,
    ops::ControlFlow,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use hardwire::{
    compiler::{
        self, Entry, Events, Options,
        event::{Counter, Counters, EVENTS_MAP, record::Record},
        ir::{Matcher, Report, Scope, Verdicts},
        pattern::{Syntax, Written},
    },
    loader::{LoadOptions, Program, Reader, features, test_run},
};
use serde_json::{Value, json};

use crate::stay_on;

/// Bytes of the frame in an event.
const SNAP: u32 = 64;
/// Bytes of the ring. What counts besides its room is where it lies: one that fits into the caches is
/// taken back from the reader's for every record, which costs a tenth.
const RING_BYTES: u32 = 64 << 20;
/// Runs of one test run: a tenth of a second or less, so that the end is noticed.
const RUNS: u32 = 500_000;

/// A frame that matches at once: the event is what costs.
fn frame() -> Vec<u8> {
    let mut frame = b"needle".to_vec();
    frame.resize(SNAP as usize, b'.');
    frame
}

fn program() -> Result<Program, Box<dyn Error>> {
    let pattern = Written::new(Syntax::Regex, "^needle").lower(1)?;
    let matcher = Matcher {
        patterns: vec![pattern],
        scope: Scope::Packet,
        report: Report::First,
        verdicts: Verdicts::default(),
    };
    let events = Events { snap: SNAP, ring_bytes: RING_BYTES };
    let options = Options { events: Some(events), ..Options::default() };
    let compiled = compiler::compile(&matcher, Entry::Xdp, &features::target()?, &options)?;
    Ok(Program::load(&compiled.image, &LoadOptions::default())?)
}

fn counters(program: &Program) -> Result<Counters, Box<dyn Error>> {
    let mut sum = Counters::default();
    for counters in program.maps()[0].read_array()?.entry(0).filter_map(Counters::from_bytes) {
        sum.merge(&counters);
    }
    Ok(sum)
}

/// What the reader saw.
#[derive(Default)]
struct Read {
    records: u64,
    bytes: u64,
    sum: u8,
}

fn read(reader: &mut Reader, over: &AtomicBool) -> Result<Read, String> {
    let mut all = Read::default();
    loop {
        let last = over.load(Ordering::Acquire);
        let (found, flow) = reader
            .drain(|bytes| {
                let Ok(record) = Record::from_bytes(bytes) else {
                    return ControlFlow::Break("a record that cannot be read");
                };
                all.bytes += record.captured.len() as u64;
                // As a consumer would, touch what was captured.
                all.sum = record.captured.iter().fold(all.sum, |sum, byte| sum ^ byte);
                ControlFlow::Continue(())
            })
            .map_err(|error| error.to_string())?;
        if let ControlFlow::Break(what) = flow {
            return Err(what.to_owned());
        }
        all.records += found;
        if last && found == 0 {
            return Ok(all);
        }
        reader.rest(found, Duration::from_millis(1)).map_err(|error| error.to_string())?;
    }
}

/// Events a second, the best of some tries in which nothing was lost.
pub(crate) fn measure(cpus: [usize; 2], quick: bool) -> Result<(f64, Value), Box<dyn Error>> {
    let (tries, time) = if quick { (1, 0.05) } else { (6, 1.0) };
    let frame = frame();
    let mut best = (0.0, Value::Null);
    let mut losses = Vec::new();
    for _ in 0..tries {
        let program = program()?;
        let map = program.map_named(EVENTS_MAP).ok_or("a program with events")?;
        let mut reader = Reader::open(map)?;
        let over = AtomicBool::new(false);
        let (seconds, found) = thread::scope(|scope| {
            let thread = scope.spawn(|| {
                stay_on(cpus[1]).map_err(|error| error.to_string())?;
                read(&mut reader, &over)
            });
            let wrote = stay_on(cpus[0]).map_err(|error| error.to_string()).and_then(|()| {
                let start = Instant::now();
                while start.elapsed().as_secs_f64() < time {
                    let runs = if quick { RUNS / 50 } else { RUNS };
                    test_run::run(&program, &frame, runs, false).map_err(|e| e.to_string())?;
                }
                Ok(start.elapsed().as_secs_f64())
            });
            over.store(true, Ordering::Release);
            let read = thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            wrote.and_then(|seconds| Ok((seconds, read?)))
        })?;
        let counted = counters(&program)?;
        let (made, lost) = (counted.get(Counter::Events), counted.get(Counter::EventsLost));
        if (found.records, found.bytes) != (made, made * u64::from(SNAP)) {
            return Err(format!("{made} events were made and {} read", found.records).into());
        }
        if made + lost != counted.get(Counter::Matched) {
            return Err("events and losses are not what matched".into());
        }
        std::hint::black_box(found.sum);
        losses.push(lost);
        let per_second = found.records as f64 / seconds;
        if lost == 0 && per_second > best.0 {
            best = (per_second, json!({"events": made}));
        }
    }
    best.1["lost_in_each_try"] = json!(losses);
    best.1["ring_bytes"] = json!(RING_BYTES);
    Ok(best)
}
