//! What needs no privileges: the program, and what it says about a bundled capture.

use hardwire::assembler::ProgramImage;
use hardwire::capture::Reader;
use hardwire::compiler::Entry;
use hardwire::compiler::ir::{Matcher, Outcome, Verdict};
use hardwire::engine::{self, Engine, Reference, Vm};
use serde_json::json;

use super::interrupt::Interrupts;
use super::program::FIRST;
use super::story::{Story, quoted};
use crate::engine::problem;
use crate::failure::{Failure, Problem};

/// The capture in `demo/`, so that the binary needs no file.
const CAPTURE: &[u8] = include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/demo/traffic.pcap"));

/// What all engines say about the capture.
#[derive(Default)]
struct Answers {
    frames: u64,
    matched: Vec<(u64, usize, u32)>,
    dropped: u64,
    missed: u64,
    out_of_scope: u64,
    differences: Vec<String>,
}

/// Ask the reference, the vm and `more` about every frame of the capture.
///
/// # Errors
///
/// An engine cannot run, or the demo is interrupted.
pub(super) fn rehearse(
    story: &mut Story<'_>,
    matcher: &Matcher,
    image: &ProgramImage,
    mut more: Option<&mut dyn Engine>,
    interrupts: &Interrupts,
) -> Result<(), Failure> {
    let mut vm = Vm::new(matcher, Entry::Xdp, image).map_err(|error| problem(&error))?;
    let mut names = vec!["reference", "vm"];
    names.extend(more.iter().map(|engine| engine.name()));
    let damaged = |error: &dyn std::error::Error| {
        Problem::because("the bundled capture cannot be read", error)
    };
    let mut reader = Reader::new(CAPTURE).map_err(|error| damaged(&error))?;
    let mut answers = Answers::default();
    while let Some(frame) = reader.next_frame().map_err(|error| damaged(&error))? {
        interrupts.check()?;
        let mut others: Vec<&mut dyn Engine> = vec![&mut vm];
        if let Some(engine) = &mut more {
            others.push(&mut **engine);
        }
        answers.ask(frame.number, frame.data, matcher, others)?;
    }
    if more.is_none() {
        answers.show(story)?;
    }
    answers.conclude(story, &names)
}

impl Answers {
    fn ask(
        &mut self,
        number: u64,
        frame: &[u8],
        matcher: &Matcher,
        others: Vec<&mut dyn Engine>,
    ) -> Result<(), Failure> {
        let reference = Reference::new(matcher, Entry::Xdp).answer(frame);
        let expected: Outcome = reference.map_err(|error| problem(&error))?;
        for engine in others {
            let outcome = engine.answer(frame).map_err(|error| problem(&error))?;
            let (report, matches) = (matcher.report, &expected.matches);
            if let Some(text) = engine::difference(report, &expected, matches, &outcome) {
                self.differences.push(format!("frame {number}: {}: {text}", engine.name()));
            }
        }
        self.frames += 1;
        match expected.matches.first() {
            Some(found) => {
                self.dropped += u64::from(expected.verdict == Verdict::Drop);
                self.matched.push((number, frame.len(), found.end.unwrap_or(0)));
            }
            None if expected.in_scope => self.missed += 1,
            None => self.out_of_scope += 1,
        }
        Ok(())
    }

    /// The frames that match.
    fn show(&self, story: &mut Story<'_>) -> Result<(), Failure> {
        for (number, bytes, end) in &self.matched {
            let start = usize::try_from(*end).unwrap_or(usize::MAX).saturating_sub(FIRST.len());
            let dropped = story.mark(false, "drop");
            story.say(format!(
                "frame {number:>2} of {bytes:>3} bytes: {dropped}, {} at byte {start} of its payload",
                quoted(FIRST)
            ))?;
        }
        Ok(())
    }

    fn conclude(&self, story: &mut Story<'_>, names: &[&str]) -> Result<(), Failure> {
        for difference in &self.differences {
            story.claim(false, difference)?;
        }
        let matched = u64::try_from(self.matched.len()).unwrap_or(u64::MAX);
        let all = if names.len() == 2 { "both agree" } else { "all three agree" };
        let agree = self.differences.is_empty() && matched > 0 && self.dropped == matched;
        story.finding("engines", names);
        story.finding("frames", self.frames);
        story.finding("matched", matched);
        story.finding("dropped", self.dropped);
        story.finding("missed", self.missed);
        story.finding("out_of_scope", self.out_of_scope);
        story.finding("differences", json!(self.differences));
        story.claim(
            agree,
            format!(
                "{all}: of {} frames {} are dropped, {} pass, {} are out of scope",
                self.frames, self.dropped, self.missed, self.out_of_scope
            ),
        )
    }
}
