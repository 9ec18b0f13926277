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
        // What stands behind the options is given sections here: clap_mangen would fill its lines, and
        // examples with them.
        let man = clap_mangen::Man::new(page.clone().after_help(None).after_long_help(None));
        let source = concat!("hardwire ", env!("CARGO_PKG_VERSION"));
        man.source(source).render(&mut text)?;
        if let Some(after) = page.get_after_long_help().or_else(|| page.get_after_help()) {
            text.extend(sections(&after.to_string()).into_bytes());
        }
        fs::write(&path, text).map_err(|error| because(&path, &error))?;
        count += 1;
    }
    output.note(format!("{count} pages are in {}", folder.display()));
    Ok(Ending::Done)
}

/// The sections of a man page for what stands behind the options of a help text. Indented lines are
/// verbatim; those below `Examples:` are a section, and all that is not indented is another.
fn sections(after: &str) -> String {
    let mut roff = String::new();
    let (mut verbatim, mut noted) = (false, false);
    for line in after.lines() {
        let indented = line.starts_with(' ');
        if verbatim && !indented {
            roff += ".EE\n";
        }
        if indented && !verbatim {
            roff += ".PP\n.EX\n";
        }
        verbatim = indented;
        match line {
            "Examples:" => roff += ".SH EXAMPLES\n",
            "" => roff += ".PP\n",
            _ => {
                if !indented && !noted {
                    roff += ".SH NOTES\n";
                    noted = true;
                }
                roff += &escaped(line);
                roff.push('\n');
            }
        }
    }
    if verbatim {
        roff += ".EE\n";
    }
    roff
}

/// A line of text for roff, in which every character is what it is: to be copied into a shell.
fn escaped(line: &str) -> String {
    // A point or a quote at the beginning would make it a request.
    let mut escaped = String::from(r"\&");
    for character in line.chars() {
        match character {
            '\\' => escaped += r"\e",
            '-' => escaped += r"\-",
            '\'' => escaped += r"\(aq",
            '`' => escaped += r"\(ga",
            '^' => escaped += r"\(ha",
            '~' => escaped += r"\(ti",
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn examples_are_verbatim_and_the_rest_is_paragraphs() {
        let after =
            "Examples:\n  printf '\\n' | a -e 'x  y'\n    .more\n\nOne,\ntwo.\n\nThree:\n  four";
        let want = concat!(
            ".SH EXAMPLES\n.PP\n.EX\n",
            r"\&  printf \(aq\en\(aq | a \-e \(aqx  y\(aq",
            "\n",
            r"\&    .more",
            "\n.EE\n.PP\n.SH NOTES\n\\&One,\n\\&two.\n.PP\n\\&Three:\n.PP\n.EX\n\\&  four\n.EE\n",
        );
        assert_eq!(sections(after), want);
    }
}
