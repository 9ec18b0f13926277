//! What the live part stands on: a program that the kernel has accepted, and two hosts.

use std::io;
use std::time::{Duration, Instant};

use hardwire::assembler::ProgramImage;
use hardwire::compiler::Entry;
use hardwire::compiler::ir::Matcher;
use hardwire::engine::{EngineError, Kernel};
use hardwire::loader::{Capability, LoadError, MapError, Program, ProgramInfo, capability};
use hardwire::netlink::Lab;

use super::problem;
use super::story::Story;
use crate::engine;
use crate::failure::{Failure, Problem};
use crate::output::grouped;

/// What the whole demo needs.
const NEEDED: [Capability; 4] =
    [Capability::Bpf, Capability::NetAdmin, Capability::Perfmon, Capability::SysAdmin];

/// Why the live part is left out.
pub(super) struct LeftOut {
    /// In words.
    pub(super) why: String,
    /// Capabilities that this process lacks.
    pub(super) missing: Vec<Capability>,
}

/// What needs privileges to be there: a program that the kernel has accepted, and two hosts.
pub(super) struct Stage<'a> {
    /// The program in the kernel.
    pub(super) kernel: Kernel<'a>,
    /// How long making its maps and loading it took.
    load_time: Duration,
    /// The hosts.
    pub(super) lab: Lab,
}

impl<'a> Stage<'a> {
    /// Load the program and make the hosts, or say why this process may not.
    ///
    /// # Errors
    ///
    /// The kernel refuses for another reason than a lack of privileges.
    pub(super) fn set(
        matcher: &'a Matcher,
        image: &ProgramImage,
    ) -> Result<Result<Self, LeftOut>, Failure> {
        let missing = capability::missing(&NEEDED);
        if !missing.is_empty() {
            let why = "It needs capabilities that this process does not have.".to_owned();
            return Ok(Err(LeftOut { why, missing }));
        }
        let refused = |problem: &Problem| {
            let why = format!("This process may not do it: {}.", problem.headline());
            Ok(Err(LeftOut { why, missing: Vec::new() }))
        };
        let since = Instant::now();
        let kernel = match Kernel::new(matcher, Entry::Xdp, image) {
            Ok(kernel) => kernel,
            Err(error) if is_forbidden(&error) => return refused(&engine::problem(&error)),
            Err(error) => return Err(engine::problem(&error).into()),
        };
        let load_time = since.elapsed();
        match Lab::new("demo") {
            Ok(lab) => Ok(Ok(Self { kernel, load_time, lab })),
            Err(error) if error.errno() == Some(libc::EPERM) => {
                refused(&problem(&error, error.hint()))
            }
            Err(error) => Err(problem(&error, error.hint()).into()),
        }
    }
}

/// Is this about what the process may do, and not about the program?
fn is_forbidden(error: &EngineError) -> bool {
    let EngineError::Load(error) = error else { return false };
    match error {
        LoadError::NoBpf | LoadError::Privilege { .. } => true,
        LoadError::Map { source: MapError::Create { source, .. }, .. } => {
            source.kind() == io::ErrorKind::PermissionDenied
        }
        LoadError::Image { .. }
        | LoadError::Map { .. }
        | LoadError::TooLarge { .. }
        | LoadError::Rejected { .. }
        | LoadError::Refused { .. }
        | _ => false,
    }
}

/// Tell what the verifier said, and return what the kernel knows of the program.
///
/// # Errors
///
/// The kernel does not tell.
pub(super) fn verify(story: &mut Story<'_>, stage: &Stage<'_>) -> Result<ProgramInfo, Failure> {
    story.begin(
        "verify",
        "Before it may run, the kernel proves that the program ends and touches nothing that it \
         may not; then it translates it to machine code.",
    )?;
    let info = info(stage.kernel.program())?;
    let cost = info.verified_insns.map_or_else(
        || "accepted".to_owned(),
        |insns| format!("accepted: {} of at most 1,000,000 steps", grouped(insns.into())),
    );
    let native = match info.jited_prog_len {
        0 => "not translated: there is no JIT here".to_owned(),
        bytes => format!("{} bytes of machine code", grouped(bytes.into())),
    };
    let ms = stage.load_time.as_secs_f64() * 1e3;
    story.claim(true, format!("{cost}, {ms:.1} ms; {native}"))?;
    story.finding("program_id", info.id);
    story.finding("processed", info.verified_insns);
    story.finding("load_us", u64::try_from(stage.load_time.as_micros()).unwrap_or(u64::MAX));
    story.finding("jited_bytes", info.jited_prog_len);
    Ok(info)
}

/// What the kernel knows of `program`.
///
/// # Errors
///
/// It does not tell.
pub(super) fn info(program: &Program) -> Result<ProgramInfo, Failure> {
    let told = program.info();
    Ok(told.map_err(|error| Problem::because("the kernel does not describe a program", &error))?)
}
