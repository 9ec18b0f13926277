//! What can be wrong with an object.

use crate::assembler::AsmError;

/// Why an object, or a program in it, cannot be used. `Display` is one line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ObjectError {
    /// It is something else.
    #[error("no relocatable BPF object of 64 bits, little endian: {what}")]
    Other {
        /// What it is.
        what: String,
    },
    /// It contradicts itself, or ends too early.
    #[error("broken object: {what}")]
    Broken {
        /// What is wrong, and where.
        what: String,
    },
    /// More of something than is looked at.
    #[error("{got} {what}; the limit is {limit}")]
    Limit {
        /// Of what.
        what: &'static str,
        /// How many.
        got: usize,
        /// Most.
        limit: usize,
    },
    /// There is no such program.
    #[error("no program is called {name:?}; there are: {}", names(known))]
    NoProgram {
        /// The name.
        name: String,
        /// Those that there are.
        known: Vec<String>,
    },
    /// None, or more than one, where one is needed.
    #[error("{} programs, and none was chosen: {}", known.len(), names(known))]
    Choice {
        /// Those that there are.
        known: Vec<String>,
    },
    /// The section does not say of which type a program is, or of one that is not loaded here.
    #[error("program {program:?} is in section {section:?}, which is no type that is loaded here")]
    ProgramType {
        /// The program.
        program: String,
        /// Its section.
        section: String,
    },
    /// Something that takes more than this loader.
    #[error("{place}: {what}")]
    Unsupported {
        /// Where, as section and byte, or the name of a map.
        place: String,
        /// What.
        what: String,
    },
    /// Bytes that are no instruction.
    #[error("{place}: {what}")]
    Instruction {
        /// Where, as section and byte.
        place: String,
        /// The field and its value.
        what: String,
    },
    /// The functions do not make a program.
    #[error("the functions of program {program:?} do not fit together")]
    Structure {
        /// The program.
        program: String,
        /// Why not.
        source: AsmError,
    },
}

impl ObjectError {
    /// One sentence of advice, or nothing.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Other { .. } => Some("clang makes one with: -target bpf -O2 -g -c"),
            Self::Broken { .. } | Self::Limit { .. } => Some("is it the right file, and whole?"),
            Self::NoProgram { .. } | Self::Choice { .. } => {
                Some("choose with --program; `hardwire disasm FILE` shows all")
            }
            Self::ProgramType { .. } => {
                Some("xdp, tc and socket programs are; say with --type which of them it is")
            }
            Self::Unsupported { .. } | Self::Instruction { .. } | Self::Structure { .. } => None,
        }
    }

    pub(super) fn broken(what: impl Into<String>) -> Self {
        Self::Broken { what: what.into() }
    }
}

/// A few names on one line.
fn names(known: &[String]) -> String {
    const SHOWN_MAX: usize = 20;
    let shown: Vec<_> = known.iter().take(SHOWN_MAX).map(String::as_str).collect();
    match (shown.is_empty(), known.len() - shown.len()) {
        (true, _) => "none".to_owned(),
        (false, 0) => shown.join(", "),
        (false, more) => format!("{} and {more} more", shown.join(", ")),
    }
}
