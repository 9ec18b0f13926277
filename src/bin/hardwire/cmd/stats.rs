//! `hardwire stats`: what attachments that stay have counted, once or again and again.

use std::collections::HashMap;
use std::io::Write;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::thread;
use std::time::{Duration, Instant};

use clap::Args;
use hardwire::attachment::{Attachment, Error, Found, Root};
use hardwire::compiler::event::Counter;
use hardwire::loader::RunStatistics;
use serde::Serialize;

use super::attach::watch::{Signals, wait_for};
use super::list::NOTHING;
use super::show::written;
use crate::Ending;
use crate::failure::{Failure, Problem, printable};
use crate::metrics::listener::{self, Listener};
use crate::metrics::{self, PatternHits, Sample};
use crate::options::RootOption;
use crate::options::lifecycle::of_attachment;
use crate::output::{Output, Paint, grouped};
use crate::totals::Totals;

const EXAMPLES: &str = "\
Examples:
  hardwire stats                             every attachment, once
  hardwire stats eth0-xdp --watch            with rates, every second
  hardwire stats --json --watch 10 | jq .
  hardwire stats eth0 --enable-stats --watch  with what a frame costs
  hardwire stats --prometheus                for a textfile collector
  hardwire stats --listen 9464               http://127.0.0.1:9464/metrics until Ctrl-C

The kernel measures run times only while somebody wants that, because it costs some tens of
nanoseconds a frame.";

/// Options of `stats`.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Options {
    /// The attachment, or the interface it is on; all if none is named
    #[arg(value_name = "NAME|IFACE")]
    name: Option<String>,
    /// Show it again every so many seconds, 1 if none are given, with rates
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "1", value_parser = super::attach::seconds)]
    watch: Option<Duration>,
    /// Have the kernel measure run times as long as this command runs
    #[arg(long)]
    enable_stats: bool,
    /// Print the counters once in the text format of Prometheus
    #[arg(long, conflicts_with = "watch")]
    prometheus: bool,
    /// Serve the counters to Prometheus, on loopback unless an address says otherwise, until the command
    /// is ended
    #[arg(long, value_name = "[ADDR:]PORT", value_parser = listener::address, conflicts_with_all = ["watch", "prometheus"])]
    listen: Option<SocketAddr>,
    #[command(flatten)]
    root: RootOption,
}

/// Shortest time between two showings.
const WATCH_MIN: Duration = Duration::from_millis(50);
/// How long is measured if run times are wanted and nothing is watched.
const MEASURED: Duration = Duration::from_secs(1);

/// How long is waited for a signal at once while others ask for the counters.
const LISTENING: Duration = Duration::from_secs(3600);

/// What was read of one attachment at one time.
struct Reading {
    name: String,
    interface: String,
    hook: &'static str,
    state: String,
    generation: u32,
    program_id: u32,
    patterns: Vec<String>,
    totals: Totals,
    vanished: u64,
    runs: u64,
    run_ns: u64,
    at: Instant,
}

impl Reading {
    fn of(attachment: &Attachment) -> Result<Self, Problem> {
        let counts = attachment.counts().map_err(|error| of_attachment(&error))?;
        let info = attachment.program().info().map_err(|error| super::of_info(&error))?;
        let description = attachment.description();
        let vanished = counts.vanished;
        Ok(Self {
            name: attachment.name().to_owned(),
            interface: description.interface.clone(),
            hook: description.hook.name(),
            state: super::list::state(attachment),
            generation: attachment.generation(),
            program_id: info.id,
            patterns: description.patterns.iter().map(written).collect(),
            totals: Totals::of_counts(counts),
            vanished,
            runs: info.run_count,
            run_ns: info.run_time_ns,
            at: Instant::now(),
        })
    }

    /// The same for Prometheus.
    fn sample(&self) -> Sample {
        let hits = self.totals.hits.iter().zip(&self.patterns).zip(1..);
        Sample {
            name: self.name.clone(),
            interface: self.interface.clone(),
            hook: self.hook.to_owned(),
            counters: self.totals.counters,
            patterns: hits
                .map(|((hits, text), id)| PatternHits { id, text: text.clone(), hits: *hits })
                .collect(),
            runs: (self.runs > 0).then(|| (self.runs, Duration::from_nanos(self.run_ns))),
        }
    }

    /// Runs, and nanoseconds for each, since `earlier` if it is about the same program; nothing if the
    /// kernel did not measure.
    fn cost(&self, earlier: Option<&Self>) -> Option<(u64, f64)> {
        let earlier = earlier.filter(|earlier| earlier.program_id == self.program_id);
        let (runs, ns) = earlier.map_or((self.runs, self.run_ns), |earlier| {
            (self.runs.saturating_sub(earlier.runs), self.run_ns.saturating_sub(earlier.run_ns))
        });
        // A count of runs is far below 2^52.
        (runs > 0).then(|| (runs, ns as f64 / runs as f64))
    }
}

