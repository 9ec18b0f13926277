//! `hardwire detach`: remove a program from an interface, and make sure that it is gone.

use std::io::Write;

use clap::Args;
use hardwire::attachment::{Attachment, Error, Hook, Root};
use hardwire::loader::link::{TcxProgram, tcx_programs};
use hardwire::netlink::{Link, NetlinkError, Socket, TcDirection, TcFilter, XdpMode};
use serde_json::json;

use super::attach::ModeWord;
use super::attach::refused::of_occupant;
use crate::Ending;
use crate::failure::{Failure, Problem};
use crate::options::lifecycle::of_attachment;
use crate::options::{AtWord, RootOption};
use crate::output::Output;

const EXAMPLES: &str = "\
Examples:
  hardwire detach eth0
  hardwire detach eth0 --mode generic
  hardwire detach eth0 --id 42        only if it is this program
  hardwire detach eth0 --at egress    what is there, and nothing at another place
  hardwire detach eth0-xdp            an attachment that stays, by its name

A program that a bpf_link holds without a pin goes with the process that holds the link.";

/// Options of `detach`.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Options {
    /// The attachment, or the interface it is on
    #[arg(value_name = "NAME|IFACE")]
    interface: String,
    /// Only what is there on the interface; without it the attachment on the interface, or else an XDP
    /// program of others
    #[arg(long, value_enum)]
    at: Option<AtWord>,
    /// The mode in which an XDP program is attached; auto is whichever it is
    #[arg(long, value_enum, default_value = "auto")]
    mode: ModeWord,
    /// Refuse unless this program is attached
    #[arg(long, value_name = "ID")]
    id: Option<u32>,
    #[command(flatten)]
    root: RootOption,
}

impl Options {
    /// What `--at` says, if it says anything.
    fn hook(&self) -> Option<Hook> {
        self.at.map(AtWord::hook)
    }

    /// The attachment that is meant. `--at` speaks of an interface, so that the interface comes before
    /// an attachment that is called the same.
    fn one_that_stays(&self, root: &Root, is_interface: bool) -> Result<Attachment, Error> {
        let wanted = &self.interface;
        let Some(hook) = self.hook() else { return root.find(wanted) };
        match root.find_at(wanted, hook) {
            Err(Error::Unknown { .. }) if !is_interface => root.open_attachment(wanted),
            found => found,
        }
    }

    fn of_no_interface(&self, error: &NetlinkError) -> Problem {
        if !matches!(error, NetlinkError::UnknownName { .. }) {
            return of_netlink(error);
        }
        Problem::new(format!("no attachment and no interface is called {}", self.interface)).hint(
            format!(
                "`hardwire list{}` shows the attachments, `ip link` the interfaces there are",
                self.root.words()
            ),
        )
    }
}

/// Run the verb.
pub(crate) fn run(options: &Options, output: &mut Output) -> Result<Ending, Failure> {
    let mut socket = Socket::open().map_err(|error| of_netlink(&error))?;
    let link = socket.link_by_name(&options.interface);
    if let Some(root) = options.root.open_if_there() {
        match options.one_that_stays(&root, link.is_ok()) {
            Ok(attachment) => return pinned(attachment, options, output),
            // Not one of ours: whatever is on an interface of that name.
            Err(Error::Unknown { .. } | Error::Name { .. }) => {}
            Err(error) => return Err(of_attachment(&error).into()),
        }
    }
    let link = link.map_err(|error| options.of_no_interface(&error))?;
    if let Some(direction) = options.hook().and_then(Hook::direction) {
        return classifier(&mut socket, &link, direction, options.id, output);
    }
    let mode = XdpMode::from(options.mode);
    let expected = options.id.map(super::attach::program_by_id).transpose()?;
    let found = link.xdp;
    if !found.is_attached() {
        let problem = Problem::new(format!("{} has no XDP program", link.name));
        return Err(problem.hint("nothing was changed").into());
    }
    let expected = expected.as_ref().map(std::os::fd::AsFd::as_fd);
    let id = found.program(mode);
    socket.detach_xdp(&link, mode, expected).map_err(|error| {
        let problem = of_netlink(&error);
        match (error.errno(), found.modes().next()) {
            (Some(libc::EBUSY), Some((mode, id))) => problem.hint(of_occupant(&link, mode, id)),
            _ => problem,
        }
    })?;
    if output.json() {
        output.json_line(&json!({ "detached": { "interface": link.name, "program_id": id } }))?;
    } else {
        let program = id.map_or_else(String::new, |id| format!(" program {id}"));
        writeln!(output, "detached{program} from {}", link.name)?;
    }
    Ok(Ending::Done)
}

