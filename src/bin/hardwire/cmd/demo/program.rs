//! The patterns of the demo, their programs, and the piece of them that is worth reading.

use hardwire::assembler::listing::{self, Line};
use hardwire::assembler::origin::{Origin, Phase};
use hardwire::assembler::{ProgramImage, Target};
use hardwire::compiler::ir::{Matcher, Pattern, Report, Scope, Verdict, Verdicts};
use hardwire::compiler::{self, Compiled, Entry};

use super::story::Story;
use crate::failure::{Failure, Problem};

/// What is dropped from the start; the bundled capture is about it too.
pub(super) const FIRST: &[u8] = b"GET /admin";

/// What is dropped too after the replacement.
pub(super) const SECOND: &[u8] = b"GET /backup";

/// The parts of the program that are shown, and how many instructions of each.
const EXCERPT: [(Phase, usize); 3] = [(Phase::Scan, 2), (Phase::Confirm, 4), (Phase::Verdict, 2)];

/// Drop what carries one of `patterns`, pass the rest.
pub(super) fn dropping(patterns: &[&[u8]]) -> Matcher {
    let pattern = |(id, bytes): (u32, &&[u8])| Pattern::literal(id, *bytes);
    Matcher {
        patterns: (1..).zip(patterns).map(pattern).collect(),
        scope: Scope::Payload,
        report: Report::First,
        verdicts: Verdicts { on_match: Verdict::Drop, ..Verdicts::default() },
    }
}

/// The XDP program of `matcher`.
///
/// # Errors
///
/// This kernel cannot run such a program.
pub(super) fn compile(matcher: &Matcher, target: &Target) -> Result<Compiled, Failure> {
    let compiled = compiler::compile(matcher, Entry::Xdp, target, &compiler::Options::default());
    Ok(compiled.map_err(|error| Problem::of_compilation(&error))?)
}

/// Show the parts of the program in which the pattern can be seen.
///
/// # Errors
///
/// Standard output is closed.
pub(super) fn show_excerpt(story: &mut Story<'_>, image: &ProgramImage) -> Result<(), Failure> {
    let lines = listing::lines(image);
    let runs: Vec<&[Line<'_>]> = lines.chunk_by(|_, next| !next.begins_run).collect();
    for (phase, lines_max) in EXCERPT {
        let mut of_phase = runs.iter().filter(|run| run[0].origin.phase == phase);
        let telling = of_phase.clone().find(|run| is_telling(run[0].origin));
        let Some(run) = telling.or_else(|| of_phase.next()) else { continue };
        story.reason(format!("; {}", run[0].origin))?;
        // Of what is done in the end the end matters, of the rest the beginning.
        let count = run.len().min(lines_max);
        let shown = if phase == Phase::Verdict { &run[run.len() - count..] } else { &run[..count] };
        for line in shown {
            let constant = constant_as_text(&line.bytes);
            let constant = constant.map(|text| format!("{:<6}\"{text}\"", "")).unwrap_or_default();
            story.say(format!("{:>5}: {}{constant}", line.slot, line.text))?;
        }
    }
    Ok(())
}

/// Is this the part that shows a newcomer what the phase does?
fn is_telling(origin: &Origin) -> bool {
    match origin.phase {
        Phase::Scan => origin.pattern.is_some() && origin.text.starts_with("rarest pair"),
        Phase::Confirm => origin.byte.is_some(),
        Phase::Verdict => origin.text.starts_with("matched"),
        Phase::Entry
        | Phase::Scope
        | Phase::Count
        | Phase::Bounds
        | Phase::Report
        | Phase::Text => false,
    }
}

/// The constant of a wide instruction as the text that it is in memory, if it is text.
fn constant_as_text(bytes: &[u8]) -> Option<String> {
    let constant = [bytes.get(4..8)?, bytes.get(12..16)?].concat();
    let is_text = constant.iter().all(|byte| byte.is_ascii_graphic() || *byte == b' ');
    is_text.then(|| String::from_utf8_lossy(&constant).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_constant_that_is_text_is_shown_as_text() {
        let wide =
            |low: [u8; 4], high: [u8; 4]| [&[0x18, 1, 0, 0][..], &low, &[0; 4], &high].concat();
        assert_eq!(constant_as_text(&wide(*b"GET ", *b"/adm")).as_deref(), Some("GET /adm"));
        assert_eq!(constant_as_text(&wide([0x7f; 4], [0x7f; 4])), None);
        assert_eq!(constant_as_text(b"12345678"), None, "a narrow instruction");
    }
}