/// Run the verb.
pub(crate) fn run(options: &Options, output: &mut Output) -> Result<Ending, Failure> {
    // Blocked before there are threads: of what has no other end, Ctrl-C is an ending like any other.
    let signals = (options.watch.is_some() || options.listen.is_some()).then(Signals::block);
    let signals = signals.transpose()?;
    let root = options.root.open()?;
    let statistics = options.enable_stats.then(RunStatistics::enable).transpose();
    let _statistics = statistics.map_err(|error| {
        Problem::because("cannot have the kernel measure run times", &error)
            .hint("it takes CAP_SYS_ADMIN and Linux 5.8")
    })?;
    if options.prometheus || options.listen.is_some() {
        return prometheus(options, root, signals.as_ref(), output);
    }
    let every = options.watch.map(|every| every.max(WATCH_MIN));
    let mut earlier: HashMap<String, Reading> = HashMap::new();
    if every.is_none() && options.enable_stats {
        for reading in read(&root, options.name.as_deref())? {
            earlier.insert(reading.name.clone(), reading);
        }
        thread::sleep(MEASURED);
    }
    let mut noted = false;
    loop {
        let readings = read(&root, options.name.as_deref())?;
        if readings.is_empty() && !output.json() && !noted {
            output.note(NOTHING);
            noted = true;
        }
        if output.is_terminal() && !output.json() && every.is_some() {
            // Cursor home, and clear what is below.
            write!(output, "\x1b[H\x1b[J")?;
        }
        for reading in readings {
            let before = earlier.get(&reading.name);
            if output.json() {
                output.json_line(&Line::of(&reading, before))?;
            } else {
                print(&reading, before, output)?;
            }
            earlier.insert(reading.name.clone(), reading);
        }
        output.flush()?;
        let (Some(every), Some(signals)) = (every, &signals) else { return Ok(Ending::Done) };
        if ended(signals, every)? {
            return Ok(Ending::Done);
        }
    }
}

/// Wait so long, or until a signal. Was it a signal?
fn ended(signals: &Signals, limit: Duration) -> Result<bool, Failure> {
    wait_for(&[signals.as_fd()], limit)?;
    signals.came()
}

/// Print the counters for Prometheus, or serve them until a signal ends that.
fn prometheus(
    options: &Options,
    root: Root,
    signals: Option<&Signals>,
    output: &mut Output,
) -> Result<Ending, Failure> {
    let name = options.name.clone();
    let text = move || -> Result<String, Failure> {
        let readings = read(&root, name.as_deref())?;
        Ok(metrics::exposition(&readings.iter().map(Reading::sample).collect::<Vec<_>>()))
    };
    // What cannot be read now is told now, and not to the scraper alone.
    let now = text()?;
    let (Some(address), Some(signals)) = (options.listen, signals) else {
        output.write_all(now.as_bytes())?;
        return Ok(Ending::Done);
    };
    let listener = Listener::start(address, move || text().map_err(|failure| failure.headline()))?;
    let address = listener.address();
    if !address.ip().is_loopback() {
        output
            .warn(format!("everybody who reaches {address} can read the patterns and the counts"));
    }
    if output.json() {
        output.json_line(&serde_json::json!({ "listening": address.to_string() }))?;
    } else {
        output.note(format!("serving http://{address}/metrics; Ctrl-C ends it"));
    }
    output.flush()?;
    while !ended(signals, LISTENING)? {}
    Ok(Ending::Done)
}

/// What the attachment of this name has counted.
///
/// # Errors
///
/// There is none, or it cannot be read.
pub(super) fn sample(root: &Root, name: &str) -> Result<Sample, Problem> {
    let attachment = root.open_attachment(name).map_err(|error| of_attachment(&error))?;
    Reading::of(&attachment).map(|reading| reading.sample())
}

fn read(root: &Root, name: Option<&str>) -> Result<Vec<Reading>, Failure> {
    let of = |error: Error| of_attachment(&error);
    if let Some(name) = name {
        return Ok(vec![Reading::of(&root.find(name).map_err(of)?)?]);
    }
    let mut readings = Vec::new();
    for found in root.list().map_err(of)? {
        if let Found::Attachment(attachment) = found {
            readings.push(Reading::of(&attachment)?);
        }
    }
    Ok(readings)
}

/// Counters that stand beside the totals.
#[derive(Serialize)]
struct More {
    spared: u64,
    within_limit: u64,
    events: u64,
    events_lost: u64,
    events_skipped: u64,
}

#[derive(Serialize)]
struct Line<'a> {
    name: &'a str,
    interface: &'a str,
    hook: &'a str,
    state: &'a str,
    generation: u32,
    program_id: u32,
    counters: &'a Totals,
    more: More,
    vanished_hits: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    per_second: Option<Rates>,
    #[serde(skip_serializing_if = "Option::is_none")]
    run: Option<Run>,
}

/// What a frame costs.
#[derive(Serialize)]
struct Run {
    runs: u64,
    ns_per_run: f64,
}

/// How much more a second there was since the last time.
#[derive(Serialize)]
struct Rates {
    seconds: f64,
    frames: f64,
    bytes: f64,
    matched: f64,
    drop: f64,
    events: f64,
    events_lost: f64,
}

