//! `hardwire features`: what this kernel can do, found out by trying.

use std::io::{self, Write};

use hardwire::assembler::{KernelVersion, Target};
use hardwire::loader::features::{self, Feature, ProbeError, Support};
use hardwire::loader::host;
use serde_json::{Value, json};

use crate::Ending;
use crate::failure::Failure;
use crate::output::{Output, Paint};

const EXAMPLES: &str = "\
Examples:
  hardwire features
  hardwire features --json | jq '.features[] | select(.support != \"yes\")'

Every answer was found by trying; what could not be tried, mostly for lack of rights, is unknown.";

/// Options of `features`: none.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Options {}

/// Run the verb.
pub(crate) fn run(_: &Options, output: &mut Output) -> Result<Ending, Failure> {
    let release = host::release().unwrap_or_else(|_| "unknown".to_owned());
    let probed: Vec<_> = features::ALL.iter().map(|it| (*it, it.support())).collect();
    let target = features::target();
    let missing = features::missing_to_attach();
    if output.json() {
        let missing: Vec<_> = missing.iter().map(|capability| capability.name()).collect();
        let value = json!({
            "kernel": release,
            "features": probed.iter().map(|(it, found)| as_json(it, found)).collect::<Value>(),
            "missing_capabilities": missing,
            "target": target.as_ref().ok().map(target_as_json),
            "target_error": target.as_ref().err().map(ToString::to_string),
        });
        output.json_line(&value)?;
        return Ok(Ending::Done);
    }
    let title = output.paint(Paint::Bold, format!("Linux {release}"));
    writeln!(output, "{title}")?;
    let running = host::version().ok();
    for (feature, found) in &probed {
        line(output, feature, found, running)?;
    }
    if !missing.is_empty() {
        let names: Vec<_> = missing.iter().map(|capability| capability.name()).collect();
        let setcap = hardwire::loader::capability::setcap(&missing);
        writeln!(output, "missing to attach: {} (`{setcap}`)", names.join(", "))?;
    }
    would_use(output, &target)
}

fn line(
    output: &mut Output,
    feature: &Feature,
    found: &Support,
    running: Option<KernelVersion>,
) -> Result<(), Failure> {
    let (paint, reason) = match found {
        Support::Yes => (Paint::Green, String::new()),
        Support::No if running.is_some_and(|running| running >= feature.since) => {
            (Paint::Red, format!(" (Linux has it since {}, this one refuses it)", feature.since))
        }
        Support::No => (Paint::Red, format!(" (Linux {})", feature.since)),
        // What is missing is told once, below.
        Support::Unknown(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            (Paint::Yellow, String::new())
        }
        Support::Unknown(error) => (Paint::Yellow, format!(" ({error})")),
    };
    let word = output.paint(paint, format!("{:<7}", found.name()));
    Ok(writeln!(output, "  {word} {:<16} {}{reason}", feature.name, feature.what)?)
}

/// What the compiler would make of it.
fn would_use(output: &mut Output, target: &Result<Target, ProbeError>) -> Result<Ending, Failure> {
    match target {
        Ok(target) => {
            let choose = |yes: bool, with: &'static str, without: &'static str| {
                if yes { with } else { without }
            };
            let search = choose(target.perfmon, "direct packet access", "copies of the packet");
            let loops = choose(target.may_goto, "may_goto loops", "counted loops");
            let frags = choose(target.xdp_frags, "fragments searched too", "linear part only");
            let slots = target.slots_max;
            writeln!(
                output,
                "programs compiled here use {search}, {loops}, {frags}, at most {slots} slots"
            )?;
        }
        Err(error) => {
            let hint = error.hint().map(|hint| format!(": {hint}")).unwrap_or_default();
            let newest = Target::newest().version;
            writeln!(output, "programs compiled here assume Linux {newest}: {error}{hint}")?;
        }
    }
    Ok(Ending::Done)
}

fn as_json(feature: &Feature, found: &Support) -> Value {
    let reason = match found {
        Support::Yes | Support::No => None,
        Support::Unknown(error) => Some(error.to_string()),
    };
    json!({
        "name": feature.name,
        "support": found.name(),
        "what": feature.what,
        "since": feature.since.to_string(),
        "reason": reason,
    })
}

fn target_as_json(target: &Target) -> Value {
    json!({
        "version": target.version.to_string(),
        "bounded_loops": target.bounded_loops,
        "may_goto": target.may_goto,
        "gotol": target.gotol,
        "xdp_frags": target.xdp_frags,
        "perfmon": target.perfmon,
        "slots_max": target.slots_max,
    })
}
