//! `hardwire explain`: every stage between the pattern and the program.

use std::fmt::Write as _;
use std::io::Write;

use clap::{Args, ValueEnum};
use hardwire::assembler::{Phase, ProgramImage, Target};
use hardwire::compiler::automaton::skip::{Class, Skip};
use hardwire::compiler::estimate::Share;
use hardwire::compiler::frequency::gate::{Gate, Means};
use hardwire::compiler::frequency::lanes::Lanes;
use hardwire::compiler::ir::{Body, Literal, Matcher, Pattern, Report};
use hardwire::compiler::lower::Scan;
use hardwire::compiler::plan::{Access, Pass};
use hardwire::compiler::{Compiled, Entry, Estimate, Lowered};
use serde_json::{Value, json};

use super::compile::{cost_as_json, plan_as_json};
use crate::Ending;
use crate::dump::maps_as_json;
use crate::failure::Failure;
use crate::options::{ControlOptions, MatcherOptions, Named, TargetOption, TypeOption};
use crate::output::{Output, Paint, grouped};

const EXAMPLES: &str = "\
Examples:
  hardwire explain -e 'GET /admin'
  hardwire explain -f patterns.txt --target 5.10 --stage plan
  hardwire explain -x 'DE AD BE EF' --type socket --json";

/// Patterns that are shown; of the rest the number is told (--json shows all).
const PATTERNS_SHOWN_MAX: usize = 20;
/// Bytes of a pattern that are shown.
const BYTES_SHOWN_MAX: usize = 32;

/// `--stage`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Stage {
    /// What was written, and the bytes it stands for.
    Patterns,
    /// What is asked: scope, report, verdicts.
    Question,
    /// How it is searched, and why so.
    Plan,
    /// What came out: size, maps, parts.
    Program,
    /// What it is expected to cost the verifier, before it is loaded.
    Cost,
}

/// Options of `explain`.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Options {
    #[command(flatten)]
    matcher: MatcherOptions,
    #[command(flatten)]
    target: TargetOption,
    #[command(flatten)]
    kind: TypeOption,
    #[command(flatten)]
    controls: ControlOptions,
    /// Only this stage
    #[arg(long, value_enum)]
    stage: Option<Stage>,
}

/// All there is to explain.
struct Story<'a> {
    named: &'a [Named],
    matcher: &'a Matcher,
    target: &'a Target,
    compiled: &'a Compiled,
}

/// Run the verb.
pub(crate) fn run(options: &Options, output: &mut Output) -> Result<Ending, Failure> {
    let entry = options.kind.entry();
    options.controls.check(entry)?;
    let (matcher, named) = options.matcher.read(entry, output)?;
    let target = options.target.or_probed(output);
    let compiler = options.controls.apply(options.target.compiler());
    let compiled = options.target.compile_with(&compiler, &matcher, entry, &target, output)?;
    let story = Story { named: &named, matcher: &matcher, target: &target, compiled: &compiled };

    let stages = [
        (Stage::Patterns, "patterns", story.patterns()),
        (Stage::Question, "question", story.question(entry)),
        (Stage::Plan, "plan", story.plan()),
        (Stage::Program, "program", story.program()),
        (Stage::Cost, "cost", story.cost()),
    ];
    if output.json() {
        let value = story.as_json(entry);
        output.json_line(&match options.stage {
            None => value,
            Some(stage) => {
                let name = stages.iter().find(|(it, ..)| *it == stage).map_or("", |it| it.1);
                json!({ name: value[name] })
            }
        })?;
        return Ok(Ending::Done);
    }
    for (stage, name, text) in stages {
        if options.stage.is_none_or(|only| only == stage) {
            let title = output.paint(Paint::Bold, name);
            write!(output, "{title}\n{text}")?;
        }
    }
    Ok(Ending::Done)
}

