//! What can go wrong between an image and the kernel.
//!
//! `Display` is one line and never repeats its `source()`; `hint()` says what to do next.

use std::io;

use super::{
    PinError, VerifierLog,
    capability::{Capability, list, setcap},
};
use crate::assembler::MapKind;

/// Why a map could not be created, read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MapError {
    /// The kernel takes no such name.
    #[error("map name {name:?}: at most {limit} letters, digits, `_` and `.`")]
    Name {
        /// The name.
        name: String,
        /// Most bytes.
        limit: usize,
    },
    /// `BPF_MAP_CREATE` failed.
    #[error(
        "creating map {name:?} ({}, {entries} entries, keys of {key_bytes} bytes, values of \
         {value_bytes})", kind.name()
    )]
    Create {
        /// The map.
        name: String,
        /// Its type.
        kind: MapKind,
        /// Bytes of a key.
        key_bytes: u32,
        /// Bytes of a value.
        value_bytes: u32,
        /// Entries.
        entries: u32,
        /// Capabilities that this process lacks.
        missing: Vec<Capability>,
        /// The kernel's answer.
        source: io::Error,
    },
    /// The number of CPUs is not known, so neither is the size of a per-CPU value.
    #[error("cannot find out how many CPUs a per-CPU map has values for")]
    Cpus {
        /// Why.
        source: io::Error,
    },
    /// A map of a kind that Hardwire does not make.
    #[error("map {name:?} is of type {kind}, which Hardwire does not make")]
    Kind {
        /// The map.
        name: String,
        /// The kernel's number of its type.
        kind: u32,
    },
    /// A pin could not be made or opened.
    #[error(transparent)]
    Pin(#[from] PinError),
    /// A value has not the map's size.
    #[error("map {name:?} has values of {want} bytes, not {got}")]
    ValueLength {
        /// The map.
        name: String,
        /// Bytes given.
        got: usize,
        /// Bytes of the map's values.
        want: usize,
    },
    /// Only arrays can be read as a whole.
    #[error("map {name:?} is no array but a {}", kind.name())]
    NotAnArray {
        /// The map.
        name: String,
        /// Its type.
        kind: MapKind,
    },
    /// An access failed.
    #[error("cannot {action} map {name:?}")]
    Access {
        /// The map.
        name: String,
        /// What was tried: `update`.
        action: &'static str,
        /// The kernel's answer.
        source: io::Error,
    },
}

impl MapError {
    /// One sentence of advice, or nothing.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Create { source, missing, .. } => creation_hint(source, missing),
            Self::Cpus { .. } => Some("mount sysfs on /sys".to_owned()),
            Self::Name { .. } => Some("choose another name".to_owned()),
            Self::Access { source, .. } if source.raw_os_error() == Some(libc::EPERM) => {
                Some(format!("run as root, or `{}`", setcap(&[Capability::Bpf])))
            }
            Self::Pin(error) => error.hint().map(str::to_owned),
            Self::ValueLength { .. }
            | Self::NotAnArray { .. }
            | Self::Kind { .. }
            | Self::Access { .. } => None,
        }
    }
}

fn creation_hint(source: &io::Error, missing: &[Capability]) -> Option<String> {
    match source.raw_os_error()? {
        libc::ENOSYS => Some(NO_BPF_HINT.to_owned()),
        libc::EPERM if missing.is_empty() => Some(NO_CAPABILITY_MISSING.to_owned()),
        libc::EPERM => Some(format!("run as root, or `{}`", setcap(missing))),
        libc::ENOMEM | libc::E2BIG => Some(
            "the kernel has no room for it: fewer patterns, or smaller maps, need less".to_owned(),
        ),
        libc::EINVAL => Some("this kernel does not know such maps: `hardwire features`".to_owned()),
        _ => None,
    }
}

const NO_BPF_HINT: &str = "this kernel was built without CONFIG_BPF_SYSCALL, or a sandbox \
                           (seccomp, gVisor) hides it; --engine vm needs no kernel";
const NO_CAPABILITY_MISSING: &str = "no capability is missing: a container's user namespace, an \
                                     LSM or lockdown forbids it";

/// Why an image could not be loaded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// There is no `bpf(2)` here.
    #[error("this kernel has no bpf(2)")]
    NoBpf,
    /// The image itself cannot be loaded by any kernel.
    #[error("program {name:?}: {what}")]
    Image {
        /// The program.
        name: String,
        /// What is wrong with it.
        what: String,
    },
    /// A map of the image could not be made.
    #[error("program {name:?} needs a map that cannot be made")]
    Map {
        /// The program.
        name: String,
        /// Why not.
        #[source]
        source: MapError,
    },
    /// This process may not load such programs.
    #[error("loading {kind} program {name:?} is not permitted: missing {}", list(missing))]
    Privilege {
        /// The program.
        name: String,
        /// Its type, the kernel's name.
        kind: &'static str,
        /// Capabilities that this process lacks.
        missing: Vec<Capability>,
        /// The kernel's answer.
        source: io::Error,
    },
    /// More slots than this process may load.
    #[error("program {name:?} has {slots} slots; this process may load {limit}")]
    TooLarge {
        /// The program.
        name: String,
        /// Its slots.
        slots: usize,
        /// Most slots: 4096, or a million with `CAP_BPF`.
        limit: u32,
    },
    /// The verifier said no.
    #[error("the verifier rejected program {name:?} {log}")]
    Rejected {
        /// The program.
        name: String,
        /// What the log says.
        log: Box<VerifierLog>,
        /// The kernel's answer.
        source: io::Error,
    },
    /// The kernel said no without a log.
    #[error("the kernel refused program {name:?} without a log")]
    Refused {
        /// The program.
        name: String,
        /// The kernel's answer.
        source: io::Error,
    },
}

