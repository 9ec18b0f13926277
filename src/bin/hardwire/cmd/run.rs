//! `hardwire run --pcap`: the matcher over a capture.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::Args;
use hardwire::capture::Reader;
use hardwire::compiler::event::Counter;
use hardwire::compiler::ir::Outcome;
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

use super::find::Found;
use crate::Ending;
use crate::engine::{Agreement, Answer, EngineWord, Form, Panel, Question};
use crate::failure::{Failure, Problem};
use crate::options::{MatcherOptions, Named, TargetOption, TypeOption, compiling};
use crate::output::{Output, Paint};
use crate::totals::{Summary, Totals};

const EXAMPLES: &str = "\
Examples:
  hardwire run --pcap file.pcap -e 'GET /admin'
  hardwire run --pcap file.pcapng -f patterns.txt --report all --json
  hardwire run --pcap file.pcap -x 'DE AD BE EF' --on-match drop --engine all
  tcpdump -w - | hardwire run --pcap - -e password --exit-code";

/// How long a run may take before it shows how far it has come.
const PROGRESS_AFTER: Duration = Duration::from_secs(1);

/// Options of `run`.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Options {
    /// The capture, pcap or pcapng of Ethernet frames; - is standard input
    #[arg(long, value_name = "FILE")]
    pcap: PathBuf,
    #[command(flatten)]
    matcher: MatcherOptions,
    #[command(flatten)]
    target: TargetOption,
    #[command(flatten)]
    kind: TypeOption,
    /// Who answers
    #[arg(long, value_enum, default_value = "vm")]
    engine: EngineWord,
    /// Exit with 1 if no frame matches
    #[arg(long)]
    exit_code: bool,
}

/// Run the verb.
pub(crate) fn run(options: &Options, output: &mut Output) -> Result<Ending, Failure> {
    if options.matcher.patterns.use_stdin() && options.pcap.as_os_str() == "-" {
        let problem = Problem::new("patterns and capture cannot both come from standard input");
        let problem = problem.at("-f - --pcap -").hint("put one of them into a file");
        return Err(Failure::Usage(problem));
    }
    let entry = options.kind.entry();
    let (matcher, named) = options.matcher.read(entry, output)?;
    // Opened before any engine starts: a mistyped name should not cost a load.
    let mut reader = open(&options.pcap)?;
    let target = options.engine.target(&options.target, output);
    let compiler = options.target.compiler();
    let question = output.busy(&compiling(&matcher), || {
        Question::new(&matcher, options.engine, entry, &[Form::Plain(entry)], &target, &compiler)
    })?;
    let mut panel = output.busy("the verifier is at work", || Panel::new(&question))?;
    let mut pass = Pass::new(&named, output);

    let mut damage = None;
    loop {
        match reader.next_frame() {
            Ok(Some(frame)) => pass.frame(&mut panel, frame.number, frame.data)?,
            Ok(None) => break,
            Err(error) => {
                let hint = format!("the frames before it were searched; {}", error.hint());
                damage =
                    Some(Problem::of(&error).at(options.pcap.display().to_string()).hint(hint));
                break;
            }
        }
    }
    let (totals, disagreements) = pass.finish()?;
    if let Some(problem) = damage {
        return Err(problem.into());
    }
    if disagreements > 0 {
        let what = format!("the engines disagree on {disagreements} frames");
        return Err(Problem::new(what).hint("this is a bug in Hardwire; please report it").into());
    }
    let matched = totals.counters.get(Counter::Matched) > 0;
    Ok(if options.exit_code && !matched { Ending::No } else { Ending::Done })
}

pub(super) fn open(path: &Path) -> Result<Reader<Box<dyn Read>>, Failure> {
    let place = path.display().to_string();
    let input: Box<dyn Read> = if path.as_os_str() == "-" {
        Box::new(io::stdin())
    } else {
        let file = File::open(path);
        Box::new(file.map_err(|error| {
            let problem = Problem::because(format!("cannot open {place}"), &error);
            problem.hint("check its name and rights")
        })?)
    };
    Ok(Reader::new(input).map_err(|error| Problem::of_capture(&error, place))?)
}

