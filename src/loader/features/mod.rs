//! What the running kernel can do, found out by doing it.
//!
//! A probe loads or creates the smallest object that needs the feature and has three outcomes; one
//! that cannot tell says why and is not remembered. Versions never decide, because vendors
//! backport; [`Feature::since`] is for messages and for testing the probes themselves. Probes leave
//! nothing behind and attach nothing.

mod probes;

use std::{fs, io, sync::OnceLock};

use super::{
    LoadError, LoadOptions, Program,
    capability::{self, Capabilities, Capability, list, setcap},
    host,
};
use crate::assembler::{KernelVersion, MapKind, ProgramKind, Target};

/// The outcome of one probe.
#[derive(Debug)]
pub enum Support {
    /// The kernel accepted a minimal use of the feature.
    Yes,
    /// The kernel does not know the feature, or forbids it to this process for good.
    No,
    /// The probe could not tell, usually for lack of privilege. Never remembered.
    Unknown(io::Error),
}

impl Support {
    /// Was the feature seen to work?
    pub const fn is_yes(&self) -> bool {
        matches!(self, Self::Yes)
    }

    /// `yes`, `no` or `unknown`.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Yes => "yes",
            Self::No => "no",
            Self::Unknown(_) => "unknown",
        }
    }
}

/// What a feature depends on, besides the release.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depends {
    /// Nothing.
    Release,
    /// The capabilities of this process.
    Privilege,
    /// How the kernel was built or configured.
    Configuration,
}

/// A feature and how to look for it.
#[derive(Debug)]
pub struct Feature {
    /// Its name in machine formats.
    pub name: &'static str,
    /// What it is and what Hardwire uses it for.
    pub what: &'static str,
    /// First mainline release that has it; never consulted to decide support.
    pub since: KernelVersion,
    /// What else it depends on.
    pub depends: Depends,
    probe: fn() -> Support,
    known: OnceLock<bool>,
}

impl Feature {
    const fn new(
        name: &'static str,
        what: &'static str,
        since: (u16, u16),
        depends: Depends,
        probe: fn() -> Support,
    ) -> Self {
        let since = KernelVersion::new(since.0, since.1);
        Self { name, what, since, depends, probe, known: OnceLock::new() }
    }

    /// Does this kernel have it? A conclusive answer is remembered for the life of the process.
    pub fn support(&self) -> Support {
        match self.known.get() {
            Some(true) => return Support::Yes,
            Some(false) => return Support::No,
            None => {}
        }
        let outcome = (self.probe)();
        match &outcome {
            Support::Yes => drop(self.known.set(true)),
            Support::No => drop(self.known.set(false)),
            Support::Unknown(_) => {}
        }
        outcome
    }
}

/// Does `outcome` contradict the version?
///
/// A `Yes` on an older kernel is a backport and fine. A `No` on a newer one means that either the
/// probe or `since` is wrong, unless more than the release decides.
pub fn contradicts(feature: &Feature, outcome: &Support, running: KernelVersion) -> bool {
    feature.depends == Depends::Release
        && matches!(outcome, Support::No)
        && running >= feature.since
}

/// Loops that the verifier follows.
pub static BOUNDED_LOOPS: Feature = Feature::new(
    "bounded_loops",
    "loops with a counter: every search is one",
    (5, 3),
    Depends::Privilege,
    || probes::loads(ProgramKind::SocketFilter, probes::bounded_loop),
);
/// `may_goto`.
pub static MAY_GOTO: Feature = Feature::new(
    "may_goto",
    "loops that need no proof of their length",
    (6, 9),
    Depends::Release,
    || probes::loads(ProgramKind::SocketFilter, probes::may_goto),
);
/// `gotol`.
pub static GOTOL: Feature =
    Feature::new("gotol", "jumps with 32-bit offsets", (6, 6), Depends::Release, probes::gotol);
/// ISA v3.
pub static ISA_V3: Feature = Feature::new(
    "isa_v3",
    "32-bit arithmetic and 32-bit compares",
    (5, 1),
    Depends::Release,
    || probes::loads(ProgramKind::SocketFilter, probes::isa_v3),
);
/// ISA v4.
pub static ISA_V4: Feature = Feature::new(
    "isa_v4",
    "sign extension, signed division, byte swap",
    (6, 6),
    Depends::Release,
    || probes::loads(ProgramKind::SocketFilter, probes::isa_v4),
);
/// Multi-buffer XDP.
pub static XDP_FRAGS: Feature = Feature::new(
    "xdp_frags",
    "XDP on frames of several buffers",
    (5, 18),
    Depends::Release,
    || probes::loads(ProgramKind::Xdp, probes::xdp_frags),
);
/// Differences of pointers.
pub static PERFMON: Feature = Feature::new(
    "perfmon",
    "arithmetic with pointers and unknown offsets: the fast scan",
    (5, 8),
    Depends::Privilege,
    || probes::loads(ProgramKind::SocketFilter, probes::pointer_difference),
);
/// Tail calls beside functions.
pub static TAIL_CALLS: Feature = Feature::new(
    "tail_calls",
    "tail calls in programs with functions: sets too large for one program",
    (5, 10),
    Depends::Configuration,
    || probes::loads(ProgramKind::SocketFilter, probes::tail_call_beside_a_function),
);
/// Ring buffers.
pub static RINGBUF: Feature =
    Feature::new("ringbuf", "ring buffers for events", (5, 8), Depends::Release, || {
        probes::creates(MapKind::RingBuf, 0, 0, 65_536)
    });
