//! `--confirm SECONDS` and `hardwire confirm`: what shuts its maker out takes itself away.
//!
//! Two nets. The program knows the deadline itself: from then on every frame passes, whoever was
//! killed. And a process of its own session, which outlives the shell, detaches it then, unless the
//! deadline was taken out of the program's controls before.

use std::io::{self, BufRead, BufReader, IsTerminal, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use clap::Args;
use hardwire::attachment::{Attachment, Error, Root};
use hardwire::compiler::event::control::Control;
use serde_json::json;

use crate::Ending;
use crate::delivery::monotonic_ns;
use crate::failure::{Failure, Problem};
use crate::options::RootOption;
use crate::options::lifecycle::of_attachment;
use crate::output::Output;

/// Options of `confirm`.
#[derive(Args)]
pub(crate) struct Options {
    /// The attachment, or the interface it is on
    #[arg(value_name = "NAME|IFACE")]
    name: String,
    #[command(flatten)]
    root: RootOption,
}

/// Options of the process that waits.
#[derive(Args)]
pub(crate) struct Expiry {
    /// The attachment
    name: String,
    /// The deadline, in nanoseconds of CLOCK_MONOTONIC
    deadline_ns: u64,
    /// Where the bpffs is
    bpffs: PathBuf,
}

/// How often it is looked whether somebody confirmed.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How long a detach is tried again and again.
const ATTEMPTS: u32 = 100;
/// What the process that waits says when nothing ends it any more but its work.
const READY: &str = "ready";

/// The time so many seconds from now.
pub(super) fn deadline(seconds: u32) -> u64 {
    monotonic_ns().saturating_add(u64::from(seconds) * 1_000_000_000)
}

/// Start the process that detaches `name` at the deadline, while `name` is locked and before its program
/// runs. If that never comes to run, the process finds another deadline or none, and ends.
///
/// # Errors
///
/// It cannot be started.
pub(super) fn watch_over(name: &str, root: &RootOption, deadline_ns: u64) -> Result<(), Problem> {
    let fail = |error: io::Error| {
        Problem::because("cannot start the process that detaches it", &error)
            .hint("nothing was attached or exchanged")
    };
    let own = std::env::current_exe().map_err(fail)?;
    // On a terminal its last words are read; a pipe would stay open for as long as it waits.
    let words = if io::stderr().is_terminal() { Stdio::inherit() } else { Stdio::null() };
    let mut child = Command::new(own)
        .arg("expire")
        .args([name, &deadline_ns.to_string()])
        .arg(root.path())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(words)
        .current_dir("/")
        .spawn()
        .map_err(fail)?;
    let mut line = String::new();
    if let Some(out) = child.stdout.take() {
        BufReader::new(out).read_line(&mut line).map_err(fail)?;
    }
    if line.trim_end() == READY {
        return Ok(());
    }
    Err(fail(io::Error::other("it ended at once")))
}

/// Wait for the deadline, and detach unless somebody confirmed.
pub(crate) fn expire(options: &Expiry, output: &mut Output) -> Result<Ending, Failure> {
    // A session of its own: what ends the shell's does not end this. It is no group's leader.
    nix::unistd::setsid().map_err(|errno| Problem::because("cannot leave the session", &errno))?;
    let root = Root::open(&options.bpffs).map_err(|error| of_attachment(&error))?;
    writeln!(output, "{READY}")?;
    output.flush()?;
    loop {
        let left = options.deadline_ns.saturating_sub(monotonic_ns());
        thread::sleep(Duration::from_nanos(left).min(LOOK_EVERY));
        if left == 0 {
            break;
        }
        match root.open_attachment(&options.name) {
            Ok(attachment) if !awaits(&attachment, options.deadline_ns) => return Ok(Ending::Done),
            Err(Error::Unknown { .. }) => return Ok(Ending::Done),
            Ok(_) | Err(_) => {}
        }
    }
    for _ in 0..ATTEMPTS {
        match root.open_attachment(&options.name) {
            Ok(attachment) if awaits(&attachment, options.deadline_ns) => {
                let interface = attachment.description().interface.clone();
                attachment.detach().map_err(|error| of_attachment(&error))?;
                let name = &options.name;
                output.note(format!("{name} was not confirmed and is detached from {interface}"));
                return Ok(Ending::Done);
            }
            Ok(_) | Err(Error::Unknown { .. }) => return Ok(Ending::Done),
            Err(Error::Busy { .. }) => {}
            Err(error) => return Err(of_attachment(&error).into()),
        }
    }
    Ok(Ending::No)
}

/// Is this the deadline that was not confirmed yet?
fn awaits(attachment: &Attachment, deadline_ns: u64) -> bool {
    let control = attachment.control().ok().flatten();
    control.is_some_and(|control| control.deadline_ns == deadline_ns)
}

/// Run the verb.
pub(crate) fn run(options: &Options, output: &mut Output) -> Result<Ending, Failure> {
    let of = |error: Error| of_attachment(&error);
    let attachment = options.root.open()?.find(&options.name).map_err(of)?;
    attachment.attached().map_err(of)?;
    let name = attachment.name().to_owned();
    let control = attachment.control().map_err(of)?.unwrap_or_default();
    if control.deadline_ns == 0 {
        output.note(format!("{name} awaits no confirmation: it stays"));
        return Ok(Ending::Done);
    }
    let late = control.deadline_ns <= monotonic_ns();
    attachment.set_control(&Control { deadline_ns: 0, ..control }).map_err(of)?;
    if output.json() {
        output.json_line(&json!({ "confirmed": { "name": name, "late": late } }))?;
    } else {
        let note = if late { " (the time was over, but it was still attached)" } else { "" };
        writeln!(output, "{name}: confirmed, it stays{note}")?;
    }
    Ok(Ending::Done)
}
