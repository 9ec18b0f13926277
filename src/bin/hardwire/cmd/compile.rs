//! `hardwire compile`: the generated program, in the form that is asked for.

use clap::Args;
use hardwire::assembler::Target;
use hardwire::compiler::estimate::Share;
use hardwire::compiler::{Compiled, Estimate, Part};
use serde_json::{Map, Value, json};

use crate::Ending;
use crate::dump::{DumpOptions, Form};
use crate::failure::Failure;
use crate::options::{ControlOptions, MatcherOptions, TargetOption, TypeOption};
use crate::output::Output;

const EXAMPLES: &str = "\
Examples:
  hardwire compile -e 'GET /admin' | less
  hardwire compile -x 'DE AD BE EF' --in packet --target 6.1 --emit c -o filter.c
  hardwire compile -f patterns.txt --emit json | jq .plan
  hardwire compile -e secret --emit dot | dot -Tsvg > secret.svg
  hardwire compile -e secret --labels > secret.s         edit it, then: hardwire asm secret.s
  hardwire compile -e secret --type socket --emit hex | hardwire disasm --hex
  hardwire compile -e secret --emit elf -o secret.o      then: xdp-loader load eth0 secret.o";

/// Options of `compile`.
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
    /// In which form, listing if nothing says it; --json means json
    #[arg(long, value_enum, value_name = "FORM")]
    emit: Option<Form>,
    #[command(flatten)]
    dump: DumpOptions,
}

/// Run the verb.
pub(crate) fn run(options: &Options, output: &mut Output) -> Result<Ending, Failure> {
    let form = options.dump.form(options.emit, Form::Listing, output)?;
    let entry = options.kind.entry();
    options.controls.check(entry)?;
    let (matcher, _) = options.matcher.read(entry, output)?;
    let target = options.target.or_probed(output);
    let compiler = options.controls.apply(options.target.compiler());
    let compiled = options.target.compile_with(&compiler, &matcher, entry, &target, output)?;

    options.dump.write(&compiled.image, form, beside_the_image(&compiled, &target), output)?;
    Ok(Ending::Done)
}

/// What JSON says of a compiled program beside its image.
fn beside_the_image(compiled: &Compiled, target: &Target) -> Map<String, Value> {
    let target = ("target".to_owned(), target.version.to_string().into());
    let plan = ("plan".to_owned(), plan_as_json(compiled));
    let cost = ("cost".to_owned(), cost_as_json(compiled));
    [target, plan, cost].into_iter().collect()
}

/// What the program is expected to cost the verifier.
pub(crate) fn cost_as_json(compiled: &Compiled) -> Value {
    let mut cost = cost_of_one(&compiled.estimate);
    if !compiled.tails.is_empty() {
        cost["tails"] = compiled.tails.iter().map(|tail| cost_of_one(&tail.estimate)).collect();
    }
    cost
}

fn cost_of_one(estimate: &Estimate) -> Value {
    let share = |share: Share| json!({ "estimate": share.value, "limit": share.limit });
    json!({
        "slots": share(estimate.slots),
        "processed": share(estimate.processed),
        "pending": share(estimate.pending),
        "nearest": estimate.nearest().name,
    })
}

/// The plan and what it costs.
pub(crate) fn plan_as_json(compiled: &Compiled) -> Value {
    let one = |part: Part<'_>| {
        json!({
            "strategy": part.plan.strategy(),
            "why": part.plan.why,
            "slots": part.image.slot_count(),
        })
    };
    let mut programs = compiled.programs().map(one);
    let mut plan = programs.next().unwrap_or_default();
    if !compiled.tails.is_empty() {
        plan["tails"] = programs.collect();
    }
    plan
}