/// Atomic operations with a result.
pub static ATOMIC_FETCH: Feature = Feature::new(
    "atomic_fetch",
    "atomic operations that return the old value: limits that all CPUs share",
    (5, 12),
    Depends::Configuration,
    || probes::loads(ProgramKind::SocketFilter, probes::atomic_fetch),
);
/// XDP by bpf_link.
pub static XDP_LINK: Feature = Feature::new(
    "xdp_link",
    "XDP held by a bpf_link that goes with the process",
    (5, 9),
    Depends::Release,
    probes::xdp_link,
);
/// Classifiers by bpf_link.
pub static TCX: Feature = Feature::new(
    "tcx",
    "classifiers held by a bpf_link that goes with the process (TCX)",
    (6, 6),
    Depends::Configuration,
    probes::tcx,
);
/// Test runs of XDP.
pub static TEST_RUN_XDP: Feature = Feature::new(
    "test_run_xdp",
    "running XDP programs on given bytes",
    (4, 12),
    Depends::Release,
    || probes::runs(ProgramKind::Xdp),
);
/// Test runs of socket filters.
pub static TEST_RUN_SOCKET: Feature = Feature::new(
    "test_run_socket",
    "running socket filters on given bytes",
    (4, 12),
    Depends::Release,
    || probes::runs(ProgramKind::SocketFilter),
);
/// Batch lookup in arrays.
pub static BATCH: Feature =
    Feature::new("batch", "reading an array map with one call", (5, 6), Depends::Release, || {
        probes::batch(MapKind::Array)
    });
/// Batch lookup in per-CPU arrays.
pub static BATCH_PER_CPU: Feature = Feature::new(
    "batch_per_cpu",
    "reading a per-CPU array map with one call",
    (5, 13),
    Depends::Release,
    || probes::batch(MapKind::PerCpuArray),
);
/// The kernel's own substring search.
pub static STRNSTR: Feature = Feature::new(
    "bpf_strnstr",
    "the kernel's own substring search, which the benchmark compares with",
    (6, 17),
    Depends::Configuration,
    probes::strnstr,
);
/// The JIT compiler.
pub static JIT: Feature = Feature::new(
    "jit",
    "programs become machine code",
    (3, 18),
    Depends::Configuration,
    probes::jit,
);
/// Type information of the kernel.
pub static BTF: Feature = Feature::new(
    "btf",
    "the kernel describes its own types: kernel functions, tracing",
    (5, 4),
    Depends::Configuration,
    probes::has_btf,
);
/// Types and lines of our own programs.
pub static PROGRAM_TYPES: Feature = Feature::new(
    "program_types",
    "programs that say what they are: the verifier's log and bpftool name the pattern",
    (5, 6),
    Depends::Release,
    probes::program_types,
);
/// Programs at the entry of kernel functions.
pub static FENTRY: Feature = Feature::new(
    "fentry",
    "programs at the entry of kernel functions",
    (5, 5),
    Depends::Configuration,
    || probes::at_function(&probes::FENTRY),
);
/// Programs at the hooks of Linux security modules.
pub static LSM: Feature = Feature::new(
    "lsm",
    "programs at the hooks of security modules",
    (5, 7),
    Depends::Configuration,
    || probes::at_function(&probes::LSM),
);

/// All of them, in the order in which to show them.
pub static ALL: [&Feature; 22] = [
    &ISA_V3,
    &ISA_V4,
    &BOUNDED_LOOPS,
    &MAY_GOTO,
    &GOTOL,
    &PERFMON,
    &XDP_FRAGS,
    &XDP_LINK,
    &TCX,
    &TAIL_CALLS,
    &RINGBUF,
    &ATOMIC_FETCH,
    &BATCH,
    &BATCH_PER_CPU,
    &TEST_RUN_XDP,
    &TEST_RUN_SOCKET,
    &STRNSTR,
    &JIT,
    &BTF,
    &PROGRAM_TYPES,
    &FENTRY,
    &LSM,
];