impl LoadError {
    /// One sentence of advice, or nothing.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NoBpf => Some(NO_BPF_HINT.to_owned()),
            Self::Map { source, .. } => source.hint(),
            Self::Privilege { missing, .. } if missing.is_empty() => {
                Some(NO_CAPABILITY_MISSING.to_owned())
            }
            Self::Privilege { missing, .. } => {
                Some(format!("run as root, or `{}`", setcap(missing)))
            }
            Self::TooLarge { limit: 4096, .. } => {
                Some(format!("CAP_BPF raises the limit: `{}`", setcap(&[Capability::Bpf])))
            }
            Self::Rejected { log, .. } => {
                let said = [log.explanation.as_deref(), log.advice.as_deref()];
                let said: Vec<_> = said.into_iter().flatten().collect();
                (!said.is_empty()).then(|| said.join(": "))
            }
            Self::TooLarge { .. } => Some("split the set over several programs".to_owned()),
            Self::Refused { source, .. } => refusal_hint(source),
            Self::Image { .. } => None,
        }
    }

    /// The verifier's log, if it rejected the program.
    pub fn verifier_log(&self) -> Option<&VerifierLog> {
        match self {
            Self::Rejected { log, .. } => Some(log),
            Self::NoBpf
            | Self::Image { .. }
            | Self::Map { .. }
            | Self::Privilege { .. }
            | Self::TooLarge { .. }
            | Self::Refused { .. } => None,
        }
    }
}

fn refusal_hint(source: &io::Error) -> Option<String> {
    let advice = match source.raw_os_error()? {
        libc::EINVAL => {
            "it may be for a newer kernel than this: `hardwire features` shows what this one has, \
             and without --target programs are made for it"
        }
        libc::ENOMEM => "there is no memory for it: fewer or shorter patterns need less",
        libc::EAGAIN => "the kernel was interrupted again and again: try once more",
        _ => return None,
    };
    Some(advice.to_owned())
}

/// Why a test run did not happen.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TestRunError {
    /// The kernel takes no such short packet.
    #[error("BPF_PROG_TEST_RUN takes packets of {limit} bytes and more, not {bytes}")]
    TooShort {
        /// Bytes given.
        bytes: usize,
        /// Fewest bytes: an Ethernet header.
        limit: usize,
    },
    /// The kernel takes no packet of this size.
    #[error("BPF_PROG_TEST_RUN refused a packet of {bytes} bytes")]
    PacketSize {
        /// Bytes given.
        bytes: usize,
        /// The kernel's answer.
        source: io::Error,
    },
    /// Programs of this type cannot be run.
    #[error("BPF_PROG_TEST_RUN does not run programs of type {prog_type}")]
    NotRunnable {
        /// The kernel's number of the type.
        prog_type: u32,
    },
    /// The packet grew beyond the buffer.
    #[error("the packet had {bytes} bytes and grew by more than {room}")]
    Grew {
        /// Bytes given.
        bytes: usize,
        /// Bytes by which it may grow.
        room: usize,
    },
    /// Anything else.
    #[error("BPF_PROG_TEST_RUN with a packet of {bytes} bytes failed")]
    Kernel {
        /// Bytes given.
        bytes: usize,
        /// The kernel's answer.
        source: io::Error,
    },
}

impl TestRunError {
    /// One sentence of advice, or nothing.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::PacketSize { .. } => Some(
                "socket filters take about 3,700 bytes, XDP without fragments about 3,500 and with \
                 fragments about 69,000"
                    .to_owned(),
            ),
            Self::Kernel { source, .. } if source.raw_os_error() == Some(libc::EPERM) => Some(
                format!("run as root, or `{}`", setcap(&[Capability::Bpf, Capability::NetAdmin])),
            ),
            Self::TooShort { .. }
            | Self::NotRunnable { .. }
            | Self::Grew { .. }
            | Self::Kernel { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn os(errno: i32) -> io::Error {
        io::Error::from_raw_os_error(errno)
    }

    fn privilege(missing: &[Capability]) -> LoadError {
        LoadError::Privilege {
            name: "p".to_owned(),
            kind: "xdp",
            missing: missing.to_vec(),
            source: os(libc::EPERM),
        }
    }

    #[test]
    fn a_kernel_without_bpf_says_what_works_without_it() {
        assert_eq!(LoadError::NoBpf.to_string(), "this kernel has no bpf(2)");
        assert!(LoadError::NoBpf.hint().expect("advice").contains("CONFIG_BPF_SYSCALL"));
        let map = MapError::Create {
            name: "m".to_owned(),
            kind: MapKind::Hash,
            key_bytes: 4,
            value_bytes: 8,
            entries: 1,
            missing: Vec::new(),
            source: os(libc::ENOSYS),
        };
        assert!(map.hint().expect("advice").contains("CONFIG_BPF_SYSCALL"));
    }

    #[test]
    fn advice_names_the_capabilities_that_are_missing_and_nothing_if_none_is() {
        let hint = privilege(&[Capability::Bpf, Capability::NetAdmin]).hint().expect("advice");
        assert_eq!(hint, "run as root, or `setcap cap_bpf,cap_net_admin+ep $(which hardwire)`");
        let hint = privilege(&[]).hint().expect("advice");
        assert!(hint.contains("user namespace") && !hint.contains("setcap"), "{hint}");
        let large = |limit| LoadError::TooLarge { name: "p".to_owned(), slots: 5000, limit };
        assert!(large(4096).hint().expect("advice").contains("cap_bpf"));
        assert!(large(1_000_000).hint().expect("advice").contains("split"));
        assert_eq!(
            large(4096).to_string(),
            "program \"p\" has 5000 slots; this process may load 4096"
        );
    }
}
