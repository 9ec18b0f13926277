//! `hardwire show`: everything about one attachment that stays.

use std::io::Write;

use clap::Args;
use hardwire::attachment::{Attachment, PatternText};
use serde_json::json;

use super::attach::pinned::now;
use super::list::{age, state};
use super::set::in_words;
use crate::Ending;
use crate::failure::{Failure, printable};
use crate::options::RootOption;
use crate::options::lifecycle::of_attachment;
use crate::output::{Output, Paint, grouped};

/// Options of `show`.
#[derive(Args)]
pub(crate) struct Options {
    /// The attachment, or the interface it is on
    #[arg(value_name = "NAME|IFACE")]
    name: String,
    #[command(flatten)]
    root: RootOption,
}

/// Run the verb.
pub(crate) fn run(options: &Options, output: &mut Output) -> Result<Ending, Failure> {
    let root = options.root.open()?;
    let attachment = root.find(&options.name).map_err(|error| of_attachment(&error))?;
    let info = attachment.program().info().map_err(|error| super::of_info(&error))?;
    let counts = attachment.counts().map_err(|error| of_attachment(&error))?;
    let description = attachment.description();
    let link = attachment.link();
    let control = attachment.control().map_err(|error| of_attachment(&error))?;
    if output.json() {
        let control = control.map(|control| {
            json!({
                "dry_run": control.dry_run,
                "sample": control.sample,
                "rate": control.rate,
                "limit_pps": control.limit_pps,
                "unconfirmed": control.deadline_ns != 0,
            })
        });
        let maps: Vec<_> = attachment
            .program()
            .maps()
            .iter()
            .map(|map| json!({ "name": map.spec().name, "id": map.id().ok() }))
            .collect();
        output.json_line(&json!({
            "name": attachment.name(),
            "attached": attachment.attached().is_ok(),
            "state": state(&attachment),
            "generation": attachment.generation(),
            "directory": attachment.directory().display().to_string(),
            "link_id": link.map(|link| link.id),
            "program": {
                "id": info.id,
                "name": info.name,
                "tag": info.tag_hex(),
                "slots": description.slots,
                "jited_bytes": info.jited_prog_len,
            },
            "maps": maps,
            "control": control,
            "hits": counts.hits,
            "description": description,
        }))?;
        return Ok(Ending::Done);
    }
    let heading = output.paint(Paint::Bold, attachment.name());
    writeln!(output, "{heading}: {}", state(&attachment))?;
    let mut line = |what: &str, text: String| -> Result<(), Failure> {
        Ok(writeln!(output, "  {what:<12}{}", printable(&text))?)
    };
    let via = link.map_or("netlink".to_owned(), |link| format!("bpf_link {}", link.id));
    let (iface, index, hook) =
        (&description.interface, description.ifindex, description.hook.name());
    line("interface", format!("{iface} (index {index}), {hook}, by {via}"))?;
    let (report, scope) = (&description.report, &description.scope);
    line("search", format!("in {scope}, report {report}"))?;
    let [found, missed, other] =
        [&description.on_match, &description.on_miss, &description.out_of_scope];
    line("verdicts", format!("match {found}, miss {missed}, out of scope {other}"))?;
    if let Some(control) = control {
        line("controls", in_words(&control))?;
    }
    let slots = grouped(description.slots);
    let (id, tag, bytes) = (info.id, info.tag_hex(), grouped(info.jited_prog_len.into()));
    line("program", format!("{id}, tag {tag}, {slots} slots, {bytes} bytes of machine code"))?;
    line("maps", maps(&attachment))?;
    line("pinned in", attachment.directory().display().to_string())?;
    let (made, by) = (age(now().saturating_sub(description.created)), &description.version);
    let number = attachment.generation();
    line("attached", format!("{made} ago by Hardwire {by}, program number {number}"))?;
    for (number, (pattern, hits)) in description.patterns.iter().zip(&counts.hits).enumerate() {
        let (id, text) = (number + 1, written(pattern));
        line(&format!("pattern {id}"), format!("{text}  ({} hits)", grouped(*hits)))?;
    }
    if counts.vanished > 0 {
        let hits = grouped(counts.vanished);
        line("before", format!("{hits} hits of patterns that are not looked for any more"))?;
    }
    Ok(Ending::Done)
}

fn maps(attachment: &Attachment) -> String {
    let maps = attachment.program().maps().iter().map(|map| {
        let id = map.id().map_or_else(|_| "?".to_owned(), |id| id.to_string());
        format!("{} {id}", map.spec().name)
    });
    maps.collect::<Vec<_>>().join(", ")
}

/// A pattern as an option of the command line, roughly.
pub(super) fn written(pattern: &PatternText) -> String {
    let option = match pattern.syntax.as_str() {
        "literal" => "-e",
        "hex" => "-x",
        "regex" => "-E",
        other => other,
    };
    let mut text = format!("{option} '{}'", pattern.text);
    if pattern.ignore_case {
        text += " -i";
    }
    if pattern.offset > 0 {
        text += &format!(" --offset {}", pattern.offset);
    }
    if let Some(depth) = pattern.depth {
        text += &format!(" --depth {depth}");
    }
    text
}
