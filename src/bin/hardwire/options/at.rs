//! Where on an interface a program is attached.

use clap::{Args, ValueEnum};
use hardwire::attachment::Hook;
use hardwire::compiler::Entry;
use hardwire::compiler::event::record::Direction;
use hardwire::netlink::TcDirection;

use crate::show::capture;

/// `--at` of verbs that attach and detach.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum AtWord {
    /// Frames that come in, before the stack and before they are merged.
    Xdp,
    /// Frames that come in, behind XDP; merged ones whole.
    Ingress,
    /// Frames that leave; those whole that the interface will cut.
    Egress,
}

/// Where a program goes.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct AtOption {
    /// Where on the interface
    #[arg(long, value_enum, default_value = "xdp")]
    at: AtWord,
}

impl AtWord {
    /// As a description has it.
    pub(crate) const fn hook(self) -> Hook {
        match self {
            Self::Xdp => Hook::Xdp,
            Self::Ingress => Hook::Ingress,
            Self::Egress => Hook::Egress,
        }
    }
}

impl AtOption {
    /// Which way frames go that a classifier sees; nothing if it is XDP.
    pub(crate) const fn direction(self) -> Option<TcDirection> {
        self.at.hook().direction()
    }

    /// For the compiler.
    pub(crate) const fn entry(self) -> Entry {
        match self.at {
            AtWord::Xdp => Entry::Xdp,
            AtWord::Ingress => Entry::Tc(Direction::Ingress),
            AtWord::Egress => Entry::Tc(Direction::Egress),
        }
    }

    /// For the description of what stays.
    pub(crate) const fn hook(self) -> Hook {
        self.at.hook()
    }

    /// For captures.
    pub(crate) const fn capture(self) -> capture::Hook {
        match self.at {
            AtWord::Xdp => capture::Hook::Xdp,
            AtWord::Ingress | AtWord::Egress => capture::Hook::Tc,
        }
    }
}