impl Story<'_> {
    fn patterns(&self) -> String {
        let mut text = String::new();
        for named in self.named.iter().take(PATTERNS_SHOWN_MAX) {
            let Named { pattern, place, text: written, .. } = named;
            let _ = writeln!(text, "  #{} {place}: {written}", pattern.id);
            let _ = writeln!(text, "     {}", bytes(pattern));
        }
        if self.named.len() > PATTERNS_SHOWN_MAX {
            let more = self.named.len() - PATTERNS_SHOWN_MAX;
            let _ = writeln!(text, "  and {more} more");
        }
        if self.named.is_empty() {
            text.push_str("  none: nothing ever matches\n");
        }
        text
    }

    fn question(&self, entry: Entry) -> String {
        let Matcher { scope, report, verdicts, .. } = self.matcher;
        let report = match report {
            Report::First => "stop at the first occurrence found and name its pattern",
            Report::All => "name every pattern that occurs, with its smallest end",
        };
        let then = match entry {
            Entry::Xdp | Entry::Tc(_) => format!(
                "on a match {}, on a miss {}, out of scope {}",
                verdicts.on_match.name(),
                verdicts.on_miss.name(),
                verdicts.out_of_scope.name()
            ),
            Entry::SocketFilter => "keep what matches, drop the rest".to_owned(),
        };
        let mut text = format!("  search the {}\n  {report}\n  {then}\n", scope.name());
        let _ = writeln!(text, "  at {}: {}", entry.name(), entry.notes().join("; "));
        text
    }

    fn plan(&self) -> String {
        let mut text = String::new();
        for part in self.compiled.programs() {
            let plan = part.plan;
            let _ = writeln!(text, "  {}: {}", plan.strategy(), plan.why);
            let access = match plan.access {
                Access::Direct { rest: true } => "frame read in place, fragments copied by windows",
                Access::Direct { rest: false } => "frame read in place, fragments not searched",
                Access::Windows => "packet copied by windows",
            };
            let _ = writeln!(text, "  access: {access}");
            for (number, gate) in plan.gates.iter().enumerate().take(PATTERNS_SHOWN_MAX) {
                let _ = writeln!(text, "  count {}: {}", number + 1, self.gate(gate));
            }
            for (number, pass) in plan.passes.iter().enumerate().take(PATTERNS_SHOWN_MAX) {
                let _ = writeln!(text, "  walk {}: {}", number + 1, self.pass(part.lowered, pass));
            }
        }
        text
    }

    fn gate(&self, gate: &Gate) -> String {
        let Some(count) = self.compiled.lowered.counts.get(gate.count) else {
            return String::new();
        };
        let how = match &gate.means {
            Means::Length => "the length of the span",
            Means::Lanes(Lanes::Cube { .. }) => "8 bytes at a time by an exclusive or",
            Means::Lanes(Lanes::Thresholds(_)) => "8 bytes at a time by where ranges begin and end",
            Means::Lanes(Lanes::Table) => "byte by byte, by a table on the stack",
        };
        format!("#{} {}, {how}", count.id, count.term)
    }

    fn pass(&self, lowered: &Lowered, pass: &Pass) -> String {
        match pass {
            Pass::Pair { needle, skip } => {
                let id = lowered.needles.get(*needle).map_or(0, |needle| needle.id);
                let pair = format!("#{id} by its rarest pair of bytes, 8 positions at a time");
                let Some(skip) = skip else { return pair };
                let (stride, bytes) = (skip.stride, skip.gram_bytes);
                let false_alarms = f64::from(skip.false_per_mille) / 1000.0;
                format!(
                    "#{id} by one look at every {stride} positions (is the product of {bytes} bytes \
                     below a limit? about {false_alarms:.2} false alarms in 1,500 bytes), and by \
                     its rarest pair of bytes from the first gram on that is there"
                )
            }
            Pass::Fingerprints(table) => format!(
                "{} literals by a table of {} fingerprints ({} bytes of stack) at every {} bytes",
                table.words().len(),
                table.slots.len(),
                1 << table.bits,
                table.stride
            ),
            Pass::Set { gram, needles } => {
                format!("{} literals by their first {} bytes", needles.len(), gram.bytes())
            }
            Pass::States { scan, shape, required } => {
                let Some(scan) = lowered.scans.get(*scan) else {
                    return String::new();
                };
                let states = scan.automaton.as_ref().map_or(0, |it| it.states.len());
                let round = shape.linear_round.max(shape.window_round);
                let id = scan.id;
                let only = only_if(scan, required.is_some());
                let all =
                    format!("#{id} byte by byte, {states} states, {round} bytes a round{only}");
                let Some(skip) = &shape.skip else { return all };
                format!("{all}; from {} of them {}", skip.entries.len(), skipped(skip))
            }
            Pass::Parallel { scan, required } => {
                let Some(scan) = lowered.scans.get(*scan) else {
                    return String::new();
                };
                let Some(parallel) = &scan.parallel else { return String::new() };
                let (id, words, counters) = (scan.id, parallel.words, parallel.counters.len());
                let only = only_if(scan, required.is_some());
                let all = format!(
                    "#{id} byte by byte, all its places at once in {words} words of bits and {counters} \
                     counters{only}"
                );
                let Some(skip) = &parallel.skip else { return all };
                format!("{all}; where nothing of it was read {}", skipped(skip))
            }
        }
    }

    fn program(&self) -> String {
        let mut text = String::new();
        for image in self.compiled.image.programs() {
            let _ = writeln!(
                text,
                "  {} program for Linux {}: {} instructions in {} slots{}",
                image.kind().name(),
                self.target.version,
                image.insns().len(),
                image.slot_count(),
                if image.frags() { ", takes frames of several buffers" } else { "" },
            );
            let parts: Vec<_> =
                phases(image).iter().map(|(phase, slots)| format!("{phase} {slots}")).collect();
            let _ = writeln!(text, "  slots by part: {}", parts.join(", "));
        }
        for map in self.compiled.image.maps() {
            let _ = writeln!(
                text,
                "  map {}: {}, {} of {} bytes",
                map.name,
                map.kind.name(),
                map.entries_text(),
                map.value_bytes
            );
        }
        text.push_str("  `hardwire compile` prints it\n");
        text
    }

    fn cost(&self) -> String {
        let line = |share: Share, about: &str, what: &str| {
            let Share { value, limit, .. } = share;
            format!("  {about}{} of {} {what}\n", grouped(value), grouped(limit))
        };
        let mut text = String::new();
        let several = !self.compiled.tails.is_empty();
        for (number, part) in (1..).zip(self.compiled.programs()) {
            if several {
                let _ = writeln!(text, "  program {number}");
            }
            let Estimate { slots, processed, pending } = *part.estimate;
            let nearest = part.estimate.nearest();
            text += &line(slots, "", "slots");
            text += &line(processed, "about ", "instructions processed by the verifier");
            text += &line(pending, "about ", "branches waiting to be explored at once");
            let _ = writeln!(
                text,
                "  nearest to its limit: {}, {:.1} % of it",
                nearest.name,
                100.0 * nearest.ratio()
            );
        }
        text + "  mostly within a fifth on Linux 6.18; `hardwire verify` asks the kernel\n"
    }

    fn as_json(&self, entry: Entry) -> Value {
        let image = &self.compiled.image;
        let Matcher { scope, report, verdicts, .. } = self.matcher;
        let patterns = self.named.iter().map(|named| {
            let pattern = &named.pattern;
            let mut told = json!({
                "id": pattern.id,
                "place": named.place,
                "bytes": null,
                "regex": null,
                "ignore_case": false,
                "offset": pattern.window.offset,
                "depth": pattern.window.depth,
            });
            match &pattern.body {
                Body::Literal(literal) => {
                    told["bytes"] = hex(&literal.bytes).into();
                    told["ignore_case"] = literal.ignore_case.into();
                }
                Body::Regex(expression) => told["regex"] = expression.hir.to_string().into(),
                Body::Frequency(condition) => told["frequency"] = condition.to_string().into(),
            }
            told
        });
        let report = match report {
            Report::First => "first",
            Report::All => "all",
        };
        let verdicts = entry.has_verdicts().then(|| {
            json!({
                "on_match": verdicts.on_match.name(),
                "on_miss": verdicts.on_miss.name(),
                "out_of_scope": verdicts.out_of_scope.name(),
            })
        });
        let phases: serde_json::Map<_, _> = phases(image)
            .into_iter()
            .map(|(phase, slots)| (phase.to_string(), slots.into()))
            .collect();
        json!({
            "patterns": patterns.collect::<Value>(),
            "question": {
                "scope": scope.name(),
                "report": report,
                "verdicts": verdicts,
                "at": entry.name(),
                "notes": entry.notes(),
            },
            "plan": plan_as_json(self.compiled),
            "program": {
                "type": image.kind().name(),
                "target": self.target.version.to_string(),
                "slots": self.compiled.slot_count(),
                "frags": image.frags(),
                "slots_by_phase": phases,
                "maps": maps_as_json(image),
            },
            "cost": cost_as_json(self.compiled),
        })
    }
}

