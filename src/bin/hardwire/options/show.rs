//! How events are shown: the options of every verb that prints them.

use clap::Args;

/// Bytes of text around a match, unless asked otherwise.
const SNIPPET_BYTES: usize = 72;

/// `--hexdump`, `--snippet`, `--nanoseconds`.
#[derive(Args, Clone, Debug)]
pub(crate) struct ShowOptions {
    /// Show the captured bytes as hex and text, not as text only
    #[arg(short = 'X', long)]
    pub(crate) hexdump: bool,
    /// Show so many bytes of text around the match; 0: none
    #[arg(long, value_name = "BYTES", default_value_t = SNIPPET_BYTES)]
    pub(crate) snippet: usize,
    /// Times with nanoseconds instead of microseconds
    #[arg(long)]
    pub(crate) nanoseconds: bool,
}
