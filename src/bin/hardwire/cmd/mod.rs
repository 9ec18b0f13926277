//! The verbs, one file each.

mod asm;
mod attach;
mod bench;
mod clean;
mod compile;
mod completions;
mod confirm;
mod demo;
mod detach;
mod disasm;
mod events;
mod explain;
mod features;
mod find;
mod list;
mod replace;
mod run;
mod serve;
mod set;
mod show;
mod stats;
mod verify;
mod vm;
mod watch;

use clap::{CommandFactory, Subcommand};

use crate::Ending;
use crate::failure::{Failure, Problem};
use crate::output::Output;

/// What to do.
#[derive(Subcommand)]
pub(crate) enum Verb {
    /// Print the program that searches for the patterns
    Compile(compile::Options),
    /// Show how the patterns become a program, stage by stage, and why
    Explain(explain::Options),
    /// Search haystacks given as hex on standard input
    Match(find::Options),
    /// Search the frames of a capture
    Run(run::Options),
    /// Load the program and unload it again: does this kernel accept it, and at what cost?
    Verify(verify::Options),
    /// Search the frames that an interface receives, and decide about them
    Attach(attach::Options),
    /// Show the packets of an interface in which a pattern occurs, and change nothing
    Watch(watch::Options),
    /// Remove an attachment that stays, or an XDP program from an interface
    Detach(detach::Options),
    /// Put another program in the place of one that stays, in one step
    Replace(replace::Options),
    /// Switch an attachment that stays while its program runs
    Set(set::Options),
    /// Let an attachment stay that detaches by itself otherwise
    Confirm(confirm::Options),
    /// Detach what nobody confirms; started by --confirm
    #[command(hide = true)]
    Expire(confirm::Expiry),
    /// Show what stays attached, and the programs of others
    List(list::Options),
    /// Show everything about one attachment that stays
    Show(show::Options),
    /// Show what attachments that stay have counted
    Stats(stats::Options),
    /// Remove what interrupted commands left behind
    Clean(clean::Options),
    /// Show the events of an attachment that stays
    Events(events::Options),
    /// Show what this kernel can do
    Features(features::Options),
    /// Measure what the program costs on this kernel
    Bench(bench::Options),
    /// Turn BPF text into bytes
    Asm(asm::Options),
    /// Turn BPF bytes into text
    Disasm(disasm::Options),
    /// Run a BPF program on bytes, without a kernel
    Vm(vm::Options),
    /// Attach what a configuration says, as a service: SIGHUP reads it again, SIGTERM detaches
    Serve(serve::Options),
    /// Print the completions for a shell
    Completions(completions::CompletionsOptions),
    /// Write the man pages
    Man(completions::ManOptions),
    /// Show the whole story on live traffic, in network namespaces of its own
    Demo(demo::Options),
}

/// A loaded program that the kernel does not describe.
fn of_info(error: &std::io::Error) -> Problem {
    Problem::because("cannot ask the kernel about the program", error)
        .hint("it is loaded; BPF_OBJ_GET_INFO_BY_FD may be forbidden by a sandbox")
}

/// Do it.
pub(crate) fn run(verb: Verb, output: &mut Output) -> Result<Ending, Failure> {
    match verb {
        Verb::Compile(options) => compile::run(&options, output),
        Verb::Explain(options) => explain::run(&options, output),
        Verb::Match(options) => find::run(&options, output),
        Verb::Run(options) => run::run(&options, output),
        Verb::Verify(options) => verify::run(&options, output),
        Verb::Attach(options) => attach::run(&options, output),
        Verb::Watch(options) => watch::run(&options, output),
        Verb::Detach(options) => detach::run(&options, output),
        Verb::Replace(options) => replace::run(&options, output),
        Verb::Set(options) => set::run(&options, output),
        Verb::Confirm(options) => confirm::run(&options, output),
        Verb::Expire(options) => confirm::expire(&options, output),
        Verb::List(options) => list::run(&options, output),
        Verb::Show(options) => show::run(&options, output),
        Verb::Stats(options) => stats::run(&options, output),
        Verb::Clean(options) => clean::run(&options, output),
        Verb::Events(options) => events::run(&options, output),
        Verb::Features(options) => features::run(&options, output),
        Verb::Bench(options) => bench::run(&options, output),
        Verb::Asm(options) => asm::run(&options, output),
        Verb::Disasm(options) => disasm::run(&options, output),
        Verb::Vm(options) => vm::run(&options, output),
        Verb::Serve(options) => serve::run(&options, output),
        Verb::Completions(options) => {
            completions::completions(&options, crate::Cli::command(), output)
        }
        Verb::Man(options) => completions::man(&options, crate::Cli::command(), output),
        Verb::Demo(options) => demo::run(&options, output),
    }
}