/// The bytes of a pattern and what else holds for it.
fn bytes(pattern: &Pattern) -> String {
    let mut text = match &pattern.body {
        Body::Literal(Literal { bytes, ignore_case }) => {
            let shown = &bytes[..bytes.len().min(BYTES_SHOWN_MAX)];
            let spaced: Vec<_> = shown.iter().map(|byte| format!("{byte:02x}")).collect();
            let more = if shown.len() < bytes.len() { " ..." } else { "" };
            let case = if *ignore_case { ", in either case" } else { "" };
            format!("{} bytes: {}{more}{case}", bytes.len(), spaced.join(" "))
        }
        Body::Regex(expression) => format!("expression: {}", expression.hir),
        Body::Frequency(condition) => format!("condition: {condition}"),
    };
    let window = pattern.window;
    match window.end() {
        Some(end) => {
            let _ = write!(text, ", inside bytes {}..{end} of the scope", window.offset);
        }
        None if window.offset > 0 => {
            let _ = write!(text, ", from byte {} of the scope on", window.offset);
        }
        None => {}
    }
    text
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Slots by the part of the program they belong to.
fn phases(image: &ProgramImage) -> Vec<(Phase, u32)> {
    let mut counted = std::collections::BTreeMap::new();
    for (index, insn) in image.insns().iter().enumerate() {
        *counted.entry(image.origin(index).phase).or_insert(0) += insn.slots();
    }
    counted.into_iter().collect()
}

/// What a pass looks for first, if it does.
fn only_if(scan: &Scan, looks: bool) -> String {
    match scan.required.as_ref().filter(|_| looks) {
        Some(needle) => {
            let literal = needle.bytes.escape_ascii();
            format!(", only if \"{literal}\" occurs, without which there is no match")
        }
        None => String::new(),
    }
}

/// Where a pass goes on when it skips.
fn skipped(skip: &Skip) -> String {
    let what = class(skip.class);
    let then = skip
        .then
        .map_or_else(String::new, |(gap, then)| format!(" and {gap} further on {}", class(then)));
    let found = skip.found;
    format!(
        "on to the next place with {what}{then} (about {found} in 1,500 bytes), eight positions at a \
         time"
    )
}

/// A class as an expression.
fn class(class: Class) -> String {
    let fold = if class.mask == 0x7f { "" } else { "(?i)" };
    let (first, last) = (class.first.escape_ascii(), class.last.escape_ascii());
    if class.is_byte() { format!("{fold}{first}") } else { format!("{fold}[{first}-{last}]") }
}
