//! `hardwire list`: what stays attached, and what others have attached, as far as the kernel tells.

use std::collections::{HashMap, HashSet};
use std::io::Write;

use clap::Args;
use hardwire::attachment::{Attachment, Description, Found, Root, State};
use hardwire::loader::link::any;
use hardwire::loader::{Program, ProgramInfo};
use hardwire::netlink::Socket;
use nix::time::{ClockId, clock_gettime};
use serde_json::{Value, json};

use super::attach::pinned::now;
use super::detach::of_netlink;
use crate::Ending;
use crate::failure::{Failure, printable};
use crate::options::RootOption;
use crate::options::lifecycle::of_attachment;
use crate::output::{Output, Paint};

const EXAMPLES: &str = "\
Examples:
  hardwire list
  hardwire list --json | jq .

XDP programs of others are shown for the interfaces of this network namespace; programs without an
interface, such as socket filters, for the whole machine. Who has opened them only /proc tells.";

/// Options of `list`.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Options {
    #[command(flatten)]
    root: RootOption,
}

/// What is said where there is nothing to show.
pub(super) const NOTHING: &str = "nothing is attached";

/// Numbers of program types (`enum bpf_prog_type`) that have no interface of their own.
const LOOSE: [(u32, &str); 2] = [(1, "socket filter"), (3, "tc")];

/// A program of somebody else.
struct Foreign {
    /// Where it is: `eth0 (native)`, or nothing known.
    interface: Option<String>,
    /// `xdp native`, `socket filter`.
    kind: String,
    id: u32,
    /// What the kernel says, if it may be asked.
    info: Option<ProgramInfo>,
    /// The links that hold it.
    links: Vec<u32>,
}

/// Run the verb.
pub(crate) fn run(options: &Options, output: &mut Output) -> Result<Ending, Failure> {
    let root = options.root.open_if_there();
    let found = root.as_ref().map_or_else(|| Ok(Vec::new()), Root::list);
    let found = found.map_err(|error| of_attachment(&error))?;
    let mut ours = HashSet::new();
    for found in &found {
        if let Found::Attachment(attachment) = found {
            ours.extend(attachment.program().info().map(|info| info.id));
        }
    }
    let foreign = foreign(&ours, output)?;
    if output.json() {
        for found in &found {
            output.json_line(&json_of(found))?;
        }
        for foreign in &foreign {
            output.json_line(&foreign.json())?;
        }
        return Ok(Ending::Done);
    }
    if root.is_none() {
        let path = options.root.path().display();
        output.note(format!("no bpffs is mounted at {path}, so no attachment stays"));
    }
    let mut rows = Vec::new();
    for found in &found {
        rows.push(row(found));
    }
    if !rows.is_empty() {
        let heads = ["NAME", "INTERFACE", "HOOK", "PROGRAM", "PATTERNS", "AGE", "STATE"];
        table(&heads, &rows, output)?;
    }
    if !foreign.is_empty() {
        let head = output.paint(Paint::Bold, "Programs of others, and of foreground runs:");
        writeln!(output, "{head}")?;
        let rows: Vec<_> = foreign.iter().map(Foreign::row).collect();
        table(&["INTERFACE", "KIND", "PROGRAM", "NAME", "UID", "AGE", "HELD BY"], &rows, output)?;
    }
    if rows.is_empty() && foreign.is_empty() {
        output.note(NOTHING);
    }
    Ok(Ending::Done)
}

/// Lines whose columns stand under each other.
pub(super) fn table(
    heads: &[&str],
    rows: &[Vec<String>],
    output: &mut Output,
) -> Result<(), Failure> {
    let rows: Vec<Vec<String>> =
        rows.iter().map(|row| row.iter().map(|cell| printable(cell)).collect()).collect();
    let heads: Vec<String> = heads.iter().map(|&head| head.to_owned()).collect();
    let width = |column: usize| {
        let cells = rows.iter().chain([&heads]).filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..heads.len()).map(width).collect();
    let line = |row: &[String]| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    let head = output.paint(Paint::Bold, line(&heads));
    writeln!(output, "{head}")?;
    for row in &rows {
        writeln!(output, "{}", line(row))?;
    }
    Ok(())
}

