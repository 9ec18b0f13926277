//! Options of attachments that stay: where they are, and what they are called.

use std::path::PathBuf;

use clap::{Args, value_parser};
use hardwire::attachment::{BPFFS, Error, Hook, Root, elsewhere};

use crate::failure::Problem;

const HEADING: &str = "Attachments that stay";

/// Where the attachments are.
#[derive(Args, Clone, Debug)]
pub(crate) struct RootOption {
    /// Where the bpffs is mounted that holds attachments that stay
    #[arg(long, value_name = "PATH", default_value = BPFFS, help_heading = HEADING)]
    bpffs: PathBuf,
    /// Mount a bpffs there if there is none
    #[arg(long, help_heading = HEADING)]
    mount_bpffs: bool,
}

impl RootOption {
    /// The attachments.
    ///
    /// # Errors
    ///
    /// No bpffs is there and none was to be mounted, or it cannot be.
    pub(crate) fn open(&self) -> Result<Root, Problem> {
        let opened = if self.mount_bpffs {
            Root::open_or_mount(&self.bpffs)
        } else {
            Root::open(&self.bpffs)
        };
        opened.map_err(|error| of_attachment(&error))
    }

    /// The attachments, if there is a bpffs: without one, nothing stays.
    pub(crate) fn open_if_there(&self) -> Option<Root> {
        Root::open(&self.bpffs).ok()
    }

    /// What a command line in an advice needs to mean the same attachments: nothing, as a rule.
    pub(crate) fn words(&self) -> String {
        elsewhere(&self.bpffs)
    }

    /// The path, for a command line that others run.
    pub(crate) fn path(&self) -> &std::path::Path {
        &self.bpffs
    }
}

/// An attachment's error with its advice.
pub(crate) fn of_attachment(error: &Error) -> Problem {
    Problem::of(error).hint_if(error.hint())
}

/// Whether an attachment stays, and as what.
#[derive(Args, Clone, Debug)]
pub(crate) struct PinOptions {
    /// Let the program stay attached when this command ends: `hardwire list` shows it, `hardwire
    /// detach` removes it
    #[arg(long, help_heading = HEADING)]
    pub(crate) pin: bool,
    /// What to call it, instead of IFACE-xdp, IFACE-ingress or IFACE-egress
    #[arg(long, value_name = "NAME", requires = "pin", help_heading = HEADING)]
    pub(crate) name: Option<String>,
    /// Detach by itself after so many seconds, unless `hardwire confirm NAME` was run until then; from
    /// then on every frame passes, whatever becomes of this machine's processes
    #[arg(long, value_name = "SECONDS", requires = "pin", value_parser = value_parser!(u32).range(1..=86_400), help_heading = HEADING)]
    pub(crate) confirm: Option<u32>,
    #[command(flatten)]
    pub(crate) root: RootOption,
}

impl PinOptions {
    /// What the attachment is called.
    pub(crate) fn name(&self, interface: &str, hook: Hook) -> String {
        self.name.clone().unwrap_or_else(|| format!("{interface}-{}", hook.name()))
    }
}
