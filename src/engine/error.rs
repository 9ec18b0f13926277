//! Why an engine could not answer.

use crate::{
    compiler::{CompileError, event::Counters},
    loader::error::{LoadError, MapError, TestRunError},
    vm::{SetupError, Trap},
};

/// An engine could not be set up, or could not answer for an input.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// There is no program.
    #[error("the program could not be compiled")]
    Compile(#[from] CompileError),
    /// The kernel did not take the program.
    #[error("the kernel did not take the program")]
    Load(#[from] LoadError),
    /// The vm did not take the program.
    #[error("the vm did not take the program")]
    Setup(#[from] SetupError),
    /// The program trapped in the vm.
    #[error("the program trapped in the vm")]
    Trap(#[from] Trap),
    /// A map could not be read.
    #[error("the program's counters could not be read")]
    Map(#[from] MapError),
    /// The kernel cannot be given so short an input.
    #[error("an input of {bytes} bytes; the kernel engine takes {limit} and more")]
    TooShort {
        /// The input.
        bytes: usize,
        /// The shortest one.
        limit: usize,
    },
    /// The kernel cannot be given so long an input.
    #[error("an input of {bytes} bytes is longer than BPF_PROG_TEST_RUN takes")]
    TooLong {
        /// The input.
        bytes: usize,
    },
    /// The kernel did not run the program.
    #[error("the kernel did not run the program")]
    TestRun(#[from] TestRunError),
    /// The counters of one run do not fit together: a bug in the generated code.
    #[error("the program counted something impossible for one frame: {counted:?}")]
    Counters {
        /// What it counted.
        counted: Box<Counters>,
    },
    /// The program returned a value that none of its verdicts has.
    #[error("the program returned {returned}, which is none of its verdicts")]
    Returned {
        /// The value.
        returned: u32,
    },
    /// The program has no counters, and so no outcome.
    #[error("the program was compiled without counters")]
    NoCounters,
}
