//! Where events go.

use std::path::{Path, PathBuf};

use clap::Args;

/// `-w`, `--print`.
#[derive(Args, Clone, Debug)]
pub(crate) struct DeliveryOptions {
    /// Write the packets to this file as pcapng, each with the patterns found as comment, instead of
    /// printing them; - is standard output
    #[arg(short = 'w', long = "write", value_name = "FILE", group = "told")]
    write: Option<PathBuf>,
    /// Print them all the same
    #[arg(long, requires = "write")]
    print: bool,
}

impl DeliveryOptions {
    /// The file to write to, if there is one.
    pub(crate) fn write(&self) -> Option<&Path> {
        self.write.as_deref()
    }

    /// Is standard output a capture?
    pub(crate) fn capture_on_stdout(&self) -> bool {
        self.write().is_some_and(|path| path.as_os_str() == "-")
    }

    /// Was anything of it given?
    pub(crate) fn given(&self) -> bool {
        self.write.is_some()
    }

    /// Are events printed?
    pub(crate) fn prints(&self) -> bool {
        self.write.is_none() || self.print && !self.capture_on_stdout()
    }
}
