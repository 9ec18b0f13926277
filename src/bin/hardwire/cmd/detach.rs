//! `hardwire detach`: remove an XDP program from an interface, and make sure that it is gone.

use std::io::Write;

use clap::Args;
use hardwire::attachment::{Attachment, Error};
use hardwire::netlink::{NetlinkError, Socket, XdpMode};
use serde_json::json;

use super::attach::ModeWord;
use super::attach::refused::of_occupant;
use crate::Ending;
use crate::failure::{Failure, Problem};
use crate::options::RootOption;
use crate::options::lifecycle::of_attachment;
use crate::output::Output;

const EXAMPLES: &str = "\
Examples:
  hardwire detach eth0
  hardwire detach eth0 --mode generic
  hardwire detach eth0 --id 42        only if it is this program
  hardwire detach eth0-xdp            an attachment that stays, by its name

A program that a bpf_link holds without a pin goes with the process that holds the link.";

/// Options of `detach`.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Options {
    /// The attachment, or the interface it is on
    #[arg(value_name = "NAME|IFACE")]
    interface: String,
    /// The mode in which the program is attached; auto is whichever it is
    #[arg(long, value_enum, default_value = "auto")]
    mode: ModeWord,
    /// Refuse unless this program is attached
    #[arg(long, value_name = "ID")]
    id: Option<u32>,
    #[command(flatten)]
    root: RootOption,
}

/// Run the verb.
pub(crate) fn run(options: &Options, output: &mut Output) -> Result<Ending, Failure> {
    if let Some(root) = options.root.open_if_there() {
        match root.find(&options.interface) {
            Ok(attachment) => return pinned(attachment, options, output),
            // Not one of ours: whatever is on an interface of that name.
            Err(Error::Unknown { .. } | Error::Name { .. }) => {}
            Err(error) => return Err(of_attachment(&error).into()),
        }
    }
    let mut socket = Socket::open().map_err(|error| of_netlink(&error))?;
    let link = super::attach::interface(&mut socket, &options.interface)?;
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

/// Detach one that stays.
fn pinned(
    attachment: Attachment,
    options: &Options,
    output: &mut Output,
) -> Result<Ending, Failure> {
    let name = attachment.name().to_owned();
    let interface = attachment.description().interface.clone();
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
