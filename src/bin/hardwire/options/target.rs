//! Which kernel to compile for, and for which kind of program.

use clap::{Args, ValueEnum};
use hardwire::assembler::{KernelVersion, Target};
use hardwire::compiler::Entry;
use hardwire::loader::features;

use crate::failure::Problem;
use crate::output::Output;

/// `--type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum TypeWord {
    /// XDP: sees frames before the stack does and decides about them.
    Xdp,
    /// A socket filter: keeps what matches for a socket, and drops the rest for it.
    Socket,
}

impl From<TypeWord> for Entry {
    fn from(word: TypeWord) -> Self {
        match word {
            TypeWord::Xdp => Self::Xdp,
            TypeWord::Socket => Self::SocketFilter,
        }
    }
}

/// `--target`.
#[derive(Args, Clone, Debug)]
pub(crate) struct TargetOption {
    /// Compile for this kernel release, such as 6.1, instead of the one that runs here
    #[arg(long = "target", value_name = "VERSION")]
    version: Option<KernelVersion>,
}

impl TargetOption {
    /// The target that was named, or the newest one that is known.
    pub(crate) fn or_newest(&self) -> Target {
        self.version.map_or_else(Target::newest, Target::of_version)
    }

    /// The target that was named, or what this kernel can do.
    ///
    /// # Errors
    ///
    /// The kernel does not let itself be asked.
    pub(crate) fn or_this_kernel(&self) -> Result<Target, Problem> {
        self.version
            .map_or_else(features::target, |version| Ok(Target::of_version(version)))
            .map_err(|error| Problem::of_probe(&error))
    }

    /// The target that was named, or what this kernel can do; if it does not let itself be asked,
    /// the newest one that is known, with a note.
    pub(crate) fn or_probed(&self, output: &Output) -> Target {
        if let Some(version) = self.version {
            return Target::of_version(version);
        }
        features::target().unwrap_or_else(|error| {
            let newest = Target::newest();
            output.note(format!("{error}; assuming Linux {} (--target chooses)", newest.version));
            newest
        })
    }
}