/// Why the kernel could not be asked what it can do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProbeError {
    /// There is no `bpf(2)` here.
    #[error("this kernel has no bpf(2)")]
    NoBpf,
    /// This process may not load even the smallest program.
    #[error("probing the kernel is not permitted: missing {}", list(missing))]
    Privilege {
        /// Capabilities that this process lacks.
        missing: Vec<Capability>,
    },
    /// Not even the smallest program loads.
    #[error("the smallest program does not load")]
    Kernel {
        /// Why not.
        source: Box<LoadError>,
    },
    /// The version of the kernel is not known.
    #[error("the version of the running kernel cannot be read")]
    Version {
        /// Why not.
        source: io::Error,
    },
}

impl ProbeError {
    /// One sentence of advice, or nothing.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NoBpf => LoadError::NoBpf.hint(),
            Self::Privilege { missing } if missing.is_empty() => {
                Some("a container's user namespace, an LSM or lockdown forbids it".to_owned())
            }
            Self::Privilege { .. } => {
                Some(format!("run as root, or `{}`", setcap(&Capability::ATTACH)))
            }
            Self::Kernel { source } => source.hint(),
            Self::Version { .. } => Some("mount procfs on /proc".to_owned()),
        }
    }
}

/// The running kernel, with the rights of this process, as a compiler's target.
///
/// What a probe could not tell counts as absent: code without it runs anyway.
///
/// # Errors
///
/// [`ProbeError`] if not even the smallest program can be loaded.
pub fn target() -> Result<Target, ProbeError> {
    let version = host::version().map_err(|source| ProbeError::Version { source })?;
    match Program::load(&probes::returning(ProgramKind::SocketFilter), &LoadOptions::default()) {
        Ok(_) => {}
        Err(LoadError::NoBpf) => return Err(ProbeError::NoBpf),
        Err(LoadError::Privilege { missing, .. }) => return Err(ProbeError::Privilege { missing }),
        Err(other) => return Err(ProbeError::Kernel { source: Box::new(other) }),
    }
    let bpf = Capabilities::of_process().is_ok_and(|c| c.covers(Capability::Bpf));
    let newest = Target::newest();
    Ok(Target {
        version,
        // Without CAP_BPF no loop loads, nor does anything else that is generated: that is what the
        // load will say, and the program can be reviewed until then.
        bounded_loops: !bpf || BOUNDED_LOOPS.support().is_yes(),
        may_goto: MAY_GOTO.support().is_yes(),
        gotol: GOTOL.support().is_yes(),
        xdp_frags: XDP_FRAGS.support().is_yes(),
        perfmon: PERFMON.support().is_yes(),
        tail_calls: TAIL_CALLS.support().is_yes(),
        ringbuf: RINGBUF.support().is_yes(),
        atomic_fetch: ATOMIC_FETCH.support().is_yes(),
        slots_max: if bpf { newest.slots_max } else { 4096 },
    })
}

/// What `kernel.unprivileged_bpf_disabled` says: 0 everybody may load socket filters, 1 and 2
/// nobody without `CAP_BPF`; nothing if it cannot be read.
pub fn unprivileged_bpf_disabled() -> Option<u8> {
    let text = fs::read_to_string("/proc/sys/kernel/unprivileged_bpf_disabled").ok()?;
    text.trim().parse().ok()
}

/// Capabilities that attaching with the fast scan needs and this process lacks.
pub fn missing_to_attach() -> Vec<Capability> {
    capability::missing(&Capability::ATTACH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_no_on_a_new_kernel_contradicts_and_only_if_the_release_decides() {
        let feature = |depends| Feature::new("f", "", (6, 9), depends, || Support::Yes);
        let old = KernelVersion::new(6, 1);
        let new = KernelVersion::new(6, 9);
        let release = feature(Depends::Release);
        let unknown = Support::Unknown(io::Error::from_raw_os_error(libc::EPERM));
        assert!(contradicts(&release, &Support::No, new));
        assert!(!contradicts(&release, &Support::No, old));
        assert!(!contradicts(&release, &Support::Yes, old), "a backport");
        assert!(!contradicts(&release, &unknown, new));
        assert!(!contradicts(&feature(Depends::Privilege), &Support::No, new));
        assert!(!contradicts(&feature(Depends::Configuration), &Support::No, new));
    }

    #[test]
    fn only_conclusive_outcomes_are_remembered() {
        use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
        static ASKED: AtomicU32 = AtomicU32::new(0);
        static FICKLE: Feature =
            Feature::new("f", "", (5, 1), Depends::Release, || match ASKED.fetch_add(1, SeqCst) {
                0 => Support::Unknown(io::Error::from_raw_os_error(libc::EPERM)),
                1 => Support::Yes,
                _ => Support::No,
            });
        assert_eq!(FICKLE.support().name(), "unknown");
        assert_eq!(FICKLE.support().name(), "yes");
        assert_eq!(FICKLE.support().name(), "yes");
        assert_eq!(ASKED.load(SeqCst), 2);
    }

    #[test]
    fn names_are_unique_and_fit_a_machine_format() {
        let mut names: Vec<_> = ALL.iter().map(|f| f.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), ALL.len());
        assert!(names.iter().all(|n| n.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')));
    }
}
