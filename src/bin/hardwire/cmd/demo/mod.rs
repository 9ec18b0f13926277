//! `hardwire demo`: a pattern becomes a program, passes the verifier, sits on an interface, and
//! decides about real traffic.
//!
//! Everything happens in two network namespaces of its own that vanish with the process, however
//! it ends. Every sentence with a tick was checked; the exit status says whether all were true.
//! Without privileges the part that needs none is shown, and what was left out is said.

mod datagrams;
mod http;
mod interrupt;
mod live;
mod offline;
mod play;
mod program;
mod story;

use std::error::Error;
use std::time::Instant;

use clap::Args;
use hardwire::assembler::{ProgramImage, Target};
use hardwire::compiler::Compiled;
use hardwire::compiler::ir::Matcher;
use hardwire::engine::Engine;
use hardwire::loader::features;
use serde_json::json;

use crate::Ending;
use crate::failure::{Failure, Problem};
use crate::output::{Output, grouped};
use interrupt::Interrupts;
use live::{LeftOut, Stage};
use play::Play;
use program::{FIRST, SECOND};
use story::{Story, quoted};

const NOTES: &str = "\
Examples:
  hardwire demo
  hardwire demo --json | jq .ok

As root it makes two network namespaces, joins them by a veth pair, attaches a program there, sends
HTTP requests and UDP datagrams through the kernel's own stack, exchanges the program under traffic,
and removes everything. Nothing else on the system is touched. Without privileges it shows the part
that needs none. --json prints {\"ok\":bool,\"steps\":[{\"name\":…,\"ok\":bool,…}]}.

Exit status: 0 if everything that was shown is true, else 1.";

/// Options of `demo`.
#[derive(Args)]
#[command(after_help = NOTES)]
pub(crate) struct Options {}

/// Run the verb.
pub(crate) fn run(_options: &Options, output: &mut Output) -> Result<Ending, Failure> {
    let interrupts = Interrupts::hold_back()?;
    let mut story = Story::new(output);
    let told = tell(&mut story, &interrupts);
    story.finish(told)
}

fn tell(story: &mut Story<'_>, interrupts: &Interrupts) -> Result<(), Failure> {
    let started = Instant::now();
    let (first, second) = (program::dropping(&[FIRST]), program::dropping(&[FIRST, SECOND]));
    let target = features::target().unwrap_or_else(|_| Target::newest());

    story.headline("Hardwire compiles a byte pattern into a program for the Linux kernel.")?;
    story.headline("")?;
    let compiled = show_compiled(story, &first, &target)?;
    interrupts.check()?;
    match Stage::set(&first, &compiled.image)? {
        Ok(mut stage) => {
            let program = live::verify(story, &stage)?;
            rehearse(story, &first, &compiled.image, Some(&mut stage.kernel), interrupts)?;
            let second_image = program::compile(&second, &target)?.image;
            Play::new(story, stage, interrupts)?.perform(&program, &second, &second_image)?;
            story.headline("")?;
            let seconds = started.elapsed().as_secs_f64();
            story.headline(if story.is_true() {
                format!(
                    "All of it was true, in {seconds:.1} s. On an interface of yours: \
                     hardwire attach eth0 -e 'GET /admin'"
                )
            } else {
                "Not all of it was true: that is a bug in Hardwire, or this kernel is special."
                    .to_owned()
            })
        }
        Err(left_out) => {
            rehearse(story, &first, &compiled.image, None, interrupts)?;
            leave_out(story, &left_out)
        }
    }
}

/// From the pattern to the program.
fn show_compiled(
    story: &mut Story<'_>,
    matcher: &Matcher,
    target: &Target,
) -> Result<Compiled, Failure> {
    let compiled = program::compile(matcher, target)?;
    let slots = compiled.image.slot_count();
    let text = format!(
        "{} becomes {} BPF instructions. There is no table of patterns: the bytes are constants \
         in the code. Three pieces of it:",
        quoted(FIRST),
        grouped(slots.into())
    );
    story.begin("compile", &text)?;
    program::show_excerpt(story, &compiled.image)?;
    story.finding("pattern", String::from_utf8_lossy(FIRST));
    story.finding("target", target.version.to_string());
    story.finding("slots", slots);
    story.finding("strategy", compiled.plan.strategy());
    story.finding("why", compiled.plan.why.as_str());
    Ok(compiled)
}

/// The capture, asked of two engines, or of three with `kernel`.
fn rehearse(
    story: &mut Story<'_>,
    matcher: &Matcher,
    image: &ProgramImage,
    kernel: Option<&mut dyn Engine>,
    interrupts: &Interrupts,
) -> Result<(), Failure> {
    let others = match kernel {
        Some(_) => {
            ", of the program in Hardwire's own BPF machine, and of the program in the kernel."
        }
        None => ", and of the program in Hardwire's own BPF machine. What is dropped:",
    };
    let text = format!(
        "The frames of a bundled capture, asked of the reference matcher, which says what is \
         right{others}"
    );
    story.begin("rehearse", &text)?;
    offline::rehearse(story, matcher, image, kernel, interrupts)
}

/// Say what was not shown.
fn leave_out(story: &mut Story<'_>, left_out: &LeftOut) -> Result<(), Failure> {
    let missing: Vec<_> = left_out.missing.iter().map(|c| c.name()).collect();
    story.begin("live", "LEFT OUT: the verifier, and live traffic on a network interface.")?;
    story.explain(&left_out.why)?;
    if !missing.is_empty() {
        story.explain(&format!("Missing: {}.", missing.join(", ")))?;
        story.say("All of it: sudo hardwire demo")?;
    }
    story.finding("left_out", true);
    story.finding("why", left_out.why.as_str());
    story.finding("missing", json!(missing));
    Ok(())
}

/// An error of the library with the advice that it has.
fn problem(error: &dyn Error, hint: Option<impl Into<String>>) -> Problem {
    Problem::of(error).hint_if(hint)
}
