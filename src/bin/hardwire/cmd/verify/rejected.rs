//! What is told of a program that the verifier rejects: where, why, what to try, how it came there.

use std::io::Write;

use hardwire::loader::VerifierLog;
use hardwire::loader::verifier_log::{Branch, WindowLine};
use serde_json::{Value, json};

use crate::failure::{Failure, printable};
use crate::output::{Output, Paint, grouped};

/// Branches that are shown to a person; --json has more.
const BRANCHES_SHOWN_MAX: usize = 12;

/// The line between what is told of a log and the log itself.
const LOG_TITLE: &str = "the verifier's log";
/// How what is told of a rejection begins.
const REJECTED: &str = "rejected";

/// A saved log without what [`print`] told above it; `None` if only that was saved.
pub(super) fn without_our_words(text: &str) -> Option<&str> {
    let is_ours = |line: &str| line == REJECTED || line.starts_with("rejected at slot ");
    if !text.lines().take(8).any(is_ours) {
        return Some(text);
    }
    let mut from = 0;
    for line in text.split_inclusive('\n') {
        from += line.len();
        if line.trim_end() == LOG_TITLE {
            return Some(&text[from..]);
        }
    }
    None
}

/// All of it for a person; with `whole` also what the verifier wrote.
pub(super) fn print(log: &VerifierLog, whole: bool, output: &mut Output) -> Result<(), Failure> {
    let word = output.paint(Paint::Red, REJECTED);
    match log.slot {
        Some(slot) => writeln!(output, "{word} at slot {slot}")?,
        None => writeln!(output, "{word}")?,
    }
    if let Some(explanation) = &log.explanation {
        row(output, "cause", explanation)?;
    }
    if let Some(advice) = &log.advice {
        row(output, "try", advice)?;
    }
    row(output, "verifier", &log.reason)?;
    if let Some(why) = why(log) {
        row(output, "it is for", &why)?;
    }
    registers(log, output)?;
    path(log, output)?;
    window(log, output)?;
    if let Some(processed) = log.stats.processed {
        let were = if processed == 1 { "instruction was" } else { "instructions were" };
        writeln!(output, "  {} {were} processed until then", grouped(processed))?;
    }
    if whole {
        let title = output.paint(Paint::Bold, LOG_TITLE);
        writeln!(output, "{title}")?;
        for line in log.whole.trim_end().lines() {
            writeln!(output, "{}", printable(line))?;
        }
    }
    Ok(())
}

fn row(output: &mut Output, name: &str, text: &str) -> Result<(), Failure> {
    let name = output.paint(Paint::Bold, format!("{name:<10}"));
    Ok(writeln!(output, "  {name} {}", printable(text))?)
}

/// What the instruction is there for, with the pattern it serves.
fn why(log: &VerifierLog) -> Option<String> {
    let Some(origin) = &log.origin else { return log.source.clone() };
    let of = match (origin.pattern, origin.byte) {
        (Some(pattern), Some(byte)) => format!(", pattern {pattern} byte {byte}"),
        (Some(pattern), None) => format!(", pattern {pattern}"),
        (None, _) => String::new(),
    };
    Some(format!("{origin}{of}"))
}

fn registers(log: &VerifierLog, output: &mut Output) -> Result<(), Failure> {
    for (name, words) in log.registers_in_words() {
        row(output, &name, &words)?;
    }
    Ok(())
}

fn path(log: &VerifierLog, output: &mut Output) -> Result<(), Failure> {
    let skipped = log.path.len().saturating_sub(BRANCHES_SHOWN_MAX);
    let mut name = "path";
    if skipped > 0 || log.path_cut && !log.path.is_empty() {
        let what = if skipped > 0 { "earlier branches" } else { "what was before is not known" };
        let count = if skipped > 0 { format!("{skipped} ") } else { String::new() };
        row(output, name, &format!("… {count}{what}"))?;
        name = "";
    }
    for branch in &log.path[skipped..] {
        row(output, name, &step(branch))?;
        name = "";
    }
    Ok(())
}

/// `slot 4: if r4 > r3 goto pc+1: not taken`.
fn step(branch: &Branch) -> String {
    let insn = branch.insn.split_once(") ").map_or("", |(_, text)| text);
    let way = match (branch.is_taken(), branch.times) {
        _ if branch.is_call() => format!("goes to slot {}", branch.to),
        (true, 1) => format!("taken, to slot {}", branch.to),
        (false, 1) => "not taken".to_owned(),
        (true, times) => {
            format!("taken, to slot {} ({} times)", branch.to, grouped(times.into()))
        }
        (false, times) => format!("not taken ({} times)", grouped(times.into())),
    };
    let separator = if insn.is_empty() { "" } else { ": " };
    format!("slot {}: {insn}{separator}{way}", branch.slot)
}

fn window(log: &VerifierLog, output: &mut Output) -> Result<(), Failure> {
    for WindowLine { slot, text, why } in &log.window {
        if let Some(why) = why {
            let why = output.paint(Paint::Dim, format!("; {}", printable(why)));
            writeln!(output, "         {why}")?;
        }
        let line = format!("{slot:>6}: {}", printable(text));
        if Some(*slot) == log.slot {
            let line = output.paint(Paint::Red, format!(">{line}"));
            writeln!(output, "  {line}")?;
        } else {
            writeln!(output, "   {line}")?;
        }
    }
    Ok(())
}

/// The same as one value.
pub(super) fn as_json(log: &VerifierLog, whole: bool) -> Value {
    let origin = log.origin.as_ref().map(|origin| {
        json!({
            "phase": origin.phase.name(),
            "pattern": origin.pattern,
            "byte": origin.byte,
            "text": origin.text,
        })
    });
    let registers: serde_json::Map<_, _> = log
        .registers
        .iter()
        .map(|register| (register.name.clone(), register.value.clone().into()))
        .collect();
    let words: serde_json::Map<_, _> =
        log.registers_in_words().into_iter().map(|(name, words)| (name, words.into())).collect();
    let path = log.path.iter().map(|branch| {
        json!({
            "slot": branch.slot,
            "instruction": branch.insn,
            "taken": branch.is_taken(),
            "call": branch.is_call(),
            "to": branch.to,
            "times": branch.times,
        })
    });
    let window = log
        .window
        .iter()
        .map(|line| json!({ "slot": line.slot, "text": line.text, "why": line.why }));
    json!({
        "accepted": log.is_of_success(),
        "slot": log.slot,
        "instruction": log.insn,
        "registers": registers,
        "registers_in_words": words,
        "origin": origin,
        "source": log.source,
        "reason": log.reason,
        "explanation": log.explanation,
        "advice": log.advice,
        "path": path.collect::<Value>(),
        "path_cut": log.path_cut,
        "window": window.collect::<Value>(),
        "processed": log.stats.processed,
        "complete": log.complete,
        "log": whole.then_some(&log.whole),
    })
}
