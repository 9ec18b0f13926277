//! `hardwire completions` and `hardwire man`: what packages install beside the binary, made from the
//! same description of the command line that reads it.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::{fs, io};

use clap::{Args, Command};
use clap_complete::Shell;

use crate::Ending;
use crate::failure::{Failure, Problem};
use crate::output::Output;

const COMPLETIONS_EXAMPLES: &str = "\
Examples:
  hardwire completions bash > /usr/share/bash-completion/completions/hardwire
  hardwire completions zsh > /usr/share/zsh/site-functions/_hardwire
  hardwire completions fish > /usr/share/fish/vendor_completions.d/hardwire.fish";

/// Options of `completions`.
#[derive(Args)]
#[command(after_help = COMPLETIONS_EXAMPLES)]
pub(crate) struct CompletionsOptions {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

/// Options of `man`.
#[derive(Args)]
pub(crate) struct ManOptions {
    /// The folder they are written to; it is made if it is not there
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

/// Run `completions`.
pub(crate) fn completions(
    options: &CompletionsOptions,
    mut command: Command,
    output: &mut Output,
) -> Result<Ending, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(options.shell, &mut command, "hardwire", &mut script);
    output.write_all(&script)?;
    Ok(Ending::Done)
}

/// Run `man`.
pub(crate) fn man(
    options: &ManOptions,
    mut command: Command,
    output: &mut Output,
) -> Result<Ending, Failure> {
    let folder = &options.folder;
    let because = |path: &Path, error: &io::Error| {
        Problem::because(format!("cannot write {}", path.display()), error)
            .hint("name a folder that can be written to")
    };
    fs::create_dir_all(folder).map_err(|error| because(folder, &error))?;
    command.build();
    let verbs =
        command.get_subcommands().filter(|verb| verb.get_name() != "help" && !verb.is_hide_set());
    let mut count = 0;
    for page in std::iter::once(&command).chain(verbs) {
        // Of a verb the whole command, as in `man hardwire-attach`.
        let name = page.get_display_name().unwrap_or(page.get_name());
        let path = folder.join(format!("{name}.1"));
        let mut text = Vec::new();
        let man = clap_mangen::Man::new(page.clone());
        let source = concat!("hardwire ", env!("CARGO_PKG_VERSION"));
        man.source(source).render(&mut text)?;
        fs::write(&path, text).map_err(|error| because(&path, &error))?;
        count += 1;
    }
    output.note(format!("{count} pages are in {}", folder.display()));
    Ok(Ending::Done)
}