/// Delete a filter that netlink has attached: the one with this program, or the only one of ours. A
/// clsact qdisc stays, because nobody knows any more who made it.
fn classifier(
    socket: &mut Socket,
    link: &Link,
    direction: TcDirection,
    id: Option<u32>,
    output: &mut Output,
) -> Result<Ending, Failure> {
    let name = &link.name;
    let filters = socket.tc_filters(link, direction).map_err(|error| of_netlink(&error))?;
    let ours = |it: &TcFilter| it.name.as_deref().is_some_and(|name| name.starts_with("hardwire"));
    let meant = |it: &&TcFilter| match id {
        Some(id) => it.program_id == Some(id),
        None => ours(it),
    };
    let found: Vec<&TcFilter> = filters.iter().filter(meant).collect();
    let [filter] = found[..] else {
        let linked = tcx_programs(link, direction).unwrap_or_default();
        let wanted = |it: &TcxProgram| id.is_none_or(|id| it.program_id == id);
        let held = linked.into_iter().find(wanted).and_then(|it| it.link_id);
        let problem = match found.len() {
            0 => Problem::new(format!("{name} has no filter of ours by netlink on {direction}")),
            count => Problem::new(format!("{name} has {count} filters of ours on {direction}")),
        };
        return Err(problem
            .hint(match (found.len(), held) {
                (0, Some(held)) => format!(
                    "bpf_link {held} is there: it goes with the process that holds it, or with \
                     `bpftool link detach id {held}`"
                ),
                (0, None) => "nothing was changed; --id names a program of anybody".to_owned(),
                (_, _) => "--id says which".to_owned(),
            })
            .into());
    };
    socket.detach_tc(link, filter).map_err(|error| of_netlink(&error))?;
    let id = filter.program_id;
    if output.json() {
        let at = direction.name();
        output
            .json_line(&json!({ "detached": { "interface": name, "at": at, "program_id": id } }))?;
    } else {
        let program = id.map_or_else(String::new, |id| format!(" program {id}"));
        writeln!(output, "detached{program} from {name} on {direction}")?;
    }
    if has_an_empty_qdisc(socket, link) {
        output.note(format!(
            "the clsact qdisc of {name} has no filters left: `tc qdisc del dev {name} clsact` removes \
             it if nobody wants it"
        ));
    }
    Ok(Ending::Done)
}

/// Is there a clsact qdisc that does nothing? What cannot be asked is taken for none.
fn has_an_empty_qdisc(socket: &mut Socket, link: &Link) -> bool {
    let is_clsact = socket.clsact_kind(link).is_ok_and(|kind| kind.as_deref() == Some("clsact"));
    let mut is_empty =
        |direction| socket.tc_filters(link, direction).is_ok_and(|filters| filters.is_empty());
    is_clsact && is_empty(TcDirection::Ingress) && is_empty(TcDirection::Egress)
}

/// Detach one that stays.
fn pinned(
    attachment: Attachment,
    options: &Options,
    output: &mut Output,
) -> Result<Ending, Failure> {
    let name = attachment.name().to_owned();
    let interface = attachment.description().interface.clone();
    let at = attachment.description().hook;
    if let Some(hook) = options.hook().filter(|hook| *hook != at) {
        let (hook, at) = (hook.name(), at.name());
        let problem = Problem::new(format!("{name} is on {interface} at {at}, not at {hook}"));
        return Err(problem.hint("nothing was changed").into());
    }
    let id = attachment.program().info().map_err(|error| super::of_info(&error))?.id;
    if let Some(other) = options.id.filter(|other| *other != id) {
        let problem = Problem::new(format!("{name} runs program {id}, not {other}"));
        return Err(problem.hint("nothing was changed").into());
    }
    attachment.detach().map_err(|error| of_attachment(&error))?;
    if output.json() {
        output.json_line(&json!({
            "detached": { "name": name, "interface": interface, "program_id": id }
        }))?;
    } else {
        writeln!(output, "{name}: detached program {id} from {interface}")?;
    }
    Ok(Ending::Done)
}

/// A netlink error with its advice.
pub(crate) fn of_netlink(error: &NetlinkError) -> Problem {
    Problem::of(error).hint_if(error.hint())
}