impl Rates {
    fn of(reading: &Reading, before: &Reading) -> Option<Self> {
        let seconds = reading.at.duration_since(before.at).as_secs_f64();
        let more = reading.totals.counters.since(&before.totals.counters);
        // A reset makes counters smaller; then there is no rate.
        let shrunk = reading.totals.counters.get(Counter::Frames)
            < before.totals.counters.get(Counter::Frames);
        if shrunk || seconds <= 0.0 {
            return None;
        }
        // Tenths are what a reader needs.
        let rate = |counter| (more.get(counter) as f64 / seconds * 10.0).round() / 10.0;
        Some(Self {
            seconds: (seconds * 1000.0).round() / 1000.0,
            frames: rate(Counter::Frames),
            bytes: rate(Counter::Bytes),
            matched: rate(Counter::Matched),
            drop: rate(Counter::Drop),
            events: rate(Counter::Events),
            events_lost: rate(Counter::EventsLost),
        })
    }
}

impl<'a> Line<'a> {
    fn of(reading: &'a Reading, before: Option<&Reading>) -> Self {
        let counters = &reading.totals.counters;
        Self {
            name: &reading.name,
            interface: &reading.interface,
            hook: reading.hook,
            state: &reading.state,
            generation: reading.generation,
            program_id: reading.program_id,
            counters: &reading.totals,
            more: More {
                spared: counters.get(Counter::Spared),
                within_limit: counters.get(Counter::WithinLimit),
                events: counters.get(Counter::Events),
                events_lost: counters.get(Counter::EventsLost),
                events_skipped: counters.get(Counter::EventsSkipped),
            },
            vanished_hits: reading.vanished,
            per_second: before.and_then(|before| Rates::of(reading, before)),
            run: reading
                .cost(before)
                .map(|(runs, ns)| Run { runs, ns_per_run: (ns * 10.0).round() / 10.0 }),
        }
    }
}

/// Counters in the order in which people read them; those in the second half only if there is
/// something to say.
const ALWAYS: [(&str, Counter); 5] = [
    ("frames", Counter::Frames),
    ("bytes", Counter::Bytes),
    ("matched", Counter::Matched),
    ("missed", Counter::Missed),
    ("out of scope", Counter::OutOfScope),
];
const IF_ANY: [(&str, Counter); 11] = [
    ("UNSEARCHED", Counter::Unsearched),
    ("passed", Counter::Pass),
    ("dropped", Counter::Drop),
    ("aborted", Counter::Abort),
    ("sent back", Counter::Tx),
    ("redirected", Counter::Redirect),
    ("spared", Counter::Spared),
    ("within limit", Counter::WithinLimit),
    ("events", Counter::Events),
    ("EVENTS LOST", Counter::EventsLost),
    ("events skipped", Counter::EventsSkipped),
];

fn print(reading: &Reading, before: Option<&Reading>, output: &mut Output) -> Result<(), Failure> {
    let heading = output.paint(Paint::Bold, &reading.name);
    let (interface, hook, state) = (&reading.interface, reading.hook, &reading.state);
    let id = reading.program_id;
    writeln!(output, "{heading}: {interface} {hook}, program {id}, {}", printable(state))?;
    let seconds = before.map(|before| reading.at.duration_since(before.at).as_secs_f64());
    let rate = |now: u64, then: Option<u64>| match (seconds, then) {
        (Some(seconds), Some(then)) if now >= then && seconds > 0.0 => {
            let rate = ((now - then) as f64 / seconds).round();
            // A rate is far below 2^53.
            format!("{:>16}/s", grouped(format!("{rate:.0}").parse().unwrap_or(u64::MAX)))
        }
        _ => String::new(),
    };
    let counters = &reading.totals.counters;
    for (at, (name, counter)) in ALWAYS.iter().chain(&IF_ANY).enumerate() {
        let count = counters.get(*counter);
        if at >= ALWAYS.len() && count == 0 {
            continue;
        }
        let then = before.map(|before| before.totals.counters.get(*counter));
        writeln!(output, "  {name:<15}{:>18}{}", grouped(count), rate(count, then))?;
    }
    if let Some((runs, ns)) = reading.cost(before) {
        writeln!(output, "  {:<15}{ns:>15.1} ns  over {} runs", "a frame costs", grouped(runs))?;
    }
    let same = before.filter(|before| before.generation == reading.generation);
    let all = reading.totals.hits.iter().zip(&reading.patterns).enumerate();
    for (at, (hits, text)) in all.filter(|(_, (hits, _))| **hits > 0).take(HIT_LINES_MAX) {
        let then = same.and_then(|before| before.totals.hits.get(at).copied());
        let hit = format!("hits of #{}", at + 1);
        let (count, rate) = (grouped(*hits), rate(*hits, then));
        writeln!(output, "  {hit:<15}{count:>18}{rate}  {}", printable(text))?;
    }
    if reading.vanished > 0 {
        let count = grouped(reading.vanished);
        writeln!(output, "  {:<15}{count:>18}  of patterns before", "hits")?;
    }
    Ok(())
}

/// Lines of patterns with hits; all of them are in the JSON.
const HIT_LINES_MAX: usize = 40;