/// A span of time, roughly.
pub(super) fn age(seconds: u64) -> String {
    match seconds {
        0..=119 => format!("{seconds} s"),
        120..=7199 => format!("{} min", seconds / 60),
        7200..=172_799 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}

/// The state of an attachment in a few words.
pub(super) fn state(attachment: &Attachment) -> String {
    match (attachment.state(), attachment.attached()) {
        (State::Attached { mode: Some(mode) }, Ok(())) => format!("attached, {mode}"),
        (State::Attached { mode: None }, Ok(())) => "attached".to_owned(),
        (State::Attached { .. }, Err(_)) => "runs a program of somebody else".to_owned(),
        (State::NotAttached { why }, _) => format!("ORPHAN: {why}"),
        (State::Elsewhere, _) => "in another network namespace".to_owned(),
    }
}

fn row(found: &Found) -> Vec<String> {
    let of = |name: &str, description: &Description, program: String, state: String| {
        vec![
            name.to_owned(),
            description.interface.clone(),
            description.hook.name().to_owned(),
            program,
            description.patterns.len().to_string(),
            age(now().saturating_sub(description.created)),
            state,
        ]
    };
    let unknown = |name: &str, state: &str| {
        let dash = || "-".to_owned();
        vec![name.to_owned(), dash(), dash(), dash(), dash(), dash(), state.to_owned()]
    };
    match found {
        Found::Attachment(attachment) => {
            let id = attachment.program().info().map_or(0, |info| info.id);
            let (name, description) = (attachment.name(), attachment.description());
            of(name, description, id.to_string(), state(attachment))
        }
        Found::Busy { name } => unknown(name, "being changed"),
        Found::Rest { name, description: Some(description) } => {
            of(name, description, "-".to_owned(), REST.to_owned())
        }
        Found::Rest { name, description: None } => unknown(name, REST),
        Found::Strange { name, why } => unknown(name, &format!("strange: {why}")),
    }
}

const REST: &str = "ORPHAN: whoever attached it was interrupted";

fn json_of(found: &Found) -> Value {
    match found {
        Found::Attachment(attachment) => {
            let description = attachment.description();
            let attached = attachment.attached().is_ok();
            json!({
                "name": attachment.name(),
                "attached": attached,
                "state": state(attachment),
                "interface": description.interface,
                "ifindex": description.ifindex,
                "hook": description.hook.name(),
                "via": description.via.name(),
                "program_id": attachment.program().info().map(|info| info.id).ok(),
                "link_id": attachment.link().map(|link| link.id),
                "generation": attachment.generation(),
                "patterns": description.patterns.len(),
                "created": description.created,
            })
        }
        Found::Busy { name } => json!({ "name": name, "state": "being changed" }),
        Found::Strange { name, why } => json!({
            "name": name,
            "attached": false,
            "state": format!("strange: {why}"),
        }),
        Found::Rest { name, description } => json!({
            "name": name,
            "attached": false,
            "state": REST,
            "interface": description.as_ref().map(|it| it.interface.as_str()),
        }),
    }
}

/// Seconds since a program was loaded.
fn loaded_for(info: &ProgramInfo) -> Option<u64> {
    let now = clock_gettime(ClockId::CLOCK_BOOTTIME).ok()?;
    u64::try_from(now.tv_sec()).ok()?.checked_sub(info.load_time_ns / 1_000_000_000)
}

/// XDP programs on the interfaces of this network namespace, programs that TCX links hold, and those
/// without an interface.
fn foreign(ours: &HashSet<u32>, output: &Output) -> Result<Vec<Foreign>, Failure> {
    let mut links: HashMap<u32, Vec<u32>> = HashMap::new();
    let mut at_interface: Vec<(u32, u32, String)> = Vec::new();
    match any::all() {
        Ok(all) => {
            for link in all {
                links.entry(link.program_id).or_default().push(link.id);
                if let (any::TCX, Some(index)) = (link.kind, link.interface) {
                    at_interface.push((link.program_id, index, "tcx".to_owned()));
                }
            }
        }
        Err(error) => output.note(format!("bpf_links cannot be listed: {error}")),
    }
    let mut socket = Socket::open().map_err(|error| of_netlink(&error))?;
    let interfaces = socket.links().map_err(|error| of_netlink(&error))?;
    for link in &interfaces {
        let modes = link.xdp.modes();
        at_interface.extend(modes.map(|(mode, id)| (id, link.index, format!("xdp {mode}"))));
    }
    let info = |id| Program::by_id(id).and_then(|program| program.info()).ok();
    let mut foreign = Vec::new();
    let mut seen = ours.clone();
    for (id, index, kind) in at_interface {
        if ours.contains(&id) {
            continue;
        }
        seen.insert(id);
        let interface = interfaces.iter().find(|link| link.index == index);
        // A link of another network namespace may have an index that is another interface here.
        let interface = interface.filter(|_| kind != "tcx").map(|link| link.name.clone());
        let links = links.get(&id).cloned().unwrap_or_default();
        foreign.push(Foreign { interface, kind, id, info: info(id), links });
    }
    let ids = match Program::ids() {
        Ok(ids) => ids,
        Err(error) => {
            output.note(format!("programs without an interface cannot be listed: {error}"));
            Vec::new()
        }
    };
    for id in ids.into_iter().filter(|id| !seen.contains(id)) {
        let Some(info) = info(id) else { continue };
        let Some((_, kind)) = LOOSE.iter().find(|(number, _)| *number == info.prog_type) else {
            continue;
        };
        let links = links.get(&id).cloned().unwrap_or_default();
        let kind = (*kind).to_owned();
        foreign.push(Foreign { interface: None, kind, id, info: Some(info), links });
    }
    Ok(foreign)
}

impl Foreign {
    fn row(&self) -> Vec<String> {
        let dash = || "-".to_owned();
        let of = |text: fn(&ProgramInfo) -> String| self.info.as_ref().map_or_else(dash, text);
        let loaded = self.info.as_ref().and_then(loaded_for).map_or_else(dash, age);
        let links: Vec<_> = self.links.iter().map(|id| format!("bpf_link {id}")).collect();
        let on_interface = self.kind.starts_with("xdp");
        let held = match links.is_empty() {
            false => links.join(", "),
            true if on_interface => "the interface (netlink)".to_owned(),
            true => "sockets, filters or processes".to_owned(),
        };
        vec![
            self.interface.clone().unwrap_or_else(dash),
            self.kind.clone(),
            self.id.to_string(),
            of(|info| info.name.clone()),
            of(|info| info.created_by_uid.to_string()),
            loaded,
            held,
        ]
    }

    fn json(&self) -> Value {
        json!({
            "foreign": {
                "interface": self.interface,
                "kind": self.kind,
                "program_id": self.id,
                "name": self.info.as_ref().map(|info| info.name.as_str()),
                "uid": self.info.as_ref().map(|info| info.created_by_uid),
                "loaded_seconds_ago": self.info.as_ref().and_then(loaded_for),
                "link_ids": self.links,
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_short_and_never_rounded_up() {
        for (seconds, text) in
            [(0, "0 s"), (119, "119 s"), (120, "2 min"), (7200, "2 h"), (200_000, "2 days")]
        {
            assert_eq!(age(seconds), text);
        }
    }
}
