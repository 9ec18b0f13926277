//! The verbs, one file each.

mod asm;
mod compile;
mod demo;
mod disasm;
mod find;
mod run;
mod vm;

use clap::Subcommand;

use crate::Ending;
use crate::failure::Failure;
use crate::output::Output;

/// What to do.
#[derive(Subcommand)]
pub(crate) enum Verb {
    /// Print the program that searches for the patterns
    Compile(compile::Options),
    /// Search haystacks given as hex on standard input
    Match(find::Options),
    /// Search the frames of a capture
    Run(run::Options),
    /// Turn BPF text into bytes
    Asm(asm::Options),
    /// Turn BPF bytes into text
    Disasm(disasm::Options),
    /// Run a BPF program on bytes, without a kernel
    Vm(vm::Options),
    /// Show the whole story on live traffic, in network namespaces of its own
    Demo(demo::Options),
}

/// Do it.
pub(crate) fn run(verb: Verb, output: &mut Output) -> Result<Ending, Failure> {
    match verb {
        Verb::Compile(options) => compile::run(&options, output),
        Verb::Match(options) => find::run(&options, output),
        Verb::Run(options) => run::run(&options, output),
        Verb::Asm(options) => asm::run(&options, output),
        Verb::Disasm(options) => disasm::run(&options, output),
        Verb::Vm(options) => vm::run(&options, output),
        Verb::Demo(options) => demo::run(&options, output),
    }
}