/// One pass over the capture.
struct Pass<'a> {
    named: &'a [Named],
    output: &'a mut Output,
    totals: Totals,
    disagreements: u64,
    started: Instant,
    shown: Option<Instant>,
}

impl<'a> Pass<'a> {
    fn new(named: &'a [Named], output: &'a mut Output) -> Self {
        let totals = Totals::new(named.len());
        Self { named, output, totals, disagreements: 0, started: Instant::now(), shown: None }
    }

    fn frame(&mut self, panel: &mut Panel<'_>, number: u64, data: &[u8]) -> Result<(), Failure> {
        let answer = panel.ask(data).map_err(|problem| problem.at(format!("frame {number}")))?;
        self.totals.add(data.len(), &answer.outcome);
        if let Some(Agreement::Different(difference)) = &answer.agreement {
            self.disagreements += 1;
            self.clear_progress();
            self.output.warn(format!("frame {number}: {difference}"));
        }
        if self.output.json() {
            self.output.json_line(&Line { number, answer: &answer })?;
        } else if !answer.outcome.matches.is_empty() || !answer.outcome.searched {
            self.print(number, &answer.outcome)?;
        }
        self.show_progress(number);
        Ok(())
    }

    fn print(&mut self, number: u64, outcome: &Outcome) -> Result<(), Failure> {
        let verdict = self.output.paint(Paint::Bold, outcome.verdict.name());
        write!(self.output, "frame {number}: {verdict}:")?;
        if !outcome.searched {
            let word = self.output.paint(Paint::Yellow, "not searched to its end");
            let separator = if outcome.matches.is_empty() { "" } else { ";" };
            write!(self.output, " {word}{separator}")?;
        }
        for (place, found) in outcome.matches.iter().enumerate() {
            let separator = if place == 0 { " " } else { ", " };
            let index = usize::try_from(found.id).unwrap_or(usize::MAX);
            let text = self.named.get(index - 1).map_or("", |named| named.text.as_str());
            write!(self.output, "{separator}#{} {text}", found.id)?;
            match found.end {
                Some(end) => write!(self.output, " ends at {end}")?,
                None => write!(self.output, " holds")?,
            }
        }
        Ok(writeln!(self.output)?)
    }

    fn show_progress(&mut self, number: u64) {
        let due = self.shown.unwrap_or(self.started) + PROGRESS_AFTER;
        // Asking for the time costs more than some engines need for a frame.
        if number.is_multiple_of(64) && Instant::now() >= due {
            self.output.progress(Some(&self.totals.headline()));
            self.shown = Some(Instant::now());
        }
    }

    fn clear_progress(&mut self) {
        if self.shown.is_some() {
            self.output.progress(None);
        }
    }

    fn finish(mut self) -> Result<(Totals, u64), Failure> {
        self.clear_progress();
        if self.output.json() {
            self.output.json_line(&Summary { summary: &self.totals })?;
        } else {
            self.totals.print(self.output, self.named)?;
        }
        Ok((self.totals, self.disagreements))
    }
}

/// One frame as JSON.
struct Line<'a> {
    number: u64,
    answer: &'a Answer,
}

impl Serialize for Line<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let outcome = &self.answer.outcome;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("frame", &self.number)?;
        map.serialize_entry("in_scope", &outcome.in_scope)?;
        map.serialize_entry("verdict", outcome.verdict.name())?;
        let matches: Vec<_> = outcome.matches.iter().map(Found::from).collect();
        map.serialize_entry("matches", &matches)?;
        if !outcome.searched {
            map.serialize_entry("unsearched", &true)?;
        }
        if let Some(agreement) = &self.answer.agreement {
            map.serialize_entry("engines_agree", &(*agreement == Agreement::Same))?;
        }
        if let Some(why) = self.answer.kernel {
            map.serialize_entry("kernel", why)?;
        }
        map.end()
    }
}
